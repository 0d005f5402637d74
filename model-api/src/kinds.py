"""The kinds of values that a parameter takes, as JSON has them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, Mapping, Sequence

#: What nanoseconds in 64 bits can tell, in whole years.
FIRST_YEAR, LAST_YEAR = 1678, 2261

LARGEST_FLOAT32 = 3.4028234663852886e38


@dataclass(frozen=True)
class Kind:
    #: As /api/predict/params tells it.
    name: str
    #: As it stands in messages, behind "it must be".
    wanted: str
    #: In OpenAPI.
    schema: Mapping[str, Any]
    #: Takes a value of JSON, and returns the one for the model. Raises ValueError for what is none of this kind.
    read: Callable[[Any], Any]
    #: One of its values.
    example: Any


def category(values: Sequence[str]) -> Kind:
    def read(value: Any) -> str:
        if isinstance(value, str) and value in values:
            return value
        raise ValueError

    return Kind("category", in_words(values, "or"), {"type": "string", "enum": list(values)}, read, values[0])


def number(largest: float = math.inf) -> Kind:
    """
    :param largest: beyond which, in either direction, the model's own numbers have no place for a value
    """

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError
        try:
            if math.isfinite(value) and abs(value) <= largest:
                return float(value)
        except OverflowError:  # an integer beyond what a float can hold
            pass
        raise ValueError

    wanted = "a number" if largest == math.inf else f"a number between -{largest:.2g} and {largest:.2g}"
    return Kind("number", wanted, {"type": "number", "example": 0}, read, 0)


def integer(smallest: int, largest: int) -> Kind:
    def read(value: Any) -> int:
        is_whole = isinstance(value, int) or isinstance(value, float) and value.is_integer()
        if isinstance(value, bool) or not is_whole or not smallest <= value <= largest:
            raise ValueError
        return int(value)

    bounds = {"minimum": smallest, "maximum": largest}
    schema = {"type": "integer", **bounds, "example": 0}
    return Kind("integer", f"a whole number between {smallest} and {largest}", schema, read, 0)


def read_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError


def read_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def read_time(value: Any) -> datetime:
    """A time in UTC, without saying so, which is how a model knows it."""
    text = read_text(value)
    time = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise ValueError
    return time.astimezone(timezone.utc).replace(tzinfo=None) if time.tzinfo else time


TEXT = Kind("text", "a text", {"type": "string"}, read_text, "")
BOOLEAN = Kind("boolean", "true or false", {"type": "boolean"}, read_boolean, False)
TIME = Kind(
    "time",
    'a time such as "2026-01-31T12:00:00Z"',
    {"type": "string", "format": "date-time"},
    read_time,
    "2026-01-31T12:00:00Z",
)


def in_words(names: Sequence[str], conjunction: str = "and") -> str:
    quoted = [json.dumps(name, ensure_ascii=False) for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {conjunction} {quoted[-1]}"
