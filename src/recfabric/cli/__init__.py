# SPDX-License-Identifier: Apache-2.0
"""The command line: ``recfabric demo`` and its stages one by one.

Exit codes: 0, 1 when a proof found a mismatch, 2 for bad input (one sentence on stderr).
One module a group of commands; each adds its own to the parser.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from recfabric import __version__
from recfabric.cli import bench, boards, finn, flows, llm, model, search, serve, table
from recfabric.errors import RecFabricError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:2] == ["train", "llm"]:  # `train` has options of its own and no sub-commands
        words[:2] = ["llm", "train"]
    options = _parser().parse_args(words)
    try:
        code: int = options.run(options)
    except RecFabricError as error:
        print(f"recfabric: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"recfabric: {error.filename}: {error.strerror}; choose another place.", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt:
        print("recfabric: interrupted", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recfabric", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in (model, bench, search, table, flows, finn, llm, serve, boards):
        group.add(commands)
    return parser
