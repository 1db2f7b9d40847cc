"""Files that exist whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path


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
    handle, name = tempfile.mkstemp(
        prefix=".tmp-", suffix=suffix, dir=path.parent
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
