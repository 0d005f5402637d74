"""The smoke test against servers that are no model's API, or one that is just being replaced."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from smoke_test import SmokeError, smoke_test

SCRIPT = Path(__file__).resolve().parent.parent / "src" / "smoke_test.py"
READY = b'{"status": "ready", "model": "lamp", "version": "1.0.0", "modelDigest": null}'
PARAMS = b'{"parameters": [{"name": "share", "type": "number"}], "outcomes": ["off", "on"]}'
PREDICTION = b'{"prediction": "on", "probabilities": {"off": 0.25, "on": 0.75}}'


def ok(body, sent=None):
    """:param sent: how much of it comes, before the connection is cut"""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body[:sent])


@pytest.fixture
def serve():
    """Answers one connection after another with these bytes, the last of them again and again, and then hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer_all(answers):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answers.pop(0) if len(answers) > 1 else answers[0])

    def start(*answers):
        threading.Thread(target=answer_all, args=[list(answers)], daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    listener.close()


BROKEN_OFF = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{"
NO_HTTP = b"SSH-2.0-OpenSSH\r\n"


@pytest.mark.parametrize("first", [BROKEN_OFF, ok(READY, sent=10), NO_HTTP, b"", ok(b"[]")])
def test_waits_for_an_api_whose_first_answer_is_broken(serve, first):
    assert "serves lamp 1.0.0" in smoke_test(serve(first, ok(READY), ok(PARAMS), ok(PREDICTION)))


@pytest.mark.parametrize("answer", [BROKEN_OFF, NO_HTTP, BROKEN_OFF.replace(b"200 OK", b"500 No")])
def test_says_what_is_wrong_with_an_api_that_stays_broken(serve, answer):
    with pytest.raises(SmokeError, match="was not ready within 0 seconds. http://127.0.0.1"):
        smoke_test(serve(answer), patience=0)


@pytest.mark.parametrize(
    "params", [b"{}", b'{"parameters": {}}', b'{"parameters": [1], "outcomes": []}', b'{"parameters": [{}], "outcomes": null}']
)
def test_says_of_another_api_that_it_is_none_of_a_model(serve, params):
    with pytest.raises(SmokeError, match="does not say what its model can be asked"):
        smoke_test(serve(ok(READY), ok(params)))


@pytest.mark.parametrize("url", ["titanic.example", "ftp://titanic.example", ""])
def test_refuses_what_is_no_address_at_once(url):
    done = subprocess.run([sys.executable, SCRIPT, url], capture_output=True, text=True)
    assert done.stderr == f"The smoke test failed. '{url}' is no address of an API: it must begin with https:// or http://.\n"
    assert done.returncode == 1
