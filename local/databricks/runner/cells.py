"""Takes notebooks apart into cells: Databricks' source format and Jupyter's."""

import json
import re
from dataclasses import dataclass

HEADER = "# Databricks notebook source"
SEPARATOR = "# COMMAND ----------"
MAGIC = "# MAGIC"
TITLE = re.compile(r"# DBTITLE \d+,")

LANGUAGES = {"python", "sql", "md", "md-sandbox", "sh", "fs", "run", "scala", "r"}
"""Magic commands that say what a whole cell is; any other stands in a cell of Python."""


@dataclass
class Cell:
    number: int
    kind: str
    """`python`, `md`, `sh`, `sql`, `run`, ..."""
    source: str
    """Without the magic command that says the kind; its line stays, so that lines keep their numbers."""
    notebook: str = ""
    """The path of a notebook that another one runs; empty for the notebook of the task."""

    @property
    def name(self):
        return f"<{self.notebook + ' ' if self.notebook else ''}command-{self.number}>"


def parse(text, notebook_format, notebook=""):
    """The cells of a notebook; `notebook_format` is SOURCE or JUPYTER."""
    sources = _jupyter(text) if notebook_format == "JUPYTER" else _source(text)
    cells = []
    for number, (kind, source) in enumerate(sources, start=1):
        source = source.strip("\n")
        if source.strip():
            cells.append(Cell(number, *(("md", source) if kind == "md" else _split(source)), notebook))
    return cells


def _source(text):
    lines = text.lstrip("\ufeff").splitlines()
    if lines and lines[0].rstrip() == HEADER:
        lines = lines[1:]
    cell = []
    for line in lines:
        if line.rstrip() == SEPARATOR:
            yield None, _plain(cell)
            cell = []
        else:
            cell.append(line)
    yield None, _plain(cell)


def _plain(lines):
    """A magic cell is written as comments, so that the file stays a valid Python file, and a title as another."""
    return "\n".join(
        line[len(MAGIC) :].removeprefix(" ") if line.startswith(MAGIC) else line
        for line in lines
        if not TITLE.match(line)
    )


def _jupyter(text):
    for cell in json.loads(text).get("cells", []):
        source = cell.get("source", "")
        source = source if isinstance(source, str) else "".join(source)
        yield (None if cell.get("cell_type") == "code" else "md"), source


def _split(source):
    """The kind of a cell, and its source without the command that says it."""
    found = re.match(r"\s*%([\w-]+)(?!\S)[ \t]*", source)
    if not found or found[1].lower() not in LANGUAGES:
        return "python", source
    return found[1].lower(), "\n" * source[: found.start(1)].count("\n") + source[found.end() :]
