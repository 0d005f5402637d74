"""The Azure DevOps part: the extension, the service connection, the variable groups, the approval and the pipelines."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

from rest import Failure, Refused, Service, listed, quote
from things import Found, Left, NotYet, Thing

VERSION = "7.1"
PREVIEW = "7.1-preview.1"
#: The check by which somebody must approve; the same in every organization.
APPROVAL = {"id": "8c6f20a7-a545-4486-9777-f762fafe0d4d", "name": "Approval"}
APPROVAL_MINUTES = 43200
MADE_BY = "Made by deploy/set-up."


@dataclass
class Project:
    """A project of an organization."""

    service: Service
    id: str
    name: str

    @property
    def path(self) -> str:
        return f"/{quote(self.id)}/_apis"

    def reference(self, name: str) -> list[dict[str, Any]]:
        """How what belongs to the organization is tied to the project."""
        return [{"name": name, "description": MADE_BY, "projectReference": {"id": self.id, "name": self.name}}]


def find_project(service: Service, name: str) -> Project:
    found = service.get_or_none(f"/_apis/projects/{quote(name)}", **{"api-version": VERSION})
    if not found:
        raise Failure(f"There is no project '{name}' at {service.url}, or you may not see it. Make it first, and push this repository to it.")
    return Project(service, found["id"], found["name"])


def whoever_asks(service: Service) -> str:
    """The identity of who is signed in, as approvals name it."""
    return service.get("/_apis/connectionData", **{"api-version": PREVIEW})["authenticatedUser"]["id"]


@dataclass
class Repository:
    """Where the pipelines' YAML lies, as a pipeline refers to it."""

    body: Mapping[str, Any]
    triggers: Sequence[Mapping[str, Any]]

    @property
    def branch(self) -> str:
        return self.body["defaultBranch"]


def find_repository(project: Project, name: str, github_connection: str) -> Repository:
    from_yaml = {"settingsSourceType": 2, "triggerType": 2}
    if github_connection:
        query = {"endpointNames": github_connection, "api-version": VERSION}
        connections = listed(project.service.get(f"{project.path}/serviceendpoint/endpoints", **query), "value")
        if not connections:
            raise Failure(f"There is no service connection '{github_connection}'. Make one to GitHub in the project's settings.")
        properties = {"connectedServiceId": connections[0]["id"], "apiUrl": f"https://api.github.com/repos/{name}", "defaultBranch": "main"}
        url = f"https://github.com/{name}.git"
        body = {"id": name, "name": name, "type": "GitHub", "url": url, "defaultBranch": "refs/heads/main", "properties": properties}
        forks = {"forks": {"enabled": "true", "allowSecrets": "false"}, "settingsSourceType": 2, "triggerType": "pullRequest"}
        return Repository(body, [from_yaml, forks])
    found = project.service.get_or_none(f"{project.path}/git/repositories/{quote(name)}", **{"api-version": VERSION})
    if not found:
        raise Failure(f"The project has no repository '{name}': name it with --repository, and --github-connection if it is on GitHub.")
    if not found.get("defaultBranch"):
        raise Failure(f"The repository '{name}' is empty: push this repository to it first.")
    body = {"id": found["id"], "name": found["name"], "type": "tfsgit", "url": found.get("remoteUrl", ""), "defaultBranch": found["defaultBranch"]}
    return Repository(body, [from_yaml])


