"""The Databricks part: who runs the jobs, what they read, where they store models, and the jobs themselves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Callable, Mapping

from rest import Failure, Refused, Service, listed, quote
from things import Found, Left, NotYet, Thing

SCIM = "/api/2.0/preview/scim/v2/ServicePrincipals"
CATALOG = "/api/2.1/unity-catalog"
MADE_BY = "Made by deploy/set-up."
#: From least to most; each includes those before it.
LEVELS = ["CAN_VIEW", "CAN_READ", "CAN_USE", "CAN_RUN", "CAN_MANAGE_RUN", "CAN_EDIT", "CAN_MANAGE", "IS_OWNER"]


def default_volume(workspace: Service) -> str:
    """The volume `data` of the workspace's own catalog."""
    try:
        assignment = workspace.get(f"{CATALOG}/current-metastore-assignment")
    except Refused as refusal:
        if refusal.status in (400, 404):
            raise Failure(
                "The workspace has no Unity Catalog, without which notebooks can't store models without a key. "
                "Let an admin of the Databricks account assign a metastore, or use --keys."
            ) from None
        raise
    catalog = (assignment or {}).get("default_catalog_name") or ""
    if catalog in ("", "hive_metastore"):
        raise Failure("The workspace has no catalog of its own: say with --volume catalog.schema.name where the data sets go.")
    return f"{catalog}.default.data"


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


class ServiceCredential(Thing):
    """Stands for the identity with which notebooks store models."""

    key = "databricks/service-credential"

    def __init__(self, workspace: Service, name: str, connector: str) -> None:
        self.workspace = workspace
        self.name = name
        self.connector = connector
        self.what = f"service credential {name}"

    def find(self) -> Found | None:
        found = self.workspace.get_or_none(f"{CATALOG}/credentials/{quote(self.name)}")
        if not found:
            return None
        connector = (found.get("azure_managed_identity") or {}).get("access_connector_id", "")
        is_same = connector.lower() == self.connector.lower() and found.get("purpose", "SERVICE") == "SERVICE"
        return Found(str(found.get("id") or self.name), [] if is_same else ["stands for another identity"])

    def make(self) -> None:
        identity = {"access_connector_id": self.connector}
        body = {"name": self.name, "purpose": "SERVICE", "azure_managed_identity": identity, "comment": MADE_BY}
        self.workspace.send("POST", f"{CATALOG}/credentials", body)

    def change(self, found: Found) -> None:
        identity = {"access_connector_id": self.connector}
        self.workspace.send("PATCH", f"{CATALOG}/credentials/{quote(self.name)}", {"azure_managed_identity": identity})

    def remove(self, identity: str) -> None:
        self.workspace.send("DELETE", f"{CATALOG}/credentials/{quote(self.name)}")


class Volume(Thing):
    """Where the data sets lie."""

    def __init__(self, workspace: Service, full_name: str) -> None:
        self.workspace = workspace
        self.full_name = full_name
        self.catalog, self.schema, self.name = full_name.split(".")
        self.key = f"databricks/volume/{full_name}"
        self.what = f"volume {full_name}"
        self.folder = f"/Volumes/{full_name.replace('.', '/')}"

    def find(self) -> Found | None:
        found = self.workspace.get_or_none(f"{CATALOG}/volumes/{quote(self.full_name)}")
        return Found(str(found["volume_id"])) if found else None

    def make(self) -> None:
        place = {"catalog_name": self.catalog, "schema_name": self.schema, "name": self.name}
        self.workspace.send("POST", f"{CATALOG}/volumes", {**place, "volume_type": "MANAGED", "comment": MADE_BY})

    def remove(self, identity: str) -> None:
        if listed(self.workspace.get_or_none(f"/api/2.0/fs/directories{self.folder}/"), "contents"):
            raise Left("it holds other files")
        self.workspace.send("DELETE", f"{CATALOG}/volumes/{quote(self.full_name)}")


class DataFile(Thing):
    """One data set in the volume."""

    remedy = "If yours is the one to train with, name its folder with --data-folder; else rename it, and run this again."

    def __init__(self, workspace: Service, volume: Volume, source: Path) -> None:
        self.workspace = workspace
        self.volume = volume
        self.source = source
        self.place = f"/api/2.0/fs/files{volume.folder}/{quote(source.name)}"
        self.key = f"databricks/file/{volume.full_name}/{source.name}"
        self.what = f"data set {volume.folder}/{source.name}"

    def find(self) -> Found | None:
        if not self.volume.identity():
            raise NotYet("its volume is not there")
        content = self.workspace.get_or_none(self.place)
        if content is None:
            return None
        stored = content if isinstance(content, bytes) else json.dumps(content).encode()
        is_same = stored == self.source.read_bytes()
        return Found(hashlib.sha256(stored).hexdigest(), [] if is_same else [f"differs from data/{self.source.name}"])

    def make(self) -> None:
        self._put("false")

    def change(self, found: Found) -> None:
        self._put("true")

    def remove(self, identity: str) -> None:
        self.workspace.send("DELETE", self.place)

    def _put(self, overwrite: str) -> None:
        self.workspace.send("PUT", self.place, self.source.read_bytes(), {"overwrite": overwrite}, again=overwrite == "true")


