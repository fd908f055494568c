# SPDX-License-Identifier: Apache-2.0
"""Progress of long jobs: bars on a terminal, silence everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

Advance = Callable[[int], None]


class Progress(Protocol):
    """What a long job tells of itself."""

    def note(self, text: str) -> bool:
        """Say something a user must have seen once; True when somebody could see it."""

    def task(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Open a bar of ``total`` steps; the function it yields advances the bar by n steps."""


class Silent:
    """Reports nothing; for tests and for callers that want no output."""

    def note(self, text: str) -> bool:
        """Show nothing."""
        return False

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Yield a function that does nothing."""
        yield lambda steps: None


class Terminal:
    """Bars on standard error when it is a terminal; notes go there in any case."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    def note(self, text: str) -> bool:
        """Write the text to standard error."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
        return True

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Show a bar that disappears when the task ends."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        quiet = not sys.stderr.isatty()
        with Bars(*columns, console=self._console, transient=True, disable=quiet) as bars:
            bar = bars.add_task(name, total=total)
            yield lambda steps: bars.advance(bar, steps)
