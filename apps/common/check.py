"""Look at data before a training: what they are, and what it would cost.

    make check-sentiment ARGS="--dataset files --data-path my-reviews"
    make check-captioning ARGS="--config runs/captioning/x/config.json"

The app's own `train` reads the data and builds the model, so what is wrong ends
with the line that a training would end with. One batch is trained on, to be
timed, and that is thrown away. What there is to see goes to `data.html` in
`runs/<app>/check-<name>/`, which the next check of that name replaces.
"""

import dataclasses
import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from apps.common import cli, distributed
from apps.common.terminal import busy, echo


@dataclasses.dataclass(frozen=True)
class Options:
    """Reads the data as a training would, and shows them; trains nothing."""

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from super().without_effect()  # of the app
        yield distributed.names_of(self), "where nothing is trained"


def check(app: str, config) -> Path:
    """Read data, print and write what there is to see; return the page."""
    from apps.common import data_page, rehearsal, tables  # take seconds

    name = config.name or Path(config.data_path).stem or config.dataset
    folder = Path(config.runs_path, app, f"check-{name.replace('/', '-')}")
    machines = rehearsal.Rehearsal()
    with distributed.training_by(machines):
        importlib.import_module(f"apps.{app}.train").train(config)
    busy("looking at the data")
    data = machines.data
    if importlib.util.find_spec(f"apps.{app}.check"):
        module = importlib.import_module(f"apps.{app}.check")
        described = module.describe(data, config)
    else:
        described = data_page.of_any(data)
    notes = [
        line.removeprefix("note").strip()
        for line in data.report()
        if line.startswith("note ")
    ]
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "data.html"
    title = f"Data of {app.replace('_', ' ')}: {name}"
    data_page.write(page, title, described, notes, machines.costs)
    for line in described.leaks():
        echo(f"leaks    {line}")
    if described.baselines:
        names = dict.fromkeys(
            n for s in described.baselines.values() for n in s
        )
        first = f"on {described.scored_on}"
        echo("\n" + tables.text(described.baselines, list(names), first))
    echo()
    for what, amount in machines.costs.items():
        echo(f"{what:10} {amount}")
    echo(f"wrote {page}")
    return page


if __name__ == "__main__":
    app, config, _ = cli.training_command(Options)
    cli.main(lambda: check(app, config))
