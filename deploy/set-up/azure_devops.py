"""The project: its repository, the extension with the tasks, and the service connection that they sign in with."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from rest import Failure, Refused, Service, listed, quote
from things import MADE_BY, Found, Left, Thing

VERSION = "7.1"
PREVIEW = "7.1-preview.1"


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
        address = parts._replace(netloc=extensions_host(parts.netloc)).geturl()
        self.service = Service("Azure DevOps", address, organization._token, organization.patience)
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


def extensions_host(host: str) -> str:
    """Azure DevOps Services keeps its extensions at a host of their own, whichever address an organization has; a server does not."""
    name = host.lower()
    if name == "dev.azure.com":
        return f"extmgmt.{name}"
    return name.replace(".", ".extmgmt.", 1) if name.endswith(".visualstudio.com") else host


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
