"""Turns the lines of a cell that are no Python, such as `%pip install` and `!ls`, into calls, line for line."""

import io
import re
import tokenize

CELL = re.compile(r"\s*%%(\w+)[ \t]*(.*)")
LINE = re.compile(
    r"(?P<indent>[ \t]*)(?P<target>[A-Za-z_][\w., \t\[\]'\"]*=(?!=)[ \t]*)?"
    r"(?:%(?P<magic>[A-Za-z]\w*)(?P<rest>[ \t].*)?|!!?(?P<shell>[^=].*))$"
)


def to_python(source):
    """The same cell as Python that calls `__magic__`, `__shell__` and `__captured__`."""
    lines = source.split("\n")
    done = []
    at = 0
    while at < len(lines):
        line = lines[at]
        found = LINE.match(line)
        at += 1
        if not found or not _is_whole(done):
            done.append(line)
            continue
        extra = 0
        # A backslash continues a command as it does a line of Python.
        while line.rstrip().endswith("\\") and at < len(lines):
            line = line.rstrip()[:-1].rstrip() + " " + lines[at].strip()
            at += 1
            extra += 1
        done += [_call(LINE.match(line) or found), *[""] * extra]
    return "\n".join(done)


def cell_magic(source):
    """The `%%command` that a cell begins with, what stands beside it, and the rest of the cell; None where there is none."""
    found = CELL.match(source)
    return found and (found[1], found[2].strip(), "\n" + source[found.end() :].removeprefix("\n"))


def _call(found):
    start = found["indent"] + (found["target"] or "")
    if found["magic"]:
        return f"{start}__magic__({found['magic']!r}, {(found['rest'] or '').strip()!r})"
    function = "__captured__" if found["target"] else "__shell__"
    return f"{start}{function}({found['shell'].strip()!r})"


def _is_whole(lines):
    """Whether the next line begins a statement, and not the middle of a text, a bracket or a continued line."""
    if not lines:
        return True
    if lines[-1].rstrip().endswith("\\"):
        return False
    try:
        list(tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline))
    except tokenize.TokenError as error:
        return "EOF in multi-line" not in str(error) and "unterminated triple" not in str(error)
    except SyntaxError:
        pass
    return True
