"""What a notebook prints: kept by cell, and without the secrets it has read."""

import io
import linecache
import os
import traceback

RED, GREEN, BLUE, RESET = "\x1b[0;31m", "\x1b[0;32m", "\x1b[0;34m", "\x1b[0m"
RULE = "-" * 75
CONTEXT = 2
"""Lines shown before and after the one that failed."""

CAUSED = "\nThe above exception was the direct cause of the following exception:\n"
HANDLING = "\nDuring handling of the above exception, another exception occurred:\n"


class Redaction:
    """Replaces the values of secrets as Databricks does."""

    def __init__(self):
        self._values = []

    def add(self, value):
        if value and value not in self._values:
            self._values.append(value)
            self._values.sort(key=len, reverse=True)

    def __call__(self, text):
        for value in self._values:
            text = text.replace(value, "[REDACTED]")
        return text


class CellOutput(io.TextIOBase):
    """Stands in for stdout and stderr: passes everything on, and keeps it for the current cell."""

    def __init__(self, stream, redact):
        super().__init__()
        self._stream = stream
        self._redact = redact
        self._kept = []

    def writable(self):
        return True

    def write(self, text):
        clean = self._redact(text)
        self._kept.append(clean)
        self._stream.write(clean)
        return len(text)

    def flush(self):
        self._stream.flush()

    def take(self):
        """What has come since the last call."""
        text = "".join(self._kept)
        self._kept.clear()
        return text


def summary(error):
    """One line: the type and message of an exception."""
    name, message = type(error).__name__, str(error)
    return f"{name}: {message}" if message else name


def format_trace(error, is_hidden):
    """A traceback with colours, as notebooks show it. `is_hidden` tells which source files to leave out."""
    parts = []
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        parts += [format_trace(earlier, is_hidden), CAUSED if error.__cause__ else HANDLING]
    name = type(error).__name__
    title = "Traceback (most recent call last)"
    parts.append(f"{RED}{RULE}{RESET}")
    parts.append(f"{RED}{name}{RESET}{title.rjust(len(RULE) - len(name))}")
    for frame in traceback.extract_tb(error.__traceback__):
        if not is_hidden(frame.filename):
            parts.append(_format_frame(frame.filename, frame.lineno, frame.name))
    if isinstance(error, SyntaxError) and error.filename:
        parts.append(_format_frame(error.filename, error.lineno or 1, "<module>"))
    parts.append(f"{RED}{name}{RESET}: {error}")
    return "\n".join(parts)


def _format_frame(filename, number, function):
    where = "" if function == "<module>" else f", in {BLUE}{function}{RESET}"
    lines = [f"File {GREEN}{_shown(filename)}{RESET}, line {number}{where}"]
    for current in range(number - CONTEXT, number + CONTEXT + 1):
        text = linecache.getline(filename, current).rstrip("\n")
        if current == number:
            lines.append(f"{GREEN}{'----> ' + str(current):>10}{RESET} {text}")
        elif text:
            lines.append(f"{current:>10} {text}")
    return "\n".join(lines) + "\n"


def _shown(filename):
    """The part of a library's path that means something."""
    marker = f"{os.sep}site-packages{os.sep}"
    return filename[filename.rindex(marker) + 1 :] if marker in filename else filename
