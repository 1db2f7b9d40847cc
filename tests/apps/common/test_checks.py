"""What is refused before data are read."""

import os

import pytest

from apps.common import checks
from apps.common.cli import UserError


def test_pipes_and_devices_are_no_files(tmp_path):
    pipe = tmp_path / "words.txt"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match=r"words\.txt: is a pipe; expected a"):
        checks.input_file(str(pipe))
    # What is written replaces what is there.
    for path, kind in ((pipe, "a pipe"), ("/dev/null", "a device")):
        with pytest.raises(UserError, match=f"^--page {path}: is {kind}; exp"):
            checks.output_file("page", str(path))
    checks.output_file("page", str(tmp_path / "new.html"))
    checks.output_file("page", str(tmp_path / "new" / "new.html"))
    with pytest.raises(UserError, match=r"^--page .*: is a folder; expected"):
        checks.output_file("page", str(tmp_path))
    reading, writing = os.pipe()
    checks.input_file(f"/dev/fd/{reading}")  # as <(zcat a.gz)
    os.close(reading)
    os.close(writing)
