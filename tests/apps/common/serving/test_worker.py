"""Requests are answered in batches, whatever becomes of one of them."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from apps.common.cli import UserError
from apps.common.serving.worker import BusyError, Worker
from data_pipelines.files.errors import DataError
from tests.apps.common.serving.toy import Service


def ask(text):
    return SimpleNamespace(text=text)


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def blocked(worker, echo):
    """Makes the thread wait in a batch of one."""
    await worker.service()
    echo.go_on.clear()
    first = asyncio.create_task(worker.answer(ask("first")))
    await asyncio.sleep(0)
    await until(lambda: worker.depth == 0)
    return first


def test_what_waits_is_the_next_batch():
    async def main():
        echo = Service()
        worker = Worker(lambda: echo, batch=4, waiting=99)
        first = await blocked(worker, echo)
        others = [
            asyncio.create_task(worker.answer(ask(str(n)))) for n in range(6)
        ]
        await until(lambda: worker.depth == 6)
        echo.go_on.set()
        answers = await asyncio.gather(first, *others)
        assert [a["text"] for a in answers] == ["first", *map(str, range(6))]
        assert echo.sizes == [1, 4, 2]

    asyncio.run(main())


def test_a_bad_request_spoils_no_batch(capsys):
    async def main():
        echo = Service()
        worker = Worker(lambda: echo, batch=9, waiting=99)
        first = await blocked(worker, echo)
        texts = ["a", "bad", "b", "wrong"]
        others = [worker.answer(ask(text)) for text in texts]
        others = asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)
        await until(lambda: worker.depth == 4)
        echo.go_on.set()
        one, bad, two, wrong = await others
        assert [one["text"], two["text"]] == ["a", "b"]
        assert isinstance(bad, DataError)
        assert isinstance(wrong, ZeroDivisionError)
        await first

    asyncio.run(main())
    # Our own mistakes are printed, those of the user are not.
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_full_queue_is_said_and_those_that_left_make_room():
    async def main():
        echo = Service()
        worker = Worker(lambda: echo, batch=1, waiting=2)
        first = await blocked(worker, echo)
        waiting = [
            asyncio.create_task(worker.answer(ask("x"))) for _ in range(2)
        ]
        await until(lambda: worker.depth == 2)
        with pytest.raises(BusyError):
            await worker.answer(ask("y"))
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        await asyncio.sleep(0)
        echo.go_on.set()
        await first
        assert (await waiting[1])["text"] == "x"
        # What was cancelled was not computed.
        assert echo.sizes == [1, 1]

    asyncio.run(main())


def test_a_model_that_cannot_be_loaded_is_said_to_all():
    def load():
        raise UserError("it is damaged")

    async def main():
        worker = Worker(load, batch=1, waiting=9)
        for ask_again in (worker.service, lambda: worker.answer(ask("x"))):
            with pytest.raises(UserError, match="it is damaged"):
                await ask_again()
        assert worker.failed

    asyncio.run(main())


def test_streams_take_turns_and_are_closed():
    class Counts:
        closed = 0

        def __call__(self, batch):
            return [{"text": "answer"} for _ in batch]

        def stream(self, end):
            try:
                yield from range(end)
            finally:
                self.closed += 1

    async def main():
        echo = Counts()
        worker = Worker(lambda: echo, batch=8, waiting=9)
        one, two = worker.stream(3), worker.stream(1000)
        assert [await anext(one), await anext(two)] == [0, 0]
        # An answer comes between two steps of a stream.
        assert (await worker.answer(None))["text"] == "answer"
        assert [event async for event in one] == [1, 2]
        await two.aclose()
        await until(lambda: echo.closed == 2)

    asyncio.run(main())


def test_a_worker_that_is_closed_answers_what_waits_and_ends():
    async def main():
        echo = Service()
        before = threading.active_count()
        worker = Worker(lambda: echo, batch=8, waiting=9)
        first = await blocked(worker, echo)
        waiting = asyncio.create_task(worker.answer(ask("x")))
        await asyncio.sleep(0)
        worker.close()
        echo.go_on.set()
        assert (await waiting)["text"] == "x"
        await first
        with pytest.raises(BusyError):
            await worker.answer(ask("y"))
        await until(lambda: threading.active_count() == before)

    asyncio.run(main())
