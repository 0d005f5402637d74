"""What set-up has made, so that it can go on where it was, and removes nothing of anybody else's."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from rest import Failure

VERSION = 1


class State:
    """
    A file outside of every checkout: whoever can commit must not be able to say what is to be removed. It holds ids and
    names, and no secret.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.facts: dict[str, Any] = {}
        self._made: dict[str, dict[str, str]] = {}
        if file.exists():
            try:
                read = json.loads(file.read_text("utf-8"))
                if read["version"] != VERSION:
                    raise ValueError(f"version {read['version']}")
                self.facts, self._made = dict(read["facts"]), dict(read["made"])
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise Failure(f"{file} can't be read ({error}). It says what set-up has made: restore it, or move it away.") from None

    def intend(self, key: str, what: str) -> None:
        """Notes, before it is done, that something which is not there is about to be made."""
        self._write(key, {"what": what, "id": ""})

    def made(self, key: str, what: str, identity: str) -> None:
        self._write(key, {"what": what, "id": identity})

    def is_ours(self, key: str, identity: str) -> bool:
        """Whether what has this id now is what was made; so is what was being made when a run broke off."""
        noted = self._made.get(key)
        return noted is not None and noted["id"] in ("", identity)

    def knows(self, key: str) -> bool:
        return key in self._made

    def is_unfinished(self, key: str) -> bool:
        return self.knows(key) and not self._made[key]["id"]

    def identity(self, key: str) -> str:
        return self._made[key]["id"]

    def remember(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self._save()

    def forget(self, key: str) -> None:
        self._made.pop(key, None)
        self._save()

    def remaining(self) -> dict[str, str]:
        return {key: noted["what"] for key, noted in self._made.items()}

    def discard(self) -> None:
        self.file.unlink(missing_ok=True)

    def _write(self, key: str, noted: dict[str, str]) -> None:
        self._made[key] = noted
        self._save()

    def _save(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = json.dumps({"version": VERSION, "facts": self.facts, "made": self._made}, indent=2)
        handle, unfinished = tempfile.mkstemp(dir=self.file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content + "\n")
        os.replace(unfinished, self.file)


def default_file(name: str) -> Path:
    """Where the state of one set-up is kept, by the name of what it sets up."""
    base = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local/state"
    return Path(base) / "model-pipelines" / f"{''.join(c if c.isalnum() or c in '.-' else '-' for c in name)}.json"
