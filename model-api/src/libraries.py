"""Compares the libraries that trained a model with those that serve it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Mapping

#: Those that a pickle of an estimator is made of. Others, such as pandas, are used for training alone.
SERVING = ("numpy", "scikit-learn", "scipy")


def differing_libraries(metadata: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """By name, the version that trained the model and the one installed, where `libraries` tells of another."""
    trained = metadata.get("libraries")
    if not isinstance(trained, dict):
        return {}
    differing = {}
    for name in SERVING:
        if not isinstance(trained.get(name), str):
            continue
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "not installed"
        if installed != trained[name]:
            differing[name] = (trained[name], installed)
    return differing
