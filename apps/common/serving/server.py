"""A page and JSON for every finished run: `make demo`.

    make demo
    make demo ARGS="--port 8080 --runs-path other-runs"
    curl http://127.0.0.1:8000/api/sentiment/demo-gru \
        --json '{"text": "what a film"}'

The addresses: `/` lists the runs, `/<app>/<run>` is the page of one,
`POST /api/<app>/<run>` answers JSON as `/openapi.json` describes, `/live/...`
is live video over a WebSocket, `/healthz` says that the server works. A model
is loaded when its page is opened, or when it is first asked; the least recently
used are dropped.
"""

import asyncio
import contextlib
import dataclasses
import errno
import functools
import importlib
import itertools
import json
import os
import socket
import sys
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import uvicorn
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from apps.common import cli, report, runs
from apps.common.terminal import echo
from data_pipelines.files.errors import DataError

from . import openapi
from .bodies import Bodies
from .service import Service, read, upload
from .worker import BusyError, Worker

APPS = Path(__file__).parents[2]
LOOPBACK = ("127.0.0.1", "localhost", "::1")

# Models in memory, requests that wait for one, live videos at a time.
MOST_MODELS = 4
MOST_WAITING = 256
MOST_LIVE = 8
# Bytes of a live frame; seconds without one, of one answer, of a whole stream.
MOST_FRAME = 2**21
LIVE_SECONDS = 60
ANSWER_SECONDS = 60
STREAM_SECONDS = 600

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self';"
        " connect-src 'self'; img-src 'self' data: blob:; media-src blob:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Show finished runs on web pages, and answer JSON."""

    runs_path: str = cli.flag("runs", "folder of all runs", at_least=1)
    host: str = cli.flag(
        "127.0.0.1", "address to listen at; 0.0.0.0: all of this machine"
    )
    port: int = cli.flag(8000, "port (0: a free one)", at_least=0, below=65536)
    batch: int = cli.flag(
        32, "most requests computed at once", at_least=1, at_most=1024
    )


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


def refusal(error: Exception) -> tuple[int, str]:
    """Return the status and the line of an error."""
    if isinstance(error, (DataError, cli.UserError)):
        return 422, str(error)
    if isinstance(error, BusyError):
        return 503, "too many requests are waiting; try again in a second"
    if isinstance(error, TimeoutError):
        return 504, "it took too long"
    if isinstance(error, HTTPException):
        return error.status_code, error.detail
    return 500, "the server failed; its terminal says why"


def refused(_, error: Exception) -> Response:
    """Return an error as JSON."""
    status, line = refusal(error)
    headers = dict(getattr(error, "headers", None) or {})
    if status == 503:
        headers.setdefault("Retry-After", "1")
    return JSONResponse({"error": line}, status, headers)


def page(template: str, **values) -> HTMLResponse:
    """Return a page of a template of this folder."""
    template = report.environment().get_template(f"common/serving/{template}")
    return HTMLResponse(template.render(**values))


async def index(request: Request) -> Response:
    """List the runs."""
    site = request.app.state.site
    listed = await site.in_thread(lambda: list(_listed(site)))
    groups = [
        (service, [pair[1] for pair in pairs])
        for service, pairs in itertools.groupby(listed, lambda pair: pair[0])
    ]
    return page("index.html.jinja", groups=groups, runs_path=site.runs_path)


def _listed(site):
    for run, service in site.finished():
        with contextlib.suppress(cli.UserError, FileNotFoundError):
            yield service, (run, runs.read_metrics(run.path))


async def show(request: Request) -> Response:
    """Show the page of a run, and load its model meanwhile."""
    site = request.app.state.site
    run, service = site.find(request)
    site.worker(run, service)
    metrics = await site.in_thread(runs.read_metrics, run.path)
    return page(
        "run.html.jinja",
        run=run,
        service=service,
        scores={run.name: metrics["metrics"], **metrics["baselines"]},
        columns=list(metrics["metrics"]),
        curl=curl(run, service, str(request.base_url)),
        fields=dataclasses.fields(service.Request),
        body=upload(service.Request),
        examples=await site.in_thread(service.examples, run),
        live_fps=service.live_fps(run),
    )


async def ready(request: Request) -> Response:
    """Answer when the model of a run is loaded."""
    site = request.app.state.site
    await site.worker(*site.find(request)).service()
    return Response(status_code=204)


def curl(run: runs.Run, service: type[Service], base: str) -> str:
    """Return the command that asks a run from a terminal."""
    address = f"{base}api/{run.app}/{quote(run.name, safe='')}"
    body = upload(service.Request)
    if body is not None:
        return f"curl {address} --data-binary @{body.name}"
    fields = dataclasses.fields(service.Request)
    values = {field.name: "..." for field in fields if field.default == ""}
    return f"curl {address} --json '{json.dumps(values)}'"


async def try_out(request: Request) -> Response:
    """Answer the form of a page: lines of JSON with HTML to show."""

    async def line(service, asked, answer):
        html = await request.app.state.site.in_thread(
            rendered, service, asked, answer
        )
        return {"html": html}

    return await _streamed(request, line)


def rendered(service: type[Service], asked, answer) -> str:
    """Return an answer as HTML."""
    template = report.environment().get_template(service.template)
    return template.render(answer=answer, request=asked, **service.helpers)


async def api(request: Request) -> Response:
    """Answer JSON, or lines of JSON while it is computed."""
    site = request.app.state.site
    if "application/x-ndjson" in request.headers.get("accept", ""):

        async def line(service, asked, answer):
            return answer

        return await _streamed(request, line)
    run, service = site.find(request)
    async with site.request(request, service.Request) as asked:
        answers = site.answers(site.worker(run, service), asked)
        *_, last = [answer async for answer in answers]
    return JSONResponse(last)


