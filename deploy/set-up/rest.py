"""Requests to a service's REST API: bounded, retried where that is safe, and never with a token in what they say."""

from __future__ import annotations

import json
import random
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Callable, Iterator, Mapping

TIMEOUT = 30
#: Seconds that one answer may take in all.
LONGEST_ANSWER = 120
LARGEST_ANSWER = 16 * 1024 * 1024
LONGEST_PAUSE = 15
#: Of these, a service says that it has done nothing.
TURNED_AWAY = (429, 503)
PASSING = (408, 500, 502, 504, *TURNED_AWAY)

_secrets: set[str] = set()


class Failure(Exception):
    """Something can't be done; the message says what, why, and what to do."""


class Refused(Failure):
    """The service has answered, and says no."""

    def __init__(self, message: str, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        #: Seconds that the service asks to be left alone.
        self.retry_after: float | None = None


class Lost(Failure):
    """Nobody knows whether it was done: the answer did not come, or only from something in between."""


def keep_secret(value: str) -> str:
    """Notes a value that must not be seen in any message."""
    if value:
        _secrets.add(value)
    return value


def safe(text: str, most: int = 600) -> str:
    """Foreign words as they may be shown: without secrets, control characters and commands to a pipeline's agent."""
    for secret in _secrets:
        text = text.replace(secret, "***")
    text = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text)
    text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.split()).replace("##vso[", "## vso[").replace("##[", "## [")
    return text if len(text) <= most else text[:most] + "…"


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token goes where it was meant to go, and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


