"""
Asks a model's API for a prediction and says whether it serves the model that it should. It needs nothing but Python: the
image brings it along, and an agent runs it from the checkout.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

#: Bytes of an answer that are read, at most.
LONGEST_ANSWER = 1024 * 1024


class SmokeError(Exception):
    """The API does not serve what it should; the message says why."""


def smoke_test(
    url: str,
    *,
    model_digest: str = "",
    question: dict[str, Any] | None = None,
    expected: str = "",
    patience: float = 120,
) -> str:
    """
    Waits until the API is ready, compares the model that it serves with the one that it should, and asks it a question.

    :param model_digest: of the model that should be served; empty: any
    :param question: empty: one made of what the API says of its parameters
    :param expected: the outcome that must be predicted; empty: any that the model has
    :param patience: seconds until it must be ready; a first answer may have to wait for a replica to start
    :return: what was seen, in one line
    :raises SmokeError: with the reason
    """
    url = url.rstrip("/")
    if not url.startswith(("https://", "http://")):
        raise SmokeError(f"'{url}' is no address of an API: it must begin with https:// or http://.")
    ready = wait_until_ready(url, patience)
    served = ready.get("modelDigest")
    if model_digest and served != model_digest:
        raise SmokeError(f"{url} serves the model {served or 'without a digest'}, but should serve {model_digest}.")
    params = ask(f"{url}/api/predict/params")
    try:
        outcomes, parameters = params["outcomes"], params["parameters"]
        question = question or {one["name"]: any_value(one) for one in parameters if one.get("required", True)}
    except (LookupError, TypeError, AttributeError):
        raise SmokeError(f"{url} does not say what its model can be asked. Is this the API of a model?") from None
    answer = ask(f"{url}/api/predict", question)
    prediction = check_answer(answer, outcomes)
    if expected and label(prediction) != expected:
        raise SmokeError(f"{url} answers {json.dumps(question)} with {prediction!r}, but should with {expected!r}.")
    name = f"{ready.get('model')} {ready.get('version')}"
    return f"{url} serves {name} ({served or 'no digest'}) and answers {json.dumps(question)} with {prediction!r}."


def wait_until_ready(url: str, patience: float) -> dict[str, Any]:
    deadline = time.monotonic() + patience
    while True:
        try:
            return ask(f"{url}/api/ready")
        except SmokeError as error:
            if time.monotonic() >= deadline:
                raise SmokeError(f"The API was not ready within {patience:g} seconds. {error}") from None
        time.sleep(min(1, max(0.05, deadline - time.monotonic())))


def ask(url: str, question: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    if question is not None:
        request.data = json.dumps(question).encode()
        request.add_header("Content-Type", "application/json")
    try:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                text = response.read(LONGEST_ANSWER)
        except urllib.error.HTTPError as error:
            raise SmokeError(f"{url} answered {error.code}: {error.read(500).decode(errors='replace').strip()}") from None
    # A URLError is an OSError, too. What is broken off, or is no HTTP, comes from a replica that just starts or ends.
    except (OSError, HTTPException) as error:
        raise SmokeError(f"{url} did not answer: {getattr(error, 'reason', None) or repr(error)}") from None
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise SmokeError(f"{url} did not answer in JSON. Is this the model's API?")
    return answer


#: A value of each type.
ANY_VALUE = {"boolean": False, "text": "", "time": "2026-01-31T12:00:00Z"}


def any_value(parameter: dict[str, Any]) -> Any:
    if "example" in parameter:
        return parameter["example"]
    return parameter["values"][0] if parameter["type"] == "category" else ANY_VALUE.get(parameter["type"], 0)


def check_answer(answer: dict[str, Any], outcomes: list[Any] | None) -> Any:
    """
    :param outcomes: None for a model that chooses between none, such as one that predicts a number
    :return: the prediction
    """
    prediction, probabilities = answer.get("prediction"), answer.get("probabilities")
    if prediction is None or outcomes is not None and prediction not in outcomes:
        wanted = " or ".join(map(label, outcomes)) if outcomes else "a value"
        raise SmokeError(f"This is no prediction of {wanted}: {json.dumps(answer)[:300]}")
    if probabilities is not None:
        check_probabilities(probabilities, outcomes or [])
    return prediction


def check_probabilities(probabilities: Any, outcomes: list[Any]) -> None:
    if isinstance(probabilities, dict) and set(probabilities) == set(map(label, outcomes)):
        shares = probabilities.values()
        if all(isinstance(share, (int, float)) and share >= 0 for share in shares) and abs(sum(shares) - 1) < 1e-5:
            return
    raise SmokeError(f"These are no probabilities: {json.dumps(probabilities)[:300]}")


def label(outcome: Any) -> str:
    """An outcome as the API writes it among the probabilities, where only texts can be."""
    return outcome if isinstance(outcome, str) else json.dumps(outcome)


def main() -> None:
    parser = argparse.ArgumentParser(description="Asks a model's API for a prediction, to see that it works.")
    parser.add_argument("url", help="such as https://titanic.example")
    parser.add_argument("--model-digest", default="", help="of the model that should be served")
    parser.add_argument("--question", type=json.loads, help="JSON; by default one made of the API's parameters")
    parser.add_argument("--expect", default="", help="the outcome that must be predicted")
    parser.add_argument("--patience", type=float, default=120, help="seconds until it must be ready (default: %(default)s)")
    options = parser.parse_args()
    try:
        print(
            smoke_test(
                options.url,
                model_digest=options.model_digest,
                question=options.question,
                expected=options.expect,
                patience=options.patience,
            )
        )
    except SmokeError as error:
        sys.exit(f"The smoke test failed. {error}")


if __name__ == "__main__":
    main()