class Grant(Thing):
    """One privilege in Unity Catalog."""

    def __init__(self, workspace: Service, kind: str, full_name: str, principal: str, privilege: str) -> None:
        self.workspace = workspace
        self.place = f"{CATALOG}/permissions/{kind}/{quote(full_name)}"
        self.principal = principal
        self.privilege = privilege
        self.key = f"databricks/grant/{kind}/{full_name}/{privilege}"
        self.what = f"{privilege.replace('_', ' ')} on the {kind} {full_name}"

    def find(self) -> Found | None:
        answer = self.workspace.get_or_none(self.place, principal=self.principal)
        if answer is None:
            raise NotYet("what it is for is not there")
        for one in listed(answer, "privilege_assignments"):
            if one.get("principal") == self.principal and {self.privilege, "ALL_PRIVILEGES"} & set(one.get("privileges", [])):
                return Found(self.principal)
        return None

    def make(self) -> None:
        self._change("add")

    def remove(self, identity: str) -> None:
        self._change("remove")

    def _change(self, how: str) -> None:
        self.workspace.send("PATCH", self.place, {"changes": [{"principal": self.principal, how: [self.privilege]}]})


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


class ClusterPolicy(Thing):
    """What clusters the jobs may make for themselves, where they do not run serverless."""

    def __init__(self, workspace: Service, policy: Mapping[str, Any]) -> None:
        self.workspace = workspace
        self.policy = policy
        self.key = f"databricks/policy/{policy['name']}"
        self.what = f"cluster policy {policy['name']}"

    def find(self) -> Found | None:
        for one in listed(self.workspace.get("/api/2.0/policies/clusters/list"), "policies"):
            if one.get("name") == self.policy["name"]:
                is_same = json.loads(one.get("definition") or "{}") == self.policy["definition"]
                return Found(str(one["policy_id"]), [] if is_same else ["has another definition"])
        return None

    def make(self) -> None:
        self.workspace.send("POST", "/api/2.0/policies/clusters/create", self._body())

    def change(self, found: Found) -> None:
        self.workspace.send("POST", "/api/2.0/policies/clusters/edit", {"policy_id": found.id, **self._body()}, again=True)

    def remove(self, identity: str) -> None:
        self.workspace.send("POST", "/api/2.0/policies/clusters/delete", {"policy_id": identity})

    def _body(self) -> dict[str, str]:
        return {**self.policy, "definition": json.dumps(self.policy["definition"])}


class Job(Thing):
    """A training job, as its committed file says."""

    def __init__(self, workspace: Service, settings: Callable[[], Mapping[str, Any]], name: str, may_be_left: bool) -> None:
        self.workspace = workspace
        self.settings = settings
        self.name = name
        self.may_be_left = may_be_left
        self.key = f"databricks/job/{name}"
        self.what = f"job {name}"

    def find(self) -> Found | None:
        found = [one for one in self._list() if (one.get("settings") or {}).get("name") == self.name]
        if len(found) > 1:
            raise Failure(f"There are {len(found)} jobs named '{self.name}': rename or delete the others, and run this again.")
        if not found:
            return None
        identity = str(found[0]["job_id"])
        job = self.workspace.get("/api/2.2/jobs/get", job_id=identity)
        held = {"run_as": {"service_principal_name": job.get("run_as_user_name")}, **(job.get("settings") or {})}
        return Found(identity, differences(self.settings(), held))

    def make(self) -> None:
        try:
            self.workspace.send("POST", "/api/2.2/jobs/create", self.settings())
        except Refused as refusal:
            # Whoever makes a service principal may manage it, which is not to run jobs as it.
            if refusal.status != 403 or "run_as" not in self.settings():
                raise
            if self.may_be_left:
                raise Left(f"the pipeline makes it at its first run, since you may not let jobs run as another ({refusal})") from None
            raise Failure(
                f"{refusal} Give yourself the role 'Service principal: User' on the service principal (Settings, Identity and "
                "access, Service principals, Permissions), and run this again."
            ) from None

    def change(self, found: Found) -> None:
        body = {"job_id": int(found.id), "new_settings": self.settings()}
        self.workspace.send("POST", "/api/2.2/jobs/update", body, again=True)

    def remove(self, identity: str) -> None:
        self.workspace.send("POST", "/api/2.2/jobs/delete", {"job_id": int(identity)})

    def _list(self) -> list[Any]:
        found: list[Any] = []
        token, seen = "", set()
        while token not in seen:
            seen.add(token)
            more = {"page_token": token} if token else {}
            answer = self.workspace.get("/api/2.2/jobs/list", name=self.name, limit=100, **more)
            found.extend(listed(answer, "jobs"))
            token = (answer or {}).get("next_page_token") or ""
            if not token:
                break
        return found


def differences(wanted: Any, held: Any, where: str = "") -> list[str]:
    """In what settings something differs from what is wanted; what is not mentioned is as it likes."""
    if isinstance(wanted, Mapping):
        inner = held if isinstance(held, Mapping) else {}
        return [line for name, value in wanted.items() for line in differences(value, inner.get(name), f"{where}.{name}".lstrip("."))]
    if isinstance(wanted, list):
        others = held if isinstance(held, list) else []
        if len(wanted) != len(others):
            return [f"has other {where}"]
        return [line for one, other in zip(wanted, others) for line in differences(one, other, where)]
    return [] if wanted == held else [f"has another {where}"]


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
