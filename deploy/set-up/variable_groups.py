"""The variable groups that the pipelines read."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from azure_devops import VERSION, Connection, Project
from rest import Failure, quote
from things import MADE_BY, Found, Thing


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
