"""`--part k/n` runs the k-th of n parts of the tests, for those that take long.

Which part a test is in depends on nothing but its name. With `--dist loadfile`
the tests of an app run in one process, which trains and loads its models once,
and those of any other file in one.
"""

import sys
import zlib

import pytest
from xdist.scheduler import LoadFileScheduling


class AppsInOneProcess(LoadFileScheduling):
    """Gives out the tests of an app together, and else those of a file."""

    def _split_scope(self, nodeid):
        parts = super()._split_scope(nodeid).split("/")
        in_an_app = parts[:2] == ["tests", "apps"] and parts[2] != "common"
        return "/".join(parts[:3] if in_an_app else parts)


@pytest.hookimpl
def pytest_xdist_make_scheduler(config, log):
    if config.getvalue("dist") == "loadfile":
        return AppsInOneProcess(config, log)
    return None


@pytest.fixture(autouse=True)
def usual_mode():
    """Ends TensorFlow's deterministic mode, which a training may have begun.

    Keras compiles nothing with XLA there, and TensorFlow has no public way out.
    """
    config = sys.modules.get("tensorflow.python.framework.config")
    if config is not None:
        config.disable_op_determinism()


def pytest_addoption(parser):
    parser.addoption("--part", default="1/1", help="k/n: part k of n")


def pytest_collection_modifyitems(config, items):
    number, parts = map(int, config.getoption("part").split("/"))
    others = [
        item
        for item in items
        if zlib.crc32(item.nodeid.encode()) % parts != number - 1
    ]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)
