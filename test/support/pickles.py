"""Writes files of models into two folders, honest and hostile, as the libraries of this Python write them."""

import bz2
import gzip
import json
import lzma
import os
import pickle
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from scipy import sparse, stats
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessRegressor, kernels
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, SGDClassifier
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import KFold, RandomizedSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

warnings.filterwarnings("ignore")


def honest():
    rows = np.abs(np.random.default_rng(1).normal(size=(40, 3)))
    labels = (rows[:, 0] > 0.6).astype(int)
    frame = pd.DataFrame({"a": rows[:, 0], "b": list("xyzx") * 10, "c": pd.Categorical(list("uv") * 20)})
    columns = ColumnTransformer(
        [("text", OneHotEncoder(), ["b"]), ("numbers", StandardScaler(), make_column_selector(dtype_include=float))]
    )
    search = RandomizedSearchCV(
        make_pipeline(SimpleImputer(), LogisticRegression()),
        {"logisticregression__C": stats.loguniform(0.1, 1), "logisticregression__max_iter": stats.randint(50, 90)},
        n_iter=2,
        cv=KFold(2),
        scoring=make_scorer(f1_score, average="macro"),
    )
    kernel = kernels.ConstantKernel() * kernels.RBF() + kernels.WhiteKernel()
    estimators = {
        "calibrated": CalibratedClassifierCV(SVC(), cv=2),
        "boosted": GradientBoostingClassifier(n_estimators=3),
        "histogram": HistGradientBoostingClassifier(max_iter=3),
        "forest": RandomForestClassifier(n_estimators=3),
        "stacked": StackingClassifier([("a", SVC()), ("b", LogisticRegression())], cv=2),
        "means": KMeans(2, n_init=1),
        "selected": make_pipeline(SelectKBest(k=2), KNNImputer(), SGDClassifier()),
        "process": GaussianProcessRegressor(kernel, optimizer=None),
        "poisson": PoissonRegressor(),
        "neighbors": KNeighborsClassifier(algorithm="ball_tree"),
        "network": MLPClassifier((4,), max_iter=5),
        "function": make_pipeline(FunctionTransformer(np.log1p, np.expm1), LogisticRegression()),
        "search": search,
    }
    for name, estimator in estimators.items():
        yield name, estimator.fit(rows, labels)
    yield "columns", make_pipeline(columns, LogisticRegression()).fit(frame, labels)
    yield "words", TfidfVectorizer().fit(["a sentence of words", "and another"])
    yield "frame", frame.set_index(pd.date_range("2026-01-01", periods=40))
    yield "sparse", sparse.csr_matrix(np.eye(3))
    yield "objects", np.array(["a", {"b": 1}, None], dtype=object)
    yield "labels", {"labels": np.array(["no", "yes"], dtype=object), "weights": np.ones((2, 3))}
    yield "fields", np.zeros(3, dtype=[("a", "f4"), ("b", "U5")])
    yield "empty", np.zeros((0, 3))
    yield "turned", np.asfortranarray(np.ones((3, 2)))
    yield "masked", np.ma.array([1, 2], mask=[0, 1])
    yield "lookup", {"class": {"1st": 0, "2nd": 1}, "age": None, "large": list(range(3000)), "text": "x" * 70000}


class Hostile:
    def __reduce__(self):
        return os.system, ("true",)


def behind_the_array(file):
    """The array of a joblib file holds a pickle, which pickle.load runs where joblib.load sees numbers."""
    joblib.dump(np.zeros(64, dtype="u1"), file)
    content = bytearray(file.read_bytes())
    attack = b"0cposix\nsystem\n(S'true'\ntR."
    start = content.rindex(b"ub", 0, content.index(bytes(64))) + 2
    content[start : start + len(attack)] = attack
    file.write_bytes(content)


def write_honest(folder):
    for name, value in honest():
        for protocol in range(6):
            (folder / f"{name}-{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))
            joblib.dump(value, folder / f"{name}-{protocol}.joblib", protocol=protocol)
        joblib.dump(value, folder / f"{name}.joblib")
        joblib.dump(value, folder / f"{name}-zlib.joblib", compress=3)
        joblib.dump(value, folder / f"{name}-gzip.joblib", compress=("gzip", 3))
        if isinstance(value, np.ndarray) and not np.ma.isMaskedArray(value):
            np.save(folder / f"{name}.npy", value)
            np.savez(folder / f"{name}.npz", value)
            np.savez_compressed(folder / f"{name}-packed.npz", value)


def write_hostile(folder):
    for protocol in range(6):
        (folder / f"call-{protocol}.pkl").write_bytes(pickle.dumps({"a": [Hostile()]}, protocol))
    (folder / "packed.bin").write_bytes(gzip.compress(pickle.dumps(Hostile())))
    objects = np.array([1, Hostile()], dtype=object)
    np.save(folder / "objects.npy", objects)
    np.savez_compressed(folder / "objects.npz", np.zeros(3), objects)
    for name, value in {"objects": objects, "after": [np.arange(9.0), Hostile()]}.items():
        joblib.dump(value, folder / f"{name}.joblib")
        joblib.dump(value, folder / f"{name}-zlib.joblib", compress=3)
        joblib.dump(value, folder / f"{name}-bzip2.joblib", compress=("bz2", 3))
    behind_the_array(folder / "numbers.joblib")
    attack = pickle.dumps(Hostile())
    (folder / "second-bzip2.joblib").write_bytes(bz2.compress(b"") + bz2.compress(attack))
    small = [{"id": lzma.FILTER_LZMA1, "dict_size": 4096}]
    (folder / "small-lzma.joblib").write_bytes(lzma.compress(attack, lzma.FORMAT_ALONE, filters=small))
    for name in ("second-bzip2", "small-lzma"):
        assert joblib.load(folder / f"{name}.joblib") == 0, f"joblib no longer runs what {name} holds"


if __name__ == "__main__":
    for kind, write in (("honest", write_honest), ("hostile", write_hostile)):
        target = Path(sys.argv[1]) / kind
        target.mkdir()
        write(target)
    print(json.dumps({"joblib": joblib.__version__, "numpy": np.__version__}))
