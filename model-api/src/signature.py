"""The signature of an MLflow model: what it is asked with, and what it answers (MLflow's mlflow.types.Schema)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np

from kinds import BOOLEAN, LARGEST_FLOAT32, TEXT, TIME, Kind, integer, number
from model import ModelError
from question import Parameter

#: The columns that a question can have, as JSON takes them.
COLUMNS: Mapping[str, Kind] = {
    "boolean": BOOLEAN,
    "integer": integer(-(2**31), 2**31 - 1),
    "long": integer(-(2**63), 2**63 - 1),
    "float": number(LARGEST_FLOAT32),
    "double": number(),
    "string": TEXT,
    "datetime": TIME,
}

#: How pandas keeps the values of a column.
COLUMN_TYPES: Mapping[str, str] = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "object",
    "datetime": "datetime64[ns]",
}

#: Where a value is left out and those have none for that.
WITHOUT_VALUE: Mapping[str, str] = {"bool": "object", "int32": "float64", "int64": "float64"}

#: Parameters that a form and a question have a place for.
MOST_PARAMETERS = 2_000


@dataclass(frozen=True)
class Table:
    """Questions are rows of a table with named columns."""

    parameters: Sequence[Parameter]
    #: Of pandas, for each column.
    types: Sequence[str]
    has_names: bool

    def row(self, values: Mapping[str, Any]) -> Any:
        # Half a second, which only models pay that need it.
        import pandas as pd

        columns = {}
        for position, (parameter, kind) in enumerate(zip(self.parameters, self.types)):
            value = values[parameter.name]
            name = parameter.name if self.has_names else position
            columns[name] = pd.Series([value], dtype=WITHOUT_VALUE.get(kind, kind) if value is None else kind)
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class Row:
    """Questions are rows of an array."""

    parameters: Sequence[Parameter]
    #: Of numpy.
    type: str

    def row(self, values: Mapping[str, Any]) -> Any:
        return np.array([[values[parameter.name] for parameter in self.parameters]], dtype=self.type)


def read_inputs(text: Any, width: int | None) -> Table | Row:
    """
    :param text: the signature's inputs, which are JSON in a text
    :param width: the number of columns that the model was trained with, where it knows that
    """
    specs = read_specs(text, "inputs")
    question = read_tensor(specs[0], width) if specs[0].get("type") == "tensor" else read_columns(specs)
    count = len(question.parameters)
    if width is not None and count != width:
        raise ModelError(f"The model was trained with {width} columns, but its signature has {count}.")
    return question


def read_columns(specs: Sequence[Mapping[str, Any]]) -> Table:
    parameters, types = [], []
    for position, spec in enumerate(specs):
        name, kind = spec.get("name"), spec.get("type")
        if name is not None and not isinstance(name, str) or not isinstance(kind, str):
            raise ModelError(f"The signature in MLmodel has a column that is none: {json.dumps(spec)[:200]}.")
        if kind not in COLUMNS:
            raise ModelError(
                f"The signature in MLmodel has the column {name or position} of type {kind}, which this API cannot ask"
                f" for. It knows {', '.join(COLUMNS)}."
            )
        parameters.append(Parameter(f"x{position}" if name is None else name, COLUMNS[kind], spec.get("required") is not False))
        types.append(COLUMN_TYPES[kind])
    if len({parameter.name for parameter in parameters}) < len(parameters):
        raise ModelError("The signature in MLmodel has two columns of one name.")
    check_count(len(parameters))
    return Table(parameters, types, has_names=any(spec.get("name") is not None for spec in specs))


def read_tensor(spec: Mapping[str, Any], width: int | None) -> Row:
    tensor = spec.get("tensor-spec")
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    if not isinstance(shape, list) or len(shape) != 2 or not all(isinstance(size, int) for size in shape):
        raise ModelError(
            f"The signature in MLmodel asks for arrays of the shape {json.dumps(shape)[:200]}. This API asks for rows of"
            " numbers, which is a shape such as [-1, 4]."
        )
    columns = shape[1] if shape[1] >= 0 else width
    if columns is None:
        raise ModelError("The signature in MLmodel does not say how many numbers a question has.")
    check_count(columns)
    kind = tensor_kind(tensor.get("dtype"))
    # As scikit-learn calls the columns of what has no names.
    return Row([Parameter(f"x{position}", kind) for position in range(columns)], tensor["dtype"])


def check_count(columns: int) -> None:
    if not 0 < columns <= MOST_PARAMETERS:
        raise ModelError(f"A question of this model has {columns} values. This API asks for 1 to {MOST_PARAMETERS}.")


def tensor_kind(name: Any) -> Kind:
    try:
        kind = np.dtype(name if isinstance(name, str) else "")
    except TypeError:
        kind = np.dtype("V1")
    if kind.kind == "b":
        return BOOLEAN
    if kind.kind in "iu":
        bounds = np.iinfo(kind)
        return integer(int(bounds.min), int(bounds.max))
    if kind.kind == "f":
        return number() if kind.itemsize > 4 else number(float(np.finfo(kind).max))
    if kind.kind in "UO":
        return TEXT
    raise ModelError(f"The signature in MLmodel asks for an array of {json.dumps(name)}, which this API cannot ask for.")


def output_names(text: Any) -> list[str]:
    """The names of what the model answers; none where the signature does not tell."""
    if text is None:
        return []
    return [spec["name"] for spec in read_specs(text, "outputs") if isinstance(spec.get("name"), str)]


def read_specs(text: Any, what: str) -> list[dict[str, Any]]:
    try:
        specs = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        specs = None
    if not isinstance(specs, list) or not specs or not all(isinstance(spec, dict) for spec in specs):
        raise ModelError(f"The signature in MLmodel has no {what} that can be read.")
    return specs
