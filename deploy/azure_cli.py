"""What the deployments share: Azure's command line, the smoke test, and what they are told."""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "model-api/src"))

from smoke_test import SmokeError, smoke_test  # noqa: E402

__all__ = [
    "Failure",
    "SmokeError",
    "Target",
    "az",
    "az_or_none",
    "by_digest",
    "definition_file",
    "main",
    "smoke_test",
    "text",
    "url_of",
]

BY_DIGEST = re.compile(r"^(?P<registry>[^/@\s]+)/(?P<repository>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})$")
#: What Azure Pipelines leaves of a variable that it does not know.
UNKNOWN_VARIABLE = re.compile(r"\$\(([\w.-]+)\)")
BY_TAG = re.compile(r"^(?P<registry>[^/@\s]+)/(?P<repository>[^@:\s]+):(?P<tag>[\w.-]+)$")


class Failure(Exception):
    """The deployment did not succeed; the message says what failed, and what serves now."""


class Stopped(BaseException):
    """The run was canceled."""


class Target(argparse.Namespace):
    """What a deployment is told by its options."""

    name: str
    image: str
    model_digest: str
    resource_group: str
    patience: float


def text(command: list[str]) -> str:
    """
    Runs a program.

    :return: its output
    :raises Failure: with what it complained of
    """
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError:
        raise Failure(f"This agent has no program '{command[0]}'. Install it, or run the step on an agent that has it.") from None
    with child:
        try:
            output, errors = child.communicate()
        except BaseException:
            end(child)
            raise
    if child.returncode != 0:
        complaint = f"{output.strip()} {errors.strip()}".strip()[-2000:]
        raise Failure(f"'{' '.join(command[:4])}' ended with {child.returncode}: {complaint}")
    return output


def end(child: subprocess.Popen[str]) -> None:
    """
    Asks a program to end, and kills it if it does not. Killed at once, helm would leave a first release pending, and
    refuse every later one.
    """
    child.terminate()
    try:
        child.wait(timeout=5)
    except subprocess.TimeoutExpired:
        child.kill()


def az(*command: str) -> Any:
    """Runs a command of Azure's command line and returns what it answers."""
    answer = text(["az", *command, "--output", "json", "--only-show-errors"])
    return json.loads(answer) if answer.strip() else None


def az_or_none(*command: str) -> Any:
    """The same; None where there is no such resource."""
    try:
        return az(*command)
    except Failure as failure:
        if re.search(r"ResourceNotFound|was not found|does not exist|ended with 3:", str(failure)):
            return None
        raise


def by_digest(image: str) -> str:
    """What a tag names now, by its digest: what is tested is what serves, whoever moves the tag meanwhile."""
    if BY_DIGEST.match(image):
        return image
    parts = BY_TAG.match(image)
    if not parts:
        raise Failure(f"'{image}' is no image: it must be written registry/repository@sha256:… or registry/repository:tag.")
    registry, repository, tag = parts.group("registry", "repository", "tag")
    found = az("acr", "repository", "show", "--name", registry.split(".")[0], "--image", f"{repository}:{tag}")
    return f"{registry}/{repository}@{found['digest']}"


@contextmanager
def definition_file(definition: dict[str, Any]) -> Iterator[str]:
    """A file that Azure's command line reads as YAML, which JSON is."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "definition.yaml"
        file.write_text(json.dumps(definition, indent=2), "utf-8")
        yield str(file)


def main(description: str, deploy: Callable[[Any], str], add_options: Callable[[argparse.ArgumentParser], None]) -> None:
    """Reads the options, deploys, and says in one line what serves now or what failed; the exit code says which."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--name", required=True, help="of what serves the model, such as titanic")
    parser.add_argument("--image", required=True, help="registry/repository@sha256:…, or a tag, whose digest is looked up")
    parser.add_argument("--model-digest", default="", help="of the model that must be served")
    parser.add_argument("--resource-group", required=True)
    parser.add_argument("--patience", type=float, default=300, help="seconds until it must be ready (default: %(default)s)")
    add_options(parser)
    options = parser.parse_args(namespace=Target())
    unknown = sorted({name for value in vars(options).values() for name in UNKNOWN_VARIABLE.findall(str(value))})
    if unknown:
        what = in_words(unknown)
        sys.exit(f"##[error]The pipeline does not know {what}. docs/set-up.md says what the group shared-variables holds.")
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        options.image = by_digest(options.image)
        print(deploy(options), flush=True)
    except (Failure, SmokeError) as failure:
        sys.exit(f"##[error]{failure}")
    except Stopped:
        sys.exit("##[error]The deployment was canceled.")


def in_words(variables: list[str]) -> str:
    names = ", ".join(f"'{name}'" for name in variables)
    return f"the variable {names}" if len(variables) == 1 else f"the variables {names}"


def stop(*_: object) -> None:
    # Once is enough: what is being put back is not to be stopped again.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Stopped


def url_of(host: str, scheme: str = "https") -> str:
    """The address of a host; on this machine, where the local services are, without TLS."""
    return f"http://{host}" if host.startswith(("127.0.0.1:", "localhost:")) else f"{scheme}://{host}"
