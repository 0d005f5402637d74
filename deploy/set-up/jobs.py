"""The training jobs as their committed files say, and the policy of their clusters where they have some."""

from __future__ import annotations

import json
from typing import Any, Callable, Mapping

from rest import Failure, Refused, Service, listed
from things import Found, Left, Thing


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
