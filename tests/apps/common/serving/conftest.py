"""A site with one run of a toy app."""

import pytest

from tests.apps.common.serving import toy


@pytest.fixture
def folder(tmp_path):
    toy.write_run(tmp_path)
    return tmp_path


@pytest.fixture
def echo():
    return toy.Service()


@pytest.fixture
def client(folder, echo, monkeypatch):
    with toy.client(folder, monkeypatch, echo) as client:
        yield client
