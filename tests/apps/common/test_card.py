"""The model card of a run: what hubs read above, what people read below."""

import json
import re

import pytest

from apps.common import card
from tests.test_architecture import APPS

CONFIG = {
    **{"cell": "gru", "max_length": 50, "languages": "en-de", "fps": 0.0},
    **{"mode": "live", "preset": "smoke"},
}
RECORD = {
    "app": "sentiment",
    "run": "x: y",
    "dataset": "de<m>o|",
    "metrics": {"accuracy": 0.75, "roc_auc": None},
    "baselines": {"majority": {"accuracy": 0.5}},
    "examples": {"train": 1000, "valid": 10, "test": 20},
    "parameters": 12345,
    "epochs": 3,
    "train_seconds": 90.0,
    "device": "cpu (2 cores)",
    "seed": 0,
    "versions": {"keras": "3.15.1"},
    "commit": None,
}


def written(folder, **more):
    card.write(folder, CONFIG, {**RECORD, **more})
    return (folder / "README.md").read_text()


@pytest.mark.parametrize("app", [*APPS, "unknown"])
def test_hubs_can_read_the_head(tmp_path, app):
    text = written(tmp_path, app=app)
    head = re.fullmatch(r"---\n(.*?)\n---\n\n# x: y\n.*", text, re.DOTALL)[1]
    lines = head.splitlines()
    assert all(re.match(r" *(- )?\{?\w[\w-]*:|\s*- \{", line) for line in lines)
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    assert fields["license"] == "unknown"
    assert re.fullmatch("[a-z]+(-[a-z]+)*", fields["pipeline_tag"])
    # JSON is YAML, too.
    assert json.loads(fields["tags"]) == ["keras", "recurrent", "gru", app]
    assert json.loads(fields["- name"]) == "x: y"
    assert '- {type: "accuracy", value: 0.75}' in head
    assert "roc_auc" not in head


@pytest.mark.parametrize("app", APPS)
def test_people_read_how_to_use_it_and_its_limits(tmp_path, app):
    text = written(tmp_path, app=app)
    for heading in ("Scores on the test set", "How to use it", "Limits"):
        assert f"\n## {heading}\n" in text
    (first, *_) = re.findall("```python\n(.*?)```", text, re.DOTALL)
    assert len(first.splitlines()) <= 10
    for code in re.findall("```python\n(.*?)```", text, re.DOTALL):
        compile(code, "README.md", "exec")
    assert re.search(r"\| majority +\| 0.5000 +\| - +\|", text)
    assert re.search(r"\| model +\| 0.7500 +\| - +\|", text)
    # Nothing from the data ends a cell or begins a tag.
    assert "de&lt;m&gt;o\\|" in text
    assert "A smoke test: its scores mean nothing." in text


@pytest.mark.parametrize("app", APPS)
def test_a_run_of_before_may_lack_settings(tmp_path, app):
    card.write(tmp_path, {}, {**RECORD, "app": app, "versions": None})
    assert "## Limits" in (tmp_path / "README.md").read_text()


def signature(form, networks, **settings):
    ids = {"name": "ids", "shape": ["batch", 9], "dtype": "int32"}
    about = {
        "file": f"x{form}",
        "inputs": [{**ids, "meaning": "words | of <lines>"}],
        "outputs": [
            {"name": "y", "dimensions": 2, "dtype": "float32", "meaning": "m"}
        ],
    }
    networks = dict.fromkeys(networks, about)
    return json.dumps({"networks": networks, "settings": settings, "int8": 1})


@pytest.mark.parametrize(
    ("form", "networks", "settings", "line"),
    [
        ("onnx", ["net"], {}, 'y = network.run(None, {"ids": ids})'),
        ("onnx", ["encoder", "step"], {"never": [0]}, "ids=ids)"),
        ("onnx", ["step"], {"never": [0]}, "prompt=ids, length=20)"),
        ("litert", ["net"], {}, "answer = network(ids=ids)"),
    ],
)
def test_the_other_forms_are_added_in_place_of_what_was_said(
    tmp_path, form, networks, settings, line
):
    text = written(tmp_path)
    (tmp_path / "README.md").write_text(f"{text}\n## Mine\n\nby me\n")
    (tmp_path / form).mkdir()
    for count in (1, 2):
        said = signature(count, networks, **settings)
        (tmp_path / form / "signature.json").write_text(said)
        card.add_forms(tmp_path)
    title = card.FORMS[form]
    before, after = (tmp_path / "README.md").read_text().split(f"## {title}\n")
    assert before.strip() == f"{text}\n## Mine\n\nby me".strip()
    (code,) = re.findall("```python\n(.*?)```", after, re.DOTALL)
    assert len(code.splitlines()) <= 10
    compile(code, "card", "exec")
    assert code.splitlines()[-1].endswith(line)
    assert "words \\| of &lt;lines&gt;" in after
    assert "x1" not in after
    # Without it, as it was.
    (tmp_path / form / "signature.json").unlink()
    card.add_forms(tmp_path)
    assert (tmp_path / "README.md").read_text().strip() == before.strip()
