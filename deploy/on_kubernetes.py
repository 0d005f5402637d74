"""
Serves an image in a Kubernetes cluster by the chart in deploy/helm/model-api. Replicas that are not ready take no
questions; if the new ones are never ready, or don't serve the right model, the release goes back to what it was.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from azure_cli import Failure, Target, main, text

CHART = Path(__file__).resolve().parent / "helm/model-api"


class Release(Target):
    cluster: str
    namespace: str
    values: list[str]


def deploy(release: Release) -> str:
    with tempfile.TemporaryDirectory() as folder:
        if release.cluster:
            sign_in(release, Path(folder) / "kubeconfig")
        before = deployed_revision(release)
        try:
            helm(release, "upgrade", release.name, str(CHART), "--install", "--create-namespace", *wait(release), *settings(release))
            helm(release, "test", release.name, "--logs", "--timeout", f"{release.patience:g}s")
        except BaseException as failure:
            after = back(release, before)
            if isinstance(failure, Exception):
                raise Failure(f"{failure} {after}") from failure
            raise
    return f"{release.name} in {release.namespace} serves {release.image}, and answered from inside the cluster."


def sign_in(release: Release, kubeconfig: Path) -> None:
    """Signs in to the cluster as who is signed in to Azure, by a file that nobody else has."""
    os.environ["KUBECONFIG"] = str(kubeconfig)
    group = ["--resource-group", release.resource_group, "--name", release.cluster]
    text(["az", "aks", "get-credentials", *group, "--file", str(kubeconfig), "--only-show-errors"])
    if shutil.which("kubelogin"):
        text(["kubelogin", "convert-kubeconfig", "--login", "azurecli", "--kubeconfig", str(kubeconfig)])


def settings(release: Release) -> list[str]:
    repository, digest = release.image.split("@")
    given = {"image.repository": repository, "image.digest": digest, "modelDigest": release.model_digest}
    files = [part for file in release.values for part in ("--values", file)]
    return [*files, *(part for name, value in given.items() for part in ("--set-string", f"{name}={value}"))]


def deployed_revision(release: Release) -> int | None:
    """The number of the release that serves now."""
    listed = json.loads(helm(release, "list", "--filter", f"^{release.name}$", "--deployed", "--output", "json") or "[]")
    return int(listed[0]["revision"]) if listed else None


def back(release: Release, before: int | None) -> str:
    """Puts back what was there before, and says so."""
    try:
        if before is None:
            return "There was no release before it to go back to."
        helm(release, "rollback", release.name, str(before), *wait(release))
    except Failure as failure:
        return f"Going back to revision {before} failed, too: {failure}"
    return f"Revision {before} of the release serves again."


def wait(release: Release) -> list[str]:
    return ["--wait", "--timeout", f"{release.patience:g}s"]


def helm(release: Release, *command: str) -> Any:
    return text(["helm", *command, "--namespace", release.namespace])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cluster", default="", help="of Azure Kubernetes Service; empty: the one that kubectl knows")
    parser.add_argument("--namespace", default="models")
    parser.add_argument("--values", action="append", default=[], help="YAML with settings of the chart; may be given several times")


if __name__ == "__main__":
    main("Serves an image in Kubernetes.", deploy, add_options)
