"""A version of a model as the example's notebooks store it (notebooks/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping

from kinds import category, number
from model import Model, ModelError
from model_files import load_pickle, missing
from question import Parameter

#: From a feature to the codes of its categories, in the order of the estimator's columns; None for a number.
Lookup = Mapping[str, "Mapping[str, int] | None"]


class PickledModel(Model):
    def __init__(
        self, estimator: Any, lookup: Lookup, outcomes: list[str], metadata: dict[str, Any], digest: str | None
    ) -> None:
        """
        :param estimator: has `predict_proba`
        :param outcomes: in the order of the columns of `predict_proba`
        """
        parameters = [
            Parameter(name, number() if categories is None else category(list(categories)))
            for name, categories in lookup.items()
        ]
        super().__init__(
            parameters=parameters,
            outcomes=outcomes,
            has_probabilities=True,
            prediction={"type": "string", "enum": outcomes},
            metadata=metadata,
            digest=digest,
            example={parameter.name: parameter.kind.example for parameter in parameters},
        )
        self._estimator = estimator
        self._lookup = lookup

    def answer(self, values: Mapping[str, Any]) -> dict[str, Any]:
        row = [
            float(values[name] if categories is None else categories[values[name]])
            for name, categories in self._lookup.items()
        ]
        shares = map(float, self._estimator.predict_proba([row])[0])
        probabilities = dict(zip(self.outcomes, shares))
        return {"prediction": max(probabilities, key=probabilities.__getitem__), "probabilities": probabilities}


def load_pickled(folder: Path, manifest: dict[str, Any]) -> PickledModel:
    estimator = load_pickle(folder / "model.pkl")
    lookup = load_pickle(folder / "lookup.pkl")
    outcomes = load_pickle(folder / "flags.pkl")
    check_fit(estimator, lookup, outcomes)
    metadata = load_metadata(folder / "metadata.json")
    return PickledModel(estimator, lookup, outcomes, metadata, manifest.get("digest"))


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
