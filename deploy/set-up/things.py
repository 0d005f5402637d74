"""Things that must be there in the end: how they are compared with what is there, made, and removed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Callable, Sequence

from rest import Failure, Lost, Refused
from state import State

#: What people read of a thing where its service has a place for it.
MADE_BY = "Made by deploy/set-up."


@dataclass
class Found:
    """Something that is there already."""

    #: As its service knows it; another one of the same name has another id.
    id: str
    #: In which ways it is not as it must be, in words.
    differences: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class NotYet(Exception):
    """It belongs to something that is not there yet."""


class Left(Exception):
    """It is left as it is, or to somebody else; the message says why."""


class Thing:
    """One thing that must be there."""

    #: As it is kept in the state.
    key: str
    #: As people call it.
    what: str
    #: What a person can do where another's is in the way.
    remedy = "Rename or remove it, or change it yourself as said, and run this again."

    _known: str | None = None

    def identity(self) -> str | None:
        """Its id, which stays the same for a run once it is known; None where it is not there."""
        if self._known is None:
            found = look(self)
            self._known = found.id if found else None
        return self._known

    def find(self) -> Found | None:
        """
        Looks for it; changes nothing.

        :raises NotYet: where what it belongs to is not there
        """
        raise NotImplementedError

    def make(self) -> str | None:
        """:return: its id, where the answer tells it and looking for it does not"""
        raise NotImplementedError

    def change(self, found: Found) -> None:
        """Makes what is there as it must be; only what set-up itself has made is ever changed."""
        raise NotImplementedError

    def remove(self, identity: str) -> None:
        raise NotImplementedError


Say = Callable[[str], None]


def plan(things: Sequence[Thing], state: State, say: Say) -> int:
    """
    Compares all things with what is there.

    :return: how many are to be made or changed
    :raises Failure: where something of the same name is in the way, which is all said at once
    """
    to_do, obstacles = 0, []
    for thing in things:
        found = look(thing)
        if found is None:
            say(f"  + {thing.what}")
            to_do += 1
        elif not found.differences:
            say(f"  = {thing.what}: there")
        elif state.is_ours(thing.key, found.id):
            say(f"  ~ {thing.what}: {'; '.join(found.differences)}")
            to_do += 1
        else:
            say(f"  ! {thing.what}: there, but {'; '.join(found.differences)}")
            obstacles.append(f"The {thing.what} was not made by set-up, and {'; '.join(found.differences)}. {thing.remedy}")
    if obstacles:
        raise Failure("\n".join(["Nothing has been changed.", *obstacles]))
    return to_do


def look(thing: Thing) -> Found | None:
    try:
        return thing.find()
    except NotYet:
        return None


def apply(things: Sequence[Thing], state: State, say: Say, patience: float) -> None:
    """Makes what is missing and changes what set-up has made before, one after another; what breaks off can be run again."""
    for thing in things:
        try:
            found = thing.find()
            if found is None:
                make(thing, state, patience)
                say(f"  + {thing.what}")
                continue
        except (Left, NotYet) as reason:
            if state.is_unfinished(thing.key):
                state.forget(thing.key)
            say(f"  - {thing.what}: {reason}")
            continue
        is_ours = state.is_ours(thing.key, found.id)
        if is_ours:
            state.made(thing.key, thing.what, found.id)
        if not found.differences:
            say(f"  = {thing.what}: there")
        elif is_ours:
            thing.change(found)
            say(f"  ~ {thing.what}: {'; '.join(found.differences)}")
        else:
            raise Failure(f"The {thing.what} has come up meanwhile, and {'; '.join(found.differences)}. {thing.remedy}")


def make(thing: Thing, state: State, patience: float) -> None:
    """
    Makes one thing once, also where the answer is lost: it is then looked for before it is made again. The note that
    it is being made comes first, so that a run that breaks off here knows it as its own.
    """
    deadline = time.monotonic() + patience
    pause = 0.2
    lost: Lost | None = None
    state.intend(thing.key, thing.what)
    while True:
        identity = None
        try:
            identity = thing.make()
            found = wait_for(thing, deadline)
            break
        except Lost as problem:
            lost = problem
        except Refused:
            # It may be refused because it is there: the request whose answer was lost has made it.
            if not lost:
                state.forget(thing.key)
                raise
        found = look(thing)
        if found:
            break
        if time.monotonic() + pause > deadline:
            raise lost
        time.sleep(pause)
        pause = min(pause * 2, 10)
    state.made(thing.key, thing.what, identity or found.id)


def wait_for(thing: Thing, deadline: float) -> Found:
    """What was just made may take a while to show."""
    while True:
        found = look(thing)
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failure(f"The {thing.what} was made, but does not show yet. Run this again.")
        time.sleep(0.2)


def remove(things: Sequence[Thing], state: State, say: Say, patience: float, really: bool) -> list[str]:
    """
    Removes what set-up has made, last things first, and nothing else.

    :return: what could not be removed, with the reason
    """
    problems = []
    for thing in reversed(things):
        if not state.knows(thing.key):
            continue
        try:
            found = look(thing)
            if found and not state.is_ours(thing.key, found.id):
                say(f"  = {thing.what}: left, it is no longer the one that set-up has made")
            elif found:
                if really:
                    take_away(thing, state.identity(thing.key) or found.id, patience)
                say(f"  - {thing.what}")
            else:
                say(f"  = {thing.what}: gone already")
            if really:
                state.forget(thing.key)
        except Left as reason:
            say(f"  = {thing.what}: left, {reason}")
            if really:
                state.forget(thing.key)
        except Failure as failure:
            say(f"  ! {thing.what}: not removed")
            problems.append(f"{thing.what}: {failure}")
    return problems


def take_away(thing: Thing, identity: str, patience: float) -> None:
    """Removes one thing, also where the answer to that is lost."""
    deadline = time.monotonic() + patience
    pause = 0.2
    while True:
        try:
            return thing.remove(identity)
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise
        except Lost:
            if not look(thing):
                return None
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 10)
