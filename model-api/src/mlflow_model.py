"""
A model of scikit-learn as MLflow saves it: a folder with an MLmodel, which names the file of the estimator and the signature.
MLflow itself is not needed. Facts: "MLflow Model format" of its documentation.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, Mapping

import numpy as np
import yaml

from model import Model, ModelError, label
from model_files import load_pickle, missing, unloadable
from question import QuestionError, read_question
from signature import Row, Table, output_names, read_inputs

#: Bytes of an MLmodel, or an input example, that is read.
LARGEST_DESCRIPTION = 4 * 1024 * 1024

#: What MLflow can be told to ask instead of `predict`, and what is answered by that and the probabilities anyway.
BY_PROBABILITY = ("predict", "predict_proba")

OUTPUT_TYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}


class MlflowModel(Model):
    def __init__(
        self,
        estimator: Any,
        question: Table | Row,
        ask_by: str,
        outputs: list[str],
        metadata: dict[str, Any],
        digest: str | None,
        example: Mapping[str, Any] | None,
    ) -> None:
        """
        :param ask_by: the estimator's method that predicts
        :param outputs: the names of what is predicted, where it is more than one thing
        """
        classes = outcomes_of(estimator) if ask_by in BY_PROBABILITY else None
        super().__init__(
            parameters=question.parameters,
            outcomes=classes,
            has_probabilities=classes is not None and hasattr(estimator, "predict_proba"),
            prediction=describe_prediction(classes, outputs),
            metadata=metadata,
            digest=digest,
            example=example,
        )
        self._estimator = estimator
        self._question = question
        self._ask_by = "predict" if classes is not None else ask_by
        self._outputs = outputs

    def answer(self, values: Mapping[str, Any]) -> dict[str, Any]:
        row = self._question.row(values)
        prediction = plain(getattr(self._estimator, self._ask_by)(row))[0]
        if isinstance(prediction, list) and len(prediction) == len(self._outputs):
            prediction = dict(zip(self._outputs, prediction))
        if not self.has_probabilities:
            return {"prediction": prediction}
        shares = plain(self._estimator.predict_proba(row))[0]
        return {"prediction": prediction, "probabilities": dict(zip(map(label, self.outcomes), shares))}


def load_mlflow(folder: Path, manifest: dict[str, Any]) -> MlflowModel:
    description = read_description(folder / "MLmodel")
    flavors = mapping(description.get("flavors"))
    if "sklearn" not in flavors:
        raise ModelError(
            f"{folder / 'MLmodel'} has no model of scikit-learn: its flavors are {', '.join(map(str, flavors)) or 'none'}."
            " This API serves those that mlflow.sklearn logs."
        )
    flavor = mapping(flavors["sklearn"])
    signature = mapping(description.get("signature"))
    if not signature:
        raise ModelError(
            f"{folder / 'MLmodel'} has no signature, so nobody can tell what the model can be asked. Log it with"
            " signature=infer_signature(rows, model.predict(rows)), or with an input_example."
        )
    estimator = load_estimator(folder, flavor)
    ask_by = mapping(flavors.get("python_function")).get("predict_fn", "predict")
    if not isinstance(ask_by, str) or ask_by.startswith("_") or not hasattr(estimator, ask_by):
        raise ModelError(f"The model is a {type(estimator).__name__}, which has no {ask_by}.")
    question = read_inputs(signature.get("inputs"), getattr(estimator, "n_features_in_", None))
    return MlflowModel(
        estimator,
        question,
        ask_by,
        output_names(signature.get("outputs")),
        describe(folder, description, flavor, estimator, manifest),
        manifest.get("digest"),
        read_example(folder, mapping(description.get("saved_input_example_info")), question),
    )


def read_description(file: Path) -> dict[str, Any]:
    try:
        description = yaml.safe_load(read_text(file))
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ModelError(f"{file} is not the YAML of an MLflow model: {error}") from error
    if not isinstance(description, dict):
        raise ModelError(f"{file} is not the YAML of an MLflow model.")
    return description


def read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_DESCRIPTION + 1)
    except FileNotFoundError:
        raise missing(file) from None
    if len(content) > LARGEST_DESCRIPTION:
        raise ModelError(f"{file} has more than {LARGEST_DESCRIPTION} bytes.")
    return content.decode()


def load_estimator(folder: Path, flavor: Mapping[str, Any]) -> Any:
    name = flavor.get("pickled_model")
    if not isinstance(name, str):
        raise ModelError(f"{folder / 'MLmodel'} does not name the file of its estimator (pickled_model).")
    file = folder / name
    # What lies elsewhere is not what was downloaded and inspected.
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{folder / 'MLmodel'} names a file outside of the model's folder: {name}.")
    form = flavor.get("serialization_format", "pickle")
    if form == "skops":
        return load_skops(file, flavor)
    if form not in ("pickle", "cloudpickle"):
        raise ModelError(f"{file} is stored as {form}, which this API cannot load. It knows pickle, cloudpickle and skops.")
    try:
        return load_pickle(file)
    except ModelError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError):
            raise ModelError(
                f"{file} cannot be loaded: it needs the module {cause.name}, which is not installed. Only models made of"
                " scikit-learn's own classes can be served, without functions or code of your own in them."
            ) from cause
        raise


def load_skops(file: Path, flavor: Mapping[str, Any]) -> Any:
    import skops.io

    trusted = flavor.get("skops_trusted_types")
    try:
        return skops.io.load(file, trusted=trusted if isinstance(trusted, list) else None)
    except FileNotFoundError:
        raise missing(file) from None
    except Exception as error:  # a damaged file can fail in any way
        raise unloadable(file, error) from error


def outcomes_of(estimator: Any) -> list[Any] | None:
    """The classes of a classifier that chooses between them; None for all other estimators."""
    classes = getattr(estimator, "classes_", None)
    return plain(classes) if isinstance(classes, np.ndarray) and classes.ndim == 1 else None


def describe_prediction(outcomes: list[Any] | None, outputs: list[str]) -> dict[str, Any]:
    if outcomes is not None:
        kind = OUTPUT_TYPES.get(np.asarray(outcomes).dtype.kind, "string")
        return {"type": kind, "enum": outcomes}
    if len(outputs) > 1:
        return {"type": "object", "properties": {name: {} for name in outputs}}
    return {}


def describe(
    folder: Path, description: Mapping[str, Any], flavor: Mapping[str, Any], estimator: Any, manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """What is known of the model, under the names that metadata.json has in the example's own layout."""
    libraries = {**pinned(folder / "requirements.txt"), "scikit-learn": flavor.get("sklearn_version")}
    identity = description.get("model_id") or description.get("model_uuid") or description.get("run_id")
    return {
        "model": manifest.get("name") or "MLflow model",
        "version": manifest.get("version") or str(identity or "unknown"),
        "trainedAt": text_or_none(description.get("utc_time_created")),
        "estimator": type(estimator).__name__,
        "python": text_or_none(mapping(mapping(description.get("flavors")).get("python_function")).get("python_version")),
        "libraries": libraries,
        "runId": text_or_none(description.get("run_id")),
        "mlflow": text_or_none(description.get("mlflow_version")),
        "source": manifest.get("source"),
    }


