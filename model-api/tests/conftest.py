import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from app import create_app  # noqa: E402
from model import Model  # noqa: E402
from pickled_model import PickledModel  # noqa: E402
from readiness import Readiness  # noqa: E402


class Estimator:
    """Says yes with the probability that the number of the question is."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure

    def predict_proba(self, rows):
        if self.failure:
            raise self.failure
        return [[1 - row[1], row[1]] for row in rows]


def make_model(estimator: Estimator | None = None, **metadata) -> Model:
    lookup = {"color": {"red": 0, "green": 1}, "share": None}
    facts = {"model": "lamp", "version": "1.2.0", **metadata}
    return PickledModel(estimator or Estimator(), lookup, ["off", "on"], facts, "sha256:abc")


@pytest.fixture
def model() -> Model:
    return make_model()


@pytest.fixture
def readiness(model):
    return Readiness(model)


@pytest.fixture
def client(model, readiness):
    return create_app(model, readiness, ["https://shop.example"]).test_client()