async def _streamed(request, line):
    """Return lines of JSON; an error before the first one has its status."""
    site = request.app.state.site
    run, service = site.find(request)
    worker = site.worker(run, service)

    async def lines():
        async with (
            site.request(request, service.Request) as asked,
            contextlib.aclosing(site.answers(worker, asked)) as answers,
        ):
            async for answer in answers:
                yield json.dumps(await line(service, asked, answer))

    generator = lines()
    first = await anext(generator)

    async def written():
        yield first + "\n"
        try:
            async with contextlib.aclosing(generator):
                async for text in generator:
                    yield text + "\n"
        except Exception as error:
            yield json.dumps({"error": refusal(error)[1]}) + "\n"

    return StreamingResponse(written(), media_type="application/x-ndjson")


async def live(socket: WebSocket) -> None:
    """Label a live video: "ready", then an answer to each picture."""
    site = socket.app.state.site
    try:
        run, service = site.find(socket)
    except HTTPException:
        await socket.close(4404)
        return
    if not service.live_fps(run) or site.live >= MOST_LIVE:
        await socket.close(4503)
        return
    await socket.accept()
    site.live += 1
    try:
        await _follow(site, socket, service, site.worker(run, service))
    except WebSocketDisconnect:
        pass
    except Exception as error:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_json({"error": refusal(error)[1]})
            await socket.close(4422)
    finally:
        site.live -= 1


async def _follow(site, socket, service, worker):
    loaded = await worker.service()
    label = await worker.call(lambda service: service.live())
    await socket.send_json({"ready": True})
    while True:
        async with asyncio.timeout(LIVE_SECONDS):
            message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        content = message.get("bytes")
        if not content:
            raise DataError("expected a picture, as a binary message")
        frame = await site.in_thread(loaded.prepare_frame, content)
        answer = await worker.call(lambda _, frame=frame: label(frame))
        html = await site.in_thread(rendered, service, None, answer)
        await socket.send_json({"answer": answer, "html": html})


async def health(request: Request) -> Response:
    """Say that the server works."""
    workers = request.app.state.site.workers.values()
    return JSONResponse(
        {
            "status": "ok",
            "models": sum(worker.loaded for worker in workers),
            "waiting": sum(worker.depth for worker in workers),
        }
    )


async def describe(request: Request) -> Response:
    """Describe the JSON."""
    return JSONResponse(openapi.document(request.app.state.site.finished()))


class Guard:
    """Refuses what other sites send by a browser, and adds `HEADERS`.

    Args:
        app: What it guards.
        hosts: Names by which the server may be called; `None`: any.
    """

    def __init__(self, app, hosts: tuple[str, ...] | None):
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope, receive, send):
        """Pass on a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        why = self._suspicious(Headers(scope=scope))
        if why and scope["type"] == "websocket":
            await WebSocket(scope, receive, send).close(4403)
            return

        async def guarded(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = JSONResponse({"error": why}, 403) if why else self.app
        await app(scope, receive, guarded)

    def _suspicious(self, headers):
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname
        if self.hosts is not None and name not in self.hosts:
            return f"unknown host; start the server with --host {name}"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "another site asks"
        return None


def application(site: Site, hosts: tuple[str, ...] | None) -> Guard:
    """Return the ASGI application of a site.

    Args:
        site: Its runs.
        hosts: As for `Guard`.
    """
    errors = (HTTPException, DataError, cli.UserError, BusyError, TimeoutError)
    app = Starlette(
        routes=[
            Route("/", index),
            Route("/healthz", health),
            Route("/openapi.json", describe),
            Mount(
                "/static",
                StaticFiles(directory=Path(__file__).parent / "static"),
            ),
            Route("/api/{app}/{run}", api, methods=["POST"]),
            WebSocketRoute("/live/{app}/{run}", live),
            Route("/ready/{app}/{run}", ready),
            Route("/{app}/{run}", show),
            Route("/{app}/{run}", try_out, methods=["POST"]),
        ],
        exception_handlers={kind: refused for kind in (*errors, Exception)},
    )
    app.state.site = site
    return Guard(app, hosts)


def main(options: Options) -> None:
    """Serve until Ctrl-C."""
    site = Site(options.runs_path, options.batch)
    count = sum(1 for _ in site.finished())
    if not count:
        raise cli.UserError(
            f"no finished run in {options.runs_path}; train one, such as by"
            " `make train-sentiment`"
        )
    try:
        listening = socket.create_server((options.host, options.port))
    except (OSError, OverflowError) as error:
        advice = ""
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            advice = "; give another --port, or 0 for a free one"
        why = getattr(error, "strerror", None) or error
        raise cli.UserError(
            f"{options.host}:{options.port}: {why}{advice}"
        ) from None
    port = listening.getsockname()[1]
    hosts = None
    if options.host in LOOPBACK:
        hosts = LOOPBACK
    else:
        echo(
            "note: whoever reaches this machine can use the runs",
            file=sys.stderr,
        )
    echo(
        f"{count} runs at http://{options.host}:{port}/ (Ctrl-C ends it)",
        flush=True,
    )
    config = uvicorn.Config(
        application(site, hosts),
        log_level="warning",
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=MOST_FRAME,
        timeout_graceful_shutdown=3,
        limit_concurrency=1000,
    )
    # Takes seconds: before the first run is asked for.
    threading.Thread(
        target=importlib.import_module, args=["keras"], daemon=True
    ).start()
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    cli.main(lambda: main(cli.command(Options)))
