"""Turns the JSON of a question into the values that a model wants."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Sequence

from kinds import Kind, in_words


@dataclass(frozen=True)
class Parameter:
    """One of the values that a model is asked with."""

    name: str
    kind: Kind
    #: Whether a question without it, or with null, is none.
    is_required: bool = True


class QuestionError(Exception):
    """What is wrong with a question, one sentence for each parameter concerned."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def read_question(question: Any, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Returns a value for each parameter, None for one that is left out. All mistakes are reported together."""
    names = [parameter.name for parameter in parameters]
    if not isinstance(question, dict):
        raise QuestionError([f"The question must be a JSON object with {in_words(names)}."])
    known = set(names)
    problems = [unknown(name, names) for name in question if name not in known]
    values = {}
    for parameter in parameters:
        try:
            values[parameter.name] = read_value(parameter, question)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise QuestionError(problems)
    return values


def read_value(parameter: Parameter, question: dict[str, Any]) -> Any:
    name, kind = parameter.name, parameter.kind
    if not parameter.is_required and question.get(name) is None:
        return None
    if name not in question:
        raise ValueError(f"{shown(name)} is missing: it must be {kind.wanted}.")
    try:
        return kind.read(question[name])
    except ValueError:
        raise ValueError(f"{shown(name)} must be {kind.wanted}, but is {shown(question[name])}.") from None


def unknown(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, n=1)
    hint = f'Did you mean "{close[0]}"?' if close else f"It has {in_words(names)}."
    return f"{shown(name)} is not a parameter of this model. {hint}"


def shown(value: Any) -> str:
    """A value as it stands in a message: short, whatever was sent."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"
