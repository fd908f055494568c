# SPDX-License-Identifier: Apache-2.0
"""One netlist from FINN's layers: their modules chained and branched, FIFOs between, one file.

FINN's sources are read from its environment when the file is written; none is kept here. Modules
that no open tool elaborates are left out, ours of the same name come in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recfabric.builds import write_whole
from recfabric.errors import ConfigError
from recfabric.hls.finn import environment
from recfabric.hls.finn.design import Design, Layer, Stream

OURS = Path(__file__).parent / "rtl"
# The one wait in FINN's RTL arms a watchdog of assertions; a simulation by cycles knows no time.
_WAIT = re.compile(r"#\s*\d+\s*ns\s*;")
_QUIET = "/* verilator lint_off WIDTH */\n/* verilator lint_off TIMESCALEMOD */\n"
_STREAM = ("tdata", "tvalid", "tready")


@dataclass(frozen=True)
class Options:
    """``depths``: of a FIFO by tensor, from 2, none where absent; ``gauges``: endless FIFOs that
    note their fill instead, and inputs at the rate of ``interval`` cycles a frame."""

    depths: Mapping[str, int] = field(default_factory=dict)
    gauges: bool = False
    interval: int = 0


def edges(design: Design) -> list[Stream]:
    """The streams between two layers, in order of the layer that gives them: where FIFOs stand."""
    taken = {s.tensor for layer in design.layers for s in layer.inputs}
    return [s for layer in design.layers for s in layer.outputs if s.tensor in taken]


def bundle(designs: Sequence[Design], tops: str) -> str:
    """``tops`` after every module that they need of FINN's library and of ours, packages first.

    One file, because FINN's names have no prefix by which a file could be found.
    """
    paths = dict.fromkeys(f for d in designs for layer in d.layers for f in layer.files)
    if re.search(r"\bfifo_gauge #", tops):
        paths[environment.rtllib() / "fifo" / "hdl" / "fifo_gauge.sv"] = None
    replaced = {path.name for path in OURS.glob("*.sv")}
    wanted = [path for path in paths if path.name not in replaced]
    texts = {path: _WAIT.sub(";", path.read_text()) for path in wanted}
    everything = tops + "".join(texts.values())
    for path in sorted(OURS.glob("*.sv")):
        if re.search(rf"\b{path.stem}\b", everything):
            texts[path] = path.read_text()
    ordered = sorted(texts, key=lambda path: not path.stem.endswith("_pkg"))
    return _QUIET + "\n".join([*(texts[path] for path in ordered), tops])


def top(design: Design, name: str, options: Options) -> str:
    """The module ``name``: streams ``s_axis_in0``, ..., ``m_axis_out0``, ... of whole beats."""
    for stream in (*design.inputs, *design.outputs):
        if stream.width % 8:
            raise ConfigError(f"The stream {stream.tensor} of {stream.width} bits is no byte.")
    lines = [f"module {name} (", *_ports(design, options), ");"]
    lines += _nets(design)
    lines += _ends(design, options)
    for layer in design.layers:
        lines += _layer(layer)
    for index, stream in enumerate(edges(design)):
        lines += _fifo(index, stream, options)
    return "\n".join([*lines, "endmodule", ""])


def write(design: Design, folder: Path, options: Options, name: str = "rf_finn_top") -> Path:
    """The netlist as one file in ``folder``, named by its top."""
    path = folder / f"{name}.sv"
    put(path, bundle([design], top(design, name, options)))
    return path


def put(path: Path, text: str) -> None:
    """Write a generated file, whole or not at all; one that says the same is left alone."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)


def _net(tensor: str, side: str) -> str:
    return f"{side}_{re.sub(r'[^A-Za-z0-9_]', '_', tensor)}"


