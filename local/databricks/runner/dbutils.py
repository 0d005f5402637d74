"""`dbutils` as notebooks know it, as far as a job can need it."""

import contextlib
import io
import json
import os
import shutil
import time
import urllib.parse
import urllib.request
from collections import namedtuple

FileInfo = namedtuple("FileInfo", "path name size modificationTime")
SecretMetadata = namedtuple("SecretMetadata", "key")
SecretScope = namedtuple("SecretScope", "name")


class NotebookExit(BaseException):
    """Ends the notebook with a value. No `Exception`, so that a notebook's own handlers let it pass."""

    def __init__(self, value):
        super().__init__(value)
        self.value = value


class NotebookRestart(BaseException):
    """Ends a cell, and all that the notebook has defined."""


class WorkflowException(Exception):
    """A notebook that another one has run did not succeed."""


class InputWidgetNotDefined(Exception):
    pass


class Utility:
    def __getattr__(self, name):
        raise AttributeError(f"This local workspace has no dbutils.{type(self).__name__.lower()}.{name}.")


class DBUtils(Utility):
    def __init__(self, order, on_secret, run_notebook):
        self.widgets = Widgets(order["parameters"])
        self.secrets = Secrets(order["secrets"], on_secret)
        self.credentials = Credentials(order["credentials"], on_secret)
        self.notebook = Notebook(order["context"], run_notebook)
        self.fs = Fs(order["dbfs"])
        self.library = Library()
        self.jobs = Jobs(order["taskValues"])

    def __getattr__(self, name):
        raise AttributeError(f"This local workspace has no dbutils.{name}.")


class Widgets(Utility):
    """Parameters of the run; a value that was passed wins over a widget's default."""

    def __init__(self, parameters):
        self._parameters = parameters
        self._defaults = {}

    def text(self, name, defaultValue, label=None):
        self._defaults[name] = str(defaultValue)

    def dropdown(self, name, defaultValue, choices, label=None):
        if defaultValue not in choices:
            raise ValueError(f"The default {defaultValue!r} of the widget {name!r} is none of its choices.")
        self._defaults[name] = str(defaultValue)

    combobox = multiselect = dropdown

    def get(self, name):
        if name in self._parameters:
            return self._parameters[name]
        if name in self._defaults:
            return self._defaults[name]
        raise InputWidgetNotDefined(f"No input widget named {name} is defined")

    def getArgument(self, name, defaultValue=None):
        try:
            return self.get(name)
        except InputWidgetNotDefined:
            if defaultValue is None:
                raise
            return defaultValue

    def getAll(self):
        return {**self._defaults, **self._parameters}

    @contextlib.contextmanager
    def given(self, arguments):
        """While another notebook runs within this one, what it is given wins."""
        outer = self._parameters
        self._parameters = {**outer, **arguments}
        try:
            yield
        finally:
            self._parameters = outer

    def remove(self, name):
        self._defaults.pop(name, None)

    def removeAll(self):
        self._defaults.clear()


class Secrets(Utility):
    def __init__(self, secrets, on_secret):
        self._secrets = secrets
        self._on_secret = on_secret

    def get(self, scope, key):
        value = self._scope(scope).get(key)
        if value is None:
            raise ValueError(f"Secret does not exist with scope: {scope} and key: {key}")
        self._on_secret(value)
        return value

    def getBytes(self, scope, key):
        return self.get(scope, key).encode()

    def list(self, scope):
        return [SecretMetadata(key) for key in self._scope(scope)]

    def listScopes(self):
        return [SecretScope(name) for name in self._secrets]

    def _scope(self, scope):
        if scope not in self._secrets:
            raise ValueError(f"Secret scope does not exist with name: {scope}")
        return self._secrets[scope]


class Credentials(Utility):
    """Service credentials of Unity Catalog, each of which stands for an identity."""

    def __init__(self, credentials, on_secret):
        self._credentials = credentials
        self._on_secret = on_secret

    def getServiceCredentialsProvider(self, credentialName):
        identity = self._credentials.get(credentialName)
        if identity is None:
            raise ValueError(f"Service credential '{credentialName}' does not exist, or you lack ACCESS on it.")
        allow_without_tls()
        return ServiceCredential(identity, self._on_secret)


class ServiceCredential:
    """A credential as the clients of Azure take it."""

    def __init__(self, identity, on_secret):
        self._identity = identity
        self._on_secret = on_secret

    def get_token(self, *scopes, **_options):
        from azure.core.credentials import AccessToken

        form = {
            "grant_type": "client_credentials",
            "client_id": self._identity["clientId"],
            "client_secret": self._identity["secret"],
            "scope": " ".join(scopes),
        }
        with urllib.request.urlopen(self._identity["tokenUrl"], urllib.parse.urlencode(form).encode()) as response:
            answer = json.load(response)
        self._on_secret(answer["access_token"])
        return AccessToken(answer["access_token"], int(time.time()) + int(answer["expires_in"]))


def allow_without_tls():
    """The services on this machine have no TLS, without which Azure's clients send no token: these are told otherwise."""
    from azure.core.pipeline.policies import _authentication
    from azure.storage.blob._shared.base_client import StorageAccountHostsMixin

    _authentication._enforce_https = lambda request: request.context.options.pop("enforce_https", None)
    begin = StorageAccountHostsMixin.__init__
    if getattr(begin, "without_tls", False):
        return

    def begin_without_tls(self, parsed_url, *args, **kwargs):
        begin(self, parsed_url._replace(scheme="https"), *args, **kwargs)
        self.scheme = parsed_url.scheme

    begin_without_tls.without_tls = True
    StorageAccountHostsMixin.__init__ = begin_without_tls


