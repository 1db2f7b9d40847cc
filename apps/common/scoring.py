"""What `evaluate` scores: the data set and the split that flags name."""

import dataclasses
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from apps.common import checks, runs
from apps.common.cli import UserError, flag
from apps.common.terminal import busy, echo
from data_pipelines.files.splits import SPLITS


@dataclasses.dataclass(frozen=True)
class ScoringOptions(runs.EnsembleOptions):
    """The flags of every `evaluate`, which adds a `scored_dataset`."""

    data_path: str = flag("", "folder, or one file, of that data set")
    encoding: str = runs.ENCODING
    split: str = flag("test", "split to score", choices=SPLITS)

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        if not self.dataset:
            yield "encoding", "without --dataset"

    def check(self) -> None:
        """Refuse data that there are not, too."""
        super().check()
        if self.dataset:
            checks.data(self.dataset, self.data_path)
        elif self.data_path:
            raise UserError(f"--data-path {self.data_path} needs --dataset")


def scored_dataset(sources: Iterable[str]) -> str:
    """Return the flag that names one of an app's data sets."""
    help = "data set to score on; empty: the run's own"
    return flag("", help, choices=["", *sources])


def data_to_score(
    options, config: dict, sources: Iterable[str]
) -> tuple[str, str | None]:
    """Return the data set and its path: those of the flags, or of the run.

    Raises:
        UserError: There is a path, but not of which data set.
    """
    if options.dataset:
        return options.dataset, options.data_path or None
    if options.data_path:
        raise UserError(
            f"--data-path {options.data_path} needs --dataset, one of"
            f" {', '.join(sources)}"
        )
    return config["dataset"], config["data_path"] or None


def is_other_file(options: ScoringOptions, config: dict) -> bool:
    """Return whether the flags name data that the run was not trained on."""
    paths = (options.data_path, config["data_path"])
    own, other = (Path(path).resolve() for path in paths)
    return bool(options.dataset) and own != other


def split_to_score(run: runs.Run, datasets, options: ScoringOptions):
    """Return the split that the flags name, or refuse an empty one.

    If the data are the run's own, say which of them have changed since it was
    trained.
    """
    if not options.dataset and run.file("data.txt").exists():
        before = runs.read_lines(run.file("data.txt"))
        changed = [line for line in datasets.digest if line not in before]
        if changed:
            echo(
                f"note: {' and '.join(line.split()[0] for line in changed)}"
                f" have changed since {run.path} was trained",
                file=sys.stderr,
            )
    busy(f"scoring {options.split}")
    split = getattr(datasets, options.split)
    if not len(split):
        raise UserError(f"--split {options.split}: the data have none of it")
    return split
