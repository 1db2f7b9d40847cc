"""A table of finished runs, as the READMEs show it.

    make results
    python -m apps.common.results runs/sentiment/imdb-*

Runs that differ in nothing but seed, name and folders share a row: mean and
standard deviation over their seeds. Every number comes from a `metrics.json`.
"""

import dataclasses
import json
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path

from apps.common import cli, tables
from apps.common.terminal import echo


@dataclasses.dataclass(frozen=True)
class Options:
    """Print finished runs as a Markdown table."""

    folders: tuple = cli.positional("run folders (none: all of --runs-path)")
    runs_path: str = cli.flag("runs", "folder of all runs")


# Settings that no result depends on.
IRRELEVANT = ("seed", "name", "runs_path", "cache_path")


def read(folders: Iterable[str | Path]) -> Iterator[tuple[dict, dict]]:
    """Yield (configuration, record) of the finished runs among folders."""
    for folder in map(Path, folders):
        try:
            record = json.loads((folder / "metrics.json").read_text())
            config = json.loads((folder / "config.json").read_text())["config"]
        except (FileNotFoundError, NotADirectoryError):
            continue
        yield cli.with_new_names(record["app"], config), record


def group(runs: Iterable[tuple[dict, dict]]) -> list[list]:
    """Group runs that differ in nothing that a result depends on."""
    groups = {}
    for config, record in runs:
        same = {k: v for k, v in config.items() if k not in IRRELEVANT}
        key = json.dumps([record["app"], same], sort_keys=True)
        groups.setdefault(key, []).append((config, record))
    return list(groups.values())


def differing(groups: list) -> list[str]:
    """Return the settings in which the groups differ."""
    configs = [members[0][0] for members in groups]
    names = dict.fromkeys(name for config in configs for name in config)
    names = [n for n in names if n not in IRRELEVANT]
    return [n for n in names if len({str(c.get(n)) for c in configs}) > 1]


def spread(values: list[float | None]) -> str:
    """Write numbers as mean and, of several, standard deviation."""
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.4f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.4f}"


def table(groups: list) -> str:
    """Return the table as Markdown: a row a group, then the baselines."""
    settings = differing(groups)
    records = [record for members in groups for _, record in members]
    scores = list(dict.fromkeys(s for r in records for s in r["metrics"]))
    head = ["run", *settings, "seeds", *scores, "parameters", "minutes"]
    rows = []
    for members in groups:
        config, first = members[0]
        metrics = [record["metrics"] for _, record in members]
        minutes = [record["train_seconds"] / 60 for _, record in members]
        rows.append(
            [
                first["run"],
                *(str(config.get(name)) for name in settings),
                len(members),
                *(spread([m.get(s) for m in metrics]) for s in scores),
                first["parameters"],
                f"{statistics.mean(minutes):.1f}",
            ]
        )
    for name, metrics in _baselines(records).items():
        blank = [""] * (len(settings) + 1)
        values = [spread([metrics.get(s)]) for s in scores]
        rows.append([name, *blank, *values, "", ""])
    return tables.markdown(head, rows)


def _baselines(records):
    """Return the baselines of all data sets, each once."""
    datasets = {(r["dataset"], str(r["examples"])) for r in records}
    rows = {}
    for record in records:
        for name, scores in record["baselines"].items():
            if len(datasets) > 1:
                name = f"{name} ({record['dataset']})"
            rows[name] = scores
    return rows


def main(options: Options) -> None:
    """Print the table."""
    folders = options.folders or sorted(Path(options.runs_path).glob("*/*"))
    groups = group(read(folders))
    if not groups:
        raise cli.UserError("no finished run among these folders")
    echo(table(groups))


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
