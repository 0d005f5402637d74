"""
Serves an image as a container app: the new revision gets no traffic until it has answered, and the traffic goes back if it
does not answer as it should afterwards.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from azure_cli import Failure, Target, az, az_or_none, definition_file, main, smoke_test, url_of

PORT = 8000
#: Seconds that a replica goes on answering when it is told to stop.
DRAIN = 10


class App(Target):
    environment: str
    identity: str
    suffix: str


def deploy(app: App) -> str:
    before = az_or_none("containerapp", "show", *named(app))
    serving = serving_revision(app, before) if before else None
    revision = f"{app.name}--{app.suffix}"
    environment = az("containerapp", "env", "show", "--name", app.environment, "--resource-group", app.resource_group)
    try:
        with definition_file(definition(app, environment, serving)) as file:
            az("containerapp", "update" if before else "create", *named(app), "--yaml", file)
        print(f"Made the revision {revision} of {app.image}" + (f"; {serving} goes on serving." if serving else "."))
        print(smoke_test(url_of(wait_for_revision(app, revision)), **expectations(app)))
        if serving:
            route(app, revision)
            print(f"All questions go to {revision} now.")
        seen = smoke_test(url_of(public_host(app)), **expectations(app))
    except BaseException as failure:
        after = back(app, serving, revision)
        if isinstance(failure, Exception):
            raise Failure(f"{failure} {after}") from failure
        raise
    retire(app, keep={revision, serving})
    return seen


def definition(app: App, environment: dict[str, Any], serving: str | None) -> dict[str, Any]:
    """The app as Azure's resource manager wants it; whatever serves now goes on serving."""
    probe = {"httpGet": {"port": PORT, "path": "/api/ready"}}
    traffic = {"revisionName": serving} if serving else {"latestRevision": True}
    return {
        "type": "Microsoft.App/containerApps",
        "location": environment["location"],
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {app.identity: {}}},
        "properties": {
            "environmentId": environment["id"],
            "configuration": {
                "activeRevisionsMode": "Multiple",
                "maxInactiveRevisions": 10,
                # The identity pulls the image; the API itself can't use it.
                "identitySettings": [{"identity": app.identity, "lifecycle": "None"}],
                "registries": [{"server": app.image.split("/")[0], "identity": app.identity}],
                "ingress": {
                    "external": True,
                    "targetPort": PORT,
                    "transport": "auto",
                    "allowInsecure": False,
                    "traffic": [{**traffic, "weight": 100}],
                },
            },
            "template": {
                "revisionSuffix": app.suffix,
                "terminationGracePeriodSeconds": DRAIN + 15,
                "containers": [
                    {
                        "name": "api",
                        "image": app.image,
                        "args": ["python3", "src/serve.py", "--host", "0.0.0.0", "--port", str(PORT), "--drain", str(DRAIN)],
                        "resources": {"cpu": 0.5, "memory": "1Gi"},
                        "probes": [
                            {**probe, "type": "Startup", "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 10},
                            {**probe, "type": "Readiness", "periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 2},
                            {
                                "type": "Liveness",
                                "httpGet": {"port": PORT, "path": "/api/health"},
                                "periodSeconds": 10,
                                "timeoutSeconds": 5,
                                "failureThreshold": 3,
                            },
                        ],
                    }
                ],
                "scale": {
                    "minReplicas": 0,
                    "maxReplicas": 10,
                    "rules": [{"name": "questions", "http": {"metadata": {"concurrentRequests": "50"}}}],
                },
            },
        },
    }


def serving_revision(app: App, resource: dict[str, Any]) -> str | None:
    """The revision that most questions go to."""
    properties = resource["properties"]
    ingress = (properties.get("configuration") or {}).get("ingress") or {}
    traffic = max(ingress.get("traffic") or [], key=lambda one: one.get("weight") or 0, default={})
    name = traffic.get("revisionName") or properties.get("latestReadyRevisionName")
    if name == f"{app.name}--{app.suffix}":
        raise Failure(f"The revision {name} serves already: a suffix can be used once.")
    return name


def wait_for_revision(app: App, revision: str) -> str:
    """:return: the host at which a revision can be asked, whatever its share of the traffic"""
    deadline = time.monotonic() + app.patience
    while True:
        found = az_or_none("containerapp", "revision", "show", *named(app), "--revision", revision)
        properties = (found or {}).get("properties", {})
        state = properties.get("provisioningState")
        if state == "Failed":
            raise Failure(f"The revision {revision} could not be made: {properties.get('provisioningError') or state}.")
        if properties.get("fqdn") and state in ("Provisioned", None):
            return properties["fqdn"]
        if time.monotonic() >= deadline:
            raise Failure(f"The revision {revision} was not there within {app.patience:g} seconds: {state}.")
        time.sleep(2)


def public_host(app: App) -> str:
    return az("containerapp", "show", *named(app))["properties"]["configuration"]["ingress"]["fqdn"]


def route(app: App, revision: str) -> None:
    az("containerapp", "ingress", "traffic", "set", *named(app), "--revision-weight", f"{revision}=100")


def back(app: App, serving: str | None, revision: str) -> str:
    """Takes the new revision out of use, and says what serves now."""
    if not serving:
        return "There was no revision before it to go back to."
    try:
        route(app, serving)
        if az_or_none("containerapp", "revision", "show", *named(app), "--revision", revision):
            az("containerapp", "revision", "deactivate", *named(app), "--revision", revision)
    except Failure as failure:
        return f"Going back to {serving} failed, too: {failure}"
    return f"{serving} serves, as before."


def retire(app: App, keep: set[str | None]) -> None:
    """Of the revisions before, only the last one stays for going back to by hand."""
    for revision in az("containerapp", "revision", "list", *named(app)):
        if revision["name"] not in keep and revision["properties"].get("active"):
            az("containerapp", "revision", "deactivate", *named(app), "--revision", revision["name"])


def expectations(app: App) -> dict[str, Any]:
    return {"model_digest": app.model_digest, "patience": app.patience}


def named(app: App) -> list[str]:
    return ["--name", app.name, "--resource-group", app.resource_group]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--environment", required=True, help="the Container Apps environment")
    parser.add_argument("--identity", required=True, help="resource id of the identity that pulls the image")
    parser.add_argument("--suffix", required=True, help="of the new revision's name: lower case, digits and hyphens, once used")


if __name__ == "__main__":
    main("Serves an image as a container app.", deploy, add_options)
