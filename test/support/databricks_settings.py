"""Prints what Databricks' own client knows of a job's settings: each kind of object with the kinds of its members."""

import dataclasses
import enum
import json
import sys
import typing

from databricks.sdk.service import jobs

PLAIN = {str: "text", int: "integer", float: "number", bool: "flag"}
shapes = {}


def kind_of(annotation):
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union:
        return kind_of(arguments[0])
    if origin is list:
        return [kind_of(arguments[0])]
    if origin is dict:
        return "texts"
    if issubclass(annotation, enum.Enum):
        return "|".join(member.value for member in annotation)
    if dataclasses.is_dataclass(annotation):
        describe(annotation)
        return annotation.__name__
    return PLAIN[annotation]


def describe(shape):
    if shape.__name__ in shapes:
        return
    shapes[shape.__name__] = members = {}
    names = vars(sys.modules[shape.__module__])
    for name, annotation in shape.__annotations__.items():
        members[name] = kind_of(eval(annotation, names) if isinstance(annotation, str) else annotation)


describe(jobs.JobSettings)
describe(jobs.SubmitTask)
print(json.dumps(shapes))
