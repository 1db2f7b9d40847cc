"""Bodies of requests: bounded while they come, before they are decoded."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request

# Bytes of a JSON body, of all bodies at one time, and seconds to send one.
MOST_JSON = 2**20
MOST_TOGETHER = 2**29
SECONDS = 120


class Bodies:
    """Receives bodies, and knows how much of them there is at a time."""

    def __init__(self):
        self.bytes = 0

    @contextlib.asynccontextmanager
    async def json(self, request: Request) -> AsyncIterator[dict]:
        """Yield the object that a body is as JSON.

        Raises:
            HTTPException: It is too large, too slow or no such object.
        """
        async with self.content(request, MOST_JSON) as content:
            try:
                values = json.loads(content)
            except (ValueError, RecursionError):
                raise HTTPException(400, "the body is no JSON") from None
            if not isinstance(values, dict):
                raise HTTPException(400, "the body is no JSON object")
            yield values

    @contextlib.asynccontextmanager
    async def content(
        self, request: Request, most: int
    ) -> AsyncIterator[bytes]:
        """Yield a body of at most so many bytes."""
        parts = []
        async with self._counted(request, most) as chunks:
            async for chunk in chunks:
                parts.append(chunk)
            yield b"".join(parts)

    @contextlib.asynccontextmanager
    async def file(self, request: Request, most: int) -> AsyncIterator[Path]:
        """Yield a temporary file with a body of at most so many bytes."""
        with tempfile.NamedTemporaryFile(prefix="unroll-") as file:
            async with self._counted(request, most) as chunks:
                async for chunk in chunks:
                    await to_thread.run_sync(file.write, chunk)
                file.flush()
                yield Path(file.name)

    @contextlib.asynccontextmanager
    async def _counted(self, request, most):
        """Yield the chunks of a body; its bytes count until the end."""
        total = 0

        def check(size):
            if size > most:
                raise HTTPException(
                    413, f"the body has more than {most:,} bytes"
                )
            if self.bytes - total + size > MOST_TOGETHER:
                raise HTTPException(
                    503, "too many uploads at once", {"Retry-After": "5"}
                )

        async def chunks():
            nonlocal total
            try:
                async with asyncio.timeout(SECONDS):
                    async for chunk in request.stream():
                        check(total + len(chunk))
                        total += len(chunk)
                        self.bytes += len(chunk)
                        yield chunk
            except TimeoutError:
                raise HTTPException(
                    408, f"the body took more than {SECONDS} seconds"
                ) from None

        length = request.headers.get("content-length", "0")
        check(int(length) if length.isdecimal() else 0)
        try:
            yield chunks()
        finally:
            self.bytes -= total
