"""Models that MLflow itself saves, and what it answers with them: the API has to answer the same."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

mlflow = pytest.importorskip("mlflow.sklearn", reason="MLflow needs Python 3.10")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from mlflow.models import infer_signature  # noqa: E402
from mlflow.pyfunc import load_model as load_pyfunc  # noqa: E402
from mlflow.sklearn import save_model  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402

from app import create_app  # noqa: E402
from libraries import differing_libraries  # noqa: E402
from load import load_model  # noqa: E402
from model import ModelError  # noqa: E402
from readiness import Readiness  # noqa: E402
from smoke_test import check_answer  # noqa: E402

PASSENGERS = pd.DataFrame(
    {
        "class": ["1st", "2nd", "3rd", "crew"] * 3,
        "age": [30.0, 2.5, None, 40] * 3,
        "siblings": list(range(12)),
        "ticket": [True, False, True] * 4,
        "boarded": pd.to_datetime(["1912-04-10T12:00:00", "1912-04-11T13:30:00"] * 6),
    }
)
SURVIVED = ["yes", "no", "no", "yes", "no", "yes"] * 2
QUESTION = {"class": "3rd", "age": 7.5, "siblings": 4, "ticket": True, "boarded": "1912-04-10T12:00:00Z"}


def passengers(last=None):
    chosen = ColumnTransformer(
        [("class", OneHotEncoder(), ["class"]), ("rest", SimpleImputer(), ["age", "siblings", "ticket"])]
    )
    return make_pipeline(chosen, last or LogisticRegression()).fit(PASSENGERS, SURVIVED)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The passengers' model, saved once with its first row as the example."""
    return save(tmp_path_factory.mktemp("saved") / "model", input_example=PASSENGERS[:1])


@pytest.fixture
def folder(tmp_path):
    """Where a model can be saved."""
    return tmp_path / "model"


@pytest.fixture
def copy(saved, folder):
    """A copy of that model, to be changed."""
    return shutil.copytree(saved, folder)


@pytest.fixture(scope="module")
def client(saved):
    return client_of(saved)


def save(folder, model=None, rows=PASSENGERS, **options):
    model = model or passengers()
    form = {"serialization_format": "cloudpickle", "pip_requirements": ["scikit-learn"]}
    signature = infer_signature(rows, model.predict(rows)) if "signature" not in options else options["signature"]
    save_model(model, str(folder), **{**form, **options, "signature": signature})
    return folder


def edit(folder, change):
    file = folder / "MLmodel"
    description = yaml.safe_load(file.read_text())
    change(description)
    file.write_text(yaml.safe_dump(description))


def client_of(folder):
    model = load_model(folder)
    return create_app(model, Readiness(model)).test_client()


def frame(question):
    times = {"boarded": pd.to_datetime([question["boarded"]]).tz_localize(None)} if "boarded" in question else {}
    return pd.DataFrame([question]).assign(**times)


