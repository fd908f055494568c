# SPDX-License-Identifier: Apache-2.0
"""Tables in memory: an m_axi port each, after hls4ml has written the top function."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hls4ml.model.optimizer import ModelOptimizerPass

from recfabric.hls.hls4ml.layers import BEAT_BITS, RfLayer

if TYPE_CHECKING:
    from hls4ml.model.graph import ModelGraph


class RfInterfaces(ModelOptimizerPass):  # type: ignore[misc]
    """Gives the table arguments of RecFabric's layers ``m_axi`` ports instead of BRAM ports.

    hls4ml knows weights inside the design and weights behind a BRAM port; a catalogue stands in
    the board's memory. Ports are 512 bits wide, one bundle a table, their addresses and the start
    in one AXI4-Lite block.
    """

    def __init__(self) -> None:
        self.name = "recfabric_interfaces"

    def transform(self, model: ModelGraph) -> bool:
        """Rewrite the top function's interface pragmas; the graph stays as it is."""
        ports = [w for layer in model.get_layers() for w in _tables(layer)]
        if not ports:
            return False
        name = model.config.get_project_name()
        path = Path(model.config.get_output_dir()) / "firmware" / f"{name}.cpp"
        lines = []
        for line in path.read_text().splitlines():
            if "HLS INTERFACE bram port=" in line:
                continue
            lines.append(line)
            if "hls-fpga-machine-learning insert IO" in line:
                lines += [_pragma(port.name, port.data_length) for port in ports]
                lines.append("    #pragma HLS INTERFACE s_axilite port=return bundle=control")
        path.write_text("\n".join(lines) + "\n")
        return False


def _tables(layer: object) -> list[Any]:
    if not isinstance(layer, RfLayer):
        return []
    return [w for w in layer.get_weights() if w.storage == "bram"]


def _pragma(name: str, depth: int) -> str:
    return (
        f"    #pragma HLS INTERFACE m_axi port={name} bundle=gmem_{name} offset=slave "
        f"depth={depth} max_widen_bitwidth={BEAT_BITS}\n"
        f"    #pragma HLS INTERFACE s_axilite port={name} bundle=control"
    )
