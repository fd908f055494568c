# SPDX-License-Identifier: Apache-2.0
"""What is built is kept by content: a build's name, and how many builds run at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from recfabric.config import build_dir

_POLL_S = 0.2


def content_key(files: Sequence[Path], *parts: object) -> str:
    """A build's name: SHA-256 over the files' names and bytes, the options, the tool's version.

    ``parts``: everything besides the files that changes the result; its ``repr`` counts.
    """
    digest = hashlib.sha256(repr(parts).encode())
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def write_whole(path: Path, text: str) -> None:
    """Write a file at once or not at all: who reads it never sees a part of it."""
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    staging.write_text(text, encoding="utf-8")
    staging.replace(path)


@contextmanager
def build_lock(key: str = "build") -> Iterator[None]:
    """One build of a content at a time, and as many builds at a time as this machine has cores.

    ``key``: of the content; who waits for the same one finds it built.
    """
    with locked(build_dir() / "locks" / key), _slot(build_dir() / "locks"):
        yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock, which ends with the process if not before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def _slot(folder: Path) -> Iterator[None]:
    """One of as many places as there are cores: more builds at once only wait for each other."""
    with ExitStack() as stack:
        places = [
            stack.enter_context((folder / f"slot-{i}").open("w"))
            for i in range(os.cpu_count() or 1)
        ]
        while not any(_taken(place) for place in places):
            time.sleep(_POLL_S)
        yield


def _taken(place: TextIO) -> bool:
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
