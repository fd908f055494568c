# SPDX-License-Identifier: Apache-2.0
"""One rank of a job: ``python -m recfabric.quant.llm.worker JOB`` under DeepSpeed's launcher."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from recfabric.errors import RecFabricError
from recfabric.quant.progress import Silent


def main(path: Path) -> int:
    """Do this rank's part of the job; an error of the user's stands in ``rankN.error``."""
    rank = int(os.environ["RANK"])
    said = path.with_name(f"rank{rank}.error")
    said.unlink(missing_ok=True)
    try:
        _work(json.loads(path.read_text()), path.parent, rank)
    except RecFabricError as error:
        said.write_text(f"{error}\n")
        return 2
    return 0


def _work(job: dict[str, Any], folder: Path, rank: int) -> None:
    import numpy as np

    if job["kind"] == "encode":
        from recfabric.quant.llm import vectors

        found = vectors.run(job["texts"], vectors.EncoderConfig(**job["config"]), Silent())
        if rank == 0:
            np.save(folder / "vectors.npy", found)
        return
    from recfabric.quant.llm.engine import train

    train(folder, Silent())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