class Extension(Thing):
    """The tasks."""

    key = "azure-devops/extension"

    def __init__(self, organization: Service, publisher: str, name: str) -> None:
        parts = urllib.parse.urlsplit(organization.url)
        host = "extmgmt.dev.azure.com" if parts.netloc.lower() == "dev.azure.com" else parts.netloc
        self.service = Service("Azure DevOps", parts._replace(netloc=host).geturl(), organization._token, organization.patience)
        self.place = f"/_apis/extensionmanagement/installedextensionsbyname/{quote(publisher)}/{quote(name)}"
        self.what = f"extension {publisher}.{name}"

    def find(self) -> Found | None:
        found = self.service.get_or_none(self.place, **{"api-version": PREVIEW})
        return Found(f"{found['publisherId']}.{found['extensionId']}") if found else None

    def make(self) -> None:
        try:
            self.service.send("POST", self.place, query={"api-version": PREVIEW})
        except Refused as refusal:
            raise Left(f"install it yourself: docs/publishing.md says how. ({refusal})") from None

    def remove(self, identity: str) -> None:
        raise Left("other projects may use it by now")


class Connection(Thing):
    """The service connection of the pipelines' identity, which vouches for itself with federation."""

    key = "azure-devops/service-connection"
    remedy = "Rename it, or set the pipelines up with your own: docs/set-up.md says how."

    def __init__(self, project: Project, name: str, client_id: str, account: Mapping[str, str]) -> None:
        self.project = project
        self.name = name
        self.client_id = client_id
        self.account = account
        self.what = f"service connection {name}"

    def find(self) -> Found | None:
        found = self._read()
        if not found:
            return None
        parameters = (found.get("authorization") or {}).get("parameters") or {}
        is_same = (
            found.get("type", "").lower() == "azurerm"
            and (found.get("authorization") or {}).get("scheme") == "WorkloadIdentityFederation"
            and str(parameters.get("serviceprincipalid", "")).lower() == self.client_id.lower()
        )
        return Found(found["id"], [] if is_same else ["is for another identity, or signs in another way"])

    def trust(self) -> tuple[str, str] | None:
        """Issuer and subject, as only Azure DevOps knows them."""
        found = self._read()
        parameters = ((found or {}).get("authorization") or {}).get("parameters") or {}
        issuer, subject = (parameters.get(f"workloadIdentityFederation{part}") for part in ("Issuer", "Subject"))
        return (issuer, subject) if issuer and subject else None

    def make(self) -> None:
        self.project.service.send("POST", "/_apis/serviceendpoint/endpoints", self._body(), {"api-version": VERSION})

    def change(self, found: Found) -> None:
        place = f"/_apis/serviceendpoint/endpoints/{quote(found.id)}"
        self.project.service.send("PUT", place, {**self._body(), "id": found.id}, {"api-version": VERSION})

    def remove(self, identity: str) -> None:
        query = {"projectIds": self.project.id, "api-version": VERSION}
        self.project.service.send("DELETE", f"/_apis/serviceendpoint/endpoints/{quote(identity)}", query=query)

    def _read(self) -> Mapping[str, Any] | None:
        query = {"endpointNames": self.name, "includeFailed": "true", "api-version": VERSION}
        found = listed(self.project.service.get(f"{self.project.path}/serviceendpoint/endpoints", **query), "value")
        return next((one for one in found if one.get("name", "").lower() == self.name.lower()), None)

    def _body(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": "AzureRM",
            "url": "https://management.azure.com/",
            "authorization": {
                "scheme": "WorkloadIdentityFederation",
                "parameters": {"tenantid": self.account["tenant"], "serviceprincipalid": self.client_id},
            },
            "data": {
                "subscriptionId": self.account["subscription"],
                "subscriptionName": self.account["subscription_name"],
                "environment": "AzureCloud",
                "scopeLevel": "Subscription",
                "creationMode": "Manual",
            },
            "isShared": False,
            "isReady": True,
            "serviceEndpointProjectReferences": self.project.reference(self.name),
        }


