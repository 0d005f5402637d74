"""What a pipeline does with Databricks' client for Python: import the notebook, find the job, run it, wait for it."""

import base64
import sys

from databricks.sdk import WorkspaceClient
from databricks.sdk.service import workspace

host, token, notebook = sys.argv[1:]
client = WorkspaceClient(host=host, token=token)
with open(notebook, "rb") as file:
    content = base64.b64encode(file.read()).decode()
client.workspace.import_("/Shared/train", content=content, language=workspace.Language.PYTHON, overwrite=True)
(job,) = client.jobs.list(name="train")
client.jobs.run_now_and_wait(job.job_id, notebook_params={"model_version": "1.0.0"})
