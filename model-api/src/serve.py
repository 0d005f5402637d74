"""Starts the API: loads the model, then serves it until it is told to stop."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from pathlib import Path

from waitress.server import create_server

from app import create_app
from model import ModelError, load_model


def main() -> None:
    options = parse_arguments()
    try:
        model = load_model(options.pickles)
    except ModelError as error:
        sys.exit(f"The model cannot be served. {error}")
    try:
        listener = socket.create_server((options.host, options.port))
    except OSError as error:
        sys.exit(f"The API cannot listen on {options.host}:{options.port}: {error.strerror}.")

    # The first process of a container gets no signal that it does not ask for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    host, port = listener.getsockname()[:2]
    print(f"Serving {model.name} {model.version} at http://{host}:{port}/api/docs", flush=True)
    create_server(create_app(model), sockets=[listener]).run()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serves a model over HTTP.")
    parser.add_argument(
        "--pickles",
        type=Path,
        default=Path(__file__).resolve().parent.parent / "pickles",
        help="folder with model.pkl, lookup.pkl, flags.pkl and metadata.json (default: %(default)s)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=8000, help="0 for any free port (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
