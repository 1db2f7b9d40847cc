"""The runs of a folder, and the models of those that are in use."""

import asyncio
import contextlib
import functools
import importlib
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.websockets import WebSocket

from apps.common import cli, runs
from data_pipelines.files.errors import DataError

from .bodies import Bodies
from .service import Service, read, upload
from .worker import Worker

APPS = Path(__file__).parents[2]

# Models in memory, requests that wait for one.
MOST_MODELS = 4
MOST_WAITING = 256
# Seconds of one answer, of a whole stream.
ANSWER_SECONDS = 60
STREAM_SECONDS = 600


class Site:
    """The runs of a folder, and the workers of those that are in use.

    Args:
        runs_path: The folder.
        batch: Most requests that are computed at once.
    """

    def __init__(self, runs_path: str | Path, batch: int = 32):
        self.runs_path = Path(runs_path)
        self.batch = batch
        self.bodies = Bodies()
        self.live = 0
        self.workers: OrderedDict[tuple, Worker] = OrderedDict()
        # What is done beside the models, such as to decode pictures.
        self.threads = CapacityLimiter(os.cpu_count() or 1)

    def finished(self) -> Iterator[tuple[runs.Run, type[Service]]]:
        """Yield the finished runs, and how each is served."""
        for path in sorted(self.runs_path.glob("*/*/metrics.json")):
            service = service_of(path.parts[-3])
            with contextlib.suppress(cli.UserError, DataError):
                record = runs.read_record(path.parent)
                if service and record["app"] == path.parts[-3]:
                    yield runs.Run(record["app"], path.parent, record), service

    def find(self, request: Request | WebSocket):
        """Return the run that an address names, and how it is served.

        Raises:
            HTTPException: There is none.
        """
        app, name = (request.path_params[part] for part in ("app", "run"))
        service, folder = service_of(app), self.runs_path / app
        if service and folder.is_dir() and name in os.listdir(folder):
            path = folder / name
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                finished = (path / "metrics.json").stat().st_mtime_ns
                return _opened(app, path, finished), service
        raise HTTPException(404, f"no finished run {f'{app}/{name}'[:200]!r}")

    def worker(self, run: runs.Run, service: type[Service]) -> Worker:
        """Return the worker of a run, which loads its model if need be."""
        # A run that is trained anew is another one.
        key = run.path, run.file("model.keras").stat().st_mtime_ns
        worker = self.workers.pop(key, None)
        if worker is None or worker.failed:
            worker = Worker(
                lambda: load(run, service),
                self.batch,
                MOST_WAITING,
            )
        self.workers[key] = worker
        while len(self.workers) > MOST_MODELS:
            self.workers.popitem(last=False)[1].close()
        return worker

    async def in_thread(self, function, *arguments):
        """Return what a function returns, called by one of a few threads."""
        return await to_thread.run_sync(
            function, *arguments, limiter=self.threads
        )

    @contextlib.asynccontextmanager
    async def request(self, request: Request, kind: type):
        """Yield what a request asks for, checked."""
        body = upload(kind)
        if body is None:
            async with self.bodies.json(request) as values:
                yield read(kind, values)
            return
        most = int(body.metadata["at_most"])
        receive = self.bodies.file if body.type is Path else self.bodies.content
        values = dict(request.query_params)
        read(kind, values)
        async with receive(request, most) as content:
            yield read(kind, values, content)

    async def answers(self, worker: Worker, asked) -> AsyncIterator[dict]:
        """Yield the answers to a request, the last one the whole."""
        # No timeout may span a `yield`: who goes on may be another task.
        async with asyncio.timeout(ANSWER_SECONDS):
            service = await worker.service()
            prepared = await self.in_thread(service.prepare, asked)
            if not service.streams:
                answer = await worker.answer(prepared)
        if not service.streams:
            yield answer
            return
        deadline = asyncio.get_running_loop().time() + STREAM_SECONDS
        async with contextlib.aclosing(worker.stream(prepared)) as events:
            while True:
                async with asyncio.timeout_at(deadline):
                    event = await anext(events, None)
                if event is None:
                    return
                yield event


@functools.lru_cache(1024)
def _opened(app, path, finished):
    """Return a run as it was when it was finished."""
    return runs.Run(app, path, runs.read_record(path))


def load(run: runs.Run, service: type[Service]) -> Service:
    """Load the model of a run, and compile it."""
    loaded = service.of_run(runs.open_run(run.app, str(run.path)))
    loaded.warm(run)
    return loaded


def service_of(app: str) -> type[Service] | None:
    """Return how the runs of an app are served, if it says so."""
    if not app.isidentifier() or not (APPS / app / "serve.py").exists():
        return None
    return importlib.import_module(f"apps.{app}.serve").Service
