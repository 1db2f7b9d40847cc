"""Latency of `make demo` under load, batched beside one by one.

    make bench-serving
    python -m benchmarks.serving --requests 2000 --at-once 64 --runs-path runs

The smallest runs of two apps that take texts are asked, by as many clients at
once as `--at-once` says, each in a server of its own, with batches and without.
Meanwhile the list of runs is asked for, too: a page has to answer in between.
Memory is that of the server when a quarter of the requests are answered, and at
the end. It ends with status 1 if a request fails.
"""

import asyncio
import contextlib
import dataclasses
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx2
import numpy as np
import psutil

from apps.common import cli, outcome, runs, tables
from apps.common.serving.service import Service, upload
from apps.common.serving.site import Site
from apps.common.terminal import echo

BATCH = 32
TEXT = "The small house is old, but the garden is lovely."
COLUMNS = [
    *("requests", "failed", "p50 ms", "p95 ms", "per second"),
    *("page p95 ms", "MB at 25 %", "MB at the end"),
]


@dataclasses.dataclass(frozen=True)
class Options:
    """Times requests to finished runs."""

    runs_path: str = cli.flag("runs", "folder of all runs", at_least=1)
    requests: int = cli.flag(2000, "requests to each run", at_least=8)
    at_once: int = cli.flag(64, "clients at once", at_least=1, at_most=256)


def smallest(site: Site, count: int = 2) -> list:
    """Return the smallest run, and its service, of some apps of texts.

    Raises:
        UserError: There are not so many.
    """
    by_app: dict[str, list] = {}
    for run, service in site.finished():
        if upload(service.Request) is None:
            size = outcome.read_metrics(run.path)["parameters"]
            by_app.setdefault(run.app, []).append(
                (size, run.name, run, service)
            )
    best = sorted(min(choice) for choice in by_app.values())[:count]
    if len(best) < count:
        raise cli.UserError(
            f"{site.runs_path}: expected finished runs of {count} apps of"
            " texts; train them, such as by `make train-sentiment"
            ' ARGS="--preset smoke"`'
        )
    return [(run, service) for *_, run, service in best]


@contextlib.contextmanager
def server(runs_path: str, batch: int) -> Iterator[tuple[str, psutil.Process]]:
    """Yield the address of a server, and its process."""
    command = [sys.executable, "-m", "apps.common.serving.server"]
    flags = ["--runs-path", runs_path, "--port", "0", "--batch", str(batch)]
    with subprocess.Popen(
        [*command, *flags],
        stdout=subprocess.PIPE,
        text=True,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
    ) as process:
        address = re.search(r"http://\S+/", process.stdout.readline())[0]
        try:
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()


async def load(
    options: Options,
    address: str,
    process: psutil.Process,
    run: runs.Run,
    texts: list[str],
) -> dict:
    """Ask a run as often as the options say; return a row of the table."""
    times, pages, failed, memory = [], [], 0, [0.0]
    numbers = iter(range(options.requests))
    limits = httpx2.Limits(max_connections=options.at_once + 1)

    async with httpx2.AsyncClient(
        base_url=address, timeout=120, limits=limits
    ) as client:

        async def ask(number):
            json = {"text": texts[number % len(texts)]}
            return await client.post(f"api/{run.app}/{run.name}", json=json)

        async def ask_all():
            nonlocal failed
            for number in numbers:
                begun = time.perf_counter()
                answer = await ask(number)
                times.append(1000 * (time.perf_counter() - begun))
                failed += answer.status_code != 200
                if len(times) == options.requests // 4:
                    memory[0] = process.memory_info().rss / 2**20

        async def look():
            while True:
                begun = time.perf_counter()
                (await client.get("")).raise_for_status()
                pages.append(1000 * (time.perf_counter() - begun))
                await asyncio.sleep(0.1)

        # The model is loaded, and compiled for batches.
        await asyncio.gather(*map(ask, range(options.at_once)))
        looking = asyncio.create_task(look())
        begun = time.perf_counter()
        await asyncio.gather(*(ask_all() for _ in range(options.at_once)))
        seconds = time.perf_counter() - begun
        looking.cancel()
    p50, p95 = np.percentile(times, [50, 95])
    return {
        "requests": len(times),
        "failed": failed,
        "p50 ms": f"{p50:.1f}",
        "p95 ms": f"{p95:.1f}",
        "per second": f"{len(times) / seconds:.0f}",
        "page p95 ms": f"{np.percentile(pages, 95):.1f}",
        "MB at 25 %": f"{memory[0]:.0f}",
        "MB at the end": f"{process.memory_info().rss / 2**20:.0f}",
    }


def texts_of(run: runs.Run, service: type[Service]) -> list[str]:
    """Return texts to ask a run."""
    return [*service.examples(run)] or [TEXT]


def main(options: Options) -> None:
    """Time both runs, batched and one by one; print a table."""
    rows = {}
    for run, service in smallest(Site(options.runs_path)):
        for batch in (BATCH, 1):
            with server(options.runs_path, batch) as (address, process):
                texts = texts_of(run, service)
                row = load(options, address, process, run, texts)
                way = f"batches of {batch}" if batch > 1 else "one by one"
                rows[f"{run.app} {run.name}, {way}"] = asyncio.run(row)
    echo(tables.text(rows, COLUMNS))
    if any(row["failed"] for row in rows.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    cli.main(lambda: main(cli.command(Options)))
