# SPDX-License-Identifier: Apache-2.0
"""What is built is kept by content: a build's name, and one build at a time on a machine."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from recfabric.config import build_dir


def content_key(files: Sequence[Path], *parts: object) -> str:
    """A build's name: SHA-256 over the files' names and bytes, the options, the tool's version.

    ``parts``: everything besides the files that changes the result; its ``repr`` counts.
    """
    digest = hashlib.sha256(repr(parts).encode())
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def build_lock() -> Iterator[None]:
    """One build at a time on this machine: two at once take all cores and all memory."""
    path = build_dir() / "build.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
