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

model_name = dbutils.widgets.get("model_name")
model_version = dbutils.widgets.get("model_version")
storage_account = dbutils.widgets.get("storage_account")
blob_endpoint = dbutils.widgets.get("blob_endpoint") or f"https://{storage_account}.blob.core.windows.net"

if not storage_account:
    raise ValueError("The parameter storage_account is empty: name the storage account of the model registry.")

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
# MAGIC The version goes into the container that has the model's name. `metadata.json` lists its files with their checksums,
# MAGIC so it is the first to go when a version is replaced, and the last to come.

# COMMAND ----------

import hashlib
import json
import pickle
import platform
from datetime import datetime, timezone

import sklearn
from azure.storage.blob import BlobServiceClient

metadata = {
    "model": model_name,
    "version": model_version,
    "trainedAt": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    "rows": len(crimes),
    "features": features,
    "outcomes": flags,
    "metrics": metrics,
    "estimator": str(model),
    "python": platform.python_version(),
    "libraries": {"numpy": numpy.__version__, "pandas": pd.__version__, "scikit-learn": sklearn.__version__},
    "gitCommit": dbutils.widgets.get("git_commit") or None,
    "runId": dbutils.widgets.get("run_id") or None,
    "runUrl": dbutils.widgets.get("run_url") or None,
}
blobs = {
    "model.pkl": pickle.dumps(model, protocol=4),
    "lookup.pkl": pickle.dumps(lookup, protocol=4),
    "flags.pkl": pickle.dumps(flags, protocol=4),
}
metadata["files"] = [
    {"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    for name, content in blobs.items()
]
blobs["metadata.json"] = json.dumps(metadata, indent=2).encode()

# With a service credential, the run signs in with an identity, and nobody needs a key.
if service_credential := dbutils.widgets.get("service_credential"):
    credential = dbutils.credentials.getServiceCredentialsProvider(service_credential)
else:
    storage_key = dbutils.secrets.get(scope="model-registry", key="storage-key")
    credential = {"account_name": storage_account, "account_key": storage_key}
registry = BlobServiceClient(blob_endpoint, credential=credential)
container = registry.get_container_client(model_name)
if not container.exists():
    container.create_container()

complete = container.get_blob_client(f"{model_version}/metadata.json")
if complete.exists():
    complete.delete_blob()
for name, content in blobs.items():
    container.upload_blob(f"{model_version}/{name}", content, overwrite=True)
    print(f"stored {model_name}/{model_version}/{name} ({len(content):,} bytes)")

# COMMAND ----------

dbutils.notebook.exit(
    json.dumps(
        {
            "model": model_name,
            "version": model_version,
            "container": container.url,
            "blobs": list(blobs),
            "rows": len(crimes),
            **metrics,
        }
    )
)
