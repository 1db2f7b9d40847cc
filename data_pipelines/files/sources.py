"""What every task is asked for, the folder of its demo, and what it reads."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from data_pipelines.files import cache
from data_pipelines.files.errors import DataError
from data_pipelines.files.tables import Row


class Request(NamedTuple):
    """Which data to read.

    Attributes:
        data_path: For files the folder, or the one file; for a public set
            TFDS's own folder.
        cache_path: Folder of the caches.
        download: Whether a public set may be downloaded.
        training: Whether train is needed; else any split will do.
        encoding: Of the files, see `Lines`.
        columns: Column -> its name in the files, if the user says so.
        whole: Whether one file is all test, and not cut into splits.
    """

    data_path: str | Path | None
    cache_path: Path
    download: bool
    training: bool
    encoding: str = ""
    columns: Mapping[str, str] = {}
    whole: bool = False

    def demo(self, task: str, generator: ModuleType, small: bool) -> "Request":
        """Return a request for the files of a task's demo, written if missing.

        Args:
            task: Name of the task.
            generator: Has `write`, `VERSION`, `SIZES` and `SMALL_SIZES`.
            small: Whether the sizes are the small ones.
        """
        if self.data_path is not None:
            raise DataError(
                "demo: takes no --data-path FOLDER; to read your own files add "
                "--dataset files"
            )
        name = f"{task}-{generator.VERSION}" + "-small" * small
        sizes = generator.SMALL_SIZES if small else generator.SIZES
        folder = cache.folder(
            self.cache_path / "demo" / name,
            functools.partial(generator.write, sizes=sizes),
        )
        return self._replace(data_path=folder)


@dataclasses.dataclass(frozen=True)
class Source:
    """One file, or the like, and the splits it goes to.

    Attributes:
        name: What messages call it.
        rows: Its records, and `notes()` on how they were read.
        shares: Split -> its share; the shares add up to 1.
        names: What messages call the sides of a pair.
    """

    name: str
    rows: Iterable[Row]
    shares: dict[str, float]
    names: tuple[str, ...] = ()
