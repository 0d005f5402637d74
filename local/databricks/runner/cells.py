"""Takes notebooks apart into cells: Databricks' source format and Jupyter's."""

import json
from dataclasses import dataclass

HEADER = "# Databricks notebook source"
SEPARATOR = "# COMMAND ----------"
MAGIC = "# MAGIC"


@dataclass
class Cell:
    number: int
    kind: str
    """`python`, or the name of the magic command that the cell starts with: `md`, `pip`, `sh`, `sql`, ..."""
    source: str

    @property
    def name(self):
        return f"<command-{self.number}>"


def parse(text, notebook_format):
    """The cells of a notebook; `notebook_format` is SOURCE or JUPYTER."""
    sources = _jupyter(text) if notebook_format == "JUPYTER" else _source(text)
    cells = []
    for number, (kind, source) in enumerate(sources, start=1):
        source = source.strip("\n")
        cells.append(Cell(number, kind or _kind(source), source))
    return [cell for cell in cells if cell.source.strip()]


def _source(text):
    lines = text.lstrip("\ufeff").splitlines()
    if lines and lines[0].rstrip() == HEADER:
        lines = lines[1:]
    cell = []
    for line in lines:
        if line.rstrip() == SEPARATOR:
            yield None, _without_magic(cell)
            cell = []
        else:
            cell.append(line)
    yield None, _without_magic(cell)


def _without_magic(lines):
    """A magic cell is written as comments, so that the file stays a valid Python file."""
    return "\n".join(line[len(MAGIC) :].removeprefix(" ") if line.startswith(MAGIC) else line for line in lines)


def _jupyter(text):
    for cell in json.loads(text).get("cells", []):
        source = cell.get("source", "")
        source = source if isinstance(source, str) else "".join(source)
        yield (None if cell.get("cell_type") == "code" else "md"), source


def _kind(source):
    words = source.lstrip().split(None, 1)
    return words[0].lstrip("%") if words and words[0].startswith("%") else "python"
