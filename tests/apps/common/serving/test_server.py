"""Pages, JSON and live video of a toy app; what is too much is refused."""

import json
import os
import re
import socket

import pytest
from starlette.websockets import WebSocketDisconnect

from apps.common import cli
from apps.common.serving import bodies, server, site
from tests.apps.common.serving import toy
from tests.apps.common.serving.toy import API, LIVE, RUN


class OfPictures(toy.Service):
    Request = toy.Picture

    def __call__(self, batch):
        return [{"bytes": len(p.picture), "times": p.times} for p in batch]


class OfVideos(toy.Service):
    Request = toy.Video
    streams = True


def test_runs_are_listed_as_they_finish(client, folder):
    (folder / "echo" / "unfinished").mkdir()
    toy.write_run(folder, "unknown")
    toy.write_run(folder, name="<i>&")
    page = client.get("/").text
    assert page.count('class="card"') == 2
    assert '<a class="card" href="/echo/a%20run">' in page
    assert "/echo/%3Ci%3E%26" in page
    assert "<b>&lt;i&gt;&amp;</b>" in page
    assert "Echo &lt;b&gt;" in page
    assert "0.5000" in page


def test_the_page_of_a_run_has_the_form_of_its_request(client):
    page = client.get(RUN)
    assert page.status_code == 200
    for name in ("text", "times", "share", "loud", "kind"):
        assert f'name="{name}"' in page.text
    assert 'maxlength="100"' in page.text
    assert 'min="1" max="5"' in page.text
    assert page.text.count("<textarea") == 1
    assert '<input type="text" id="note"' in page.text
    assert "&lt;script&gt;</button>" in page.text
    assert "&lt;i&gt;none" in page.text
    assert f"curl http://localhost{API}" in page.text
    # Nothing on it that its own policy would stop.
    assert not re.search(r"style=|<style|<script>|\son\w+=", page.text)


def test_json_is_answered(client):
    answer = client.post(API, json={"text": "two <b>words"})
    assert answer.status_code == 200
    assert answer.json()["words"] == ["two", "<b>words"]


