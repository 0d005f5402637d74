"""Turns the JSON of a question into the numbers that a model wants."""

from __future__ import annotations

import json
import math
from difflib import get_close_matches
from typing import Any, Mapping

Lookup = Mapping[str, "Mapping[str, int] | None"]


class QuestionError(Exception):
    """What is wrong with a question, one sentence for each parameter concerned."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def encode(question: Any, lookup: Lookup) -> list[float]:
    """Returns a row with one number for each feature. All mistakes are reported together."""
    if not isinstance(question, dict):
        raise QuestionError([f"The question must be a JSON object with {in_words(list(lookup))}."])
    problems = [unknown(name, lookup) for name in question if name not in lookup]
    row = []
    for name, categories in lookup.items():
        try:
            row.append(encode_value(name, question, categories))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise QuestionError(problems)
    return row


def encode_value(name: str, question: dict[str, Any], categories: Mapping[str, int] | None) -> float:
    allowed = "a number" if categories is None else in_words(list(categories), "or")
    if name not in question:
        raise ValueError(f'"{name}" is missing: it must be {allowed}.')
    value = question[name]
    if categories is None and is_number(value):
        return float(value)
    if categories is not None and isinstance(value, str) and value in categories:
        return float(categories[value])
    raise ValueError(f'"{name}" must be {allowed}, but is {shown(value)}.')


def is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond what a float can hold
        return False


def unknown(name: str, lookup: Lookup) -> str:
    close = get_close_matches(name, lookup, n=1)
    hint = f'Did you mean "{close[0]}"?' if close else f"It has {in_words(list(lookup))}."
    return f"{shown(name)} is not a parameter of this model. {hint}"


def shown(value: Any) -> str:
    """A value as it stands in a message: short, whatever was sent."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"


def in_words(names: list[str], conjunction: str = "and") -> str:
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {conjunction} {quoted[-1]}"
