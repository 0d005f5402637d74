"""A trained model, whatever the layout of its files."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, Mapping, Sequence

from question import Parameter


class ModelError(Exception):
    """The files of a model are missing, damaged, or do not fit together."""


class Model(ABC):
    def __init__(
        self,
        *,
        parameters: Sequence[Parameter],
        outcomes: list[Any] | None,
        has_probabilities: bool,
        prediction: Mapping[str, Any],
        metadata: Mapping[str, Any],
        digest: str | None,
        example: Mapping[str, Any] | None,
    ) -> None:
        #: In the order in which people are asked for them.
        self.parameters = parameters
        #: All that can be predicted, as JSON has it; None where that is no choice between a few, such as a number.
        self.outcomes = outcomes
        #: Whether an answer tells the probability of each outcome.
        self.has_probabilities = has_probabilities
        #: What a prediction is, in OpenAPI.
        self.prediction = prediction
        #: What the training run recorded about itself.
        self.metadata = metadata
        #: One digest for all files, where the download of the model has left one.
        self.digest = digest
        #: A question that must have an answer; None where nobody knows one.
        self.example = example

    @property
    def name(self) -> str:
        return self.metadata["model"]

    @property
    def version(self) -> str:
        return self.metadata["version"]

    @abstractmethod
    def answer(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """
        :param values: from read_question
        :return: the `prediction`, and the `probabilities` of the outcomes by their labels, where there are any
        """


def label(outcome: Any) -> str:
    """An outcome as a text: what it is, where it is one, and as JSON writes it otherwise."""
    return outcome if isinstance(outcome, str) else json.dumps(outcome)
