"""Demo data of a task, written into the cache at their first use."""

import functools
from pathlib import Path
from types import ModuleType

from data_pipelines.files import cache
from data_pipelines.files.errors import DataError


def demo_folder(
    task: str,
    generator: ModuleType,
    data_path: str | Path | None,
    cache_path: Path,
    small: bool,
) -> Path:
    """Return the folder of a task's demo, the same for every seed.

    Args:
        task: Name of the task.
        generator: Its module with `write`, `VERSION`, `SIZES`, `SMALL_SIZES`.
        data_path: Refused, as a demo reads no files of the user's.
        cache_path: Folder of the caches.
        small: Whether the sizes are the small ones.
    """
    if data_path is not None:
        raise DataError(
            "demo: takes no --data-path FOLDER; to read your own files add "
            "--dataset files"
        )
    name = f"{task}-{generator.VERSION}" + "-small" * small
    sizes = generator.SMALL_SIZES if small else generator.SIZES
    return cache.folder(
        cache_path / "demo" / name,
        functools.partial(generator.write, sizes=sizes),
    )
