"""All that set-up makes, in the order in which it must be made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from azure import Azure, Federation, VaultReader
from azure_devops import Connection, Extension, Project, Repository, find_repository
from databricks import Folder, Permission, SecretScope, ServicePrincipal
from jobs import ClusterPolicy, Job
from pipelines import Approval, Environment, Permit, Pipeline
from rest import Service
from things import NotYet, Thing
from unity_catalog import DataFile, Grant, ServiceCredential, Volume
from variable_groups import Variables, VaultSecrets

SOURCES = Path(__file__).resolve().parent.parent.parent
MODELS = ["titanic", "batcomputer"]
NOTEBOOK_FOLDER = "/Shared/live"
CONNECTION = "model-pipelines"
#: Of the service credential, and of the secret scope: notebooks ask for them by this name.
REGISTRY = "model-registry"
SECRETS = ["acr-password", "databricks-token", "storage-key"]


@dataclass
class Facts:
    """What is set up, as the template and the options say. All of it may be written down."""

    outputs: Mapping[str, str]
    account: Mapping[str, str]
    location: str
    vault: Mapping[str, str]
    resource_group: str
    #: `catalog.schema.name`; empty where nothing is uploaded.
    volume: str
    #: Where the data sets are; empty for the pipelines' own default.
    data_folder: str
    compute: str
    repository: str
    github_connection: str
    approver: str

    def keep(self) -> dict[str, Any]:
        return dict(vars(self))


def on_databricks(workspace: Service, facts: Facts, with_policy: bool = False) -> list[Thing]:
    """:param with_policy: also where no cluster is made any more, for what was made when they were"""
    client_id = facts.outputs["pipelinesClientId"]
    folder = Folder(workspace, NOTEBOOK_FOLDER)
    principal = ServicePrincipal(workspace, client_id)
    things: list[Thing] = [principal, folder, AsPrincipal(Permission(workspace, "directories", folder, client_id, "CAN_MANAGE"), principal)]
    if facts.volume:
        things += in_catalog(workspace, facts, principal)
    if facts.vault:
        things.append(VaultReader(facts.vault["id"]))
        things.append(SecretScope(workspace, REGISTRY, facts.vault["id"], facts.vault["uri"]))
    classic = json.loads((SOURCES / "deploy/databricks/classic.json").read_text("utf-8"))
    policy = ClusterPolicy(workspace, classic["policy"])
    if facts.compute == "classic" or with_policy:
        things += [policy, AsPrincipal(Permission(workspace, "cluster-policies", policy, client_id, "CAN_USE"), principal)]
    for model in MODELS:
        file = SOURCES / f"deploy/databricks/train-{model}-model.json"
        committed = json.loads(file.read_text("utf-8"))
        settings = lambda committed=committed: job_settings(committed, classic["job_cluster"], policy, facts)  # noqa: E731
        job = Job(workspace, settings, committed["name"], may_be_left=facts.compute == "serverless")
        # The pipelines keep a serverless job as its file says, which takes the right to change it.
        level = "CAN_MANAGE" if facts.compute == "serverless" else "CAN_MANAGE_RUN"
        things += [job, AsPrincipal(Permission(workspace, "jobs", job, client_id, level), principal)]
    return things


def in_catalog(workspace: Service, facts: Facts, principal: ServicePrincipal) -> list[Thing]:
    client_id = principal.client_id
    volume = Volume(workspace, facts.volume)
    schema = f"{volume.catalog}.{volume.schema}"
    grants = [
        ("credential", REGISTRY, "ACCESS"),
        ("volume", volume.full_name, "READ_VOLUME"),
        ("schema", schema, "USE_SCHEMA"),
        ("catalog", volume.catalog, "USE_CATALOG"),
    ]
    return [
        ServiceCredential(workspace, REGISTRY, facts.outputs["accessConnectorId"]),
        volume,
        *(DataFile(workspace, volume, SOURCES / f"data/{model}.csv") for model in MODELS),
        *(AsPrincipal(Grant(workspace, kind, name, client_id, privilege), principal) for kind, name, privilege in grants),
    ]


def job_settings(committed: Mapping[str, Any], cluster: Mapping[str, Any], policy: ClusterPolicy, facts: Facts) -> dict[str, Any]:
    """A job as its file says, as the pipelines' identity, and where asked for on a cluster instead of serverless."""
    settings = {**committed, "run_as": {"service_principal_name": facts.outputs["pipelinesClientId"]}}
    if facts.compute == "serverless":
        return settings
    identity = policy.identity()
    if not identity:
        raise NotYet(f"the {policy.what} is not there")
    settings.pop("environments")
    tasks = [{name: value for name, value in task.items() if name != "environment_key"} for task in committed["tasks"]]
    settings["tasks"] = [{**task, "job_cluster_key": cluster["job_cluster_key"]} for task in tasks]
    settings["job_clusters"] = [{**cluster, "new_cluster": {**cluster["new_cluster"], "policy_id": identity}}]
    return settings


class AsPrincipal(Thing):
    """A right of the service principal, which can be given only when that is there."""

    def __init__(self, right: Permission | Grant, principal: ServicePrincipal) -> None:
        self.right = right
        self.principal = principal
        self.key, self.what = right.key, right.what
        self.make, self.remove = right.make, right.remove

    def find(self):
        if not self.principal.identity():
            raise NotYet(f"the {self.principal.what} is not there")
        return self.right.find()


def pipeline_files(facts: Facts) -> list[str]:
    with_keys = ["train-{}-model", "build-{}-image"] if facts.vault else []
    return [f"pipelines/{name.format(model)}.yaml" for model in MODELS for name in ["{}", "deploy-{}", *with_keys]]


def on_azure_devops(azure: Azure, project: Project, facts: Facts) -> list[Thing]:
    outputs = facts.outputs
    manifest = json.loads((SOURCES / "vss-extension.json").read_text("utf-8"))
    connection = Connection(project, CONNECTION, outputs["pipelinesClientId"], facts.account)
    groups: list[Thing] = [Variables(project, "shared-variables", variables(facts), {"version": "1.0.0"})]
    if facts.vault:
        groups.append(VaultSecrets(project, "shared-secrets", facts.vault["name"], SECRETS, connection))
    environment = Environment(project, "models")
    found: list[Repository] = []

    def repository() -> Repository:
        if not found:
            found.append(find_repository(project, facts.repository, facts.github_connection))
        return found[0]

    pipelines = [Pipeline(project, file, repository) for file in pipeline_files(facts)]
    resources = [("endpoint", connection), *(("variablegroup", group) for group in groups), ("environment", environment)]
    return [
        Extension(project.service, manifest["publisher"], manifest["id"]),
        connection,
        Federation(azure, outputs["pipelinesClientId"], connection),
        *groups,
        environment,
        Approval(environment, facts.approver),
        *pipelines,
        *(Permit(project, kind, resource, pipeline) for pipeline in pipelines for kind, resource in resources),
    ]


def variables(facts: Facts) -> dict[str, str]:
    """The group that every pipeline reads."""
    outputs = facts.outputs
    values = {
        "acr-name": outputs["acrName"],
        "databricks-host": outputs["databricksHost"],
        "storage-account": outputs["storageAccount"],
        "data-folder": facts.data_folder,
        "resource-group": facts.resource_group,
        "serving-identity": outputs["servingIdentityId"],
        "container-apps-environment": outputs.get("environmentName") or "",
        "location": facts.location,
    }
    return {name: value for name, value in values.items() if value}
