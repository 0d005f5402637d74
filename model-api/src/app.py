"""The API's addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask, Response, redirect, request
from werkzeug.exceptions import BadRequest, HTTPException, InternalServerError, MethodNotAllowed, NotFound

from model import Model
from openapi import describe_api, describe_parameters
from question import QuestionError, encode

LONGEST_QUESTION = 64 * 1024
DOCS_PAGE = Path(__file__).with_name("docs.html").read_text("utf-8")


def create_app(model: Model) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_QUESTION
    app.json.sort_keys = False
    app.register_error_handler(HTTPException, explain)
    app.register_error_handler(QuestionError, refuse)

    @app.post("/api/predict")
    def predict() -> dict[str, Any]:
        probabilities = model.predict(encode(read_json(), model.lookup))
        return {"prediction": max(probabilities, key=probabilities.__getitem__), "probabilities": probabilities}

    @app.get("/api/predict/params")
    def params() -> dict[str, Any]:
        return {"parameters": describe_parameters(model), "outcomes": model.outcomes}

    @app.get("/api/info")
    def info() -> dict[str, Any]:
        return {**model.metadata, "modelDigest": model.digest}

    @app.get("/api/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/api/openapi.json")
    def openapi() -> dict[str, Any]:
        return describe_api(model)

    @app.get("/api/docs")
    def docs() -> Response:
        return Response(DOCS_PAGE, mimetype="text/html")

    @app.get("/")
    def home() -> Any:
        return redirect("api/docs")

    return app


def read_json() -> Any:
    try:
        return request.get_json(force=True)
    except (BadRequest, RecursionError):
        raise QuestionError(["The question must be a JSON object; what was sent is not JSON."]) from None


def refuse(error: QuestionError) -> tuple[dict[str, Any], int]:
    return {"error": str(error), "problems": error.problems}, 400


def explain(error: HTTPException) -> tuple[dict[str, str], int, list[tuple[str, str]]]:
    """Answers every error in JSON, with what to do about it where there is something."""
    headers = []
    message = error.description or error.name
    if isinstance(error, NotFound):
        message = f"There is nothing at {request.path}. See /api/docs."
    elif isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(set(error.valid_methods or []) - {"HEAD", "OPTIONS"}))
        headers.append(("Allow", allowed))
        message = f"{request.path} answers {allowed}, not {request.method}."
    elif isinstance(error, InternalServerError):
        message = "The model could not answer this question. The API's log says why."
    return {"error": message}, error.code or 500, headers
