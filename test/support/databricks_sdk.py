"""Uses a workspace by Databricks' own client, and prints what that makes of each answer as one JSON object."""

import base64
import json
import sys

from databricks.sdk import WorkspaceClient
from databricks.sdk.service import jobs, workspace

client = WorkspaceClient(host=sys.argv[1], token=sys.argv[2])
seen = {}


def note(name, call):
    """Keeps a result, or the client's name for the error."""
    try:
        result = call()
    except Exception as error:
        seen[name] = {"error": type(error).__name__, "message": str(error)}
        return None
    seen[name] = result.as_dict() if hasattr(result, "as_dict") else result
    return result


SOURCE = "# Databricks notebook source\nprint(1)\n"


def place():
    return client.workspace.import_(
        "/live/models/train",
        content=base64.b64encode(SOURCE.encode()).decode(),
        format=workspace.ImportFormat.SOURCE,
        language=workspace.Language.PYTHON,
        overwrite=True,
    )


def source():
    exported = client.workspace.export("/live/models/train", format=workspace.ExportFormat.SOURCE)
    return base64.b64decode(exported.content).decode()


note("import without a folder", place)
client.workspace.mkdirs("/live/models")
note("import", place)
note("status", lambda: client.workspace.get_status("/live/models/train"))
note("source", source)

note("names", lambda: [job.settings.name for job in client.jobs.list(name="TRAIN")])
note("number of jobs", lambda: len(list(client.jobs.list(limit=2))))
(train,) = client.jobs.list(name="train")
(broken,) = client.jobs.list(name="broken")
note("job", lambda: client.jobs.get(train.job_id))
note("unknown job", lambda: client.jobs.get(1))
note("unknown run", lambda: client.jobs.get_run(1))

run = client.jobs.run_now_and_wait(train.job_id, idempotency_token="once", notebook_params={"version": "1"})
seen["run"] = run.as_dict()
note("same run", lambda: client.jobs.run_now(train.job_id, idempotency_token="once").run_id == run.run_id)
note("output", lambda: client.jobs.get_run_output(run.tasks[0].run_id))
note("pages", lambda: [view.type.value for view in client.jobs.export_run(run.tasks[0].run_id).views])
note("cancel what is over", lambda: client.jobs.cancel_run(run.run_id) and True)

note("broken run", lambda: client.jobs.run_now_and_wait(broken.job_id))
(failure,) = client.jobs.list_runs(job_id=broken.job_id)
failed_task = client.jobs.get_run(failure.run_id).tasks[0]
note("broken output", lambda: client.jobs.get_run_output(failed_task.run_id))
note("repair", lambda: client.jobs.repair_run_and_wait(failure.run_id, rerun_all_failed_tasks=True))
repaired = client.jobs.get_run(failure.run_id, include_history=True)
seen["history"] = [entry.type.value for entry in repaired.repair_history]

print(json.dumps(seen))
