"""Tables of finished runs, one an app.

    make results
    make results ARGS="--markdown"            # as the READMEs show them
    make results ARGS="--html results.html"
    python -m apps.common.results runs/sentiment/imdb-*

Sweeps have a line each, and the runs that tested their best settings are in the
tables.

Runs that differ in nothing but seed, name and folders share a row, which shows
the settings that others have otherwise: mean and standard deviation over their
seeds. Every number comes from a `metrics.json`.
"""

import dataclasses
import json
import statistics
import sys
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path

from apps.common import cli, outcome, report, runs, tables
from apps.common.terminal import echo


@dataclasses.dataclass(frozen=True)
class Options:
    """Print finished runs in tables."""

    folders: tuple = cli.positional("run folders (none: all of --runs-path)")
    runs_path: str = cli.flag("runs", "folder of all runs", at_least=1)
    markdown: bool = cli.flag(False, "print Markdown, for pages")
    html: str = cli.flag("", "HTML page to write instead")


# Settings that no result depends on.
IRRELEVANT = ("seed", "name", "preset", "runs_path", "cache_path")

# What a sweep has come to, in its folder.
SWEEP = "summary.json"

# Settings that have a column anyhow.
SHOWN = ("dataset", "cell")

LEGEND = (
    "Scores are means ± standard deviations over seeds; * is the best mean of a"
    " column, run the best of its row by the first score; rows without seeds"
    " are baselines."
)


def read(folders: Iterable[str | Path]) -> Iterator[tuple[dict, dict]]:
    """Yield (configuration, record) of the finished runs among folders."""
    for folder in map(Path, folders):
        try:
            record = outcome.read_metrics(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        yield runs.read_record(folder)["config"], record


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
    mean = tables.number(statistics.mean(values))
    if len(values) == 1:
        return mean
    return f"{mean} ± {tables.number(statistics.stdev(values))}"


class Table(typing.NamedTuple):
    """The runs of an app: a row a group, then the baselines.

    Attributes:
        app: Name of the app.
        head: Headings.
        rows: Lists of strings and numbers.
    """

    app: str
    head: list
    rows: list


def table(groups: list) -> Table:
    """Return the table of the groups of one app; the best means have a star."""
    configs = [config for members in groups for config, _ in members]
    # What an app without cells trains is its model.
    kind = "cell" if any("cell" in config for config in configs) else "model"
    others = (n for n in differing(groups) if n not in (*SHOWN, kind))
    settings = [kind, *others]
    records = [record for members in groups for _, record in members]
    scores = list(dict.fromkeys(s for r in records for s in r["metrics"]))
    means = [
        {
            score: statistics.mean(values)
            for score in scores
            if (values := _values(members, score))
        }
        for members in groups
    ]
    app = records[0]["app"]
    lower = report.scores_named(app, "LOWER")
    unranked = report.scores_named(app, "UNRANKED")
    best = {
        score: (min if score in lower else max)(
            row[score] for row in means if score in row
        )
        for score in scores
        if score not in unranked and any(score in row for row in means)
    }
    rows = []
    for members, mean in zip(groups, means, strict=True):
        config, first = members[0]
        minutes = [record["train_seconds"] / 60 for _, record in members]
        cells = [
            spread(_values(members, score))
            + " *" * (len(groups) > 1 and mean.get(score, 0) == best.get(score))
            for score in scores
        ]
        rows.append(
            [
                first["dataset"],
                *(str(config.get(name)) for name in settings),
                len(members),
                *cells,
                first["parameters"],
                f"{statistics.mean(minutes):.1f}",
                _best_run(members, scores[0], scores[0] in lower),
            ]
        )
    for (dataset, name), metrics in _baselines(records).items():
        blank = [""] * len(settings[1:])
        values = [spread([metrics.get(s)]) for s in scores]
        rows.append([dataset, name, *blank, "", *values, "", "", ""])
    head = ["data", *settings, "seeds", *scores, "parameters", "minutes", "run"]
    return Table(app, head, rows)


def _values(members, score):
    values = [record["metrics"].get(score) for _, record in members]
    return [value for value in values if value is not None]


def _best_run(members, score, lower):
    """Return the name of the run with the best value of a score."""
    sign = -1 if lower else 1
    return max(
        (record for _, record in members),
        key=lambda r: sign * (r["metrics"].get(score) or 0),
    )["run"]


def _baselines(records):
    """Return the baselines of all data sets, each once."""
    return {
        (record["dataset"], name): scores
        for record in records
        for name, scores in record["baselines"].items()
    }


def sweeps(folders: Iterable[str | Path]) -> list[str]:
    """Return a line for each sweep among folders."""
    lines = []
    for folder in map(Path, folders):
        try:
            about = json.loads((folder / SWEEP).read_bytes())
            counts = ", ".join(f"{n:,} {k}" for k, n in about["trials"].items())
            line = f"{folder}: trials {counts}"
            if best := about["best"]:
                line += (
                    f"; best on valid, {about['monitor']} {best['value']:.4f}:"
                    f" {best['settings']}"
                )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        lines.append(line)
    return lines


def unfinished(folders: Iterable[str | Path]) -> list[str]:
    """Return the run folders that were begun and have no test scores."""
    return [
        str(folder)
        for folder in map(Path, folders)
        if (folder / "config.json").is_file()
        and not (folder / "metrics.json").is_file()
    ]


def main(options: Options) -> None:
    """Print the tables, or write them."""
    folders = options.folders or sorted(Path(options.runs_path).glob("*/*"))
    for path in unfinished(folders):
        echo(f"unfinished: {path}", file=sys.stderr)
    searched = sweeps(folders)
    groups = group(read(folders))
    if not (groups or searched):
        raise cli.UserError("no finished run among these folders")
    apps = dict.fromkeys(members[0][1]["app"] for members in groups)
    shown = [
        table([g for g in groups if g[0][1]["app"] == app]) for app in apps
    ]
    if options.html:
        report.render(
            options.html,
            "common/templates/results.html.jinja",
            title="Results",
            shown=shown,
            sweeps=searched,
            legend=LEGEND,
        )
        echo(f"wrote {options.html}", file=sys.stderr)
        return
    write = tables.markdown if options.markdown else tables.listed
    for line in searched:
        echo(f"sweep {line}\n")
    for one in shown:
        heading = f"### {one.app}" if options.markdown else one.app
        echo(f"{heading}\n\n{write(one.head, one.rows)}\n")
    echo(LEGEND)


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
