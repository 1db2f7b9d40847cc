"""A thread that loads a model and answers requests in batches.

While it computes a batch, requests wait in a bounded queue; all that wait are
the next batch, so that nobody waits for a batch to fill. What else needs the
model, a step of a stream or a live frame, takes its turn in the same queue.
"""

import asyncio
import queue
import threading
import traceback
import typing
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future

from apps.common.cli import UserError
from data_pipelines.files.errors import DataError

_END = object()


class BusyError(Exception):
    """Too many requests are waiting."""


class _Job(typing.NamedTuple):
    """A prepared request, or a function of the service to call alone."""

    future: Future
    prepared: typing.Any = None
    function: Callable | None = None


class Worker:
    """A model in a thread of its own; all methods are for the event loop.

    Args:
        load: Returns the `Service`; is called by the thread.
        batch: Most requests that are computed at once.
        waiting: Most requests that wait.
    """

    def __init__(self, load: Callable, batch: int, waiting: int):
        self.batch = batch
        self.waiting = waiting
        self.closed = False
        self._loaded: Future = Future()
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._run, args=[load], daemon=True).start()

    @property
    def loaded(self) -> bool:
        """Whether the model is loaded, or cannot be."""
        return self._loaded.done()

    @property
    def failed(self) -> bool:
        """Whether the model cannot be loaded."""
        return self.loaded and self._loaded.exception() is not None

    @property
    def depth(self) -> int:
        """How many requests wait."""
        return self._queue.qsize()

    async def service(self):
        """Return the `Service`, once it is loaded.

        Raises:
            UserError: It cannot be loaded.
        """
        return await asyncio.shield(asyncio.wrap_future(self._loaded))

    async def answer(self, prepared) -> typing.Mapping:
        """Answer a request, together with others that wait.

        Raises:
            BusyError: Too many are waiting.
            DataError: Something is wrong with it.
        """
        return await self._put(prepared=prepared)

    async def call(self, function: Callable):
        """Return what a function makes of the service, in turn."""
        return await self._put(function=function)

    async def stream(self, prepared) -> AsyncIterator[typing.Mapping]:
        """Yield what the service yields of a request, each step in turn."""
        steps = await self.call(lambda service: service.stream(prepared))
        try:
            while True:
                # One that has begun comes to its end.
                event = await self._put(
                    begun=True, function=lambda _: next(steps, _END)
                )
                if event is _END:
                    return
                yield event
        finally:
            # In turn, too: the thread may be in the middle of a step.
            self._queue.put(_Job(Future(), None, lambda _: steps.close()))

    def close(self) -> None:
        """End the thread when what waits is answered."""
        self.closed = True
        self._queue.put(None)

    def _put(self, begun=False, **job) -> asyncio.Future:
        if self.closed or (not begun and self.depth >= self.waiting):
            raise BusyError
        future: Future = Future()
        self._queue.put(_Job(future, **job))
        return asyncio.wrap_future(future)

    def _run(self, load):
        service = None
        try:
            service = load()
        except Exception as error:
            self._loaded.set_exception(_reported(error))
        else:
            self._loaded.set_result(service)
        ended = False
        while not ended:
            jobs = [self._queue.get()]
            while len(jobs) < self.batch and not self._queue.empty():
                jobs.append(self._queue.get())
            ended = None in jobs
            self._do(
                service,
                # Those whose clients have gone are left out.
                [
                    j
                    for j in jobs
                    if j and j.future.set_running_or_notify_cancel()
                ],
            )

    def _do(self, service, jobs):
        if self.failed:
            for job in jobs:
                job.future.set_exception(self._loaded.exception())
            return
        _answer(service, [job for job in jobs if job.function is None])
        for job in jobs:
            if job.function is not None:
                _settle(job.future, job.function, service)


def _answer(service, jobs):
    """Answer a batch; if something is wrong with it, each request alone."""
    if not jobs:
        return
    try:
        answers = service([job.prepared for job in jobs])
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].future.set_exception(_reported(error))
            return
        for job in jobs:
            _answer(service, [job])
        return
    for job, answer in zip(jobs, answers, strict=True):
        job.future.set_result(answer)


def _settle(future, function, *arguments):
    try:
        future.set_result(function(*arguments))
    except Exception as error:
        future.set_exception(_reported(error))


def _reported(error):
    """Return an error; one that is nobody's fault but ours is printed."""
    if not isinstance(error, (DataError, UserError)):
        traceback.print_exception(error)
    return error
