"""The workspace: who runs the jobs, the folder of the notebooks, and what the service principal may do with things in it."""

from __future__ import annotations

from typing import Any

from rest import Refused, Service, listed, quote
from things import Found, Left, NotYet, Thing

SCIM = "/api/2.0/preview/scim/v2/ServicePrincipals"
#: From least to most; each includes those before it.
LEVELS = ["CAN_VIEW", "CAN_READ", "CAN_USE", "CAN_RUN", "CAN_MANAGE_RUN", "CAN_EDIT", "CAN_MANAGE", "IS_OWNER"]


class ServicePrincipal(Thing):
    """The pipelines' identity as the workspace knows it."""

    key = "databricks/service-principal"

    def __init__(self, workspace: Service, client_id: str) -> None:
        self.workspace = workspace
        self.client_id = client_id
        self.what = f"service principal {client_id}"

    def find(self) -> Found | None:
        answer = self.workspace.get(SCIM, filter=f'applicationId eq "{self.client_id}"')
        for one in listed(answer, "Resources"):
            if one.get("applicationId") == self.client_id:
                return Found(str(one["id"]), [] if one.get("active", True) else ["is not active"])
        return None

    def make(self) -> None:
        self.workspace.send(
            "POST",
            SCIM,
            {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"],
                "applicationId": self.client_id,
                "displayName": "model-pipelines",
                "active": True,
                "entitlements": [{"value": "workspace-access"}],
            },
        )

    def remove(self, identity: str) -> None:
        self.workspace.send("DELETE", f"{SCIM}/{quote(identity)}")


class Folder(Thing):
    """The folder into which the pipelines import notebooks."""

    def __init__(self, workspace: Service, path: str) -> None:
        self.workspace = workspace
        self.path = path
        self.key = f"databricks/folder{path}"
        self.what = f"folder {path}"

    def find(self) -> Found | None:
        found = self.workspace.get_or_none("/api/2.0/workspace/get-status", path=self.path)
        if not found:
            return None
        return Found(str(found["object_id"]), [] if found["object_type"] == "DIRECTORY" else ["is no folder"])

    def make(self) -> None:
        self.workspace.send("POST", "/api/2.0/workspace/mkdirs", {"path": self.path}, again=True)

    def remove(self, identity: str) -> None:
        try:
            self.workspace.send("POST", "/api/2.0/workspace/delete", {"path": self.path, "recursive": False})
        except Refused as refusal:
            if refusal.code == "DIRECTORY_NOT_EMPTY":
                raise Left("it holds the notebooks that the pipelines have imported") from None
            raise


class Permission(Thing):
    """What the service principal may do with one object of the workspace."""

    def __init__(self, workspace: Service, kind: str, thing: Thing, principal: str, level: str) -> None:
        self.workspace = workspace
        self.kind = kind
        self.thing = thing
        self.principal = principal
        self.level = level
        self.key = f"databricks/permission/{thing.key}"
        self.what = f"{level} on the {thing.what}"

    def find(self) -> Found | None:
        for one in self._list():
            if one.get("service_principal_name") == self.principal:
                held = [permission["permission_level"] for permission in one.get("all_permissions", [])]
                if any(LEVELS.index(level) >= LEVELS.index(self.level) for level in held if level in LEVELS):
                    return Found(self.principal)
        return None

    def make(self) -> None:
        entry = {"service_principal_name": self.principal, "permission_level": self.level}
        self.workspace.send("PATCH", self._place(), {"access_control_list": [entry]})

    def remove(self, identity: str) -> None:
        """The API takes no single entry away: the list is put back without it."""
        kept = []
        for one in self._list():
            names = {name: one[name] for name in ("user_name", "group_name", "service_principal_name") if one.get(name)}
            for permission in one.get("all_permissions", []):
                if not permission.get("inherited") and one.get("service_principal_name") != self.principal:
                    kept.append({**names, "permission_level": permission["permission_level"]})
        self.workspace.send("PUT", self._place(), {"access_control_list": kept})

    def _list(self) -> list[Any]:
        return listed(self.workspace.get(self._place()), "access_control_list")

    def _place(self) -> str:
        identity = self.thing.identity()
        if not identity:
            raise NotYet(f"the {self.thing.what} is not there")
        return f"/api/2.0/permissions/{self.kind}/{quote(identity)}"


class SecretScope(Thing):
    """The Key Vault under the name by which notebooks ask for secrets."""

    key = "databricks/secret-scope"

    def __init__(self, workspace: Service, name: str, vault_id: str, vault_uri: str) -> None:
        self.workspace = workspace
        self.name = name
        self.vault = {"resource_id": vault_id, "dns_name": vault_uri}
        self.what = f"secret scope {name}"

    def find(self) -> Found | None:
        for one in listed(self.workspace.get("/api/2.0/secrets/scopes/list"), "scopes"):
            if one.get("name") == self.name:
                behind = (one.get("keyvault_metadata") or {}).get("resource_id", "")
                is_same = behind.lower() == self.vault["resource_id"].lower()
                return Found(self.name, [] if is_same else ["is not backed by the Key Vault"])
        return None

    def make(self) -> None:
        body = {"scope": self.name, "scope_backend_type": "AZURE_KEYVAULT", "backend_azure_keyvault": self.vault}
        self.workspace.send("POST", "/api/2.0/secrets/scopes/create", body)

    def remove(self, identity: str) -> None:
        self.workspace.send("POST", "/api/2.0/secrets/scopes/delete", {"scope": self.name})
