# SPDX-License-Identifier: Apache-2.0
"""The module that stands in the fuse slot of ``rf_hotpath``: what every generated layer shares.

Ports and rules: kernels/hotpath/README.md, "The fuse slot". Weights are inside such a layer, so the
stream that loads them is taken and dropped, and the shift must be the contract's.
"""

from __future__ import annotations

from string import Template

from recfabric.contract import Contract

_MODULE = Template("""\
// SPDX-License-Identifier: Apache-2.0
$header
module rf_fuse #(
    parameter int unsigned Dim = $dim,
    parameter int unsigned Pe = $pe,
    parameter int unsigned Simd = $simd,
    parameter int unsigned BeatBits = 512
) (
    input  logic                               clk_i,
    input  logic                               rst_ni,
    input  logic [rf_pkg::ShiftBits-1:0]       shift_i,
    input  logic [BeatBits-1:0]                s_axis_weight_tdata,
    input  logic                               s_axis_weight_tvalid,
    output logic                               s_axis_weight_tready,
    input  logic [2*Dim*rf_pkg::StateBits-1:0] s_axis_vec_tdata,
    input  logic                               s_axis_vec_tvalid,
    output logic                               s_axis_vec_tready,
    output logic [Dim*rf_pkg::StateBits-1:0]   m_axis_vec_tdata,
    output logic                               m_axis_vec_tvalid,
    input  logic                               m_axis_vec_tready
);

  if (Dim != $dim) begin : gen_bad_dim
    $$fatal(1, "rf_fuse: this layer was generated for Dim $dim");
  end

  logic take;
  assign take = s_axis_vec_tvalid && s_axis_vec_tready;
  assign s_axis_weight_tready = 1'b1;  // the weights are inside

$body
  logic unused_bits;
  assign unused_bits = ^{shift_i, s_axis_weight_tdata, s_axis_weight_tvalid};

  right_shift : assert property (
    @(posedge clk_i) disable iff (!rst_ni) take |-> shift_i == $shift);

endmodule
""")


def fuse_module(contract: Contract, header: str, body: str, *, pe: int = 1, simd: int = 1) -> str:
    """``rf_fuse`` for one contract around a layer.

    ``header``: comment lines that say what computes it; ``body``: SystemVerilog that drives
    ``s_axis_vec_tready`` and ``m_axis_vec``, and may use ``take``, a vector's transfer.
    """
    return _MODULE.substitute(
        header=header,
        body=body,
        dim=contract.shape.dim,
        pe=pe,
        simd=simd,
        shift=contract.shifts.fuse,
    )
