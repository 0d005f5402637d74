import json
import pickle
import sys

import pytest

from load import load_model
from model import ModelError


class Trap:
    """Fails whoever unpickles it."""

    def __reduce__(self):
        return pytest.fail, ("The model was loaded.",)


def store(folder, **manifest):
    (folder / "model-manifest.json").write_text(json.dumps({"digest": "sha256:abc", **manifest}))
    for name in ("model", "lookup", "flags"):
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(Trap()))


def test_loads_nothing_of_what_the_download_has_refused(tmp_path):
    store(tmp_path, refused=["model.pkl calls os.system (byte 12)"])
    with pytest.raises(ModelError, match=r"model\.pkl calls os\.system \(byte 12\)"):
        load_model(tmp_path)


def test_loads_no_refused_model_of_mlflow_either(tmp_path):
    store(tmp_path, refused=["model.pkl calls os.system (byte 12)"])
    (tmp_path / "lookup.pkl").unlink()
    (tmp_path / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.pkl}}\n")
    with pytest.raises(ModelError, match=r"model\.pkl calls os\.system \(byte 12\)"):
        load_model(tmp_path)


def test_says_that_a_model_of_mlflow_needs_packages_that_an_older_image_may_not_have(tmp_path, monkeypatch):
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "mlflow_model", raising=False)
    with pytest.raises(ModelError, match="needs the packages of requirements.txt: .*yaml"):
        load_model(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": 1}'])
def test_names_a_manifest_that_is_none(tmp_path, text):
    store(tmp_path)
    (tmp_path / "model-manifest.json").write_text(text)
    with pytest.raises(ModelError, match="is not a model's manifest"):
        load_model(tmp_path)
