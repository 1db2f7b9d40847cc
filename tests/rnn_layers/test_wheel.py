"""The wheel: what `pip install` gets is enough to load a saved model."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STORED = Path(__file__).parent / "earlier_model"
LOAD_AND_COMPARE = """
import sys
import numpy as np
import keras
import rnn_layers
model = keras.models.load_model(sys.argv[1])
stored = np.load(sys.argv[2])
for name, values in model.predict(stored["ids"], verbose=0).items():
    np.testing.assert_allclose(values, stored[name], atol=1e-6)
print(rnn_layers.__file__)
"""


def run(folder, *words, **environment):
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_installed_wheel_loads_a_saved_model(tmp_path):
    """Pip takes what builds it from its index."""
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(ROOT / "rnn_layers", source / "rnn_layers")
    shutil.copy(ROOT / "pyproject.toml", source)
    run(source, "-m", "pip", "wheel", ".", "--no-deps", "-w", str(tmp_path))
    (wheel,) = tmp_path.glob("rnn_layers-*.whl")
    install = ("install", "--no-deps", "--target", str(site))
    run(tmp_path, "-m", "pip", *install, str(wheel))
    files = [STORED / "model.keras", STORED / "outputs.npz"]
    words = ("-c", LOAD_AND_COMPARE, *map(str, files))
    used = run(tmp_path, *words, PYTHONPATH=str(site))
    assert Path(used.splitlines()[-1]).is_relative_to(site)
    modules = [p.relative_to(site) for p in site.rglob("*.py")]
    ours = [p.relative_to(ROOT) for p in (ROOT / "rnn_layers").rglob("*.py")]
    assert sorted(modules) == sorted(ours)