def _ports(design: Design, options: Options) -> list[str]:
    ports = ["  input logic clk_i", "  input logic rst_ni"]
    for i, stream in enumerate(design.inputs):
        name = f"s_axis_in{i}"
        ports += [f"  input logic [{stream.width - 1}:0] {name}_tdata"]
        ports += [f"  input logic {name}_tvalid", f"  output logic {name}_tready"]
    for i, stream in enumerate(design.outputs):
        name = f"m_axis_out{i}"
        ports += [f"  output logic [{stream.width - 1}:0] {name}_tdata"]
        ports += [f"  output logic {name}_tvalid", f"  input logic {name}_tready"]
    if options.gauges:
        ports += [f"  output logic [31:0] fill_{i}_o" for i in range(len(edges(design)))]
    return [port + "," for port in ports[:-1]] + ports[-1:]


def _nets(design: Design) -> Iterator[str]:
    """Two streams a tensor: as its layer gives it, and as the next one takes it."""
    streams = {s.tensor: s for layer in design.layers for s in (*layer.inputs, *layer.outputs)}
    for tensor, stream in streams.items():
        for side in ("given", "taken"):
            net = _net(tensor, side)
            yield f"  logic [{stream.width - 1}:0] {net}_tdata;"
            yield f"  logic {net}_tvalid, {net}_tready;"


def _connect(source: str, sink: str) -> list[str]:
    return [
        f"  assign {sink}_tdata = {source}_tdata;",
        f"  assign {sink}_tvalid = {source}_tvalid;",
        f"  assign {source}_tready = {sink}_tready;",
    ]


def _ends(design: Design, options: Options) -> Iterator[str]:
    for i, stream in enumerate(design.inputs):
        if options.gauges:
            cycles = max(options.interval, stream.beats)
            parameters = f".Width({stream.width}), .Beats({stream.beats}), .Cycles({cycles})"
            yield f"  rf_finn_pace #({parameters}) u_pace_{i} (.clk_i, .rst_ni,"
            yield f"      {_bind('s_axis', f's_axis_in{i}')},"
            yield f"      {_bind('m_axis', _net(stream.tensor, 'taken'))});"
        else:
            yield from _connect(f"s_axis_in{i}", _net(stream.tensor, "taken"))
    for i, stream in enumerate(design.outputs):
        yield from _connect(_net(stream.tensor, "given"), f"m_axis_out{i}")


def _bind(port: str, net: str) -> str:
    return ", ".join(f".{port}_{signal}({net}_{signal})" for signal in _STREAM)


def _finn(port: str, net: str) -> str:
    return ", ".join(f".{port}_{signal.upper()}({net}_{signal})" for signal in _STREAM)


def _fifo(index: int, stream: Stream, options: Options) -> list[str]:
    given, taken = _net(stream.tensor, "given"), _net(stream.tensor, "taken")
    depth = options.depths.get(stream.tensor, 0)
    if not options.gauges and depth < 2:
        return _connect(given, taken)
    if options.gauges:
        ends = (
            f".clk(clk_i), .rst(!rst_ni), .idat({given}_tdata), .ivld({given}_tvalid), "
            f".irdy({given}_tready), .odat({taken}_tdata), .ovld({taken}_tvalid), "
            f".ordy({taken}_tready), .count(), .maxcount(fill_{index}_o));"
        )
        return [f"  fifo_gauge #(.WIDTH({stream.width})) u_fifo_{index} (", f"      {ends}"]
    # FINN's own FIFO has a constant function that Verilator does not take; ours stands for it.
    return [
        f"  rf_fifo #(.Width({stream.width}), .Depth({1 << (depth - 1).bit_length()}))",
        f"      u_fifo_{index} (.clk_i, .rst_ni,",
        f"      {_bind('s_axis', given)},",
        f"      {_bind('m_axis', taken)}, .level_o());",
    ]


