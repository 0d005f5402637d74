"""Runs programs for a notebook, and prints what they print."""

import os
import shutil
import subprocess
import sys


def follow(command):
    """Runs a program, prints what it prints, and returns its exit code."""
    with _start(command) as process:
        for line in process.stdout:
            print(line, end="")
    return process.returncode


def run_shell(script):
    """A `%sh` cell, which fails with its script."""
    code = follow(_shell(script))
    if code != 0:
        raise RuntimeError(f"Command exited with code {code}: {script.splitlines()[0] if script else '%sh'}")


def run_line(command):
    """`!command`, which does not."""
    follow(_shell(command))


def capture(command):
    """`lines = !command`"""
    with _start(_shell(command)) as process:
        return process.stdout.read().splitlines()


def install_packages(arguments):
    """`%pip`, in the Python that runs the notebook."""
    command = [sys.executable, "-m", "pip", *arguments, "--disable-pip-version-check"]
    if follow(command) != 0:
        raise RuntimeError(f"%pip {' '.join(arguments)} failed. What pip said is in the cell's output.")


def _shell(script):
    if os.name == "nt":
        raise OSError("Commands of a shell need a Unix shell, which this machine does not have.")
    return [shutil.which("bash") or "/bin/sh", "-c", script]


def _start(command):
    pipes = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return subprocess.Popen(command, text=True, encoding="utf-8", errors="replace", **pipes)
