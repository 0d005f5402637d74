import json
import pickle

import pytest

from model import ModelError, load_model


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


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": 1}'])
def test_names_a_manifest_that_is_none(tmp_path, text):
    store(tmp_path)
    (tmp_path / "model-manifest.json").write_text(text)
    with pytest.raises(ModelError, match="is not a model's manifest"):
        load_model(tmp_path)
