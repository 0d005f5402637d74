"""What notebooks read and write with: the volume with the data sets, the service credential, and the privileges on them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from rest import Failure, Refused, Service, listed, quote
from things import MADE_BY, Found, Left, NotYet, Thing

CATALOG = "/api/2.1/unity-catalog"


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
