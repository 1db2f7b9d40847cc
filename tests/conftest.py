"""`--part k/n` runs the k-th of n parts of the tests, for those that take long.

Which part a test is in depends on nothing but its name.
"""

import zlib


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
