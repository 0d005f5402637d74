"""A notebook that runs: its cells one after another, in one namespace."""

import ast
import asyncio
import importlib
import inspect
import linecache
import os
import posixpath
import re
import shlex
import sys
import time
import types
from html.parser import HTMLParser

import shell
from cells import parse
from dbutils import NotebookRestart
from magics import cell_magic, to_python
from spark import LazySpark

QUIET = {"matplotlib", "config", "load_ext", "reload_ext", "autoreload"}
"""Magic commands that change what a notebook looks like, or how it is edited, and nothing that it does."""


class NotSupported(Exception):
    """Something that a Databricks cluster can do and this stand-in cannot."""


class Workspace:
    """The notebooks and files of the workspace, as they were when the run began."""

    def __init__(self, folder, notebooks):
        self.folder = folder
        self._notebooks = notebooks

    def cells(self, path, notebook=""):
        facts = self._notebooks.get(path)
        if facts is None:
            raise FileNotFoundError(f"Unable to find the notebook {path} in the workspace.")
        if facts["language"] != "PYTHON":
            raise NotSupported(
                f"{path} is a notebook in {facts['language']}. This local workspace runs Python notebooks only."
            )
        with open(self.real(path), encoding="utf-8") as stream:
            return parse(stream.read(), facts["format"], notebook)

    def real(self, path):
        """Where an object of the workspace lies on this machine."""
        return os.path.join(self.folder, path.lstrip("/"))


def resolve(path, beside):
    """The whole path of a notebook that another one names, with or without `/Workspace`."""
    whole = posixpath.normpath(posixpath.join(posixpath.dirname(beside), path))
    return re.sub(r"^/Workspace(?=/)", "", whole)