class Library(Utility):
    def restartPython(self):
        """What %pip has installed can be imported at once; but what was defined is gone, as on a cluster."""
        raise NotebookRestart


class Jobs(Utility):
    def __init__(self, earlier):
        self.taskValues = TaskValues(earlier)


class TaskValues(Utility):
    """What the tasks of a run leave for those after them."""

    LARGEST = 48 * 1024

    def __init__(self, earlier):
        self._earlier = earlier
        self.own = {}

    def set(self, key, value):
        text = json.dumps(value)
        if len(text.encode()) > self.LARGEST:
            raise ValueError(f"The value of the key {key!r} is larger than {self.LARGEST} bytes as JSON.")
        self.own[key] = json.loads(text)

    def get(self, taskKey, key, default=None, debugValue=None):
        values = self._earlier.get(taskKey)
        if values is not None and key in values:
            return values[key]
        if default is None:
            raise ValueError(f"The task {taskKey!r} has left no value of the key {key!r}, and no default was given.")
        return default


class Notebook(Utility):
    def __init__(self, context, run_notebook):
        self._context = context
        self._run_notebook = run_notebook
        # The way that notebooks find out about their run:
        # dbutils.notebook.entry_point.getDbutils().notebook().getContext()
        self.entry_point = self

    def exit(self, value=""):
        raise NotebookExit(str(value))

    def run(self, path, timeout_seconds=0, arguments=None):
        """Runs a notebook by itself, and returns what it gives to its own exit."""
        given = {str(name): str(value) for name, value in (arguments or {}).items()}
        return self._run_notebook(path, timeout_seconds, given)

    def getDbutils(self):
        return self

    def notebook(self):
        return self

    def getContext(self):
        return Context(self._context)


class Context(Utility):
    """What a cluster knows about the run; values are wrapped as the Scala options they are there."""

    def __init__(self, facts):
        self._facts = facts

    def notebookPath(self):
        return Option(self._facts["notebookPath"])

    def jobId(self):
        return Option(self._facts["tags"]["jobId"])

    def currentRunId(self):
        return Option(self._facts["tags"]["runId"])

    def tags(self):
        return Tags(self._facts["tags"])

    def toJson(self):
        run_id = {"id": int(self._facts["tags"]["runId"])}
        extra = {"notebook_path": self._facts["notebookPath"]}
        return json.dumps(
            {"rootRunId": run_id, "currentRunId": run_id, "tags": self._facts["tags"], "extraContext": extra}
        )

    safeToJson = toJson


class Tags(Utility):
    def __init__(self, tags):
        self._tags = tags

    def get(self, name):
        return Option(self._tags.get(name))


class Option(Utility):
    def __init__(self, value):
        self._value = value

    def isDefined(self):
        return self._value is not None

    def get(self):
        if self._value is None:
            raise ValueError("None.get")
        return self._value

    def __str__(self):
        return "None" if self._value is None else f"Some({self._value})"


class Fs(Utility):
    """Files of DBFS (`dbfs:/a` or `/a`) and of the driver (`file:/a`)."""

    def __init__(self, root):
        self._root = root

    def ls(self, dir):
        folder = self._real(dir)
        names = [""] if os.path.isfile(folder) else sorted(os.listdir(folder))
        return [self._info(dir, folder, name) for name in names]

    def mkdirs(self, dir):
        os.makedirs(self._real(dir), exist_ok=True)
        return True

    def put(self, file, contents, overwrite=False):
        path = self._real(file)
        if os.path.exists(path) and not overwrite:
            raise FileExistsError(f"{file} exists. Pass overwrite=True to replace it.")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with io.open(path, "w", encoding="utf-8", newline="") as stream:
            stream.write(contents)
        return True

    def head(self, file, maxBytes=65536):
        with io.open(self._real(file), "rb") as stream:
            return stream.read(maxBytes).decode("utf-8", errors="replace")

    def cp(self, from_, to, recurse=False):
        source, target = self._real(from_), self._real(to)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.isdir(source):
            shutil.copy(source, target)
        elif recurse:
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            raise IsADirectoryError(f"{from_} is a directory. Pass recurse=True to copy it.")
        return True

    def mv(self, from_, to, recurse=False):
        self.cp(from_, to, recurse)
        return self.rm(from_, recurse)

    def rm(self, dir, recurse=False):
        path = self._real(dir)
        if not os.path.exists(path):
            return False
        if not os.path.isdir(path):
            os.remove(path)
        elif recurse:
            shutil.rmtree(path)
        else:
            os.rmdir(path)
        return True

    def _real(self, path):
        if path.startswith("file:"):
            return path[len("file:") :]
        inside = os.path.normpath("/" + path.removeprefix("dbfs:").lstrip("/"))
        return os.path.join(self._root, inside.lstrip("/\\"))

    def _info(self, dir, folder, name):
        path = os.path.join(folder, name) if name else folder
        is_folder = os.path.isdir(path)
        shown = dir if dir.startswith(("dbfs:", "file:")) else "dbfs:" + dir
        facts = os.stat(path)
        return FileInfo(
            shown.rstrip("/") + (f"/{name}" if name else "") + ("/" if is_folder else ""),
            (name or os.path.basename(path)) + ("/" if is_folder else ""),
            0 if is_folder else facts.st_size,
            int(facts.st_mtime * 1000),
        )
