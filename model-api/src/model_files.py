"""What is read of a model's folder, in any layout."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

from model import ModelError


def load_pickle(file: Path) -> Any:
    """Unpickling runs code of the file."""
    try:
        with file.open("rb") as stream:
            return pickle.load(stream)
    except FileNotFoundError:
        raise missing(file) from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise unloadable(file, error) from error


def unloadable(file: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{file} cannot be loaded: {type(error).__name__}: {error}. Was it stored with the library versions"
        " of requirements.txt?"
    )


def load_manifest(file: Path) -> dict[str, Any]:
    """Returns what the download of the model has left; nothing, where it was not downloaded by the task."""
    try:
        manifest = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ModelError(f"{file} is not a model's manifest: {error}.") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("digest"), str):
        raise ModelError(f"{file} is not a model's manifest: it has no digest.")
    return manifest


def refuse_inspected(manifest: dict[str, Any]) -> None:
    """Refuses what the download has found to do more than be a model. It is too late for that once it is loaded."""
    refused = manifest.get("refused")
    if refused:
        findings = "; ".join(map(str, refused)) if isinstance(refused, list) else str(refused)
        raise ModelError(
            f"Its files would do more than that when they are loaded: {findings}. If that is your own code, name it in"
            " 'pickleAllow' of the download."
        )


def missing(file: Path) -> ModelError:
    return ModelError(
        f"{file} is missing. A model version consists of model.pkl, lookup.pkl, flags.pkl and metadata.json, or is a"
        " model of MLflow with its MLmodel."
    )
