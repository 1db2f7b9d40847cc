"""Files and folders that exist whole or not at all.

A folder is built under a temporary name, `.tmp-...`, and renamed when it is
complete. Its builder holds a lock beside it, which the system drops when the
process ends in whatever way, so the next builder can tell what a killed one
left behind from what a living one is still writing.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock, Timeout

_TEMPORARY = ".tmp-"

# Files that are flushed at a time; one by one, thousands take 20 times as long.
_FLUSHED = 16


@contextlib.contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Let errors of the system that name no file, or a temporary one, name one.

    What fails behind `open` names none: a disk that is full, say.
    """
    try:
        yield
    except OSError as error:
        named, temporary = error.filename, Path(path).with_name(_TEMPORARY)
        if error.errno and (
            named is None or str(named).startswith(str(temporary))
        ):
            # A new one: the errors of PyAV cannot be changed.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextlib.contextmanager
def replacing(path: str | Path, suffix: str = ""):
    """Yield a temporary path whose file becomes `path` if all goes well.

    The temporary file stands beside `path`, named `.tmp-...` plus `suffix`, so
    that the rename is one step; a kill leaves the old file or the new one.

    Args:
        path: Where the file goes; its folder has to exist.
        suffix: End of the temporary name, for writers that look at it.
    """
    path = Path(path)
    with naming(path):
        handle, name = tempfile.mkstemp(
            prefix=_TEMPORARY, suffix=suffix, dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def build_folder(path: Path, build: Callable[[Path], None]) -> None:
    """Build a folder, if it is missing, that appears when it is complete.

    Two processes may build the same folder at once: the first one to finish
    wins, and the work of the other is removed.

    Args:
        path: The folder.
        build: Writes everything into the folder it is called with, in folders
            of its own if it likes. When it fails nothing stays behind.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path), _workplace(path) as workplace:
        build(workplace)
        with ThreadPoolExecutor(_FLUSHED) as pool:
            every = (workplace, *workplace.rglob("*"))
            # Through a list, so that an error is raised here.
            list(pool.map(_flush, every))
        try:
            workplace.rename(path)
        except OSError:
            if not path.exists():
                raise


def _flush(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock(parent: Path) -> FileLock:
    """Return the lock under which folders in `parent` come and go."""
    return FileLock(parent / ".lock")


def temporary_folder(path: Path) -> Path:
    """Create a folder beside `path` that the next builder may sweep away."""
    prefix = f"{_TEMPORARY}{path.name}-"
    return Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))


@contextlib.contextmanager
def _workplace(path: Path) -> Iterator[Path]:
    # One lock over sweeping and creating: a new folder that is not locked
    # yet must not look like an abandoned one.
    with lock(path.parent):
        _sweep(path.parent)
        workplace = temporary_folder(path)
        workplace.chmod(0o755)
        building = _lock(workplace)
        building.acquire()
    try:
        yield workplace
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
        building.release()
        Path(building.lock_file).unlink(missing_ok=True)


def _lock(workplace: Path) -> FileLock:
    return FileLock(f"{workplace}.lock")


def _sweep(parent: Path) -> None:
    """Remove what builders that were killed left behind."""
    for abandoned in parent.glob(f"{_TEMPORARY}*"):
        if not abandoned.is_dir():
            continue
        building = _lock(abandoned)
        with contextlib.suppress(Timeout), building.acquire(blocking=False):
            shutil.rmtree(abandoned, ignore_errors=True)
            Path(building.lock_file).unlink(missing_ok=True)
