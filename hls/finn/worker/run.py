# SPDX-License-Identifier: Apache-2.0
"""One request to FINN: ``python run.py request.json``; runs inside FINN's own environment.

Writes ``answer.json`` beside the request: the result, or ``{"refused": SENTENCE}``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main(path: Path) -> None:
    """Answer one request."""
    folder = path.parent
    request = json.loads(path.read_text())
    _prepare(folder)
    import layers
    import vivado

    actions = {"compile": layers.compile_model, "vivado": vivado.build}
    try:
        answer = actions[request["action"]](request, folder)
    except layers.RefusedError as error:
        answer = {"refused": str(error)}
    staging = folder / "answer.tmp"
    staging.write_text(json.dumps(answer, indent=1, default=_plain) + "\n")
    staging.replace(folder / "answer.json")


def _prepare(folder: Path) -> None:
    """FINN reads where it builds from the environment; without its command line, say it here."""
    code, settings = folder / "code", folder / "settings.yaml"
    code.mkdir(exist_ok=True)
    settings.write_text("{}\n")
    os.environ |= {"FINN_BUILD_DIR": str(code), "FINN_SETTINGS": str(settings)}
    os.chdir(folder)
    from finn.util.settings import initialize_dummy_settings

    initialize_dummy_settings()


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON's."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(Path(sys.argv[1]))
