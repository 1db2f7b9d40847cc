"""The model card of a run, `README.md`, in the form that model hubs read.

An app's `card.md.jinja` says what is its own: task, use, limits. It extends
`common/templates/card.md.jinja`, which has all that every run has.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from apps.common import report, tables
from data_pipelines.files.atomic import replacing

APPS = Path(__file__).parents[1]
NAME = "README.md"
FORMS = {"onnx": "ONNX", "litert": "LiteRT"}


def write(folder: Path, config: Mapping, record: Mapping) -> None:
    """Write the card of a run.

    Args:
        folder: The run folder, or a copy of it.
        config: Its configuration.
        record: What `metrics.json` says.
    """
    template = f"{record['app']}/card.md.jinja"
    if not (APPS / template).exists():
        template = "common/templates/card.md.jinja"
    # No HTML: what comes from the user stands in tables, which escape it.
    jinja = report.environment().overlay(autoescape=False)
    rows = {"model": record["metrics"], **record["baselines"]}
    names = list(record["metrics"])
    card = jinja.get_template(template).render(
        config=config,
        record=record,
        yaml=lambda value: json.dumps(value, ensure_ascii=False),
        scores=tables.markdown(
            ["", *names],
            [
                [n, *(row.get(name) for name in names)]
                for n, row in rows.items()
            ],
        ),
        about=tables.markdown(
            ["what", "value"],
            [
                ["data", record["dataset"]],
                *(
                    [f"examples in {n}", c]
                    for n, c in record["examples"].items()
                ),
                ["cell", config.get("cell")],
                ["parameters", record["parameters"]],
                ["epochs", record.get("epochs")],
                ["minutes of training", record["train_seconds"] / 60],
                ["device", record.get("device")],
                ["seed", record.get("seed")],
                *sorted((record.get("versions") or {}).items()),
                ["Unroll, commit", record.get("commit")],
            ],
        ),
    )
    with replacing(folder / NAME) as temporary:
        temporary.write_text(card + "\n", "utf-8")
    add_forms(folder)


def add_forms(folder: Path) -> None:
    """Say in a card, if there is one, how to use the other forms of a run."""
    if not (folder / NAME).exists():
        return
    text = (folder / NAME).read_text("utf-8")
    for form, title in FORMS.items():
        path = folder / form / "signature.json"
        # What was said before is replaced.
        text = re.sub(rf"\n## {title}\n.*?(?=\n## |\Z)", "", text, flags=re.S)
        if path.exists():
            signature = json.loads(path.read_text("utf-8"))
            text = f"{text.rstrip()}\n\n{_section(form, title, signature)}\n"
    with replacing(folder / NAME) as temporary:
        temporary.write_text(text, "utf-8")


def _section(form, title, signature):
    """Return the section of a form."""
    first, *_ = signature["networks"].values()
    names = [each["name"] for each in first["inputs"]]
    columns = ("name", "shape", "dtype", "meaning")
    rows = [
        [name, *(str(each.get(column, "")) for column in columns)]
        for name, network in signature["networks"].items()
        for each in [*network["inputs"], *network["outputs"]]
    ]
    jinja = report.environment().overlay(autoescape=False)
    return jinja.get_template("common/templates/form.md.jinja").render(
        form=form,
        title=title,
        signature=signature,
        path=f"{form}/{first['file']}",
        inputs=", ".join(f"{name}={name}" for name in names),
        feed=", ".join(f'"{name}": {name}' for name in names),
        outputs=", ".join(each["name"] for each in first["outputs"]),
        table=tables.markdown(
            ["network", "input or output", *columns[1:]], rows
        ),
    )
