"""Ranks that fail, are killed, or never come; and runs that go on."""

import json
import os
import re
import shutil
import signal
import socket

import pytest

from apps.common import cli
from apps.sentiment.config import Config
from tests.apps import ranks
from tests.apps.ranks import needs_jax
from tests.apps.tools import check_same_weights, log_of, made_once, run_module

SECONDS = 5


@needs_jax
def test_a_port_that_is_taken_is_one_line():
    from apps.common.launcher import Launcher

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(cli.UserError, match="Address already in use"):
            Launcher("sentiment", Config(coordinator=address, processes=2))


def rank_flags(folder, name, address, rank, *more):
    """Flags of one of two ranks that are started one by one."""
    return ranks.sentiment_flags(
        folder,
        name,
        *("--coordinator", address, "--processes", "2"),
        *("--process", str(rank), *more),
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A folder with what two ranks have trained, started one by one.

    As on two machines: each has a folder with the data, `0` or `1`.
    """

    def make(folder):
        address = f"127.0.0.1:{ranks.free_port()}"
        started = []
        for rank in range(2):
            (folder / str(rank)).mkdir()
            words = rank_flags(folder / str(rank), "whole", address, rank)
            started.append(ranks.start("sentiment", *words))
        for rank, process in enumerate(started):
            output, errors = process.communicate(timeout=600)
            assert process.returncode == 0, errors
            (folder / str(rank) / "stdout").write_text(output)

    return made_once(tmp_path_factory, "two-processes", make)


@needs_jax
@pytest.mark.slow
def test_ranks_started_one_by_one(uninterrupted):
    """Only rank 0 has the run."""
    first, second = (uninterrupted / str(rank) for rank in range(2))
    assert "rank 1 is done" in (second / "stdout").read_text()
    engine = "engine   JAX, 2 processes, 2 cpu devices, global batch 16 rows"
    assert engine in (first / "stdout").read_text()
    assert not (second / "runs").exists()


def started(words, log, **options):
    """A training that has gone on for an epoch, and its workers."""
    epochs = log.read_text().count("\n") - 1 if log.exists() else 0
    process = ranks.start("sentiment", *words, **options)
    ranks.wait_for_epochs(process, log, epochs + 1)
    workers = ranks.workers_of(process)
    assert len(workers) == 2
    return process, workers


def check_an_error_of_one_rank_ends_all(words, log, folder):
    (folder / "sitecustomize.py").write_text(ranks.ERROR)
    process, workers = started(
        words, log, env={**os.environ, "PYTHONPATH": str(folder)}
    )
    workers[1].send_signal(signal.SIGUSR1)
    line = ranks.line_within(process, SECONDS)
    wanted = (
        r"error: rank 1: ZeroDivisionError: one half of nothing( \(.*\))?\n"
    )
    assert re.fullmatch(wanted, line), line
    assert ranks.all_gone(workers, 1)


def check_a_killed_rank_ends_all(words, log):
    process, workers = started(words, log)
    if hasattr(os, "SCHED_BATCH"):  # or gloo's thread keeps them from working
        kinds = {os.sched_getscheduler(worker.pid) for worker in workers}
        assert kinds == {os.SCHED_BATCH}
    workers[1].send_signal(signal.SIGKILL)
    line = ranks.line_within(process, SECONDS)
    assert line == "error: rank 1: ended by SIGKILL\n"
    assert ranks.all_gone(workers, 1)


def check_ranks_end_with_their_starter(words, log):
    process, workers = started(words, log)
    process.kill()
    assert "resuming" in process.communicate()[0]
    assert ranks.all_gone(workers, SECONDS)


@needs_jax
@pytest.mark.slow
def test_what_has_ended_goes_on_to_the_same_weights(uninterrupted, tmp_path):
    run = tmp_path / "runs" / "sentiment" / "stopped"
    flags = ranks.sentiment_flags(tmp_path, "stopped")
    words, log = [*flags, "--distribute", "2"], run / "log.csv"
    check_an_error_of_one_rank_ends_all(words, log, tmp_path)
    check_a_killed_rank_ends_all(words, log)
    other = shutil.copytree(run, run.with_name("other"))
    check_ranks_end_with_their_starter(words, log)
    assert not (run / "metrics.json").exists()
    done = run_module("apps.sentiment.train", *words)
    assert done.returncode == 0, done.stderr
    assert "resuming" in done.stdout
    whole = uninterrupted / "0" / "runs" / "sentiment" / "whole"
    check_same_weights(run, whole)

    # Another number of processes goes on, too.
    words = *flags, "--name", "other", "--distribute", "1"
    done = run_module("apps.sentiment.train", *words)
    assert done.returncode == 0, done.stderr
    assert "resuming" in done.stdout
    assert "engine   JAX, 1 process, 1 cpu device, global" in done.stdout
    record = json.loads((other / "metrics.json").read_text())
    assert record["epochs"] == len(log_of(whole)) == len(log_of(other))


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_never_comes_is_one_line(rank, tmp_path, monkeypatch):
    address = f"127.0.0.1:{ranks.free_port()}"
    words = rank_flags(tmp_path, "alone", address, rank, "--join-timeout", "3")
    with pytest.raises(cli.UserError) as error:
        ranks.train_here(monkeypatch, "sentiment", *words)
    assert str(error.value).startswith(
        f"rank {rank}: not all ranks have come to {address} in 3 seconds"
    )
    assert not (tmp_path / "runs").exists()


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("flags", "rank 1 has not what rank 0 has: --units (7, not 6)"),
        ("data", "rank 1 has not what rank 0 has: data.txt"),
    ],
)
def test_ranks_that_differ_are_one_line(case, message, tmp_path, monkeypatch):
    folders = [tmp_path / "0", tmp_path / "1"]
    address = f"127.0.0.1:{ranks.free_port()}"
    more = ["--units", "7"] if case == "flags" else []
    if case == "data":
        ranks.write_reviews(folders[1] / "reviews", seed=1)
    words = rank_flags(folders[1], "differs", address, 1, *more)
    second = ranks.start("sentiment", *words)
    words = rank_flags(folders[0], "differs", address, 0)
    with pytest.raises(cli.UserError, match=re.escape(message)):
        ranks.train_here(monkeypatch, "sentiment", *words)
    _, errors = second.communicate(timeout=600)
    (line,) = ranks.errors_in(errors)
    assert second.returncode == 2
    assert message in line
    assert not list(tmp_path.glob("*/runs/sentiment/differs"))
