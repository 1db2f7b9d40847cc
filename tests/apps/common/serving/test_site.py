"""Models: as many at a time as there may be, and for as long."""

import threading
import time

from apps.common import cli
from apps.common.serving import site, worker
from tests.apps.common.serving import toy
from tests.apps.common.serving.toy import API, RUN


def test_a_full_queue_is_503_and_the_page_answers_meanwhile(
    client, echo, monkeypatch
):
    monkeypatch.setattr(site, "MOST_WAITING", 1)
    assert client.post(API, json={"text": "a"}).status_code == 200
    echo.go_on.clear()
    answers = []
    asking = [
        threading.Thread(
            target=lambda: answers.append(client.post(API, json={"text": "a"}))
        )
        for _ in range(6)
    ]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + 5
    while len(answers) < 4 and time.monotonic() < deadline:
        assert client.get("/").status_code == 200
    assert client.get("/healthz").json() == {
        "status": "ok",
        "models": 1,
        "waiting": 1,
    }
    echo.go_on.set()
    for thread in asking:
        thread.join()
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) == 4
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.status_code for answer in answers} == {200, 503}


def test_what_takes_too_long_is_504(client, echo, monkeypatch):
    echo.go_on.clear()
    monkeypatch.setattr(site, "ANSWER_SECONDS", 0.05)
    answer = client.post(API, json={"text": "a"})
    echo.go_on.set()
    assert (answer.status_code, answer.json()) == (
        504,
        {"error": "it took too long"},
    )


def test_a_model_that_cannot_be_loaded_is_tried_again(
    client, echo, monkeypatch
):
    def fails(cls, run):
        raise cli.UserError("model.keras is damaged")

    monkeypatch.setattr(toy.Service, "of_run", classmethod(fails))
    for answer in (
        client.get(f"/ready{RUN}"),
        client.post(API, json={"text": "a"}),
    ):
        assert (answer.status_code, answer.json()) == (
            422,
            {"error": "model.keras is damaged"},
        )
    monkeypatch.setattr(
        toy.Service, "of_run", classmethod(lambda cls, run: echo)
    )
    assert client.post(API, json={"text": "a"}).status_code == 200


def test_the_least_recently_used_model_is_dropped(client, folder, monkeypatch):
    monkeypatch.setattr(site, "MOST_MODELS", 2)
    ended = []
    monkeypatch.setattr(worker.Worker, "close", lambda self: ended.append(self))
    for name in "bc":
        toy.write_run(folder, name=name)
    for path in (API, "/api/echo/b", API, "/api/echo/c", API):
        assert client.post(path, json={"text": "a"}).status_code == 200
    assert len(ended) == 1
    assert client.get("/healthz").json()["models"] == 2
