"""`--part k/n` runs the k-th of n parts of the tests, for those that take long.

Of the tests that are to run those of a file are dealt out one after another, to
a part first that the name of the file says: so each part has its share of every
file, whose tests take about as long as each other. With `--dist loadfile` the
tests of an app run in one process, which trains and loads its models once, and
those of any other file in one.
"""

import gc
import sys
import zlib

import pytest
from xdist.scheduler import LoadFileScheduling

# Graphs and models are a million objects, and there for long: to look through
# the youngest of them after every 700 takes a twentieth of the time.
gc.set_threshold(50_000, 20, 50)


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
    Fixtures of a session come before it: they need the end behind each test.
    """
    end_deterministic_mode()
    yield
    end_deterministic_mode()


def end_deterministic_mode():
    config = sys.modules.get("tensorflow.python.framework.config")
    if config is not None:
        config.disable_op_determinism()


def pytest_addoption(parser):
    parser.addoption("--part", default="1/1", help="k/n: part k of n")


@pytest.hookimpl(trylast=True)  # -m and -k come first
def pytest_collection_modifyitems(config, items):
    number, parts = map(int, config.getoption("part").split("/"))
    places = {}  # of the next test of each file
    ours, others = [], []
    for item in items:
        file = item.nodeid.partition("::")[0]
        place = places.setdefault(file, zlib.crc32(file.encode()))
        places[file] += 1
        (ours if place % parts == number - 1 else others).append(item)
    items[:] = ours
    config.hook.pytest_deselected(items=others)
