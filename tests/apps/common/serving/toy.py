"""An app that needs no model, and a site with a run of it."""

import dataclasses
import json
import threading
import typing
from pathlib import Path

from starlette.testclient import TestClient

from apps.common import cli
from apps.common.serving import server, service, site
from data_pipelines.files.errors import DataError

# Addresses of the run that `write_run` writes.
RUN = "/echo/a%20run"
API = f"/api{RUN}"
LIVE = f"ws://localhost/live{RUN}"


class Answer(typing.TypedDict):
    """The text again."""

    text: str
    words: list[str]
    batch: int
    first: str | None
    lengths: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Request:
    text: str = cli.flag("", "text", at_least=1, at_most=100)
    times: int = cli.flag(1, "repetitions", at_least=1, at_most=5)
    share: float = cli.flag(0.5, "share", at_least=0.0, at_most=1.0)
    loud: bool = cli.flag(False, "in capitals")
    kind: str = cli.flag("plain", "kind", choices=["plain", "odd"])
    note: str = cli.flag("", "a note", at_most=40)


@dataclasses.dataclass(frozen=True)
class Picture:
    picture: bytes = cli.flag(b"", "a picture", at_most=1000)
    times: int = cli.flag(1, "repetitions", at_least=1, at_most=5)


VIDEO = cli.flag(None, "a video", at_most=1000)


@dataclasses.dataclass(frozen=True)
class Video:
    video: Path = VIDEO


class Service(service.Service):
    """Answers with what was asked."""

    title = "Echo <b>"
    lead = "Write."
    template = "common/templates/macros.html.jinja"
    Request = Request
    Answer = Answer

    def __init__(self):
        self.sizes = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.closed = 0

    @classmethod
    def examples(cls, run):
        return ["<script>"]

    def prepare(self, request):
        if getattr(request, "text", "") == "odd":
            raise DataError("text: it is odd")
        return request

    def __call__(self, batch):
        self.go_on.wait(10)
        self.sizes.append(len(batch))
        texts = [request.text for request in batch]
        if "bad" in texts:
            raise DataError("text: it is bad")
        if "wrong" in texts:
            raise ZeroDivisionError
        return [
            {
                "text": text,
                "words": text.split(),
                "batch": len(batch),
                "first": None,
                "lengths": {word: len(word) for word in text.split()},
            }
            for text in texts
        ]

    def stream(self, request):
        try:
            content = request.video.read_bytes()
            for end in range(1, len(content) + 1):
                if content[end - 1 : end] == b"!":
                    raise DataError("video: ends here")
                yield {
                    "text": content[:end].decode(),
                    "path": str(request.video),
                }
        finally:
            self.closed += 1

    @classmethod
    def live_fps(cls, run):
        return 5.0

    def prepare_frame(self, content):
        if content == b"bad":
            raise DataError("frame: is no picture")
        return content.decode()

    def live(self):
        frames = []

        def label(frame):
            frames.append(frame)
            return {"frames": list(frames)}

        return label


def write_run(folder, app="echo", name="a run"):
    path = folder / app / name
    path.mkdir(parents=True)
    config = {"cell": "gru", "dataset": "demo"}
    record = {"app": app, "run": name, "config": config, "command": "x"}
    (path / "config.json").write_text(json.dumps(record))
    metrics = {
        **{"app": app, "run": name, "dataset": "demo"},
        **{
            "metrics": {"accuracy": 0.5},
            "baselines": {"<i>none": {"accuracy": 0}},
        },
        **{"examples": {}, "parameters": 1, "train_seconds": 1.0},
    }
    (path / "metrics.json").write_text(json.dumps(metrics))
    (path / "model.keras").touch()
    return path


def client(folder, monkeypatch, echo, kind=Service, **more):
    """A client of a site whose app `echo` is served by `echo`."""
    monkeypatch.setattr(kind, "of_run", classmethod(lambda cls, run: echo))
    monkeypatch.setattr(
        site, "service_of", lambda app: kind if app == "echo" else None
    )
    monkeypatch.setattr(
        server, "rendered", lambda service, asked, answer: f"<p>{answer}"
    )
    runs = site.Site(folder, **more)
    application = server.application(runs, server.LOOPBACK)
    return TestClient(
        application,
        base_url="http://localhost",
        raise_server_exceptions=False,
    )
