"""The server as a process, which is what a container runs."""

import json
import pickle
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from sklearn.linear_model import LogisticRegression

SERVE = Path(__file__).resolve().parent.parent / "src" / "serve.py"


@pytest.fixture
def pickles(tmp_path):
    model = LogisticRegression().fit([[0, 0.0], [1, 1.0]], [0, 1])
    lookup = {"color": {"red": 0, "green": 1}, "share": None}
    for name, value in {"model": model, "lookup": lookup, "flags": ["off", "on"]}.items():
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(value, protocol=4))
    metadata = {"model": "lamp", "version": "1.2.0", "libraries": {"scikit-learn": "0.1.0"}}
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    return tmp_path


@pytest.fixture
def server(pickles):
    return start(pickles)


@pytest.fixture(autouse=True)
def started():
    yield
    while running:
        process = running.pop()
        process.kill()
        process.wait()


running = []


def start(pickles, *options):
    command = [sys.executable, str(SERVE), "--pickles", str(pickles), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    running.append(process)
    said = []
    for line in process.stdout:
        said.append(json.loads(line)["message"])
        if said[-1].startswith("Serving"):
            break
    return process, said, said[-1].split(" at ")[1].removesuffix("/api/docs")


def status(url):
    try:
        with urlopen(url, timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def test_says_that_the_model_was_trained_by_another_library(server):
    _, said, _ = server
    assert any("trained with scikit-learn 0.1.0, but this is" in line for line in said)


def test_refuses_a_question_that_is_too_long_before_it_is_sent(server):
    address = urlsplit(server[2])
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(b"POST /api/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 400000000\r\n\r\n{")
        answer = connection.makefile("rb").read()
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 413") and b"application/json" in head
    assert "error" in json.loads(body)


def test_answers_while_others_hold_connections_open(server):
    address = urlsplit(server[2])
    held = []
    try:
        for _ in range(300):
            held.append(socket.create_connection((address.hostname, address.port), timeout=10))
            held[-1].sendall(b"GET /api/health HTTP/1.1\r\n")
        assert status(f"{server[2]}/api/health") == 200
    finally:
        for connection in held:
            connection.close()


def test_goes_on_for_a_while_without_being_ready_when_it_is_told_to_stop(pickles):
    process, _, url = start(pickles, "--drain", "2")
    assert status(f"{url}/api/ready") == 200
    process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 1.5
    while status(f"{url}/api/ready") == 200 and time.monotonic() < deadline:
        pass
    assert status(f"{url}/api/ready") == 503
    assert status(f"{url}/api/health") == 200
    assert process.wait(timeout=30) == 0


def test_is_healthy_whatever_proxy_its_container_is_told_of(server, monkeypatch):
    """Docker gives the proxy of its own settings to every container."""
    _, _, url = server
    dockerfile = (SERVE.parent.parent / "Dockerfile").read_text()
    command = json.loads(re.search(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", dockerfile, re.MULTILINE)[1])
    program = command[-1].replace("127.0.0.1:8000", urlsplit(url).netloc)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    subprocess.run([sys.executable, *command[1:-1], program], check=True)
