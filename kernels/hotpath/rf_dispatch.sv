// SPDX-License-Identifier: Apache-2.0
// Opens requests, at most four in flight: the one of the registers, or those of a batch, whose
// descriptors it reads from memory. A request with an argument out of its range is not computed.
// One request every BeatBits / 512 cycles or more; done when the last one is finished.

module rf_dispatch #(
    parameter int unsigned BeatBits = 512,  // of the descriptors' stream: 64, 128, 256 or 512
    parameter int unsigned MaxRows = 1024,
    parameter int unsigned MaxSeen = 2048,
    parameter int unsigned KMax = 32,
    parameter int unsigned MaxRequests = 1 << 24  // of a batch
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  logic                  single_i,  // pulses: answer the request of the arguments,
    input  logic                  batch_i,   // or those of the descriptors
    input  rf_pkg::hotpath_args_t args_i,    // held until done
    output logic                  done_o,    // a pulse
    output rf_pkg::read_cmd_t     m_axis_cmd_tdata,  // the read of the descriptors
    output logic                  m_axis_cmd_tvalid,
    input  logic                  m_axis_cmd_tready,
    input  logic [BeatBits-1:0]   s_axis_data_tdata,
    input  logic                  s_axis_data_tuser,  // the beat came with an error
    input  logic                  s_axis_data_tvalid,
    output logic                  s_axis_data_tready,
    output logic                  compute_o,  // with open_o: it is computed, not only finished
    output logic                  open_o,     // a pulse: a request opens; the jobs are its
    output rf_pkg::front_job_t    front_o,
    output rf_pkg::scan_job_t     scan_o,
    output rf_pkg::finish_job_t   finish_o,
    input  logic                  finished_i  // a pulse: a request has ended
);

  import rf_pkg::*;

  localparam int unsigned Parts = $bits(descriptor_t) / BeatBits;  // beats of a descriptor
  localparam int unsigned PartBits = Parts > 1 ? $clog2(Parts) : 1;
  localparam logic [63:0] BeatMask = 64'(BeatBits) / 64'd8 - 64'd1;
  localparam int unsigned CountBits = $clog2(MaxRequests + 1);
  localparam int unsigned DescriptorBytes = $bits(descriptor_t) / 8;

  descriptor_t next_q;
  logic valid_q, batch_q, error_q, running_q, take, last_part, open, bad;
  logic [PartBits-1:0] part_q;
  logic [CountBits-1:0] count, left_q;  // requests of the batch; descriptors not yet in hand
  logic [TagBits:0] flight_q;
  tag_t tag_q;  // of the next request that is computed
  logic [63:0] record_q;

  assign count = CountBits'(args_i.count);
  assign s_axis_data_tready = !valid_q || open;
  assign take = s_axis_data_tvalid && s_axis_data_tready;
  assign last_part = part_q == PartBits'(Parts - 1);
  assign open = valid_q && flight_q != (TagBits + 1)'(Flight);
  assign open_o = open;
  assign bad = next_q.k == '0 || next_q.k > KMax || next_q.n_history > MaxRows ||
      next_q.n_seen > MaxSeen || next_q.norm > 32'd65535;
  assign compute_o = !bad && !error_q;
  assign done_o = running_q && !valid_q && left_q == '0 && flight_q == '0;

  // Lists and answers start on a beat: the low bits of their addresses are not looked at.
  function automatic logic [63:0] on_a_beat(logic [63:0] address);
    return address & ~BeatMask;
  endfunction

  always_comb begin
    front_o = '{
        tag: tag_q,
        history: on_a_beat(next_q.history),
        rows: next_q.n_history[15:0],
        norm: next_q.norm[15:0]
    };
    scan_o = '{
        tag: tag_q,
        seen: on_a_beat(next_q.seen),
        n_seen: next_q.n_seen[15:0],
        k: next_q.k[7:0]
    };
    finish_o = '{
        tag: tag_q,
        run: compute_o,
        bus_error: error_q,
        batch: batch_q,
        result: on_a_beat(next_q.result),
        record: record_q,
        k: next_q.k[7:0]
    };
    m_axis_cmd_tdata = '{
        tag: '0,
        addr: args_i.descriptor,
        beats: 32'(count) * Parts,
        dest: DestHistory
    };
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      m_axis_cmd_tvalid <= 1'b0;
      running_q <= 1'b0;
      valid_q <= 1'b0;
      left_q <= '0;
      part_q <= '0;
      flight_q <= '0;
      tag_q <= '0;
    end else begin
      m_axis_cmd_tvalid <= batch_i || (m_axis_cmd_tvalid && !m_axis_cmd_tready);
      running_q <= single_i || batch_i || (running_q && !done_o);
      valid_q <= single_i || (take && last_part) || (valid_q && !open);
      if (batch_i) left_q <= count;
      else if (take && last_part) left_q <= left_q - 1'b1;
      if (take) part_q <= PartBits'((32'(part_q) + 32'd1) % Parts);  // Parts is a power of two
      flight_q <= flight_q + (TagBits + 1)'(open) - (TagBits + 1)'(finished_i);
      if (open && compute_o) tag_q <= tag_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (single_i || batch_i) begin
      batch_q  <= batch_i;
      record_q <= args_i.record;
    end else if (open) begin
      record_q <= record_q + 64'(DescriptorBytes);
    end
    if (single_i) begin
      error_q <= 1'b0;
      next_q <= '{
          reserved: '0,
          norm: args_i.norm,
          k: args_i.k,
          n_seen: args_i.n_seen,
          n_history: args_i.n_history,
          result: args_i.result,
          seen: args_i.seen,
          history: args_i.history
      };
    end else if (take) begin
      error_q <= s_axis_data_tuser || (part_q != '0 && error_q);
      next_q  <= $bits(descriptor_t)'({s_axis_data_tdata, next_q} >> BeatBits);
    end
  end

  logic unused_args;
  assign unused_args = ^{args_i, next_q.reserved};

  asked_for : assert property (@(posedge clk_i) disable iff (!rst_ni) take |-> left_q != '0);
  flight_within_limit : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    32'(flight_q) <= Flight && !(finished_i && flight_q == '0));

endmodule
