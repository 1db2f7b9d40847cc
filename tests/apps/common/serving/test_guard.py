"""Who may ask, and what a page may do."""

import pytest
from starlette.websockets import WebSocketDisconnect

from tests.apps.common.serving.toy import API, LIVE, RUN


def test_every_answer_has_the_policy(client):
    for path in ("/", RUN, "/static/demo.js", "/nothing/there", "/healthz"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("headers", "line"),
    [
        ({"host": "evil.example"}, "start the server with --host evil.example"),
        ({"origin": "http://evil.example"}, "another site asks"),
        ({"origin": "null"}, "another site asks"),
    ],
)
def test_other_sites_cannot_ask_by_a_browser(client, echo, headers, line):
    answer = client.post(API, json={"text": "a"}, headers=headers)
    assert answer.status_code == 403
    assert line in answer.json()["error"]
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect(LIVE, headers=headers),
    ):
        pass
    assert refused.value.code == 4403
    assert echo.sizes == []


def test_our_own_pages_can(client):
    for host in ("localhost", "127.0.0.1:8000", "[::1]:8000"):
        headers = {"host": host, "origin": f"http://{host}"}
        answer = client.post(API, json={"text": "a"}, headers=headers)
        assert answer.status_code == 200
