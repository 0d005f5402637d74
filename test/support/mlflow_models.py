"""Logs two models of scikit-learn by MLflow, and prints where they are and what they answer, as one JSON object."""

import json
import os
import sys
import warnings

# What is logged goes to a folder, as on a machine without a tracking server.
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
warnings.filterwarnings("ignore")

import mlflow
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

mlflow.set_tracking_uri("file:" + sys.argv[1])
question = json.loads(sys.argv[2])

rows = pd.DataFrame({"class": ["1st", "2nd", "3rd", "crew"] * 3, "age": [30.0, 2.5, 61, 40] * 3, "siblings": range(12)})
survived = ["yes", "no", "no", "yes", "no", "yes"] * 2


def logged(*steps):
    # As a Databricks runtime does.
    with mlflow.start_run():
        model = make_pipeline(*steps, LogisticRegression()).fit(rows, survived)
        return mlflow.sklearn.log_model(model, name="model", input_example=rows[:1], serialization_format="cloudpickle")


columns = ColumnTransformer([("class", OneHotEncoder(), ["class"]), ("numbers", StandardScaler(), ["age", "siblings"])])
honest = logged(columns)
own = logged(FunctionTransformer(lambda table: table), columns)
answer = mlflow.pyfunc.load_model(honest.model_uri).predict(pd.DataFrame([question]))[0]
places = {name: model.artifact_path.removeprefix("file://") for name, model in [("honest", honest), ("own", own)]}
print(json.dumps({**places, "answer": answer}))
