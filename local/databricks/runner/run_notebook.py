"""Runs one notebook as a task of a job.

Takes its orders as one line of JSON on standard input, so that secrets stand in no file and no argument, and leaves
what came of it in the file named there. Standard input stays open as long as anybody wants the result: when it closes,
this process ends, and with it whatever the notebook has started.
"""

import ast
import importlib
import io
import json
import linecache
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import types

import dbfs
from cells import parse
from dbutils import DBUtils, NotebookExit
from output import CellOutput, Redaction, format_trace, summary


def main():
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.stdin = io.StringIO()
    del sys.path[0]  # the folder of this file: a notebook must not import from it

    redact = Redaction()
    output = CellOutput(sys.stdout, redact)
    sys.stdout = sys.stderr = output
    dbfs.mount(order["dbfs"])
    dbutils = DBUtils(order["parameters"], order["secrets"], order["dbfs"], order["context"], redact.add)

    result = {"exitValue": None, "error": None, "errorTrace": None, "cells": []}
    try:
        if order["language"] != "PYTHON":
            raise NotSupported(
                f"{order['context']['notebookPath']} is a notebook in {order['language']}. "
                "This local workspace runs Python notebooks only."
            )
        notebook = Notebook(dbutils)
        for cell in parse(order["source"], order["format"]):
            try:
                notebook.run(cell)
            finally:
                kept = {"number": cell.number, "kind": cell.kind, "source": cell.source, "output": output.take()}
                result["cells"].append(kept)
    except NotebookExit as end:
        result["exitValue"] = redact(end.value)
    except BaseException as error:  # whatever a notebook raises is its result: SystemExit and KeyboardInterrupt too
        result["error"] = redact(summary(error))
        result["errorTrace"] = redact(format_trace(error, is_runner))
    finally:
        output.flush()

    write_whole(order["result"], json.dumps(result))


class NotSupported(Exception):
    """Something that a Databricks cluster can do and this stand-in cannot."""


class Notebook:
    """One namespace in which the cells run one after another, as module `__main__`, so that pickle finds its classes."""

    def __init__(self, dbutils):
        module = types.ModuleType("__main__")
        module.__dict__.update(dbutils=dbutils, display=display, spark=NoSpark(), sc=NoSpark())
        sys.modules["__main__"] = module
        self._namespace = module.__dict__

    def run(self, cell):
        if cell.kind == "python":
            self._run_python(cell, cell.source)
        elif cell.kind == "pip":
            self._run_python(cell, install_packages(cell.source))
        elif cell.kind == "sh":
            run_shell(cell.source)
        elif cell.kind != "md":
            raise NotSupported(
                f"Cell {cell.number} starts with %{cell.kind}. "
                "This local workspace runs Python, %md, %pip and %sh cells only."
            )

    def _run_python(self, cell, source):
        # Known to linecache, the lines of a cell show up in tracebacks.
        linecache.cache[cell.name] = (len(source), None, source.splitlines(keepends=True), cell.name)
        tree = ast.parse(source, cell.name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, cell.name, "exec"), self._namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), cell.name, "eval"), self._namespace)
            if value is not None:
                print(repr(value))


class NoSpark:
    def __getattr__(self, name):
        raise NotSupported("This local workspace has no Spark: a notebook can use Python and its libraries only.")


def display(*values):
    for value in values:
        print(value.to_string(max_rows=20) if hasattr(value, "to_string") else repr(value))


def install_packages(source):
    """Runs the %pip lines of a cell, and returns the cell with those lines blank."""
    rest = []
    for line in source.splitlines():
        if not line.startswith("%pip"):
            rest.append(line)
            continue
        rest.append("")
        command = shlex.split(line)[1:] + ["--disable-pip-version-check"]
        if follow([sys.executable, "-m", "pip", *command]) != 0:
            raise RuntimeError(f"{line.strip()} failed. What pip said is in the cell's output.")
    importlib.invalidate_caches()
    return "\n".join(rest)


def run_shell(source):
    script = source.lstrip().removeprefix("%sh").strip()
    if os.name == "nt":
        raise NotSupported("%sh cells need a Unix shell, which this machine does not have.")
    code = follow([shutil.which("bash") or "/bin/sh", "-c", script])
    if code != 0:
        raise RuntimeError(f"Command exited with code {code}: {script.splitlines()[0] if script else '%sh'}")


def follow(command):
    """Runs a program, prints what it prints, and returns its exit code."""
    pipes = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with subprocess.Popen(command, text=True, encoding="utf-8", errors="replace", **pipes) as process:
        for line in process.stdout:
            print(line, end="")
    return process.returncode


def end_with_parent():
    # Not through sys.stdin: its lock, held by a sleeping thread, would stop the interpreter from ending.
    while os.read(0, 4096):
        pass
    if hasattr(os, "getpgrp") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def is_runner(filename):
    return os.path.dirname(os.path.abspath(filename)) == os.path.dirname(os.path.abspath(__file__))


def write_whole(path, text):
    """Writes a file so that nobody ever sees half of it."""
    with open(path + ".part", "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(path + ".part", path)


if __name__ == "__main__":
    main()