def test_the_form_gets_lines_of_html(client):
    answer = client.post(RUN, json={"text": "x"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    (line,) = answer.text.splitlines()
    assert json.loads(line)["html"].startswith("<p>{'text': 'x'")


@pytest.mark.parametrize(
    ("path", "options", "status", "line"),
    [
        (API, {"json": {"text": ""}}, 422, "text is empty"),
        (API, {"json": {"text": "odd"}}, 422, "text: it is odd"),
        (API, {"json": {"text": "bad"}}, 422, "text: it is bad"),
        (RUN, {"json": {"text": "bad"}}, 422, "text: it is bad"),
        (API, {"json": [1]}, 400, "the body is no JSON object"),
        (API, {"content": b"\xff"}, 400, "the body is no JSON"),
        (API, {"content": b"[" * 9999}, 400, "the body is no JSON"),
        (API, {"json": {"text": "wrong"}}, 500, "the server failed"),
        ("/api/echo/%2e%2e%2fx", {"json": {}}, 404, ""),
        ("/api/other/x", {"json": {}}, 404, "no finished run 'other/x'"),
        ("/api/../x", {"json": {}}, 404, ""),
    ],
)
def test_what_is_wrong_is_one_line_of_json(client, path, options, status, line):
    answer = client.post(path, **options)
    assert answer.status_code == status
    if line:
        assert line in answer.json()["error"]


def test_a_page_that_is_not_there_is_a_line(client):
    answer = client.get("/echo/none")
    assert answer.status_code == 404
    assert answer.json() == {"error": "no finished run 'echo/none'"}
    assert client.get(API).status_code == 405


def test_a_json_body_is_bounded_before_it_is_read(client, echo, monkeypatch):
    monkeypatch.setattr(bodies, "MOST_JSON", 50)
    line = {"error": "the body has more than 50 bytes"}
    answer = client.post(API, json={"text": "a" * 60})
    assert (answer.status_code, answer.json()) == (413, line)
    # Nor does a body without a length go through.
    answer = client.post(API, content=(b"a" * 10 for _ in range(9)))
    assert (answer.status_code, answer.json()) == (413, line)
    assert echo.sizes == []


def test_a_picture_is_a_body_and_its_options_the_query(folder, monkeypatch):
    with toy.client(folder, monkeypatch, OfPictures(), OfPictures) as client:
        answer = client.post(f"{API}?times=2", content=b"x" * 1000)
        assert answer.json() == {"bytes": 1000, "times": 2}
        assert client.post(API, content=b"x" * 1001).status_code == 413
        answer = client.post(f"{API}?tims=2", content=b"x")
        assert answer.json() == {
            "error": "unknown field 'tims'; did you mean times?"
        }
        assert 'type="file"' in client.get(RUN).text


def test_bodies_together_are_bounded(folder, monkeypatch):
    echo = OfPictures()
    with toy.client(folder, monkeypatch, echo, OfPictures) as client:
        monkeypatch.setattr(bodies, "MOST_TOGETHER", 900)
        answer = client.post(API, content=b"x" * 901)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        for _ in range(3):  # what is answered counts no longer
            assert client.post(API, content=b"x" * 900).status_code == 200


def test_a_video_is_a_temporary_file_and_answered_in_steps(
    folder, monkeypatch, tmp_path
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "echo"))
    echo = OfVideos()
    with toy.client(folder, monkeypatch, echo, OfVideos) as client:
        headers = {"accept": "application/x-ndjson"}
        answer = client.post(API, content=b"abc", headers=headers)
        lines = list(map(json.loads, answer.text.splitlines()))
        assert [line["text"] for line in lines] == ["a", "ab", "abc"]
        assert client.post(API, content=b"ab").json()["text"] == "ab"
        # An error before the first line has its status, a later one a line.
        answer = client.post(API, content=b"!", headers=headers)
        assert (answer.status_code, answer.json()) == (
            422,
            {"error": "video: ends here"},
        )
        answer = client.post(API, content=b"a!", headers=headers)
        last = json.loads(answer.text.splitlines()[-1])
        assert last == {"error": "video: ends here"}
        assert client.post(API, content=b"a" * 1001).status_code == 413
    assert not os.path.exists(lines[0]["path"])
    assert os.listdir(tmp_path / "echo") == ["a run"]


def test_who_opens_a_page_is_told_when_the_model_is_warm(client, echo):
    warmed = []
    echo.warm = lambda run: warmed.append(run.name)
    assert client.get(f"/ready{RUN}").status_code == 204
    assert warmed == ["a run"]
    assert client.get("/ready/echo/none").status_code == 404


def test_each_live_video_has_a_state_of_its_own(client):
    with (
        client.websocket_connect(LIVE) as one,
        client.websocket_connect(LIVE) as two,
    ):
        for live in (one, two):
            assert live.receive_json() == {"ready": True}
        for live, frame, frames in (
            (one, b"a", ["a"]),
            (two, b"b", ["b"]),
            (one, b"c", ["a", "c"]),
        ):
            live.send_bytes(frame)
            line = live.receive_json()
            assert line["answer"] == {"frames": frames}
            assert line["html"].startswith("<p>")


@pytest.mark.parametrize(
    ("frame", "line"),
    [
        (b"bad", "frame: is no picture"),
        ("a text", "expected a picture, as a binary message"),
    ],
)
def test_a_bad_frame_ends_a_live_video_with_a_line(client, frame, line):
    with client.websocket_connect(LIVE) as live:
        live.receive_json()
        send = live.send_text if isinstance(frame, str) else live.send_bytes
        send(frame)
        assert live.receive_json() == {"error": line}
        with pytest.raises(WebSocketDisconnect):
            live.receive_json()


def test_live_videos_are_bounded(client, monkeypatch):
    monkeypatch.setattr(server, "MOST_LIVE", 0)
    for path in (LIVE, "ws://localhost/live/echo/none"):
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect(path),
        ):
            pass


def test_the_description_names_every_run(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert list(paths) == [API]


def test_a_server_needs_a_run_and_a_free_port(folder, monkeypatch):
    with pytest.raises(cli.UserError, match="no finished run in nowhere"):
        server.main(server.Options("nowhere"))
    monkeypatch.setattr(site, "service_of", lambda app: toy.Service)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(cli.UserError, match="another --port"):
            server.main(server.Options(str(folder), port=port))