class Notebook:
    """One namespace in which cells run, as module `__main__`, so that pickle finds its classes."""

    def __init__(self, path, workspace, dbutils, spark):
        self._path = path
        self._workspace = workspace
        self._dbutils = dbutils
        self._spark = spark
        self._loop = asyncio.new_event_loop()
        self._begin()

    def _begin(self):
        module = types.ModuleType("__main__")
        module.__dict__.update(
            dbutils=self._dbutils,
            display=display,
            displayHTML=display_html,
            getArgument=self._dbutils.widgets.getArgument,
            __magic__=self._magic,
            __shell__=lambda command: shell.run_line(self._filled(command)),
            __captured__=lambda command: shell.capture(self._filled(command)),
        )
        for name in LazySpark.NAMES:
            module.__dict__[name] = LazySpark(self._spark, name)
        sys.modules["__main__"] = module
        self._namespace = module.__dict__

    def run(self, cell):
        try:
            self._run(cell)
        except NotebookRestart:
            self._begin()

    def _run(self, cell):
        run = getattr(self, f"_run_{cell.kind.replace('-', '_')}", None)
        if run is None:
            raise NotSupported(
                f"Cell {cell.number} is in %{cell.kind}. This local workspace runs cells of Python, SQL, %sh, %fs, "
                "%run and %md only."
            )
        run(cell)

    def _run_md(self, cell):
        pass

    _run_md_sandbox = _run_md

    def _run_sh(self, cell):
        shell.run_shell(cell.source.strip())

    def _run_fs(self, cell):
        name, *arguments = shlex.split(cell.source)
        recurse = {"recurse": True} if "-r" in arguments else {}
        result = getattr(self._dbutils.fs, name)(*[one for one in arguments if one != "-r"], **recurse)
        for line in result if isinstance(result, list) else [result]:
            print(line)

    def _run_run(self, cell):
        words = shlex.split(cell.source, comments=True)
        arguments = [re.fullmatch(r"\$(\w+)=(.*)", word, re.S) for word in words[1:]]
        if not words or "\n" in cell.source.strip() or not all(arguments):
            raise ValueError(
                "%run stands alone in its cell, with the path of a notebook and what it is given: "
                '%run ./helpers $name="value"'
            )
        path, outer = resolve(words[0], self._path), self._path
        with self._dbutils.widgets.given({found[1]: found[2] for found in arguments}):
            self._path = path
            try:
                for inner in self._workspace.cells(path, path):
                    self._run(inner)
            finally:
                self._path = outer

    def _run_sql(self, cell):
        statements = [one for one in re.split(r";\s*(?:\n|$)", cell.source) if one.strip()]
        for statement in statements:
            self._namespace["_sqldf"] = self._spark.session().sql(statement)
            if self._namespace["_sqldf"].columns:
                display(self._namespace["_sqldf"])

    def _run_python(self, cell):
        magic = cell_magic(cell.source)
        if magic is None:
            self._python(cell, cell.source)
            return
        name, beside, source = magic
        if name in ("time", "timeit", "capture", "python", "python3"):
            begin = time.perf_counter()
            self._python(cell, source)
            if name.startswith("time"):
                print(f"Wall time: {time.perf_counter() - begin:.3f} s")
        elif name in ("sh", "bash"):
            shell.run_shell(source.strip())
        elif name == "sql":
            self._run_sql(type(cell)(cell.number, "sql", source, cell.notebook))
        elif name == "writefile":
            with open(beside, "w", encoding="utf-8") as stream:
                stream.write(source[1:] + "\n")
        else:
            raise NotSupported(f"This local workspace does not know the command %%{name}.")

    def _python(self, cell, source):
        # Known to linecache, the lines of a cell show up in tracebacks.
        linecache.cache[cell.name] = (len(source), None, source.splitlines(keepends=True), cell.name)
        tree = ast.parse(to_python(source), cell.name)
        if any(isinstance(node, ast.Name) and node.id in LazySpark.NAMES for node in ast.walk(tree)):
            self._bring_spark()
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        self._evaluate(compile(tree, cell.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT))
        if last is not None:
            whole = ast.Expression(last.value)
            value = self._evaluate(compile(whole, cell.name, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT))
            if value is not None:
                print(repr(value))

    def _evaluate(self, code):
        value = eval(code, self._namespace)
        return self._loop.run_until_complete(value) if code.co_flags & inspect.CO_COROUTINE else value

    def _bring_spark(self):
        """From the first cell that names it, `spark` is the session itself."""
        for name in LazySpark.NAMES:
            if isinstance(self._namespace.get(name), LazySpark):
                self._namespace[name] = self._spark.named(name)

    def _magic(self, name, rest):
        rest = self._filled(rest)
        if name == "pip":
            shell.install_packages(shlex.split(rest))
            importlib.invalidate_caches()
        elif name == "sh":
            shell.run_shell(rest)
        elif name in ("time", "timeit"):
            begin = time.perf_counter()
            exec(to_python(rest), self._namespace)
            print(f"Wall time: {time.perf_counter() - begin:.3f} s")
        elif name == "cd":
            os.chdir(os.path.expanduser(rest or "~"))
        elif name == "pwd":
            return os.getcwd()
        elif name in ("env", "set_env") and "=" in rest:
            variable, value = rest.split("=", 1)
            os.environ[variable.strip()] = value.strip()
        elif name not in QUIET:
            raise NotSupported(f"This local workspace does not know the command %{name}.")
        return None

    def _filled(self, command):
        """`$name` and `{expression}` stand for values of the notebook; what it does not know is left to the command."""

        def value(found):
            try:
                return str(eval(found[1] or found[2], self._namespace))
            except Exception:
                return found[0]

        return re.sub(r"\$([A-Za-z_]\w*)|(?<!\$)\{([^{}]+)\}", value, command)


def display(*values):
    for value in values:
        if type(value).__module__.startswith("pyspark."):
            value.show()
        elif hasattr(value, "to_string"):
            print(value.to_string(max_rows=20))
        else:
            print(repr(value))


def display_html(html):
    """What is there to read of it."""
    parts = []
    reader = HTMLParser()
    reader.handle_data = parts.append
    reader.feed(str(html))
    print("".join(parts).strip())
