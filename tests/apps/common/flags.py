"""Two dataclasses of flags, for the tests of how these are read."""

import dataclasses

from apps.common import cli
from data_pipelines.files.errors import DataError


@dataclasses.dataclass(frozen=True)
class Config:
    """Does something."""

    cell: str = cli.flag("gru", "recurrent cell", choices=("gru", "lstm"))
    units: int = cli.flag(64, "size", at_least=1, at_most=64, group="sizes")
    dropout: float = cli.flag(0.5, "share", at_least=0.0, below=1.0)
    reverse: bool = cli.flag(False, "read backwards")


@dataclasses.dataclass(frozen=True)
class Options:
    """Reads words."""

    texts: tuple = cli.positional("texts")
    run: str = cli.flag("", "a run")
    fast: bool = cli.flag(False, "hurry")
    folder: str = cli.flag("here", "a folder", at_least=1, rare=True)
    speed: int = cli.flag(1, "how fast", at_least=1, at_most=9)

    def without_effect(self):
        if not self.fast:
            yield "speed", "without --fast"

    def check(self):
        if self.folder == "nowhere":
            raise DataError("nowhere: there is no such folder")


PRESETS = {"small": dict(units=8, cell="lstm")}


def parse(line):
    return cli.parse(Config, PRESETS, line.split())
