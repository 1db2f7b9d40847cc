"""What a page may do, and who may ask the server."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

LOOPBACK = ("127.0.0.1", "localhost", "::1")

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
