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
