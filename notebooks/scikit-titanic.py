# Databricks notebook source
# MAGIC %md
# MAGIC # Who survived the *Titanic*?
# MAGIC
# MAGIC Learns from the 2,201 people on board how class, sex and age decided about survival, and stores the model in the
# MAGIC model registry, from where its API is built.
# MAGIC
# MAGIC `notebooks/README.md` says what the notebook takes and what a stored model version contains.

# COMMAND ----------

# MAGIC %pip install azure-storage-blob

# COMMAND ----------

# MAGIC %md
# MAGIC ## Parameters

# COMMAND ----------

dbutils.widgets.text("model_name", "titanic", "Model, and its container")
dbutils.widgets.text("model_version", "0.0.0-dev", "Version")
dbutils.widgets.text("storage_account", "", "Storage account of the registry")
dbutils.widgets.text("blob_endpoint", "", "Blob endpoint, if not on public Azure")
dbutils.widgets.text("data_path", "/dbfs/datasets/titanic.csv", "Training data")
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
# MAGIC ## The people on board
# MAGIC
# MAGIC The table counts groups of people; a model learns from persons, so each group becomes as many rows as it had
# MAGIC members.

# COMMAND ----------

import pandas as pd

groups = pd.read_csv(dbutils.widgets.get("data_path"))
people = groups.loc[groups.index.repeat(groups["count"])].drop(columns="count").reset_index(drop=True)

display(people.groupby(["class", "sex"])["survived"].agg(people="size", saved=lambda column: (column == "yes").mean()))

# COMMAND ----------

# MAGIC %md
# MAGIC ## From words to numbers
# MAGIC
# MAGIC Each category gets a code. The API turns a request into the same codes, so the table is stored with the model.

# COMMAND ----------

import numpy

features = ["class", "sex", "age"]
flags = ["died", "survived"]

lookup = {
    feature: {category: code for code, category in enumerate(sorted(people[feature].unique()))}
    for feature in features
}
X = numpy.column_stack([people[feature].map(lookup[feature]) for feature in features])
y = (people["survived"] == "yes").to_numpy(dtype=int)

lookup

# COMMAND ----------

# MAGIC %md
# MAGIC ## Training
# MAGIC
# MAGIC Class, sex and age do not simply add up: in the second class every boy was saved and hardly a man, in the third
# MAGIC class few of either. A small forest of shallow trees finds such combinations. A quarter of the people is kept back
# MAGIC to judge it by.

# COMMAND ----------

from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import train_test_split

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=1912)

model = RandomForestClassifier(n_estimators=60, max_depth=4, min_samples_leaf=5, random_state=1912)
model.fit(X_train, y_train)

predicted = model.predict(X_test)
scores = {
    "accuracy": accuracy_score(y_test, predicted),
    "f1": f1_score(y_test, predicted),
    "rocAuc": roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]),
}
metrics = {name: round(float(score), 4) for name, score in scores.items()}
print(f"Guessing that nobody survived would be right for {1 - y_test.mean():.1%} of these people.")
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
    "rows": len(people),
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
            "rows": len(people),
            **metrics,
        }
    )
)
