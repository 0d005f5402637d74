"""Lets Python code open files under /dbfs and /Workspace, as on a Databricks cluster, without mounts: paths are led elsewhere."""

import builtins
import functools
import io
import os
import pathlib

ONE_PATH = (
    "access chmod listdir lstat mkdir open readlink remove rmdir scandir stat truncate unlink utime".split()
)
QUESTIONS = "exists getsize isdir isfile islink lexists".split()
"""Functions of os.path; on Windows they do not go through os.stat."""
TWO_PATHS = "link rename replace symlink".split()


def local_path(path, mounts):
    """The real place of a path; itself, when it is under none of the mounts."""
    try:
        text = os.fspath(path)
    except TypeError:
        return path  # a file descriptor
    if not isinstance(text, str):
        return path
    text = os.path.normpath(text).replace(os.sep, "/")
    for mount, root in mounts.items():
        if text == mount or text.startswith(mount + "/"):
            return os.path.join(root, text[len(mount) + 1 :])
    return path


def mount(mounts):
    """From here on, what this process opens under each of the mounts, such as /dbfs, lies under the folder it maps to."""

    def led(function, paths=1):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            args = [local_path(arg, mounts) if index < paths else arg for index, arg in enumerate(args)]
            for name in ("path", "file", "src", "dst"):
                if name in kwargs:
                    kwargs[name] = local_path(kwargs[name], mounts)
            return function(*args, **kwargs)

        # shutil and pathlib look up what a function supports by the function itself.
        for supporting in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if function in supporting:
                supporting.add(wrapper)
        return wrapper

    wrappers = {}

    def lead(holder, name, paths=1):
        if hasattr(holder, name):
            original = getattr(holder, name)
            wrappers[original] = led(original, paths)
            setattr(holder, name, wrappers[original])

    lead(io, "open")
    builtins.open = io.open
    for name in ONE_PATH:
        lead(os, name)
    for name in TWO_PATHS:
        lead(os, name, 2)
    for name in QUESTIONS:
        lead(os.path, name)

    # Until Python 3.10, pathlib kept references of its own.
    accessor = getattr(pathlib, "_NormalAccessor", object)
    for name, function in list(vars(accessor).items()):
        if function in wrappers:
            setattr(accessor, name, staticmethod(wrappers[function]))
