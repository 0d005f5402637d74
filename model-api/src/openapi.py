"""Describes the API of one model: its parameters, and all addresses as an OpenAPI document."""

from __future__ import annotations

from typing import Any

from model import Model, label
from question import Parameter


def describe_parameters(model: Model) -> list[dict[str, Any]]:
    example = model.example or {}
    return [describe_parameter(parameter, example.get(parameter.name)) for parameter in model.parameters]


def describe_parameter(parameter: Parameter, example: Any) -> dict[str, Any]:
    """
    :param example: a value that makes sense beside those of the other parameters; None where nobody knows one
    """
    kind = parameter.kind
    described: dict[str, Any] = {"name": parameter.name, "type": kind.name}
    if "enum" in kind.schema:
        described["values"] = kind.schema["enum"]
    if not parameter.is_required:
        described["required"] = False
    if example is not None and example != kind.example:
        described["example"] = example
    return described


def describe_api(model: Model) -> dict[str, Any]:
    return {
        "openapi": "3.0.3",
        "info": {
            "title": f"{model.name} model API",
            "version": model.version,
            "description": f"Predicts {' or '.join(map(label, model.outcomes))}." if model.outcomes else "Predicts a value.",
        },
        "paths": {
            "/api/predict": {
                "post": {
                    "summary": "Ask the model",
                    "description": "Returns the outcome, and the probability of each."
                    if model.has_probabilities
                    else "Returns what the model predicts.",
                    "requestBody": {"required": True, "content": as_json(question_schema(model))},
                    "responses": {
                        "200": {"description": "The prediction", "content": as_json(prediction_schema(model))},
                        "400": {"description": "The question is not complete, or has values the model does not know"},
                    },
                }
            },
            "/api/predict/params": {"get": read("What can be asked", "The parameters of a question, and the outcomes")},
            "/api/info": {"get": read("About the model", "Its version, metrics and training run")},
            "/api/health": {"get": read("Is the API up?", "It is")},
            "/api/ready": {"get": read("May questions be sent here?", "They may; 503 says why not")},
        },
    }


def question_schema(model: Model) -> dict[str, Any]:
    example = model.example or {}
    properties = {parameter.name: property_schema(parameter, example.get(parameter.name)) for parameter in model.parameters}
    return {
        "type": "object",
        "properties": properties,
        "required": [parameter.name for parameter in model.parameters if parameter.is_required],
        "additionalProperties": False,
    }


def property_schema(parameter: Parameter, example: Any) -> dict[str, Any]:
    schema = dict(parameter.kind.schema)
    if example is not None and "enum" not in schema:
        schema["example"] = example
    if not parameter.is_required:
        schema["nullable"] = True
    return schema


def prediction_schema(model: Model) -> dict[str, Any]:
    properties: dict[str, Any] = {"prediction": model.prediction}
    if model.has_probabilities:
        probability = {"type": "number", "minimum": 0, "maximum": 1}
        outcomes = {label(outcome): probability for outcome in model.outcomes or []}
        properties["probabilities"] = {"type": "object", "properties": outcomes}
    return {"type": "object", "properties": properties}


def read(summary: str, result: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": result}}}


def as_json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