def _layer(layer: Layer) -> list[str]:
    if layer.kind == "DuplicateStreams_hls":
        return _duplicate(layer)
    if layer.kind == "ElementwiseAdd_hls":
        return _add(layer)
    lines, extra = _weights(layer) if layer.weights else ([], [])
    if layer.kind == "Thresholding_rtl":
        idle = ("AWVALID", "WVALID", "BREADY", "ARVALID", "RREADY")
        extra += [f".s_axilite_{name}(1'b0)" for name in idle] + [".in1_V_TVALID(1'b0)"]
    streams = [_finn(s.port, _net(s.tensor, "taken")) for s in _data(layer)]
    streams += [_finn(s.port, _net(s.tensor, "given")) for s in layer.outputs]
    parameters = ", ".join(f".{name}({value})" for name, value in layer.parameters.items())
    head = f"  {layer.module} {f'#({parameters}) ' if parameters else ''}u_{layer.name} ("
    ports = [".ap_clk(clk_i)", ".ap_rst_n(rst_ni)", *extra, *streams]
    return [*lines, head, "      " + ",\n      ".join(ports) + ");"]


def _data(layer: Layer) -> tuple[Stream, ...]:
    """The streams that go to the layer's own module: not those that load its weights."""
    return layer.inputs[:1] if layer.weights.get("kind") == "stream" else layer.inputs


def _weights(layer: Layer) -> tuple[list[str], list[str]]:
    """What streams an MVAU's weights, and how the MVAU takes them."""
    net, width = f"weights_{layer.name}", layer.weights["width"]
    lines = [f"  logic [{width - 1}:0] {net}_tdata;", f"  logic {net}_tvalid, {net}_tready;"]
    module = layer.weights["module"]
    if layer.weights["kind"] == "memory":
        idle = ("AWVALID", "WVALID", "BREADY", "ARVALID", "RREADY")
        ports = [".ap_clk(clk_i)", ".ap_clk2x(clk_i)", ".ap_rst_n(rst_ni)"]
        ports += [f".s_axilite_{name}(1'b0)" for name in idle] + [".s_axis_0_tvalid(1'b0)"]
        ports += [_bind("m_axis_0", net)]
        lines += [f'  {module} #(.INIT_FILE("{layer.weights["image"]}")) u_{net} (']
    else:
        ports = [".ap_clk(clk_i)", ".ap_rst_n(rst_ni)"]
        ports += [_finn("s_axis_0", _net(layer.inputs[1].tensor, "taken"))]
        ports += [_finn("m_axis_0", net)]
        lines += [f"  {module} u_{net} ("]
    lines += ["      " + ",\n      ".join(ports) + ");"]
    return lines, [".ap_clk2x(clk_i)", _finn("in1_V", net)]


def _duplicate(layer: Layer) -> list[str]:
    (stream,), outputs = layer.inputs, [_net(s.tensor, "given") for s in layer.outputs]
    ports = [
        f".m_axis_{signal}({{{', '.join(f'{net}_{signal}' for net in reversed(outputs))}}})"
        for signal in _STREAM
    ]
    return [
        f"  rf_finn_duplicate #(.Width({stream.width}), .Outputs({len(outputs)}))",
        f"      u_{layer.name} (.clk_i, .rst_ni,",
        f"      {_bind('s_axis', _net(stream.tensor, 'taken'))},",
        "      " + ",\n      ".join(ports) + ");",
    ]


def _add(layer: Layer) -> list[str]:
    first, second = layer.inputs
    (out,) = layer.outputs
    parameters = {
        "Lanes": out.lanes,
        "ABits": first.bits,
        "BBits": second.bits,
        "OutBits": out.bits,
        "ASigned": int(first.signed),
        "BSigned": int(second.signed),
    }
    text = ", ".join(f".{name}({value})" for name, value in parameters.items())
    return [
        f"  rf_finn_add #({text}) u_{layer.name} (.clk_i, .rst_ni,",
        f"      {_bind('s_axis_a', _net(first.tensor, 'taken'))},",
        f"      {_bind('s_axis_b', _net(second.tensor, 'taken'))},",
        f"      {_bind('m_axis', _net(out.tensor, 'given'))});",
    ]
