"""Runs one notebook as a task of a job.

Takes its orders as one line of JSON on standard input, so that secrets stand in no file and no argument, and leaves
what came of it in the file named there. Standard input stays open as long as anybody wants the result: when it closes,
this process ends, and with it whatever the notebook has started.
"""

import io
import json
import os
import posixpath
import signal
import subprocess
import sys
import tempfile
import threading

import dbfs
from dbutils import DBUtils, NotebookExit, WorkflowException
from notebook import Notebook, Workspace, resolve
from output import CellOutput, Redaction, format_trace, summary
from spark import Spark


def main():
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.stdin = io.StringIO()

    redact = Redaction()
    output = CellOutput(sys.stdout, redact)
    sys.stdout = sys.stderr = output
    path = order["context"]["notebookPath"]
    workspace = Workspace(order["workspace"], order["notebooks"])
    enter(workspace.real(posixpath.dirname(path)))
    dbfs.mount({"/dbfs": order["dbfs"], "/Workspace": order["workspace"]})
    dbutils = DBUtils(order, redact.add, lambda *asked: run_another(order, *asked))

    result = {"exitValue": None, "error": None, "errorTrace": None, "cells": []}
    try:
        notebook = Notebook(path, workspace, dbutils, Spark(order["dbfs"], order["packages"]))
        for cell in workspace.cells(path):
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

    write_whole(order["result"], json.dumps({**result, "taskValues": dbutils.jobs.taskValues.own}))


def enter(folder):
    """A notebook runs in its folder of the workspace, and imports from there, and from nothing of this runner."""
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    sys.path[0] = folder


def run_another(order, path, timeout_seconds, arguments):
    """Runs another notebook in a process of its own, and returns its exit value."""
    whole = resolve(path, order["context"]["notebookPath"])
    with tempfile.TemporaryDirectory() as folder:
        result_file = os.path.join(folder, "result.json")
        context = {**order["context"], "notebookPath": whole}
        inner = {**order, "context": context, "parameters": arguments, "result": result_file}
        # In a group of its own, and with an input that closes with this process: so it leaves nothing behind either.
        process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE, start_new_session=True
        )
        process.stdin.write(json.dumps(inner).encode() + b"\n")
        process.stdin.flush()
        try:
            process.wait(timeout_seconds or None)
        except subprocess.TimeoutExpired:
            raise WorkflowException(f"{whole}: TIMEDOUT after {timeout_seconds} seconds") from None
        finally:
            process.stdin.close()
            process.wait()
        if not os.path.exists(result_file):
            raise WorkflowException(f"{whole}: FAILED, its process ended with code {process.returncode}")
        with open(result_file, encoding="utf-8") as stream:
            result = json.load(stream)
    if result["error"] is not None:
        raise WorkflowException(f"{whole}: FAILED: {result['error']}")
    return result["exitValue"]


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
