"""Where a result comes from: versions, git commit, device, time."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

import numpy as np


def versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    import keras

    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": keras.version(),
    }
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        versions["tensorflow"] = tf.__version__
    return versions


def commit() -> str | None:
    """Return the git commit of this checkout, `None` outside of one."""
    revision = _git("rev-parse", "--short=12", "HEAD")
    if revision is None:
        return None
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return revision + ("-changed" if changed else "")


def device() -> str:
    """Return the device that computes: "cpu (2 cores)" or the GPUs."""
    import keras

    devices = keras.distribution.list_devices()
    gpus = [name for name in devices if "cpu" not in name.lower()]
    if gpus:
        return ", ".join(gpus)
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return f"cpu ({len(os.sched_getaffinity(0))} cores)"
    return f"cpu ({os.cpu_count()} cores)"


def now() -> str:
    """Return the time in UTC, to the minute: "2026-11-30 10:45 UTC"."""
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _git(*words):
    try:
        return subprocess.run(
            ["git", *words],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
