"""The Azure part: what the template has made, tokens, and the identity's trust in the service connection."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any

from rest import Failure, keep_secret, safe
from things import Found, NotYet, Thing

DATABRICKS = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
AZURE_DEVOPS = "499b84ac-1321-427f-aa17-267ca6975798"
FEDERATION_AUDIENCE = "api://AzureADTokenExchange"
SECRETS_USER = "Key Vault Secrets User"


class NotThere(Failure):
    """There is no such resource."""


def az(*command: str) -> Any:
    """Runs a command of Azure's command line, and returns what it answers; its output is in no message."""
    program = shutil.which("az")
    if not program:
        raise Failure("Azure's command line 'az' is not installed, or not on the path.")
    done = subprocess.run(
        [program, *command, "--output", "json", "--only-show-errors"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode == 0:
        return json.loads(done.stdout) if done.stdout.strip() else None
    words = safe(done.stderr)
    message = f"'az {' '.join(command[:3])}' ended with {done.returncode}: {words}"
    if done.returncode == 3 or any(code in words for code in ("NotFound", "could not be found", "was not found")):
        raise NotThere(message)
    if "az login" in words:
        message += " Sign in with 'az login'."
    raise Failure(message)


@dataclass
class Azure:
    """The subscription, and the resource group in which the template was deployed."""

    resource_group: str
    deployment: str
    _identities: dict[str, str] = field(default_factory=dict)

    def account(self) -> dict[str, str]:
        found = az("account", "show")
        return {"subscription": found["id"], "subscription_name": found["name"], "tenant": found["tenantId"]}

    def outputs(self) -> dict[str, str]:
        """
        :raises NotThere: where the template was never deployed
        """
        command = ["--resource-group", self.resource_group, "--name", self.deployment]
        found = az("deployment", "group", "show", *command)
        properties = found.get("properties") or {}
        if properties.get("provisioningState") not in (None, "Succeeded"):
            raise Failure(
                f"The deployment '{self.deployment}' has not succeeded: it is '{properties['provisioningState']}'. "
                "Deploy the template again: docs/set-up.md says how."
            )
        return {name: output.get("value") for name, output in (properties.get("outputs") or {}).items()}

    def identity_name(self, client_id: str) -> str:
        """The name of the identity, in the resource group, that has a client id."""
        if client_id not in self._identities:
            found = az("identity", "list", "--resource-group", self.resource_group) or []
            self._identities = {one.get("clientId"): one["name"] for one in found}
        if client_id in self._identities:
            return self._identities[client_id]
        raise Failure(f"No identity in the resource group '{self.resource_group}' has the client id {client_id}.")


class Tokens:
    """Tokens of whoever is signed in to Azure's command line, for one service."""

    def __init__(self, resource: str) -> None:
        self.resource = resource
        self._token = ""

    def __call__(self, is_refused: bool) -> str:
        if is_refused or not self._token:
            found = az("account", "get-access-token", "--resource", self.resource)
            self._token = keep_secret(str(found["accessToken"]))
        return self._token


class Federation(Thing):
    """The pipelines' identity trusts the service connection: it takes issuer and subject as Azure DevOps has answered them."""

    key = "azure/federated-credential"
    what = "federated credential of the pipelines' identity"

    def __init__(self, azure: Azure, client_id: str, connection: Any) -> None:
        self.azure = azure
        self.client_id = client_id
        self.connection = connection
        self.name = "azure-devops"

    def find(self) -> Found | None:
        trust = self.connection.trust()
        if not trust:
            raise NotYet("the service connection is not there")
        issuer, subject = trust
        credentials = az("identity", "federated-credential", "list", *self._identity()) or []
        for one in credentials:
            if one.get("issuer") == issuer and one.get("subject") == subject:
                return Found(one["name"])
        for one in credentials:
            if one.get("name") == self.name:
                return Found(self.name, ["trusts another service connection"])
        return None

    def make(self) -> None:
        self._write("create")

    def change(self, found: Found) -> None:
        self._write("update")

    def remove(self, identity: str) -> None:
        az("identity", "federated-credential", "delete", "--name", identity, *self._identity(), "--yes")

    def _write(self, verb: str) -> None:
        issuer, subject = self.connection.trust()
        trust = ["--issuer", issuer, "--subject", subject, "--audiences", FEDERATION_AUDIENCE]
        az("identity", "federated-credential", verb, "--name", self.name, *self._identity(), *trust)

    def _identity(self) -> list[str]:
        return ["--identity-name", self.azure.identity_name(self.client_id), "--resource-group", self.azure.resource_group]


class VaultReader(Thing):
    """Databricks itself reads the Key Vault for a secret scope that stands for it."""

    key = "azure/vault-reader"
    what = "right of Databricks to read the Key Vault"

    def __init__(self, vault_id: str) -> None:
        self.vault_id = vault_id

    def find(self) -> Found | None:
        found = az("role", "assignment", "list", "--assignee", DATABRICKS, *self._role())
        return Found(found[0]["id"]) if found else None

    def make(self) -> None:
        az("role", "assignment", "create", "--assignee", DATABRICKS, *self._role())

    def remove(self, identity: str) -> None:
        az("role", "assignment", "delete", "--ids", identity)

    def _role(self) -> list[str]:
        return ["--role", SECRETS_USER, "--scope", self.vault_id]
