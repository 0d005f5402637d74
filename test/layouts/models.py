"""Models as the libraries themselves save and load them.

    python models.py make KIND FOLDER     saves a model, and prints what it predicts
    python models.py predict KIND FOLDER  loads it, and prints the same
"""

import json
import sys
from pathlib import Path

import numpy as np

ROWS = np.array([[0.1, 0.2, 0.3], [0.9, 0.8, 0.7], [0.4, 0.6, 0.5], [0.7, 0.1, 0.9]], dtype="float32")
LABELS = np.array([0, 1, 0, 1])


def trained():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(ROWS, LABELS)


class ScikitLearn:
    """A pickle by joblib, beside a file of its own."""

    def make(self, folder):
        import joblib

        joblib.dump(trained(), folder / "model.joblib")
        (folder / "metadata.json").write_text(json.dumps({"estimator": "LogisticRegression"}))

    def predict(self, folder):
        import joblib

        return joblib.load(folder / "model.joblib").predict_proba(ROWS)


class MLflow:
    """The folder of MLflow: MLmodel, environments, an input example, the pickle, and extra files."""

    def make(self, folder):
        import mlflow.sklearn
        from mlflow.models import infer_signature

        extra = folder.parent / "lookup.pkl"
        extra.write_bytes(b"lookup")
        model = trained()
        mlflow.sklearn.save_model(
            model,
            str(folder),
            signature=infer_signature(ROWS, model.predict(ROWS)),
            input_example=ROWS[:2],
            serialization_format="cloudpickle",
            **({"extra_files": [str(extra)]} if MLflow.takes_extra_files() else {}),
            pip_requirements=["scikit-learn"],
        )

    def predict(self, folder):
        import mlflow.sklearn

        if MLflow.takes_extra_files():
            assert (folder / "extra_files" / "lookup.pkl").read_bytes() == b"lookup"
        return mlflow.sklearn.load_model(str(folder)).predict_proba(ROWS)

    @staticmethod
    def takes_extra_files():
        """Since MLflow 3."""
        import inspect

        import mlflow.sklearn

        return "extra_files" in inspect.signature(mlflow.sklearn.save_model).parameters


class HuggingFace:
    """Weights in shards, with the index that names them, as save_pretrained lays them out."""

    def make(self, folder):
        from safetensors.numpy import save_file

        weights = {f"layers.{n}.weight": np.full((3, 3), n + 1, dtype="float32") for n in range(4)}
        index = {"metadata": {"total_size": sum(w.nbytes for w in weights.values())}, "weight_map": {}}
        for shard in range(2):
            name = f"model-{shard + 1:05d}-of-00002.safetensors"
            part = dict(list(weights.items())[shard * 2 : shard * 2 + 2])
            save_file(part, folder / name, metadata={"format": "pt"})
            index["weight_map"].update({key: name for key in part})
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
        (folder / "config.json").write_text(json.dumps({"model_type": "linear"}))

    def predict(self, folder):
        from safetensors.numpy import load_file

        index = json.loads((folder / "model.safetensors.index.json").read_text())
        shards = {name: load_file(folder / name) for name in set(index["weight_map"].values())}
        result = ROWS
        for key, name in sorted(index["weight_map"].items()):
            result = result @ shards[name][key]
        return result


class Onnx:
    """A graph with its weights in a file beside it."""

    def make(self, folder):
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        weights = numpy_helper.from_array(np.arange(900, dtype="float32").reshape(3, 300), "weights")
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["rows", "weights"], ["result"])],
            "linear",
            [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 3])],
            [helper.make_tensor_value_info("result", TensorProto.FLOAT, [None, 300])],
            [weights],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(
            model,
            str(folder / "model.onnx"),
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location="model.onnx.data",
            size_threshold=100,
        )

    def predict(self, folder):
        import onnxruntime

        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        return session.run(None, {"rows": ROWS})[0][:, :5]


class Keras:
    """One file that is a zip of its own."""

    def make(self, folder):
        import keras

        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
        model.save(folder / "model.keras")

    def predict(self, folder):
        import keras

        return np.asarray(keras.saving.load_model(folder / "model.keras")(ROWS))


class LightGBM:
    """A text file."""

    def make(self, folder):
        import lightgbm

        rows = np.repeat(ROWS, 20, axis=0)
        data = lightgbm.Dataset(rows, np.repeat(LABELS, 20))
        lightgbm.train({"objective": "binary", "verbose": -1, "min_data_in_leaf": 2}, data, 5).save_model(
            str(folder / "model.txt")
        )

    def predict(self, folder):
        import lightgbm

        return lightgbm.Booster(model_file=str(folder / "model.txt")).predict(ROWS)


class XGBoost:
    """JSON and UBJSON, of which the latter is loaded."""

    def make(self, folder):
        import xgboost

        booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(ROWS, LABELS), 3)
        for name in ("model.json", "model.ubj"):
            booster.save_model(folder / name)

    def predict(self, folder):
        import xgboost

        return xgboost.Booster(model_file=folder / "model.ubj").predict(xgboost.DMatrix(ROWS))


class SavedModel:
    """TensorFlow's folder: the graph, its variables in shards, and an empty folder of assets."""

    def make(self, folder):
        import tensorflow as tf

        module = tf.Module()
        module.weights = tf.Variable([[1.0], [2.0], [3.0]])
        module.serve = tf.function(
            lambda rows: tf.matmul(rows, module.weights), input_signature=[tf.TensorSpec([None, 3])]
        )
        tf.saved_model.save(module, str(folder))

    def predict(self, folder):
        import tensorflow as tf

        # Its function knows the variables, and does not keep them.
        module = tf.saved_model.load(str(folder))
        return module.serve(tf.constant(ROWS)).numpy()


class SparkML:
    """Spark's folders: stages with metadata and data, each with a _SUCCESS and hidden checksums."""

    def session(self):
        from pyspark.sql import SparkSession

        return SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()

    def frame(self):
        from pyspark.ml.linalg import Vectors

        rows = [(Vectors.dense([float(x) for x in row]), float(label)) for row, label in zip(ROWS, LABELS)]
        return self.session().createDataFrame(rows, ["features", "label"])

    def make(self, folder):
        from pyspark.ml import Pipeline
        from pyspark.ml.classification import LogisticRegression

        # Spark must run before anything of it can be made.
        frame = self.frame()
        Pipeline(stages=[LogisticRegression()]).fit(frame).write().overwrite().save(str(folder))

    def predict(self, folder):
        from pyspark.ml import PipelineModel

        frame = self.frame()
        predicted = PipelineModel.load(str(folder)).transform(frame).select("probability").collect()
        return np.array([row.probability.toArray() for row in predicted])


KINDS = {
    kind.__name__: kind
    for kind in (ScikitLearn, MLflow, HuggingFace, Onnx, Keras, LightGBM, XGBoost, SavedModel, SparkML)
}

if __name__ == "__main__":
    action, name, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    kind = KINDS[name]()
    if action == "make":
        folder.mkdir(parents=True, exist_ok=True)
        kind.make(folder)
    print(json.dumps(np.asarray(kind.predict(folder)).round(5).tolist()))
