"""Packs the Python that runs this, with some of its packages, as the one layer of a container image.

    python base_layer.py key <requirements.txt>          prints what decides the layer's content, as JSON
    python base_layer.py make <requirements.txt> <tar>   writes the layer

In the image, Python lies in /opt/python, and /usr/local is a virtual environment with the packages: that works with
the Python of every distribution, wherever it looks for packages outside of virtual environments. The same files give
the same bytes: entries are sorted, and have no times and no owners.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import platform
import py_compile
import re
import ssl
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path
from typing import Iterator

from pip._vendor.packaging.requirements import Requirement

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
EXECUTABLE = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
STDLIB = Path(sysconfig.get_path("stdlib"))
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
SHELL = Path("/bin/sh")
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")

HOME_IN_IMAGE = "opt/python"
STDLIB_IN_IMAGE = f"{HOME_IN_IMAGE}/{sys.platlibdir}/{PYTHON}"
SITE_PACKAGES_IN_IMAGE = f"usr/local/lib/{PYTHON}/site-packages"

#: Parts of the standard library and of packages that nothing needs at run time.
LEFT_OUT_FOLDERS = {"__pycache__", "test", "tests", "idlelib", "turtledemo", "tkinter", "lib2to3", "ensurepip"}
LEFT_OUT_TOP_FOLDERS = ("site-packages", "dist-packages", "config-")
LEFT_OUT_FILES = re.compile(
    r"\.(a|c|h|pyi|pyx|pxd|pyc)$|^(_tkinter|_test|_xxtest|_ctypes_test).*\.so$|^EXTERNALLY-MANAGED$"
)

USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
GROUPS = "root:x:0:\nnogroup:x:65534:\n"


class Layer:
    """The files of a layer, by their path in the image."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[tarfile.TarInfo, Path | bytes | None]] = {}

    def add_bytes(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self._add(path, tarfile.REGTYPE, mode, content)

    def add_file(self, path: str, source: Path) -> None:
        mode = 0o755 if os.access(source, os.X_OK) else 0o644
        self._add(path, tarfile.REGTYPE, mode, source)

    def add_link(self, path: str, target: str) -> None:
        self._add(path, tarfile.SYMTYPE, 0o777, None).linkname = target

    def add_folder(self, path: str, mode: int = 0o755) -> None:
        self._add(path, tarfile.DIRTYPE, mode, None)

    def _add(self, path: str, kind: bytes, mode: int, content: Path | bytes | None) -> tarfile.TarInfo:
        for parent in list(Path(path).parents)[:-1]:
            if str(parent) not in self.entries:
                self.add_folder(str(parent))
        info = tarfile.TarInfo(path)
        info.type, info.mode = kind, mode
        self.entries[path] = info, content
        return info

    def write(self, file: Path) -> None:
        with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
            for _, (info, content) in sorted(self.entries.items()):
                data = content.read_bytes() if isinstance(content, Path) else content
                if data is not None:
                    info.size = len(data)
                archive.addfile(info, io.BytesIO(data) if data is not None else None)


def main() -> None:
    command, requirements, *rest = sys.argv[1:]
    packages = wanted_packages(Path(requirements).read_text("utf-8"))
    if command == "make":
        make_layer(packages).write(Path(rest[0]))
    else:
        print(json.dumps({"key": content_key(packages), "python": platform.python_version()}))


def content_key(packages: dict[str, importlib.metadata.Distribution]) -> str:
    decisive = [
        Path(__file__).read_text("utf-8"),
        sys.version,
        str(EXECUTABLE),
        platform.machine(),
        sorted((name, package.version) for name, package in packages.items()),
    ]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def wanted_packages(requirements: str) -> dict[str, importlib.metadata.Distribution]:
    """pip, the packages of a requirements file, and all that these require in turn."""
    lines = (line.split("#")[0].strip() for line in requirements.splitlines())
    open_requirements = ["pip", *filter(None, lines)]
    packages: dict[str, importlib.metadata.Distribution] = {}
    while open_requirements:
        requirement = Requirement(open_requirements.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in packages or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        packages[name] = importlib.metadata.distribution(requirement.name)
        open_requirements += packages[name].requires or []
    return packages


def make_layer(packages: dict[str, importlib.metadata.Distribution]) -> Layer:
    layer = Layer()
    binaries = [EXECUTABLE, SHELL]

    add_python(layer)
    for path, source in [*stdlib_files(), *package_files(packages)]:
        layer.add_file(path, source)
        if source.suffix == ".py":
            layer.add_bytes(*bytecode(path, source))
        elif ".so" in source.suffixes:
            binaries.append(source)

    layer.add_file("bin/sh", SHELL.resolve())
    for path, source in shared_libraries(binaries).items():
        layer.add_file(path.lstrip("/"), source)
    add_system(layer)
    return layer


def add_python(layer: Layer) -> None:
    layer.add_file(f"{HOME_IN_IMAGE}/bin/{PYTHON}", EXECUTABLE)
    for name in ("python", "python3"):
        layer.add_link(f"{HOME_IN_IMAGE}/bin/{name}", PYTHON)
        layer.add_link(f"usr/local/bin/{name}", f"/{HOME_IN_IMAGE}/bin/{PYTHON}")
    environment = f"home = /{HOME_IN_IMAGE}/bin\ninclude-system-site-packages = false\n"
    layer.add_bytes("usr/local/pyvenv.cfg", environment.encode())
    if sys.platlibdir != "lib":
        layer.add_link(f"usr/local/{sys.platlibdir}", "lib")


def add_system(layer: Layer) -> None:
    layer.add_folder("tmp", 0o1777)
    layer.add_folder("root", 0o700)
    layer.add_bytes("etc/passwd", USERS.encode())
    layer.add_bytes("etc/group", GROUPS.encode())
    bundle = next((Path(file) for file in CERTIFICATES if os.path.exists(file)), None)
    expected = ssl.get_default_verify_paths().openssl_cafile
    if bundle and expected:
        layer.add_file(expected.lstrip("/"), bundle)


def stdlib_files() -> Iterator[tuple[str, Path]]:
    for folder, subfolders, files in os.walk(STDLIB):
        inside = Path(folder).relative_to(STDLIB)
        subfolders[:] = [name for name in subfolders if name not in LEFT_OUT_FOLDERS]
        if inside == Path():
            subfolders[:] = [name for name in subfolders if not name.startswith(LEFT_OUT_TOP_FOLDERS)]
        for name in files:
            source = Path(folder, name)
            if source.exists() and not LEFT_OUT_FILES.search(name):
                yield f"{STDLIB_IN_IMAGE}/{inside / name}", source


def package_files(packages: dict[str, importlib.metadata.Distribution]) -> Iterator[tuple[str, Path]]:
    for package in packages.values():
        for file in package.files or []:
            outside = file.parts[0] == ".."
            if not outside and not LEFT_OUT_FOLDERS.intersection(file.parts) and not LEFT_OUT_FILES.search(file.name):
                yield f"{SITE_PACKAGES_IN_IMAGE}/{file}", Path(package.locate_file(file))


def bytecode(path: str, source: Path) -> tuple[str, bytes]:
    """A module's bytecode, tied to it by the hash of its text: modules are compiled here, not at every start."""
    name = importlib.util.cache_from_source(path)
    fresh = cached_bytecode(source) or compiled(source)
    flags = (1).to_bytes(4, "little")
    return name, fresh[:4] + flags + importlib.util.source_hash(source.read_bytes()) + fresh[16:]


def cached_bytecode(source: Path) -> bytes | None:
    """The bytecode beside a module, when it is of the module as it is now: 4 bytes magic, flags, time and size."""
    try:
        cached = Path(importlib.util.cache_from_source(str(source))).read_bytes()
    except OSError:
        return None
    known = source.stat()
    stamp = [int(known.st_mtime) & 0xFFFFFFFF, known.st_size & 0xFFFFFFFF]
    header = importlib.util.MAGIC_NUMBER + b"".join(number.to_bytes(4, "little") for number in [0, *stamp])
    return cached if cached.startswith(header) else None


def compiled(source: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "module.pyc")
        py_compile.compile(str(source), str(target), doraise=True)
        return target.read_bytes()


def shared_libraries(binaries: list[Path]) -> dict[str, Path]:
    """The libraries that programs and extension modules load, by their path in the image."""
    listed = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True).stdout
    found = {Path(match) for match in re.findall(r"^\t(?:\S+ => )?(/\S+) \(0x", listed, re.MULTILINE)}
    system = next(path.parent for path in found if path.name.startswith("libc.so"))
    # Threads load it when they end; nothing links it.
    found.update(path for path in [system / "libgcc_s.so.1"] if path.exists())

    libraries = {}
    for path in sorted(found):
        if SITE_PACKAGES in path.parents:
            continue  # brought along by a package, which finds it by itself
        known = path.is_relative_to("/lib") or path.is_relative_to("/usr/lib") or path.parent.name.startswith("lib64")
        libraries[str(path if known else system / path.name)] = path.resolve()
    return libraries


if __name__ == "__main__":
    main()
