"""
Has the parser of Azure's own command line read command lines, a list of words each, from a JSON file. Nothing is carried out or
sent: each is stopped where the parser has done its work. Prints a JSON list of [command line, complaint].
"""

import contextlib
import io
import json
import os
import sys

os.environ.update(AZURE_CORE_COLLECT_TELEMETRY="no", AZURE_EXTENSION_USE_DYNAMIC_INSTALL="no", AZURE_CORE_NO_COLOR="1")

from azure.cli.core import get_default_cli  # noqa: E402
from knack.events import EVENT_INVOKER_POST_PARSE_ARGS  # noqa: E402


class Parsed(BaseException):
    pass


def stop(*_, **__):
    raise Parsed


def complaint(words):
    cli = get_default_cli()
    cli.register_event(EVENT_INVOKER_POST_PARSE_ARGS, stop)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            code = cli.invoke(words)
    except Parsed:
        return None
    except SystemExit as end:
        code = end.code
    return said.getvalue().strip()[:500] or f"ended with {code}"


with open(sys.argv[1], encoding="utf-8") as file:
    lines = json.load(file)
print("\n" + json.dumps([[" ".join(words), problem] for words in lines if (problem := complaint(words)) is not None]))
