"""Arrays on disk, mapped into memory."""

from pathlib import Path

import numpy as np


def mapped(path: Path, dtype: type) -> np.ndarray:
    """A flat array in a file, which may be empty."""
    if not path.stat().st_size:
        return np.zeros(0, dtype)
    # As a plain array: slices of a memmap are slow.
    return np.asarray(np.memmap(path, dtype, "r"))
