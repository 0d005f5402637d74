"""Describes the API of one model: its parameters, and all addresses as an OpenAPI document."""

from __future__ import annotations

from typing import Any

from model import Model


def describe_parameters(model: Model) -> list[dict[str, Any]]:
    return [
        {"name": name, "type": "number"}
        if categories is None
        else {"name": name, "type": "category", "values": list(categories)}
        for name, categories in model.lookup.items()
    ]


def describe_api(model: Model) -> dict[str, Any]:
    return {
        "openapi": "3.0.3",
        "info": {
            "title": f"{model.name} model API",
            "version": model.version,
            "description": f"Predicts {' or '.join(model.outcomes)}.",
        },
        "paths": {
            "/api/predict": {
                "post": {
                    "summary": "Ask the model",
                    "description": "Returns the most probable outcome, and the probability of each.",
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
    properties = {
        name: {"type": "number", "example": 0}
        if categories is None
        else {"type": "string", "enum": list(categories)}
        for name, categories in model.lookup.items()
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def prediction_schema(model: Model) -> dict[str, Any]:
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "type": "object",
        "properties": {
            "prediction": {"type": "string", "enum": model.outcomes},
            "probabilities": {
                "type": "object",
                "properties": {outcome: probability for outcome in model.outcomes},
            },
        },
    }


def read(summary: str, result: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": result}}}


def as_json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