@pytest.mark.parametrize("form", ["cloudpickle", "pickle", "skops"])
def test_answers_as_mlflow_does_however_the_model_is_stored(folder, form):
    trusted = ["numpy.dtype", "sklearn.compose._column_transformer._RemainderColsList"] if form == "skops" else None
    save(folder, serialization_format=form, skops_trusted_types=trusted)
    answer = client_of(folder).post("/api/predict", json=QUESTION).json
    assert answer["prediction"] == load_pyfunc(str(folder)).predict(frame(QUESTION))[0]
    assert list(answer["probabilities"]) == ["no", "yes"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert check_answer(answer, ["no", "yes"]) == answer["prediction"]


def test_asks_for_what_the_signature_says(client):
    params = client.get("/api/predict/params").json
    assert params["outcomes"] == ["no", "yes"]
    assert params["parameters"] == [
        {"name": "class", "type": "text", "example": "1st"},
        {"name": "age", "type": "number", "required": False, "example": 30.0},
        {"name": "siblings", "type": "integer"},
        {"name": "ticket", "type": "boolean", "example": True},
        {"name": "boarded", "type": "time", "example": "1912-04-10T12:00:00"},
    ]


def test_describes_the_question_in_openapi(client):
    document = client.get("/api/openapi.json").json
    operation = document["paths"]["/api/predict"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["class", "siblings", "ticket", "boarded"]
    assert schema["properties"]["age"] == {"type": "number", "example": 30.0, "nullable": True}
    assert schema["properties"]["boarded"] == {"type": "string", "format": "date-time", "example": "1912-04-10T12:00:00"}
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert answer["prediction"] == {"type": "string", "enum": ["no", "yes"]}
    assert list(answer["probabilities"]["properties"]) == ["no", "yes"]


@pytest.mark.parametrize("age", [{}, {"age": None}])
def test_leaves_the_model_to_fill_in_what_may_be_missing(client, saved, age):
    known = {name: value for name, value in QUESTION.items() if name != "age"}
    answer = client.post("/api/predict", json={**known, **age}).json
    assert answer["prediction"] == load_pyfunc(str(saved)).predict(frame({**known, "age": float("nan")}))[0]


@pytest.mark.parametrize(
    "wrong, problem",
    [
        ({"class": 3}, '"class" must be a text, but is 3.'),
        ({"siblings": 1.5}, '"siblings" must be a whole number between -9223372036854775808 and 9223372036854775807, but is 1.5.'),
        ({"siblings": 2**63}, "but is 9223372036854775808."),
        ({"siblings": None}, '"siblings" must be a whole number'),
        ({"ticket": 1}, '"ticket" must be true or false, but is 1.'),
        ({"boarded": "today"}, '"boarded" must be a time such as "2026-01-31T12:00:00Z", but is "today".'),
        ({"boarded": "9999-12-31T23:59:59"}, '"boarded" must be a time'),
        ({"boarded": "0001-01-01T00:00:00+14:00"}, '"boarded" must be a time'),
        ({"age": "old"}, '"age" must be a number, but is "old".'),
        ({"Class": "1st"}, 'Did you mean "class"?'),
    ],
)
def test_refuses_what_the_signature_does_not_allow(client, wrong, problem):
    answer = client.post("/api/predict", json={**QUESTION, **wrong})
    assert answer.status_code == 400
    assert problem in answer.json["error"]


def test_answers_a_number_without_outcomes(folder):
    rows = np.array([[1, 2.0], [3, 4], [5, 9]])
    model = LinearRegression().fit(rows, [1, 2.5, 3])
    client = client_of(save(folder, model, rows, input_example=rows[1:]))
    params = client.get("/api/predict/params").json
    assert params["outcomes"] is None
    assert params["parameters"] == [
        {"name": "x0", "type": "number", "example": 3.0},
        {"name": "x1", "type": "number", "example": 4.0},
    ]
    answer = client.post("/api/predict", json={"x0": 7, "x1": 1.5}).json
    assert answer == {"prediction": load_pyfunc(str(folder)).predict(np.array([[7, 1.5]]))[0]}
    assert check_answer(answer, None) == answer["prediction"]
    assert client.get("/metrics").text.count("predictions_total{") == 1


@pytest.mark.parametrize("kind", ["float32", "int64", "int8", "bool"])
def test_keeps_the_type_of_an_array(folder, kind):
    rows = np.array([[0, 1], [1, 0], [1, 1]]).astype(kind)
    client = client_of(save(folder, KMeans(2, n_init=1, random_state=0).fit(rows), rows))
    row = [True, False] if kind == "bool" else [1, 0]
    answer = client.post("/api/predict", json=dict(zip(["x0", "x1"], row))).json
    assert answer == {"prediction": load_pyfunc(str(folder)).predict(np.array([row], kind))[0]}
    too_large = client.post("/api/predict", json={"x0": 1e39, "x1": 0})
    assert too_large.status_code == 400


def test_answers_several_values_by_their_names(folder):
    rows = pd.DataFrame({"size": [1.0, 2, 3]})
    prices = pd.DataFrame({"rent": [1.0, 2, 3], "price": [10.0, 20, 30]})
    signature = infer_signature(rows, prices)
    client = client_of(save(folder, LinearRegression().fit(rows, prices), rows, signature=signature))
    answer = client.post("/api/predict", json={"size": 5}).json["prediction"]
    assert answer == {"rent": pytest.approx(5), "price": pytest.approx(50)}


@pytest.mark.parametrize("outcomes", [[0, 1], [False, True]])
def test_keeps_outcomes_that_are_no_texts(folder, outcomes):
    rows = pd.DataFrame({"size": [1.0, 9]})
    client = client_of(save(folder, LogisticRegression().fit(rows, outcomes), rows))
    answer = client.post("/api/predict", json={"size": 9}).json
    assert answer["prediction"] is outcomes[1]
    assert check_answer(answer, outcomes) is outcomes[1]


def test_answers_without_probabilities_where_the_model_has_none(folder):
    client = client_of(save(folder, passengers(LinearSVC())))
    answer = client.post("/api/predict", json=QUESTION).json
    assert answer == {"prediction": load_pyfunc(str(folder)).predict(frame(QUESTION))[0]}
    assert client.get("/api/predict/params").json["outcomes"] == ["no", "yes"]


def test_is_ready_with_its_own_example(client):
    assert client.get("/api/ready").status_code == 200


def test_is_not_ready_where_its_own_example_has_no_answer(copy):
    example = {"columns": list(QUESTION), "data": [list({**QUESTION, "class": "4th"}.values())]}
    (copy / "input_example.json").write_text(json.dumps(example))
    assert "Found unknown categories" in client_of(copy).get("/api/ready").json["error"]


@pytest.mark.parametrize("example", [None, "{", '{"columns": ["class"], "data": [["1st"]]}'])
def test_is_ready_without_an_example_that_fits(copy, example):
    # A text that nobody knows an example of would be refused by the model.
    (copy / "input_example.json").unlink() if example is None else (copy / "input_example.json").write_text(example)
    client = client_of(copy)
    assert client.get("/api/ready").status_code == 200
    assert client.get("/api/predict/params").json["parameters"][0] == {"name": "class", "type": "text"}


def test_tells_name_and_version_of_the_registry_and_what_trained_it(copy):
    (copy / "requirements.txt").write_text("numpy==1.0.0\nscikit-learn\n")
    source = {"kind": "unityCatalog", "run": "abc"}
    manifest = {"digest": "sha256:abc", "name": "main.ml.titanic", "version": "3", "source": source}
    (copy / "model-manifest.json").write_text(json.dumps(manifest))
    client = client_of(copy)
    info = client.get("/api/info").json
    assert (info["model"], info["version"], info["source"]) == ("main.ml.titanic", "3", source)
    assert info["modelDigest"] == client.get("/api/ready").json["modelDigest"] == "sha256:abc"
    assert differing_libraries(info)["numpy"][0] == "1.0.0"


def test_needs_no_mlflow(saved):
    source = Path(__file__).resolve().parent.parent / "src"
    code = (
        "import sys; sys.modules.update(mlflow=None, cloudpickle=None)\n"
        "from pathlib import Path; from load import load_model; from question import read_question\n"
        "model = load_model(Path(sys.argv[1]))\n"
        "print(model.answer(read_question(model.example, model.parameters))['prediction'])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(saved)], cwd=source, capture_output=True, text=True)
    assert done.stdout.strip() in ("yes", "no"), done.stderr


def test_leaves_models_that_bring_functions_of_their_own(folder, monkeypatch):
    model = make_pipeline(FunctionTransformer(lambda rows: rows), LogisticRegression()).fit([[1.0], [2]], ["a", "b"])
    save(folder, model, np.array([[1.0], [2]]))
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    monkeypatch.setitem(sys.modules, "cloudpickle.cloudpickle", None)
    with pytest.raises(ModelError, match=r"needs the module cloudpickle.*without functions or code of your own"):
        load_model(folder)


class Trap:
    def __reduce__(self):
        return pytest.fail, ("The model was loaded.",)


@pytest.mark.parametrize("name", ["../elsewhere.pkl", "/elsewhere.pkl", "link.pkl"])
def test_loads_no_file_from_outside_of_the_model(copy, tmp_path, name):
    (tmp_path / "elsewhere.pkl").write_bytes(pickle.dumps(Trap()))
    (copy / "link.pkl").symlink_to(tmp_path / "elsewhere.pkl")
    name = name.replace("/elsewhere", f"{tmp_path}/elsewhere") if name.startswith("/") else name
    edit(copy, lambda description: description["flavors"]["sklearn"].update(pickled_model=name))
    with pytest.raises(ModelError, match="outside of the model's folder"):
        load_model(copy)


def without_flavor(description):
    description["flavors"] = {"python_function": {}, "xgboost": {}}


def with_inputs(*specs):
    return lambda description: description["signature"].update(inputs=json.dumps(specs))


@pytest.mark.parametrize(
    "change, message",
    [
        (without_flavor, "its flavors are python_function, xgboost"),
        (lambda description: description.pop("signature"), "has no signature, so nobody can tell"),
        (lambda description: description.update(signature={"inputs": "{"}), "has no inputs that can be read"),
        (with_inputs({"name": "class", "type": "binary"}), "the column class of type binary, which this API cannot ask for"),
        (with_inputs({"name": "class", "type": "string"}), "trained with 5 columns, but its signature has 1"),
        (with_inputs({"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 28, 28]}}), r"the shape \[-1, 28, 28\]"),
        (with_inputs({"type": "tensor", "tensor-spec": {"dtype": "complex128", "shape": [-1, 5]}}), 'array of "complex128"'),
        (lambda description: description["flavors"]["sklearn"].update(serialization_format="dill"), "is stored as dill"),
        (lambda description: description["flavors"]["sklearn"].update(pickled_model="gone.pkl"), "gone.pkl is missing"),
        (lambda description: description["flavors"]["python_function"].update(predict_fn="guess"), "which has no guess"),
        (lambda description: description["flavors"]["python_function"].update(predict_fn="__class__"), "has no __class__"),
    ],
)
def test_says_what_it_cannot_serve(copy, change, message):
    edit(copy, change)
    with pytest.raises(ModelError, match=message):
        load_model(copy)


@pytest.mark.parametrize("text", ["", "[", "- 1", "!!python/object/apply:os.getcwd []", "a: &a [*a]", "\0", "[" * 2000])
def test_names_an_mlmodel_that_is_none(copy, text):
    (copy / "MLmodel").write_text(text)
    with pytest.raises(ModelError):
        load_model(copy)


def test_serves_the_layout_of_the_example_beside_an_mlmodel(folder):
    rows = [[0, 0.0], [1, 1.0]]
    save(folder, LogisticRegression().fit(rows, [0, 1]), np.array(rows))
    for name, value in {"lookup": {"color": {"red": 0, "green": 1}, "share": None}, "flags": ["off", "on"]}.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(value))
    (folder / "metadata.json").write_text('{"model": "lamp", "version": "1.0.0"}')
    assert client_of(folder).get("/api/predict/params").json["outcomes"] == ["off", "on"]
