# SPDX-License-Identifier: Apache-2.0
"""Other Python environments of the project, for packages whose pins exclude ours; run as processes.

``make`` makes them and leaves a file ``installed`` in each that is complete.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recfabric.errors import ToolMissingError

_MARK = "installed"
_NOT_PASSED_ON = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Environment:
    """``title``: for a sentence; ``name``: of its folder; ``variable``: names another place."""

    title: str
    name: str
    variable: str
    target: str

    def folder(self) -> Path:
        """Where it is: the variable's place, else in the current folder or the checkout.

        Raises ToolMissingError where none is, or where its installation did not finish.
        """
        named = os.environ.get(self.variable)
        checkout = Path(__file__).resolve().parents[2]
        places = [Path(named)] if named else [Path(self.name), checkout / self.name]
        for place in places:
            if (place / _MARK).exists():
                return place.absolute()
        raise ToolMissingError(
            f"{self.title} environment is not in {places[0].absolute()}; make it with "
            f"`make {self.target}` or name it by {self.variable}."
        )

    def python(self) -> Path:
        """Its Python. Raises ToolMissingError as :meth:`folder`."""
        return self.folder() / "bin" / "python"

    def command(self, words: Sequence[str]) -> tuple[list[str], Mapping[str, str]]:
        """A command line of its Python, and the process environment without ours."""
        keep = {n: v for n, v in os.environ.items() if n not in _NOT_PASSED_ON}
        return [str(self.python()), *words], keep


FINN = Environment("FINN's", ".venv-finn", "FINN_VENV", "finn-env")
PYNQ = Environment("pynq's", ".venv-pynq", "PYNQ_VENV", "pynq-env")
