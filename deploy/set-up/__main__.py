"""
Sets up what the template in deploy/azure can't: the Databricks part and the Azure DevOps part of the example, so that its
pipelines run without a secret. docs/set-up.md tells the whole way.
"""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from typing import Any

from azure import AZURE_DEVOPS, DATABRICKS, Azure, NotThere, Tokens, az
from azure_devops import Project, find_project, find_repository, whoever_asks
from everything import MODELS, Facts, on_azure_devops, on_databricks
from pipelines import Pipeline
from rest import Failure, Lost, Service, safe
from state import State, default_file
from things import Thing, apply, plan, remove
from unity_catalog import default_volume

TOKENS = Tokens(DATABRICKS)
GOES_ON = "Run the same again: it goes on where it was."
OUTPUTS = ["acrName", "databricksHost", "storageAccount", "servingIdentityId", "pipelinesClientId", "accessConnectorId"]


def main() -> int:
    options = read_options()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return set_up(options)
    except Failure as failure:
        say(f"\n{failure}", sys.stderr)
        return 1
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # A service has answered in another shape than it documents; which, its words may say, and its data must not.
        where = traceback.extract_tb(error.__traceback__)[-1]
        say(f"\nAn answer is not as it should be ({type(error).__name__} in {where.name}, line {where.lineno}). {GOES_ON}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        say(f"\nStopped. {GOES_ON}", sys.stderr)
        return 130


def set_up(options: argparse.Namespace) -> int:
    organization = Service("Azure DevOps", options.organization, Tokens(AZURE_DEVOPS), options.patience)
    azure = Azure(options.resource_group, options.deployment)
    state = State(default_file(f"{organization.url.split('//')[1]} {options.project} {options.resource_group}"))
    if options.remove:
        return undo(azure, organization, state, options)

    project = find_project(organization, options.project)
    facts = gather(azure, organization, project, options)
    workspace = databricks(facts, options)
    parts = [
        (f"Databricks, {workspace.url}", on_databricks(workspace, facts)),
        (f"Azure DevOps, {organization.url}, project {project.name}", on_azure_devops(azure, project, facts)),
    ]
    # What is in the way is said before anything is changed.
    to_do = 0
    for title, things in parts:
        tell = quiet if options.apply else say
        tell(f"\n{title}")
        to_do += plan(things, state, tell)
    if not options.apply:
        say(f"\n{to_do} of these would be made or changed. Nothing has been changed: run it again with --apply.")
        return 0
    state.remember(facts.keep())
    for title, things in parts:
        say(f"\n{title}")
        apply(things, state, say, options.patience)
    say(f"\nAll is set up. What was made is noted in {state.file}; --remove removes it.")
    if facts.vault:
        say(f"Put a token of Databricks into the Key Vault {facts.vault['name']} as 'databricks-token', for the pipelines with keys.")
    if options.run:
        start(project, facts, options)
    return 0


def gather(azure: Azure, organization: Service, project: Project, options: argparse.Namespace) -> Facts:
    """All that is to be known first; whatever is missing is said before anything is made."""
    try:
        outputs = azure.outputs()
    except NotThere as missing:
        raise Failure(f"{missing} Deploy the template first: docs/set-up.md says how.") from None
    lacking = [name for name in OUTPUTS if not outputs.get(name)]
    if lacking:
        raise Failure(f"The deployment '{azure.deployment}' has no output {', '.join(lacking)}: deploy the template of this version again.")
    facts = Facts(
        outputs=outputs,
        account=azure.account(),
        location=az("group", "show", "--name", azure.resource_group)["location"],
        vault=key_vault(outputs),
        resource_group=azure.resource_group,
        volume="",
        data_folder=options.data_folder,
        compute=options.compute,
        repository=options.repository or project.name,
        github_connection=options.github_connection,
        approver=options.approver or whoever_asks(organization),
    )
    find_repository(project, facts.repository, facts.github_connection)
    if not facts.data_folder:
        facts.volume = options.volume or default_volume(databricks(facts, options))
        if len(facts.volume.split(".")) != 3 or not all(facts.volume.split(".")):
            raise Failure(f"--volume must be catalog.schema.name, not '{facts.volume}'.")
        facts.data_folder = f"/Volumes/{facts.volume.replace('.', '/')}"
    return facts


def key_vault(outputs: dict[str, str]) -> dict[str, str]:
    """The vault of those who sign in with keys; nothing where the template made none."""
    name = outputs.get("vaultName")
    if not name:
        return {}
    found = az("keyvault", "show", "--name", name)
    return {"name": name, "id": found["id"], "uri": found["properties"]["vaultUri"]}


def databricks(facts: Facts, options: argparse.Namespace) -> Service:
    return Service("Databricks", facts.outputs["databricksHost"], TOKENS, options.patience)


def start(project: Project, facts: Facts, options: argparse.Namespace) -> None:
    place = options.place or ("containerApp" if facts.outputs.get("environmentName") else "")
    if not place:
        raise Failure("The template made no environment for container apps: say with --place where the model is served.")
    pipeline = Pipeline(project, f"pipelines/{options.run}.yaml", lambda: find_repository(project, facts.repository, facts.github_connection))
    try:
        address = pipeline.start({"place": place})
    except Lost as lost:
        raise Failure(f"{lost} The pipeline may have been started all the same: look before you start it again.") from None
    say(f"\nThe pipeline {options.run} runs; it waits for your approval before it serves the model:\n{safe(address)}")


def undo(azure: Azure, organization: Service, state: State, options: argparse.Namespace) -> int:
    if not state.remaining():
        say(f"Set-up has made nothing here that it knows of ({state.file}).")
        return 0
    facts = Facts(**state.facts)
    project = find_project(organization, options.project)
    parts = on_azure_devops(azure, project, facts)
    try:
        azure.outputs()
        parts = [*on_databricks(databricks(facts, options), facts, with_policy=True), *parts]
    except NotThere:
        say(f"The resource group '{azure.resource_group}' is gone, and with it all that was made in Databricks and of the identity.")
        parts = [thing for thing in parts if not thing.key.startswith("azure/")]
        forget_gone(state, parts, options.apply)
    say("\nRemoving what set-up has made" if options.apply else "\nThis would be removed")
    problems = remove(parts, state, say, options.patience, options.apply)
    if problems:
        raise Failure("\n".join(["Not all could be removed. Run it again when this is mended:", *problems]))
    if not options.apply:
        say("\nNothing has been changed: run it again with --remove --apply.")
    elif state.remaining():
        say(f"\nMade with other options, and still there: {', '.join(state.remaining().values())}. Remove these yourself.")
    else:
        state.discard()
    return 0


def forget_gone(state: State, parts: list[Thing], really: bool) -> None:
    known = {thing.key for thing in parts}
    for key in list(state.remaining()):
        if really and key not in known:
            state.forget(key)


def quiet(_: str) -> None:
    pass


def say(text: str, stream: Any = None) -> None:
    print(text, file=stream or sys.stdout, flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 deploy/set-up",
        description="Sets up Databricks and Azure DevOps for the example's pipelines. Without --apply it changes nothing and "
        "says what it would do.",
    )
    parser.add_argument("--organization", required=True, help="of Azure DevOps, such as https://dev.azure.com/contoso")
    parser.add_argument("--project", required=True, help="that holds this repository")
    parser.add_argument("--resource-group", default="models", help="in which the template was deployed (default: %(default)s)")
    parser.add_argument("--deployment", default="models", help="name of that deployment (default: %(default)s)")
    parser.add_argument("--apply", action="store_true", help="do it")
    parser.add_argument("--remove", action="store_true", help="remove what set-up has made, and nothing else; with --apply")
    parser.add_argument("--run", choices=MODELS, help="afterwards, run this model's pipeline")
    parser.add_argument("--place", choices=["containerApp", "containerInstance", "kubernetes"], help="where that serves the model")
    parser.add_argument("--repository", default="", help="that the pipelines are read from (default: the project's name); on GitHub owner/name")
    parser.add_argument("--github-connection", default="", help="service connection to GitHub, where the repository is there")
    parser.add_argument("--compute", choices=["serverless", "classic"], default="serverless", help="of the jobs; classic: clusters with 17.3 LTS")
    parser.add_argument("--volume", default="", help="for the data sets, catalog.schema.name (default: 'data' in the workspace's catalog)")
    parser.add_argument("--data-folder", default="", help="where the data sets are already; then none are uploaded")
    parser.add_argument("--approver", default="", help="id of the identity that approves deployments (default: yours)")
    parser.add_argument("--patience", type=float, default=120, help="seconds that a service may be down (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
