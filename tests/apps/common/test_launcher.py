"""Ranks that fail, are killed, or never come; and runs that go on."""

import json
import os
import re
import signal
import socket

import numpy as np
import pytest

from apps.common import cli
from apps.sentiment.config import Config
from tests.apps import ranks
from tests.apps.ranks import needs_jax
from tests.apps.tools import made_once, run_module, weights_of

SECONDS = 5


@needs_jax
def test_a_port_that_is_taken_is_one_line():
    from apps.common.launcher import Launcher

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(cli.UserError, match="Address already in use"):
            Launcher("sentiment", Config(coordinator=address, processes=2))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A folder with the run `whole`, trained by two processes at once."""

    def make(folder):
        words = ranks.sentiment_flags(folder, "whole", "--distribute", "2")
        done = run_module("apps.sentiment.train", *words)
        assert done.returncode == 0, done.stderr
        (folder / "stdout").write_text(done.stdout)

    return made_once(tmp_path_factory, "two-processes", make)


@needs_jax
@pytest.mark.slow
def test_what_is_killed_goes_on_to_the_same_weights(uninterrupted, tmp_path):
    folder = uninterrupted
    words = ranks.sentiment_flags(folder, "killed", "--distribute", "2")
    run = folder / "runs" / "sentiment" / "killed"

    # One rank.
    process = ranks.start("sentiment", *words)
    ranks.wait_for_epochs(process, run / "log.csv", 1)
    workers = ranks.workers_of(process)
    assert len(workers) == 2
    if hasattr(os, "SCHED_BATCH"):  # or gloo's thread keeps them from working
        kinds = {os.sched_getscheduler(worker.pid) for worker in workers}
        assert kinds == {os.SCHED_BATCH}
    workers[1].send_signal(signal.SIGKILL)
    line = ranks.line_within(process, SECONDS)
    assert line == "error: rank 1: ended by SIGKILL\n"
    assert ranks.all_gone(workers, 1)

    # The process that has started them.
    process = ranks.start("sentiment", *words)
    ranks.wait_for_epochs(process, run / "log.csv", 2)
    workers = ranks.workers_of(process)
    process.kill()
    assert "resuming" in process.communicate()[0]
    assert ranks.all_gone(workers, SECONDS)

    done = run_module("apps.sentiment.train", *words)
    assert done.returncode == 0, done.stderr
    assert "resuming" in done.stdout
    whole = folder / "runs" / "sentiment" / "whole"
    for one, other in zip(weights_of(run), weights_of(whole), strict=True):
        np.testing.assert_array_equal(one, other)


@needs_jax
@pytest.mark.slow
def test_another_number_of_processes_goes_on(tmp_path):
    words = ranks.sentiment_flags(tmp_path, "other")
    process = ranks.start("sentiment", *words, "--distribute", "2")
    run = tmp_path / "runs" / "sentiment" / "other"
    ranks.wait_for_epochs(process, run / "log.csv", 1)
    for worker in ranks.workers_of(process):
        worker.kill()
    assert ranks.line_within(process, SECONDS).startswith("error: rank ")
    done = run_module("apps.sentiment.train", *words, "--distribute", "1")
    assert done.returncode == 0, done.stderr
    assert "resuming" in done.stdout
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 3


@needs_jax
@pytest.mark.slow
def test_an_error_of_one_rank_ends_all(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(ranks.ERROR)
    words = ranks.sentiment_flags(tmp_path, "error", "--epochs", "1000")
    process = ranks.start(
        "sentiment",
        *(*words, "--patience", "1000", "--distribute", "2"),
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    run = tmp_path / "runs" / "sentiment" / "error"
    ranks.wait_for_epochs(process, run / "log.csv", 1)
    workers = ranks.workers_of(process)
    workers[1].send_signal(signal.SIGUSR1)
    line = ranks.line_within(process, SECONDS)
    wanted = (
        r"error: rank 1: ZeroDivisionError: one half of nothing( \(.*\))?\n"
    )
    assert re.fullmatch(wanted, line), line
    assert ranks.all_gone(workers, 1)


@needs_jax
@pytest.mark.slow
def test_a_rank_that_never_comes_is_one_line(tmp_path):
    address = f"127.0.0.1:{ranks.free_port()}"
    words = ranks.sentiment_flags(tmp_path, "alone", "--join-timeout", "3")
    for rank in ("0", "1"):
        more = "--coordinator", address, "--processes", "2", "--process", rank
        done = run_module("apps.sentiment.train", *words, *more)
        (line,) = ranks.errors_in(done.stderr)
        assert done.returncode == 2
        assert line.startswith(
            f"error: rank {rank}: not all ranks have come to {address} in 3"
            " seconds"
        )
    assert not (tmp_path / "runs").exists()


def both(folders, name, more):
    """Starts two ranks by `--coordinator`, each with a folder of its own."""
    address = f"127.0.0.1:{ranks.free_port()}"
    return [
        ranks.start(
            "sentiment",
            *ranks.sentiment_flags(folder, name, *more[rank]),
            *("--coordinator", address, "--processes", "2"),
            *("--process", str(rank)),
        )
        for rank, folder in enumerate(folders)
    ]


@needs_jax
@pytest.mark.slow
def test_ranks_started_one_by_one(tmp_path, uninterrupted):
    """As on two machines: only rank 0 has the run, each has the data."""
    folders = [tmp_path / "0", tmp_path / "1"]
    first, second = both(folders, "whole", [[], []])
    out, errors = second.communicate(timeout=600)
    assert second.returncode == 0, errors
    assert "rank 1 is done" in out
    out, errors = first.communicate(timeout=600)
    assert first.returncode == 0, errors
    engine = "engine   JAX, 2 processes, 2 cpu devices, global batch 16 rows"
    assert engine in out
    assert not (folders[1] / "runs").exists()
    run, whole = (
        folder / "runs" / "sentiment" / "whole"
        for folder in (folders[0], uninterrupted)
    )
    for one, other in zip(weights_of(run), weights_of(whole), strict=True):
        np.testing.assert_array_equal(one, other)


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("flags", "rank 1 has not what rank 0 has: --units (7, not 6)"),
        ("data", "rank 1 has not what rank 0 has: data.txt"),
    ],
)
def test_ranks_that_differ_are_one_line(case, message, tmp_path):
    folders = [tmp_path / "0", tmp_path / "1"]
    more = [[], ["--units", "7"] if case == "flags" else []]
    if case == "data":
        ranks.write_reviews(folders[1] / "reviews", seed=1)
    for process in both(folders, "differs", more):
        _, errors = process.communicate(timeout=600)
        (line,) = ranks.errors_in(errors)
        assert process.returncode == 2
        assert message in line
    assert not list(tmp_path.glob("*/runs/sentiment/differs"))
