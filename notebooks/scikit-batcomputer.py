# Databricks notebook source
# MAGIC %md
# MAGIC # Will this crime be solved?
# MAGIC
# MAGIC Learns from past crimes how month, region and kind of crime bear on whether one gets solved, and stores the model
# MAGIC in the model registry, from where its API is built. The data is made up: `data/README.md` says how.
# MAGIC
# MAGIC `notebooks/README.md` says what the notebook takes and what a stored model version contains.

# COMMAND ----------

# MAGIC %pip install azure-storage-blob

# COMMAND ----------

# MAGIC %md
# MAGIC ## Parameters

# COMMAND ----------

dbutils.widgets.text("model_name", "batcomputer", "Model, and its container")
dbutils.widgets.text("model_version", "0.0.0-dev", "Version")
dbutils.widgets.text("storage_account", "", "Storage account of the registry")
dbutils.widgets.text("blob_endpoint", "", "Blob endpoint, if not on public Azure")
dbutils.widgets.text("data_path", "/dbfs/datasets/batcomputer.csv", "Training data")
dbutils.widgets.text("service_credential", "", "Service credential of Unity Catalog for the registry")
dbutils.widgets.text("git_commit", "", "Commit, for the record")
dbutils.widgets.text("notebook_sha256", "", "SHA-256 of this file, for the record")
dbutils.widgets.text("run_id", "", "Job run, for the record")
dbutils.widgets.text("run_url", "", "Page of the job run, for the record")
dbutils.widgets.text("signing_key", "", "Secret with the key that signs the model; empty: not signed")

import model_registry

model_name = dbutils.widgets.get("model_name")
model_version = dbutils.widgets.get("model_version")

registry = model_registry.connect(
    dbutils,
    dbutils.widgets.get("storage_account"),
    dbutils.widgets.get("blob_endpoint"),
    dbutils.widgets.get("service_credential"),
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The crimes

# COMMAND ----------

import pandas as pd

crimes = pd.read_csv(dbutils.widgets.get("data_path"))

display(crimes.groupby("crime")["solved"].agg(crimes="size", solved=lambda column: (column == "yes").mean()))

# COMMAND ----------

# MAGIC %md
# MAGIC ## From words to numbers
# MAGIC
# MAGIC Regions and crimes get codes; the month is a number already. The API turns a request into the same numbers, so the
# MAGIC table is stored with the model.

# COMMAND ----------

import numpy

features = ["month", "region", "crime"]
flags = ["unsolved", "solved"]

lookup = {
    feature: None
    if pd.api.types.is_numeric_dtype(crimes[feature])
    else {category: code for code, category in enumerate(sorted(crimes[feature].unique()))}
    for feature in features
}
X = numpy.column_stack(
    [crimes[feature].map(lookup[feature]) if lookup[feature] else crimes[feature] for feature in features]
)
y = (crimes["solved"] == "yes").to_numpy(dtype=int)

lookup

# COMMAND ----------

# MAGIC %md
# MAGIC ## Training
# MAGIC
# MAGIC The codes of regions and crimes have no order, so each becomes a column of its own; so does the month, as December
# MAGIC and January are neighbours. On these columns, logistic regression adds up what speaks for and against a crime being
# MAGIC solved. A quarter of the crimes is kept back to judge it by.

# COMMAND ----------

from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=1939)

model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=1000))
model.fit(X_train, y_train)

predicted = model.predict(X_test)
scores = {
    "accuracy": accuracy_score(y_test, predicted),
    "f1": f1_score(y_test, predicted),
    "rocAuc": roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]),
}
metrics = {name: round(float(score), 4) for name, score in scores.items()}
print(f"Guessing that no crime gets solved would be right for {1 - y_test.mean():.1%} of these.")
metrics

# COMMAND ----------

# MAGIC %md
# MAGIC ## Into the model registry
# MAGIC
# MAGIC The version goes into the container that has the model's name. `model_registry.py`, which lies beside this notebook,
# MAGIC stores it, signs it if there is a key, and writes the list of its files last.

# COMMAND ----------

import json
import pickle

import sklearn

metadata = {
    "rows": len(crimes),
    "features": features,
    "outcomes": flags,
    "metrics": metrics,
    "estimator": str(model),
    **model_registry.describe_run(dbutils, {"numpy": numpy, "pandas": pd, "scikit-learn": sklearn}),
}
files = {
    "model.pkl": pickle.dumps(model, protocol=4),
    "lookup.pkl": pickle.dumps(lookup, protocol=4),
    "flags.pkl": pickle.dumps(flags, protocol=4),
}
signing_key = dbutils.widgets.get("signing_key")
if signing_key:
    signing_key = dbutils.secrets.get(scope=model_registry.SECRETS, key=signing_key)
manifest = model_registry.publish(registry, model_name, model_version, files, metadata, signing_key)

# COMMAND ----------

dbutils.notebook.exit(
    json.dumps(
        {
            "model": model_name,
            "version": model_version,
            "container": registry.get_container_client(model_name).url,
            "blobs": [file["path"] for file in manifest["files"]],
            "digest": manifest["digest"],
            "rows": len(crimes),
            **metrics,
        }
    )
)
