"""The API's addresses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Sequence

from flask import Flask, Response, redirect, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import BadRequest, HTTPException, InternalServerError, MethodNotAllowed, NotFound

from model import Model, label
from observation import Metrics, observe
from openapi import describe_api, describe_parameters
from question import QuestionError, read_question
from readiness import Readiness

LONGEST_QUESTION = 64 * 1024
DOCS_PAGE = Path(__file__).with_name("docs.html").read_text("utf-8")


def create_app(model: Model, readiness: Readiness, cors_origins: Sequence[str] = ()) -> Flask:
    """
    :param cors_origins: of the pages that may ask from a browser; "*" for all
    """
    app = Flask(__name__, static_folder=None)
    metrics = Metrics(model)
    observe(app, metrics)
    if cors_origins:
        allow_origins(app, cors_origins)
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_QUESTION
    app.json.sort_keys = False
    app.register_error_handler(HTTPException, explain)
    app.register_error_handler(QuestionError, refuse)

    @app.post("/api/predict")
    def predict() -> dict[str, Any]:
        answer = model.answer(read_question(read_json(), model.parameters))
        # A number is no outcome: each would be a metric of its own.
        metrics.predictions.labels(label(answer["prediction"]) if model.outcomes else "").inc()
        return answer

    @app.get("/api/predict/params")
    def params() -> dict[str, Any]:
        return {"parameters": describe_parameters(model), "outcomes": model.outcomes}

    @app.get("/api/info")
    def info() -> dict[str, Any]:
        return {**model.metadata, "modelDigest": model.digest}

    @app.get("/api/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/api/ready")
    def ready() -> tuple[dict[str, Any], int]:
        problem = readiness.problem()
        if problem:
            return {"status": "not ready", "error": problem}, 503
        return {"status": "ready", "model": model.name, "version": model.version, "modelDigest": model.digest}, 200

    @app.get("/metrics")
    def show_metrics() -> Response:
        return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)

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


def allow_origins(app: Flask, origins: Sequence[str]) -> None:
    """Lets pages of some origins ask from a browser, which asks for permission first (Fetch Standard, CORS)."""

    @app.after_request
    def allow(response: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin and ("*" in origins or origin in origins):
            response.headers["Access-Control-Allow-Origin"] = "*" if "*" in origins else origin
            response.headers["Access-Control-Allow-Methods"] = "GET, POST"
            response.headers["Access-Control-Allow-Headers"] = "Content-Type"
        if "*" not in origins:
            response.headers.add("Vary", "Origin")
        return response


def error_body(message: str) -> bytes:
    return json.dumps({"error": message}).encode()


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
