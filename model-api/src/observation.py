"""What is told of the API while it runs: a line of JSON for each request, and metrics for Prometheus."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timezone
from typing import Any

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from model import Model

#: Probes come every few seconds, and would bury what people asked.
UNLOGGED = {"/api/health", "/api/ready", "/metrics"}

#: Seconds. A prediction takes milliseconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def log(message: str, **facts: Any) -> None:
    """Writes one line of JSON to the standard output, where collectors of a container's logs look for it."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    print(json.dumps({"time": now, "message": message, **facts}, ensure_ascii=False), file=sys.stdout, flush=True)


class Metrics:
    def __init__(self, model: Model) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests", "Requests by address and status", ["path", "status"], registry=self.registry
        )
        self.duration = Histogram(
            "http_request_duration_seconds", "Time to answer", ["path"], buckets=BUCKETS, registry=self.registry
        )
        self.predictions = Counter("predictions", "Predictions by outcome", ["outcome"], registry=self.registry)
        info = Gauge("model_info", "The model that is served", ["model", "version", "digest"], registry=self.registry)
        info.labels(model.name, model.version, model.digest or "").set(1)


def observe(app: Flask, metrics: Metrics) -> None:
    """Has every request measured and, but for probes, logged."""

    @app.before_request
    def begin() -> None:
        g.start = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        seconds = time.perf_counter() - g.start
        # Addresses that the API does not have share one label: whoever asks for many must not fill the memory.
        path = request.path if request.url_rule else "other"
        metrics.requests.labels(path, response.status_code).inc()
        metrics.duration.labels(path).observe(seconds)
        if path not in UNLOGGED:
            log(
                "request",
                method=request.method,
                path=request.path[:200],
                status=response.status_code,
                milliseconds=round(seconds * 1000, 1),
            )
        return response
