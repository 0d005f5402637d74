"""Uses a workspace by Databricks' own client, and prints what that makes of each answer as one JSON object."""

import base64
import json
import sys

from databricks.sdk import WorkspaceClient
from databricks.sdk.service import iam, jobs, workspace

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

note("me", client.current_user.me)
note("workspace id", lambda: str(client.config.workspace_id))
note("file", lambda: client.workspace.download("/live/models/train").read().decode())


def submit():
    notebook = jobs.NotebookTask(notebook_path="/live/models/train")
    return client.jobs.submit_and_wait(
        run_name="once", tasks=[jobs.SubmitTask(task_key="main", notebook_task=notebook)]
    )


submitted = note("submitted", submit)
note("delete", lambda: client.jobs.delete_run(submitted.run_id))
note("deleted run", lambda: client.jobs.get_run(submitted.run_id))


def task(key, *others):
    notebook = jobs.NotebookTask(notebook_path="/live/models/train")
    after = [jobs.TaskDependency(task_key=other) for other in others]
    return jobs.Task(task_key=key, notebook_task=notebook, depends_on=after)


made = client.jobs.create(name="made", description="short", tasks=[task("b"), task("a"), task("c", "b", "a")])
client.jobs.update(made.job_id, fields_to_remove=["description"], new_settings=jobs.JobSettings(timeout_seconds=60))
note("updated", lambda: client.jobs.get(made.job_id))
client.jobs.update(made.job_id, fields_to_remove=["tasks/c"])
note("tasks", lambda: sorted(task.task_key for task in client.jobs.get(made.job_id).settings.tasks))

viewer = iam.AccessControlRequest(group_name="users", permission_level=iam.PermissionLevel.CAN_VIEW)
job_id = str(made.job_id)
note("permissions", lambda: client.permissions.update("jobs", job_id, access_control_list=[viewer]))
note("levels", lambda: client.permissions.get_permission_levels("jobs", job_id))

print(json.dumps(seen))
