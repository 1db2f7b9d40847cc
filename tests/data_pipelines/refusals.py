"""Data that are refused."""

import pytest

from data_pipelines.files.errors import DataError


def refusal(make, folder, **changes):
    """The line that says why, in which the folder is FOLDER.

    Args:
        make: Makes the data sets of a folder, with a cache beside it, of which
            nothing half-written may be left.
        folder: The data.
        **changes: Options of `make`.
    """
    with pytest.raises(DataError) as caught:
        make(folder, **changes)
    message = str(caught.value)
    assert "\n" not in message
    cache = folder.parent / "cache"
    if cache.exists():
        assert not list(cache.glob(".tmp-*"))
    return message.replace(str(folder), "FOLDER")
