"""Downloads a model of Unity Catalog by MLflow's and Databricks' own clients, and prints what came as one JSON object."""

import hashlib
import json
import os
import sys
import tempfile

host, token, model = sys.argv[1:4]
os.environ.update(
    DATABRICKS_HOST=host,
    DATABRICKS_TOKEN=token,
    MLFLOW_TRACKING_URI="databricks",
    MLFLOW_REGISTRY_URI="databricks-uc",
    MLFLOW_ENABLE_ASYNC_LOGGING="false",
    # By the Files API, as this task does.
    MLFLOW_USE_DATABRICKS_SDK_MODEL_ARTIFACTS_REPO_FOR_UC="true",
)

import mlflow
from databricks.sdk import WorkspaceClient
from mlflow.tracking import MlflowClient

seen = {}


def digests(folder):
    """The SHA-256 of every file below a folder, by its path."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                key = os.path.relpath(path, folder).replace(os.sep, "/")
                found[key] = hashlib.sha256(file.read()).hexdigest()
    # MLflow writes this beside the model, which does not hold it.
    return {path: value for path, value in found.items() if not path.startswith("registered_model_meta")}


for name, version in [("mlflow by number", "/1"), ("mlflow by alias", "@champion")]:
    with tempfile.TemporaryDirectory() as folder:
        mlflow.artifacts.download_artifacts(f"models:/{model}{version}", dst_path=folder)
        seen[name] = digests(folder)

alias = MlflowClient().get_model_version_by_alias(model, "champion")
seen["mlflow's version"] = {"version": str(alias.version), "run": alias.run_id, "status": alias.status}

client = WorkspaceClient(host=host, token=token)
root = "/Models/" + model.replace(".", "/") + "/1"


def walk(folder):
    for entry in client.files.list_directory_contents(folder):
        if entry.is_directory:
            yield from walk(entry.path)
        else:
            yield entry


with tempfile.TemporaryDirectory() as folder:
    for entry in walk(root):
        target = os.path.join(folder, os.path.relpath(entry.path, root))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        content = client.files.download(entry.path).contents.read()
        assert len(content) == entry.file_size, entry
        with open(target, "wb") as file:
            file.write(content)
    seen["sdk"] = digests(folder)

seen["sdk's versions"] = sorted(version.version for version in client.model_versions.list(model))
found = client.model_versions.get_by_alias(model, "champion")
seen["sdk's alias"] = {"version": found.version, "id": found.id, "run": found.run_id, "status": found.status.value}
try:
    client.model_versions.get(model, 99)
except Exception as error:
    seen["sdk's missing version"] = type(error).__name__
print(json.dumps(seen))
