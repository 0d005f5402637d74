"""A trained model and what belongs to it, as a version in the model registry holds it (notebooks/README.md)."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class ModelError(Exception):
    """The files of a model are missing, damaged, or do not fit together."""


@dataclass(frozen=True)
class Model:
    #: Has `predict_proba`.
    estimator: Any
    #: From a feature to the codes of its categories, in the order of the estimator's columns; None for a number.
    lookup: dict[str, dict[str, int] | None]
    #: The outcomes, in the order of the columns of `predict_proba`.
    outcomes: list[str]
    #: What the training run recorded about itself.
    metadata: dict[str, Any]
    #: One digest for all files, where the download of the model has left one.
    digest: str | None

    @property
    def name(self) -> str:
        return self.metadata["model"]

    @property
    def version(self) -> str:
        return self.metadata["version"]

    def predict(self, row: list[float]) -> dict[str, float]:
        """Returns the probability of each outcome for one row of numbers."""
        probabilities = self.estimator.predict_proba([row])[0]
        return {outcome: float(probability) for outcome, probability in zip(self.outcomes, probabilities)}


def load_model(folder: Path) -> Model:
    """Loads a model's files. Unpickling runs code from them: serve only models of your own registry."""
    if not folder.is_dir():
        raise ModelError(f"There is no folder {folder}.")
    manifest = load_manifest(folder / "model-manifest.json")
    refuse_inspected(manifest)
    estimator = load_pickle(folder / "model.pkl")
    lookup = load_pickle(folder / "lookup.pkl")
    outcomes = load_pickle(folder / "flags.pkl")
    check_fit(estimator, lookup, outcomes)
    metadata = load_metadata(folder / "metadata.json")
    return Model(estimator, lookup, outcomes, metadata, manifest.get("digest"))


def load_pickle(file: Path) -> Any:
    try:
        with file.open("rb") as stream:
            return pickle.load(stream)
    except FileNotFoundError:
        raise missing(file) from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise ModelError(
            f"{file} cannot be loaded: {type(error).__name__}: {error}. Was it stored with the library versions"
            " of requirements.txt?"
        ) from error


def load_metadata(file: Path) -> dict[str, Any]:
    try:
        metadata = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise missing(file) from None
    except ValueError as error:
        raise ModelError(f"{file} is not JSON: {error}.") from error
    if not isinstance(metadata, dict) or not all(isinstance(metadata.get(key), str) for key in ("model", "version")):
        raise ModelError(f'{file} does not name its "model" and "version".')
    return metadata


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


def check_fit(estimator: Any, lookup: Any, outcomes: Any) -> None:
    """Refuses at the start what would fail or mislead at the first question."""
    if not isinstance(lookup, dict) or not all(map(is_feature, lookup.items())):
        raise ModelError("lookup.pkl is not a dict from feature names to dicts of categories and codes, or None.")
    if not isinstance(outcomes, list) or not all(isinstance(outcome, str) for outcome in outcomes):
        raise ModelError("flags.pkl is not a list of the outcomes' names.")
    if not hasattr(estimator, "predict_proba"):
        raise ModelError(f"model.pkl holds a {type(estimator).__name__}, which has no predict_proba.")
    expected = getattr(estimator, "n_features_in_", len(lookup))
    if expected != len(lookup):
        raise ModelError(f"The model was trained with {expected} features, but lookup.pkl has {len(lookup)}.")
    classes = len(getattr(estimator, "classes_", outcomes))
    if classes != len(outcomes):
        raise ModelError(f"The model knows {classes} outcomes, but flags.pkl has {len(outcomes)}.")


def is_feature(item: tuple[Any, Any]) -> bool:
    name, categories = item
    return isinstance(name, str) and (
        categories is None
        or isinstance(categories, dict)
        and bool(categories)
        and all(isinstance(category, str) and isinstance(code, int) for category, code in categories.items())
    )


def missing(file: Path) -> ModelError:
    return ModelError(
        f"{file} is missing. A model version consists of model.pkl, lookup.pkl, flags.pkl and metadata.json."
    )
