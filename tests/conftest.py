"""`--part k/n` runs the k-th of n parts of the tests, for those that take long.

Which part a test is in depends on nothing but its name. With `--dist loadgroup`
the tests of an app run in one process, which trains and loads its models once,
and those of any other file in one.
"""

import zlib
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def pytest_addoption(parser):
    parser.addoption("--part", default="1/1", help="k/n: part k of n")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        parts = item.path.relative_to(TESTS).parts
        in_an_app = parts[0] == "apps" and parts[1] != "common"
        group = parts[:2] if in_an_app and len(parts) > 2 else parts
        item.add_marker(pytest.mark.xdist_group("/".join(group)))
    number, parts = map(int, config.getoption("part").split("/"))
    others = [
        item
        for item in items
        if zlib.crc32(item.nodeid.encode()) % parts != number - 1
    ]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)