class Service:
    """
    One service's REST API.

    :param name: as people call it
    :param token: gives a token; with True, a new one
    :param patience: seconds until a request that fails for now fails for good
    """

    def __init__(self, name: str, url: str, token: Callable[[bool], str], patience: float) -> None:
        self.name = name
        self.url = https(url)
        self.patience = patience
        self._token = token
        self._opener = urllib.request.build_opener(NoRedirects)

    def get(self, path: str, /, **query: Any) -> Any:
        return self.send("GET", path, query=query)

    def get_or_none(self, path: str, /, **query: Any) -> Any:
        """None where there is no such thing."""
        try:
            return self.get(path, **query)
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise

    def send(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] = {}, again: bool | None = None) -> Any:
        """
        :param body: bytes as they are, anything else as JSON
        :param again: whether it may be sent twice; by default all but POST
        :return: what JSON says, or the bytes of an answer that is no JSON
        :raises Lost: where a request that may not be sent twice has had no answer
        """
        answer, _ = self.exchange(method, path, body, query, method != "POST" if again is None else again)
        return answer

    def exchange(self, method: str, path: str, body: Any, query: Mapping[str, Any], again: bool) -> tuple[Any, Mapping[str, str]]:
        """The same, with the headers of the answer."""
        deadline = time.monotonic() + self.patience
        pause, is_renewed = 0.2, False
        while True:
            try:
                return self._once(method, path, body, query)
            except Refused as refusal:
                if refusal.status == 401 and not is_renewed:
                    is_renewed = True
                    self._token(True)
                    continue
                if refusal.status not in PASSING:
                    raise
                is_undone = refusal.status in TURNED_AWAY or method == "GET"
                problem: Failure = refusal if is_undone else Lost(str(refusal))
                wait = refusal.retry_after
            except Lost as lost:
                is_undone, problem, wait = False, lost, None
            if not again and not is_undone:
                raise problem
            if wait is None:
                wait = pause * (0.75 + random.random() / 2)
            if time.monotonic() + wait > deadline:
                raise problem
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    def pages(self, path: str, /, **query: Any) -> Iterator[Any]:
        """The elements of a list of Azure DevOps, page by page."""
        token = ""
        seen: set[str] = set()
        while True:
            more = {"continuationToken": token} if token else {}
            answer, headers = self.exchange("GET", path, None, {**query, **more}, again=True)
            yield from listed(answer, "value")
            token = headers.get("x-ms-continuationtoken") or ""
            if not token or token in seen:
                return
            seen.add(token)

    def _once(self, method: str, path: str, body: Any, query: Mapping[str, Any]) -> tuple[Any, Mapping[str, str]]:
        url = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        headers = {"Authorization": f"Bearer {self._token(False)}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        what = f"{method} {urllib.parse.urlsplit(url).path}"
        try:
            with self._opener.open(request, timeout=TIMEOUT) as response:
                content = bounded(response, what)
                answer = self._read(content, response.headers.get_content_type(), response.status, what)
                return answer, {name.lower(): value for name, value in response.headers.items()}
        except urllib.error.HTTPError as error:
            raise self._refusal(error, what) from None
        except (OSError, EOFError, ValueError, urllib.error.URLError) as error:
            reason = getattr(error, "reason", error)
            raise Lost(f"{self.name} at {self.url} gave no answer to {what}: {safe(str(reason))}.") from None
        except Exception as error:
            if type(error).__module__ != "http.client":
                raise
            raise Lost(f"{self.name} broke off its answer to {what}: {safe(str(error))}.") from None

    def _read(self, content: bytes, kind: str, status: int, what: str) -> Any:
        if kind == "application/json" or kind.endswith("+json"):
            return json.loads(content) if content.strip() else None
        if kind == "text/html" or status == 203:
            raise Refused(f"{self.name} answers {what} with a page instead of data: it wants somebody to sign in. {SIGN_IN}", 401)
        return content or None

    def _refusal(self, error: urllib.error.HTTPError, what: str) -> Refused:
        try:
            content = bounded(error, what)
        except (Failure, OSError):
            content = b""
        code, message = complaint(content)
        if error.code in (301, 302, 303, 307, 308):
            message = f"it wants to send us elsewhere, as it does with whoever is not signed in. {SIGN_IN}"
        refusal = Refused(f"{self.name} refuses {what} ({error.code}): {message or error.reason}", error.code, code)
        after = error.headers.get("Retry-After", "")
        if after.isdigit():
            refusal.retry_after = min(int(after), 60)
        return refusal


SIGN_IN = "Sign in anew with 'az login'."


def https(url: str) -> str:
    """
    :raises Failure: for an address to which a token would go readable by others
    """
    parts = urllib.parse.urlsplit(url.strip().rstrip("/"))
    is_local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or parts.username or (parts.scheme != "https" and not (parts.scheme == "http" and is_local)):
        raise Failure(f"'{safe(url)}' is no address to send a token to: it must begin with https://.")
    return urllib.parse.urlunsplit(parts._replace(query="", fragment=""))


def listed(answer: Any, member: str) -> list[Any]:
    """The elements of a list in an answer; none where the service leaves an empty list out."""
    found = answer.get(member) if isinstance(answer, dict) else None
    return found if isinstance(found, list) else []


def quote(part: object) -> str:
    """A name as a part of a path."""
    return urllib.parse.quote(str(part), safe="")


def bounded(response: Any, what: str) -> bytes:
    deadline = time.monotonic() + LONGEST_ANSWER
    chunks, size = [], 0
    while chunk := response.read1(65536) if hasattr(response, "read1") else response.read(65536):
        size += len(chunk)
        if size > LARGEST_ANSWER or time.monotonic() > deadline:
            raise Failure(f"The answer to {what} does not end; it was broken off after {size:,} bytes.")
        chunks.append(chunk)
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and size < int(announced):
        raise Lost(f"The answer to {what} was broken off after {size:,} bytes.")
    return b"".join(chunks)


def complaint(content: bytes) -> tuple[str, str]:
    """What Databricks, SCIM and Azure DevOps say of a refusal, each in its way: the code, and the words."""
    try:
        body = json.loads(content)
    except ValueError:
        return "", safe(re.sub(rb"<[^>]*>", b" ", content[:4000]).decode("utf-8", "replace"), 200)
    if not isinstance(body, dict):
        return "", ""
    words = body.get("message") or body.get("detail") or body.get("error_description") or ""
    code = body.get("error_code") or body.get("typeKey") or ""
    return str(code), safe(str(words))