class Group(Thing):
    """A variable group. What people have added to it stays."""

    def __init__(self, project: Project, name: str) -> None:
        self.project = project
        self.name = name
        self.key = f"azure-devops/variable-group/{name}"
        self.what = f"variable group {name}"

    def find(self) -> Found | None:
        found = self.read()
        return Found(str(found["id"]), self.compare(found)) if found else None

    def read(self) -> Mapping[str, Any] | None:
        query = {"groupName": self.name, "api-version": VERSION}
        found = self.project.service.pages(f"{self.project.path}/distributedtask/variablegroups", **query)
        return next((one for one in found if one.get("name", "").lower() == self.name.lower()), None)

    def compare(self, found: Mapping[str, Any]) -> list[str]:
        raise NotImplementedError

    def body(self, before: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def make(self) -> None:
        body = {**self._about(), **self.body({})}
        self.project.service.send("POST", "/_apis/distributedtask/variablegroups", body, {"api-version": VERSION})

    def change(self, found: Found) -> None:
        place = f"/_apis/distributedtask/variablegroups/{quote(found.id)}"
        body = {**self._about(), **self.body(self.read() or {})}
        self.project.service.send("PUT", place, body, {"api-version": VERSION})

    def remove(self, identity: str) -> None:
        query = {"projectIds": self.project.id, "api-version": VERSION}
        self.project.service.send("DELETE", f"/_apis/distributedtask/variablegroups/{quote(identity)}", query=query)

    def _about(self) -> dict[str, Any]:
        return {"name": self.name, "description": MADE_BY, "variableGroupProjectReferences": self.project.reference(self.name)}


class Variables(Group):
    """
    Plain variables.

    :param values: that must be so
    :param beginnings: that are given where there is no value yet, and are people's from then on
    """

    def __init__(self, project: Project, name: str, values: Mapping[str, str], beginnings: Mapping[str, str]) -> None:
        super().__init__(project, name)
        self.values = values
        self.beginnings = beginnings

    def compare(self, found: Mapping[str, Any]) -> list[str]:
        if found.get("type") != "Vsts":
            return ["is linked to a Key Vault"]
        held = found.get("variables") or {}
        others = [name for name, value in self.values.items() if (held.get(name) or {}).get("value") != value]
        missing = [name for name in self.beginnings if name not in held]
        return [f"has no or another value of {', '.join([*others, *missing])}"] if others or missing else []

    def body(self, before: Mapping[str, Any]) -> dict[str, Any]:
        held = before.get("variables") or {}
        secret = [name for name, variable in held.items() if variable.get("isSecret")]
        if secret:
            raise Failure(
                f"The {self.what} must be changed, which would empty its secret variables {', '.join(secret)}: nobody but Azure DevOps "
                "can read them. Move them to another group, or change the group yourself, and run this again."
            )
        wanted = {name: {"value": value} for name, value in self.values.items()}
        begun = {name: {"value": value} for name, value in self.beginnings.items()}
        return {"type": "Vsts", "variables": {**begun, **held, **wanted}}


class VaultSecrets(Group):
    """Secrets that stay in the Key Vault: the group holds their names."""

    def __init__(self, project: Project, name: str, vault: str, secrets: Sequence[str], connection: Connection) -> None:
        super().__init__(project, name)
        self.vault = vault
        self.secrets = secrets
        self.connection = connection

    def compare(self, found: Mapping[str, Any]) -> list[str]:
        linked = (found.get("providerData") or {}).get("vault")
        missing = [name for name in self.secrets if name not in (found.get("variables") or {})]
        if found.get("type") != "AzureKeyVault" or linked != self.vault:
            return [f"is not linked to the Key Vault {self.vault}"]
        return [f"lacks {', '.join(missing)}"] if missing else []

    def body(self, before: Mapping[str, Any]) -> dict[str, Any]:
        connection = self.connection.identity()
        if not connection:
            raise Failure(f"The {self.connection.what} is not there.")
        names = [*(before.get("variables") or {}), *self.secrets]
        secret = {"isSecret": True, "value": None, "enabled": True, "contentType": ""}
        return {
            "type": "AzureKeyVault",
            "providerData": {"serviceEndpointId": connection, "vault": self.vault},
            "variables": {name: secret for name in names},
        }


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
