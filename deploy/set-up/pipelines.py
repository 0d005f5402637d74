"""The pipelines, the environment that they deploy to with its approval, and what each pipeline may use."""

from __future__ import annotations

from typing import Callable, Mapping

from azure_devops import PREVIEW, VERSION, Project, Repository
from rest import Failure, listed, quote
from things import MADE_BY, Found, NotYet, Thing

#: The check by which somebody must approve; the same in every organization.
APPROVAL = {"id": "8c6f20a7-a545-4486-9777-f762fafe0d4d", "name": "Approval"}
APPROVAL_MINUTES = 43200


class Environment(Thing):
    """What deployments need the approval for."""

    def __init__(self, project: Project, name: str) -> None:
        self.project = project
        self.name = name
        self.key = f"azure-devops/environment/{name}"
        self.what = f"environment {name}"
        self.place = f"{project.path}/distributedtask/environments"

    def find(self) -> Found | None:
        found = self.project.service.pages(self.place, name=self.name, **{"api-version": VERSION})
        same = next((one for one in found if one.get("name", "").lower() == self.name.lower()), None)
        return Found(str(same["id"])) if same else None

    def make(self) -> None:
        body = {"name": self.name, "description": f"Where models are served. {MADE_BY}"}
        self.project.service.send("POST", self.place, body, {"api-version": VERSION})

    def remove(self, identity: str) -> None:
        self.project.service.send("DELETE", f"{self.place}/{quote(identity)}", query={"api-version": VERSION})


class Approval(Thing):
    """Nothing is served before somebody has agreed."""

    def __init__(self, environment: Environment, approver: str) -> None:
        self.environment = environment
        self.approver = approver
        self.project = environment.project
        self.place = f"{self.project.path}/pipelines/checks/configurations"
        self.key = f"azure-devops/approval/{environment.name}"
        self.what = f"approval of the {environment.what}"

    def find(self) -> Found | None:
        query = {"resourceType": "environment", "resourceId": self._environment(), "api-version": PREVIEW}
        for one in self.project.service.pages(self.place, **query):
            if (one.get("type") or {}).get("id", "").lower() == APPROVAL["id"]:
                return Found(str(one["id"]))
        return None

    def make(self) -> None:
        body = {
            "type": APPROVAL,
            "settings": {
                "approvers": [{"id": self.approver}],
                "minRequiredApprovers": 1,
                "executionOrder": "anyOrder",
                "instructions": "Look at the metrics of the model in the summary of the stage Train.",
                "requesterCannotBeApprover": False,
                "blockedApprovers": [],
            },
            "resource": {"type": "environment", "id": self._environment(), "name": self.environment.name},
            "timeout": APPROVAL_MINUTES,
        }
        self.project.service.send("POST", self.place, body, {"api-version": PREVIEW})

    def remove(self, identity: str) -> None:
        self.project.service.send("DELETE", f"{self.place}/{quote(identity)}", query={"api-version": PREVIEW})

    def _environment(self) -> str:
        identity = self.environment.identity()
        if not identity:
            raise NotYet(f"the {self.environment.what} is not there")
        return identity


class Pipeline(Thing):
    """A pipeline for a YAML file of the repository."""

    folder = "\\model-pipelines"

    def __init__(self, project: Project, file: str, repository: Callable[[], Repository]) -> None:
        self.project = project
        self.file = file
        self.name = file.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        self.repository = repository
        self.key = f"azure-devops/pipeline/{self.name}"
        self.what = f"pipeline {self.name}"
        self.place = f"{project.path}/build/definitions"

    def find(self) -> Found | None:
        query = {"name": self.name, "path": self.folder, "api-version": VERSION}
        for one in self.project.service.pages(self.place, **query):
            if one.get("name") == self.name and one.get("path") == self.folder:
                return self._compare(str(one["id"]))
        return None

    def make(self) -> None:
        body = {
            "name": self.name,
            "path": self.folder,
            "description": MADE_BY,
            "type": "build",
            "process": {"type": 2, "yamlFilename": self.file},
            "repository": self.repository().body,
            "triggers": self.repository().triggers,
            "queue": {"id": self._queue()},
        }
        self.project.service.send("POST", self.place, body, {"api-version": VERSION})

    def change(self, found: Found) -> None:
        place = f"{self.place}/{quote(found.id)}"
        definition = self.project.service.get(place, **{"api-version": VERSION})
        definition["process"] = {"type": 2, "yamlFilename": self.file}
        self.project.service.send("PUT", place, definition, {"api-version": VERSION})

    def remove(self, identity: str) -> None:
        self.project.service.send("DELETE", f"{self.place}/{quote(identity)}", query={"api-version": VERSION})

    def start(self, parameters: Mapping[str, str]) -> str:
        """Runs it once; :return: where to watch it"""
        found = self.find()
        if not found:
            raise Failure(f"The {self.what} is not there.")
        body = {"resources": {"repositories": {"self": {"refName": self.repository().branch}}}, "templateParameters": parameters}
        place = f"{self.project.path}/pipelines/{quote(found.id)}/runs"
        run = self.project.service.send("POST", place, body, {"api-version": VERSION})
        return ((run.get("_links") or {}).get("web") or {}).get("href") or run.get("url", "")

    def _compare(self, identity: str) -> Found:
        definition = self.project.service.get(f"{self.place}/{quote(identity)}", **{"api-version": VERSION})
        file = (definition.get("process") or {}).get("yamlFilename", "").lstrip("/")
        return Found(identity, [] if file == self.file else [f"runs {file or 'no YAML file'}"])

    def _queue(self) -> int:
        """The pool that the pipeline is shown with; its YAML says where it runs."""
        queues = listed(self.project.service.get(f"{self.project.path}/distributedtask/queues", **{"api-version": VERSION}), "value")
        hosted = [one for one in queues if (one.get("pool") or {}).get("isHosted")]
        named = [one for one in hosted if one.get("name") == "Azure Pipelines"]
        if not queues:
            raise Failure("The project has no agent pool, or you may not use any: ask an administrator of the project.")
        return (named or hosted or queues)[0]["id"]


class Permit(Thing):
    """Pipelines may use a resource; without it, their first run waits for somebody to permit it."""

    def __init__(self, project: Project, kind: str, resource: Thing, pipeline: Pipeline) -> None:
        self.project = project
        self.kind = kind
        self.resource = resource
        self.pipeline = pipeline
        self.key = f"azure-devops/permit/{resource.key}/{pipeline.name}"
        self.what = f"use of the {resource.what} by the {pipeline.what}"

    def find(self) -> Found | None:
        place, identity = self._place()
        answer = self.project.service.get_or_none(place, **{"api-version": PREVIEW}) or {}
        is_open = (answer.get("allPipelines") or {}).get("authorized")
        ids = [one.get("id") for one in listed(answer, "pipelines") if one.get("authorized")]
        return Found(str(identity)) if is_open or identity in ids else None

    def make(self) -> None:
        self._set(True)

    def remove(self, identity: str) -> None:
        self._set(False)

    def _set(self, authorized: bool) -> None:
        place, identity = self._place()
        body = {"pipelines": [{"id": identity, "authorized": authorized}]}
        self.project.service.send("PATCH", place, body, {"api-version": PREVIEW})

    def _place(self) -> tuple[str, int]:
        resource, pipeline = self.resource.identity(), self.pipeline.identity()
        if not resource or not pipeline:
            raise NotYet("what it is for is not there")
        return f"{self.project.path}/pipelines/pipelinepermissions/{self.kind}/{quote(resource)}", int(pipeline)
