"""Copy a finished run as others need it, and check that it loads.

    make publish-sentiment ARGS="--run demo-gru --to my-model"
    make publish-sentiment ARGS="--run demo-gru --to hf://me/my-model"

What is copied: the model card `README.md`, the SavedModel, ONNX and LiteRT if
they were written, the Keras models, the configuration, words and labels, the
scores and the curve. What stays: backups, event files, samples, pages and
pictures that show the data, and paths of this machine. `hf://` uploads by
huggingface_hub, to a new private repository if there is none.
"""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from apps.common import card, checks, cli, digests, outcome, runs
from apps.common.terminal import echo
from data_pipelines.files.atomic import build_folder

HUB = "hf://"
# Of the folder itself. Texts of `samples.txt` are those of the data.
COPIED = ("*.keras", "*.txt", "config.json", "metrics.json", "curve.png")
LEFT = ("samples.txt",)
ROOT = Path(__file__).parents[2]

# In a process that knows nothing of us until the SavedModel is loaded.
CHECK = """
import glob, sys
import tensorflow as tf
for path in glob.glob("export/*"):
    tf.saved_model.load(path)
sys.path.insert(0, sys.argv[1])
import keras, rnn_layers
for path in glob.glob("*.keras"):
    keras.models.load_model(path, compile=False)
"""


@dataclasses.dataclass(frozen=True)
class Options(runs.Options):
    """Copy a finished run as others need it."""

    app: str = cli.flag("", "app of the run")
    to: str = cli.flag("", "new folder, or hf://owner/name")

    def check(self) -> None:
        """Refuse a run that is not finished, and what cannot be written."""
        super().check()
        if not self.to:
            raise cli.UserError("give --to FOLDER or --to hf://owner/name")
        if self.to.startswith(HUB):
            if not re.fullmatch(r"[\w.-]+/[\w.-]+", self.to[len(HUB) :]):
                raise cli.UserError(f"--to {self.to}: expected hf://owner/name")
        elif os.path.exists(self.to):
            raise cli.UserError(f"--to {self.to}: exists; give a new folder")
        else:
            checks.folder("to", self.to)
        run = runs.open_run(self.app, self.run, self.runs_path)
        if not run.finished:
            raise cli.UserError(f"{run.path} is unfinished; train it first")


def copy(run: runs.Run, folder: Path) -> None:
    """Copy what others need into a folder, and check that it loads.

    Raises:
        UserError: It does not load.
    """
    for pattern in COPIED:
        for path in run.path.glob(pattern):
            if path.name not in LEFT:
                shutil.copy2(path, folder)
    record, metrics = run.record, outcome.read_metrics(run.path)
    command = f"python -m apps.{run.app}.train"
    config = without_paths(record["config"])
    for name, value in {
        "config.json": {**record, "config": config, "command": command},
        "metrics.json": {**metrics, "command": command},
    }.items():
        text = json.dumps(value, indent=2) + "\n"
        (folder / name).write_text(text, "utf-8")
    digests.begin(folder)
    for form in ("export", "onnx", "litert"):
        if run.file(form).exists():
            shutil.copytree(run.file(form), folder / form)
    # Not among them: its licence is to be written in.
    if run.file(card.NAME).exists():
        shutil.copy2(run.file(card.NAME), folder)
    else:  # of a run of before
        card.write(folder, config, metrics)
    done = subprocess.run(
        [sys.executable, "-I", "-c", CHECK, str(ROOT)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        *_, last = done.stderr.strip().splitlines() or ["no reason"]
        raise cli.UserError(f"{run.path} does not load: {last[:300]}")


def without_paths(config: dict) -> dict:
    """Return a configuration in which no path of this machine is left."""
    return {
        name: Path(value).name
        if name.endswith("_path")
        or (
            name in ("encoder", "vectors", "from_run")
            and isinstance(value, str)
        )
        else value
        for name, value in config.items()
    }


def upload(folder: Path, name: str) -> str:
    """Upload a folder to a hub; return its address.

    Raises:
        UserError: huggingface_hub is not there, or the hub refuses.
    """
    try:
        import huggingface_hub
    except ModuleNotFoundError:
        raise cli.UserError(
            f"--to {HUB}{name} needs huggingface_hub; install it by"
            " .venv/bin/python -m pip install huggingface_hub"
        ) from None
    try:
        hub = huggingface_hub.HfApi()
        hub.create_repo(name, private=True, exist_ok=True)
        hub.upload_folder(repo_id=name, folder_path=folder)
    except (OSError, ValueError) as error:  # as all of the hub's are
        line = " ".join(str(error).split())[:300]
        raise cli.UserError(f"--to {HUB}{name}: {line}") from None
    return f"https://huggingface.co/{name}"


def main(options: Options) -> None:
    """Copy a run to a folder or a hub."""
    run = runs.open_run(options.app, options.run, options.runs_path)
    with tempfile.TemporaryDirectory(prefix="unroll-") as temporary:
        is_hub = options.to.startswith(HUB)
        folder = Path(temporary) / run.name if is_hub else Path(options.to)
        build_folder(folder, lambda workplace: copy(run, workplace))
        files = [path for path in folder.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        where = folder
        if is_hub:
            where = upload(folder, options.to[len(HUB) :])
    echo(f"{where}: {len(files)} files, {size / 2**20:.1f} MB; it loads")
    echo("choose a licence in README.md before you pass it on")


if __name__ == "__main__":
    cli.main(lambda: main(cli.command(Options)))
