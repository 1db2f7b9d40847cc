"""What the tests of several processes share: ranks that they can kill."""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from apps.common import distributed
from tests.apps.reviews import flags, write_reviews
from tests.apps.tools import ROOT, train

# Processes compile a step for minutes in all: once for all tests.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir(), "unroll-jax"))
)

# What trains for seconds is not worth an optimized step.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# All texts have one width, so a step is compiled once.
ONE_WIDTH = "--max-length", "7"

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None,
    reason="no JAX here: `make install-jax`, as .ci/run does",
)

# A module that Python imports at its start: a signal is an error then.
ERROR = """
import signal

def raise_error(*_):
    raise ZeroDivisionError("one half\\nof nothing")

signal.signal(signal.SIGUSR1, raise_error)
"""


def sentiment_flags(folder, name, *more):
    """Flags of a small training, whose data are written first."""
    if not (folder / "reviews").exists():
        write_reviews(folder / "reviews")
    words = "--name", name, "--epochs", "10", "--patience", "10", *ONE_WIDTH
    return flags(folder, *words, *more)


def train_here(patch, app, *words):
    """Trains by workers of this process, which need not begin anew itself."""
    import keras

    # Variables are handed over by name, so they begin as in a new process.
    keras.utils.clear_session(free_memory=False)
    patch.setattr(sys, "argv", ["train", *words])  # which they get
    return train(app, *words)


def train_alone(patch, app, *words):
    """Does what `train_here` does, and leaves out what follows training."""
    fit = distributed.Machines.fit

    def fit_and_stop(*about, **more):
        fit(*about, **more)
        raise distributed.Stopped

    with contextlib.suppress(distributed.Stopped), patch.context() as inside:
        inside.setattr(distributed.Machines, "fit", fit_and_stop)
        train_here(inside, app, *words)


def start(app, *words, **options):
    """Starts a training, and goes on at once."""
    return subprocess.Popen(
        [sys.executable, "-m", f"apps.{app}.train", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def workers_of(process):
    """The worker processes of a training, by rank."""
    children = psutil.Process(process.pid).children()
    return sorted(children, key=lambda child: child.pid)


def wait_for_epochs(process, log, count):
    """Waits until a log has so many epochs."""
    while not log.exists() or log.read_text().count("\n") <= count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def line_within(process, seconds):
    """Returns the error that has to come soon; then all has ended."""
    begun = time.monotonic()
    line = next(line for line in process.stderr if line.startswith("error: "))
    assert time.monotonic() - begun < seconds
    _, more = process.communicate(timeout=60)
    assert (process.returncode, errors_in(more)) == (2, [])
    return line


def errors_in(text):
    """The errors among lines of standard error, which also say what lasts."""
    return [line for line in text.splitlines() if line.startswith("error: ")]


def all_gone(processes, seconds):
    """Whether processes end, however, in so many seconds."""
    return not psutil.wait_procs(processes, timeout=seconds)[1]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
