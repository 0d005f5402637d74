"""Loads a model, whichever layout its files have."""

from __future__ import annotations

from pathlib import Path

from model import Model, ModelError
from model_files import load_manifest, refuse_inspected
from pickled_model import load_pickled


def load_model(folder: Path) -> Model:
    """Loading pickles runs code from them: serve only models of your own registry."""
    if not folder.is_dir():
        raise ModelError(f"There is no folder {folder}.")
    manifest = load_manifest(folder / "model-manifest.json")
    refuse_inspected(manifest)
    # A notebook may put the three pickles of the example beside what MLflow saved: they say more.
    if not (folder / "MLmodel").exists() or (folder / "lookup.pkl").exists():
        return load_pickled(folder, manifest)
    try:
        # An image for the other layout may have no package for this one.
        from mlflow_model import load_mlflow
    except ImportError as error:
        raise ModelError(f"A model of MLflow needs the packages of requirements.txt: {error}.") from error
    return load_mlflow(folder, manifest)
