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
import importlib
import itertools
import json
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
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

from apps.common import cli, outcome, report, runs
from apps.common.terminal import echo
from data_pipelines.files.errors import DataError

from . import openapi
from .guard import LOOPBACK, Guard
from .service import Service, upload
from .site import Site
from .worker import BusyError

# Live videos at a time, bytes of a frame, seconds without one.
MOST_LIVE = 8
MOST_FRAME = 2**21
LIVE_SECONDS = 60


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
            yield service, (run, outcome.read_metrics(run.path))


async def show(request: Request) -> Response:
    """Show the page of a run, and load its model meanwhile."""
    site = request.app.state.site
    run, service = site.find(request)
    site.worker(run, service)
    metrics = await site.in_thread(outcome.read_metrics, run.path)
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
