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

model_name = dbutils.widgets.get("model_name")
model_version = dbutils.widgets.get("model_version")
storage_account = dbutils.widgets.get("storage_account")
blob_endpoint = dbutils.widgets.get("blob_endpoint") or f"https://{storage_account}.blob.core.windows.net"

if not storage_account:
    raise ValueError("The parameter storage_account is empty: name the storage account of the model registry.")

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
    "rows": len(people),
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
            "rows": len(people),
            **metrics,
        }
    )
)