def pinned(file: Path) -> dict[str, str]:
    """The versions of the libraries that trained the model, as MLflow has noted them."""
    try:
        text = read_text(file)
    except (ModelError, OSError, ValueError):
        return {}
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9._+!-]+)", text, re.MULTILINE))


def read_example(folder: Path, info: Mapping[str, Any], question: Table | Row) -> dict[str, Any] | None:
    """The first row of the example that was logged with the model, as a question; None where there is none that fits."""
    name = info.get("artifact_path")
    if not isinstance(name, str) or not (folder / name).resolve().is_relative_to(folder.resolve()):
        return None
    names = [parameter.name for parameter in question.parameters]
    try:
        example = json.loads(read_text(folder / name))
        if isinstance(example, dict) and "data" in example:
            row = example["data"][0]
            columns = example.get("columns")
            values = dict(zip(columns if isinstance(question, Table) and question.has_names else names, row))
        else:
            rows = example.get("inputs", example) if isinstance(example, dict) else example
            values = dict(zip(names, rows[0]))
        asked = {key: value for key, value in values.items() if value is not None}
        read_question(asked, question.parameters)
        return asked
    except (ModelError, QuestionError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)


def plain(values: Any) -> list[Any]:
    """What an estimator answers, as JSON can have it: NaN, which it has no number for, is null."""
    return [plain_value(value) for value in np.asarray(values).tolist()]


def plain_value(value: Any) -> Any:
    if isinstance(value, list):
        return [plain_value(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
