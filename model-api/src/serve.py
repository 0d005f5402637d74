"""Starts the API: loads the model, then serves it until it is told to stop."""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import sys
import threading
from pathlib import Path

from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from app import LONGEST_QUESTION, create_app, error_body
from libraries import differing_libraries
from load import load_model
from model import ModelError
from observation import log
from readiness import Readiness

#: What whoever is slow, or sends nothing at all, can take of the server: more open connections than anybody needs, each for
#: half a minute.
CONNECTIONS = 1_000
SILENCE = 30


def main() -> None:
    options = parse_arguments()
    try:
        model = load_model(options.pickles)
    except ModelError as error:
        sys.exit(f"The model cannot be served. {error}")
    for name, (trained, installed) in differing_libraries(model.metadata).items():
        log(
            f"The model was trained with {name} {trained}, but this is {name} {installed}: its answers may differ.",
            level="warning",
        )
    try:
        listener = socket.create_server((options.host, options.port))
    except OSError as error:
        sys.exit(f"The API cannot listen on {options.host}:{options.port}: {error.strerror}.")

    readiness = Readiness(model)
    stop_on_term(readiness, options.drain)
    host, port = listener.getsockname()[:2]
    log(f"Serving {model.name} {model.version} at http://{host}:{port}/api/docs", modelDigest=model.digest)
    server = create_server(
        create_app(model, readiness, cors_origins(os.environ.get("CORS_ORIGINS", ""))),
        sockets=[listener],
        # The server compares with "at least". Nothing longer is read, let alone kept in a file.
        max_request_body_size=LONGEST_QUESTION + 1,
        connection_limit=CONNECTIONS,
        channel_timeout=SILENCE,
        cleanup_interval=5,
        # select() knows no more than 1,024 connections.
        asyncore_use_poll=hasattr(select, "poll"),
        ident=None,
    )
    server.channel_class = Channel
    server.run()


class JsonError(ErrorTask):
    """The server's own refusals, such as of a question that is too long, in JSON as the API's are."""

    def execute(self) -> None:
        error = self.request.error
        body = error_body(f"{error.reason}. {error.body}".strip())
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend([("Content-Type", "application/json"), ("Connection", "close")])
        self.close_on_finish = True
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):
    error_task_class = JsonError


def stop_on_term(readiness: Readiness, seconds: float) -> None:
    """
    Ends the process on SIGTERM, once requests are answered that are under way; the server gives them five seconds.

    :param seconds: how long it goes on before, not ready any more, so that nobody sends new ones
    """

    def stop(*_: object) -> None:
        readiness.withdraw()
        if seconds == 0:
            sys.exit(0)
        threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

    # The first process of a container gets no signal that it does not ask for.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))


def cors_origins(text: str) -> list[str]:
    return [origin.strip() for origin in text.split(",") if origin.strip()]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serves a model over HTTP.")
    parser.add_argument(
        "--pickles",
        type=Path,
        default=Path(__file__).resolve().parent.parent / "pickles",
        help="folder with model.pkl, lookup.pkl, flags.pkl and metadata.json, or with an MLmodel (default: %(default)s)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=8000, help="0 for any free port (default: %(default)s)")
    parser.add_argument(
        "--drain",
        type=float,
        default=0,
        metavar="SECONDS",
        help="on SIGTERM, goes on for so long without being ready before it stops (default: %(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
