# SPDX-License-Identifier: Apache-2.0
"""Properties proven by k-induction, and each of them seen to fail on a planted fault."""

import pytest

from recfabric.sim.faults import Fault
from recfabric.sim.formal import PROOFS, Proof, prove

STABLE = "u_stable.stable_until_ready"
# Module, file (its own or a part's), what a planted fault makes of it, the property it breaks.
FAULTS: tuple[tuple[str, str, str, str, str], ...] = (
    ("rf_fifo", "rf_fifo", "!= (AddrBits + 1)'(Depth)", "!= '1", "level_within_depth"),
    ("rf_fifo", "rf_fifo", "valid_q && !m_axis_tready", "valid_q", "no_loss_no_duplicate"),
    ("rf_fifo", "rf_fifo", "+ 1)'(Depth)", "+ 1)'(Depth - 2)", "accepts_while_there_is_room"),
    ("rf_fifo", "rf_fifo", "level_o != '0", "level_o > 1", "gives_what_it_has"),
    ("rf_fifo", "rf_fifo", "<= memory[head_q[", "<= memory[tail_q[", "order_kept"),
    ("rf_fifo", "rf_fifo", "(!valid_q || m_axis_tready)", "1'b1", STABLE),
    ("rf_pack", "rf_pack", "(take && last) ||", "take ||", "no_loss_no_duplicate"),
    (
        "rf_pack",
        "rf_pack",
        "!m_axis_tvalid || m_axis_tready;",
        "!m_axis_tvalid;",
        "accepts_while_there_is_room",
    ),
    ("rf_pack", "rf_pack", "!m_axis_tvalid || m_axis_tready;", "1'b1;", STABLE),
    (
        "rf_pack",
        "rf_pack",
        "{s_axis_tdata, m_axis_tdata[OutBits-1:InBits]}",
        "{m_axis_tdata[OutBits-InBits-1:0], s_axis_tdata}",
        "order_kept",
    ),
    ("rf_unpack", "rf_unpack", "valid_q && !empties", "valid_q && !given", "no_loss_no_duplicate"),
    ("rf_unpack", "rf_unpack", "left_q == 32'd1", "left_q == 32'd2", "last_marks_the_end"),
    ("rf_unpack", "rf_unpack", "= left_q != '0", "= left_q > 32'd1", "asks_while_owed"),
    (
        "rf_unpack",
        "rf_unpack",
        "(!valid_q || (empties && !m_axis_tlast))",
        "1'b1",
        "takes_only_when_empty",
    ),
    ("rf_unpack", "rf_unpack", "data_q >> OutBits", "data_q << OutBits", "order_kept"),
    ("rf_unpack", "rf_unpack", "else if (given) data_q", "else data_q", STABLE),
    (
        "rf_divide",
        "rf_divide",
        "s_axis_tready = !busy_q",
        "s_axis_tready = 1",
        "accepts_while_idle",
    ),
    ("rf_divide", "rf_divide", "busy_q && left_q == '0", "busy_q && left_q < 2", "answers_in_time"),
    ("rf_divide", "rf_divide", "trial >= {", "trial > {", "quotient_is_floor"),
    ("rf_divide", "rf_divide", "busy_q && left_q != '0", "busy_q", STABLE),
    ("rf_history", "rf_history", "'0) && !m_axis_id_tvalid", "'0)", "done_means_idle"),
    ("rf_history", "rf_history", "pass_q != PassBits'(Passes) && ", "", "nothing_after_the_end"),
    ("rf_history", "rf_history", "taken_q < rows_i;", "taken_q + 2 < rows_i;", "asks_for_the_list"),
    ("rf_history", "rf_history", "next_q < taken_q && ", "", "no_loss_no_duplicate"),
    ("rf_history", "rf_history", "(!m_axis_id_tvalid || m_a", "(m_a", "gives_what_it_has"),
    ("rf_history", "rf_history", "beat_q[32*32'(lane_q)+:32]", "beat_q[31:0]", "order_kept"),
    ("rf_history", "rf_history", "(!m_axis_id_tvalid || m_axis_id_tready)", "1'b1", STABLE),
    (
        "rf_axi_merge",
        "rf_axi_merge",
        ".s_axis_tdata (pick)",
        ".s_axis_tdata (back)",
        "beats_go_to_who_asked",
    ),
    (
        "rf_axi_merge",
        "rf_axi_merge",
        "== 8'(Turns)) pick",
        "== 8'(Turns + 1)) pick",
        "last_channel_gets_its_turn",
    ),
    (
        "rf_axi_merge",
        "rf_axi_merge",
        "issue && pick == ChannelBits'(c)",
        "issue && s_axi_arvalid[c]",
        "one_at_a_time",
    ),
    (
        "rf_axi_merge",
        "rf_axi_merge",
        "back_valid && back == ChannelBits'(c)",
        "back_valid",
        "one_channel_gets_a_beat",
    ),
    ("rf_axi_merge", "rf_axi_merge", "(!m_axi_gmem_arvalid || m_axi_gmem_arready)", "1'b1", STABLE),
    ("rf_axi_read", "rf_axi_read", ">= 32'(burst)", "!= 0", "outstanding_within_depth"),
    (
        "rf_axi_read",
        "rf_axi_read",
        "beat_o = m_axi_gmem_rvalid",
        "beat_o = !m_axi_gmem_rlast && m_axi_gmem_rvalid",
        "no_loss_no_duplicate",
    ),
    (
        "rf_axi_read",
        "rf_axi_read",
        "free_q <= CreditBits'(FifoDepth)",
        "free_q <= CreditBits'(FifoDepth + 3)",
        "room_for_what_comes",
    ),
    (
        "rf_axi_read",
        "rf_axi_read",
        "left_q <= left_q - 32'(burst)",
        "left_q <= left_q - 32'd1",
        "every_beat_is_asked_for_once",
    ),
    (
        "rf_axi_read",
        "rf_axi_read",
        "64'(burst) << SizeLog2",
        "64'(MaxBurst) << SizeLog2",
        "addresses_in_order",
    ),
    ("rf_axi_read", "rf_axi_read", "page_left < 32'(burst)", "1'b0", "burst_within_page"),
    ("rf_axi_read", "rf_axi_read", "burst = 9'(MaxBurst)", "burst = 9'd4", "burst_within_limit"),
    ("rf_axi_read", "rf_axi_read", "e, m_axi_gmem_rdata}", "e, ~m_axi_gmem_rdata}", "order_kept"),
    (
        "rf_axi_read",
        "rf_axi_read",
        "(!m_axi_gmem_arvalid || m_axi_gmem_arready);",
        "1'b1;",
        "u_address_stable.stable_until_ready",
    ),
    (
        "rf_axi_read",
        "rf_fifo",
        "(!valid_q || m_axis_tready)",
        "1'b1",
        "u_data_stable.stable_until_ready",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "left_q != '0 && (!m_axi_gmem_wvalid || m_axi_gmem_wready);",
        "left_q != '0 && !m_axi_gmem_wvalid && lane_q != '0;",
        "accepts_while_there_is_room",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "left_q != '0 && (!m_axi_gmem_wvalid || m_axi_gmem_wready);",
        "left_q != '0;",
        "u_data_stable.stable_until_ready",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "if (start_i) begin\n      m_axi_gmem_awaddr",
        "if (s_axis_word_tvalid) begin\n      m_axi_gmem_awaddr",
        "u_address_stable.stable_until_ready",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "{addr_i[63:SizeLog2], SizeLog2'(0)}",
        "addr_i",
        "address_and_length",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "8'((32'(words_i) + BeatWords - 1) / BeatWords - 1)",
        "8'd255",
        "burst_within_page",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "m_axi_gmem_wlast <= left_q == 8'd1",
        "m_axi_gmem_wlast <= left_q == 8'd2",
        "last_marks_the_end",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "m_axi_gmem_wdata[32'(lane_q)*64+:64] <= s_axis_word_tdata",
        "m_axi_gmem_wdata[32'(lane_q)*64+:64] <= '0",
        "order_kept",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "m_axi_gmem_wvalid <= beat_full ||",
        "m_axi_gmem_wvalid <= word_taken ||",
        "no_loss_no_duplicate",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "(open_q && beat_full) ||",
        "beat_full ||",
        "one_address_a_packet",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "if (start_i) left_q <= words_i;",
        "if (m_axi_gmem_bvalid) left_q <= 8'd1;\n      else if (start_i) left_q <= words_i;",
        "quiet_between_packets",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "left_q <= words_i;",
        "left_q <= words_i + 8'd1;",
        "takes_only_its_words",
    ),
    (
        "rf_axi_write",
        "rf_axi_write",
        "m_axi_gmem_wstrb <= (BeatBits / 8)'(8'hFF);",
        "m_axi_gmem_wstrb <= '1;",
        "writes_its_words_alone",
    ),
    (
        "rf_rescale",
        "rf_rescale",
        "<= valid_b_q && last_b_q;",
        "<= valid_b_q;",
        "no_loss_no_duplicate",
    ),
    ("rf_rescale", "rf_rescale", "last ? '0 : chunk_q + 1'b1", "chunk_q", "chunks_in_order"),
    (
        "rf_rescale",
        "rf_rescale",
        "job_done_o = take && last",
        "job_done_o = take",
        "done_with_the_last_chunk",
    ),
    ("rf_rescale", "rf_rescale", "empty_a_q ? '0 : ", "", "products_are_right"),
    (
        "rf_rescale",
        "rf_rescale",
        "advance = !vec_valid_q || m_axis_vec_tready",
        "advance = 1'b1",
        "u_stable.stable_until_ready",
    ),
    (
        "rf_topk_array",
        "rf_topk_array",
        "| Cells'(1)",
        "| Cells'(2)",
        "best_first",
    ),
    ("rf_topk_array", "rf_topk_array", "exists: exists_q[0]", "exists: 1'b1", "head_is_best"),
    (
        "rf_topk_array",
        "rf_topk_array",
        "score_i > last_score",
        "score_i > head_o.score",
        "holds_the_k_best",
    ),
    (
        "rf_topk_array",
        "rf_topk_array",
        "cell_score_q <= below_score",
        "cell_score_q <= cell_score_q",
        "gives_the_k_best_in_order",
    ),
    ("rf_scatter_array", "rf_scatter_array", "same_q ? written_q : ", "", "adds_up"),
    (
        "rf_scatter_array",
        "rf_scatter_array",
        "memory[addr_q] <= sum",
        "memory[addr_i] <= sum",
        "holds_the_sum",
    ),
    ("rf_scatter_array", "rf_scatter_array", "sum_o = data_q", "sum_o = base", "reads_the_sum"),
    (
        "rf_scatter_issue",
        "rf_scatter_issue",
        "wants[b][e] && !any[b]",
        "wants[b][e]",
        "no_loss_no_duplicate",
    ),
    (
        "rf_scatter_issue",
        "rf_scatter_issue",
        "weight_o[b] <= add.weight",
        "weight_o[b] <= add_q[0].weight",
        "weights_kept",
    ),
    ("rf_scatter_issue", "rf_scatter_issue", "'0 && add_o == '0", "'0", "nothing_owed_while_idle"),
    (
        "rf_scatter_issue",
        "rf_scatter_issue",
        "open_i && (pending_q",
        "open_i && add_o == '0 && (pending_q",
        "accepts_while_there_is_room",
    ),
    (
        "rf_scatter_issue",
        "rf_scatter_issue",
        "wants[b][e] && !any[b]",
        "1'b0",
        "gives_one_at_least",
    ),
    (
        "rf_scatter_issue",
        "rf_scatter_issue",
        "open_i && (pending_q",
        "(pending_q",
        "takes_only_while_open",
    ),
    (
        "rf_scatter_terms",
        "rf_scatter_terms",
        "product_valid_q <= sum_valid_q;",
        "product_valid_q <= sum_valid_q && read_q;",
        "no_loss_no_duplicate",
    ),
    ("rf_scatter_terms", "rf_scatter_terms", "!sum_valid_q && ", "", "idle_when_all_is_given"),
    (
        "rf_scatter_terms",
        "rf_scatter_terms",
        "group_q[SliceBits-1:0]",
        "~group_q[SliceBits-1:0]",
        "banks_in_order",
    ),
    (
        "rf_scatter_terms",
        "rf_scatter_terms",
        "group_q[SliceBits+:AddrBits]",
        "group_q[AddrBits-1:0]",
        "addresses_in_order",
    ),
    (
        "rf_scatter_terms",
        "rf_scatter_terms",
        "read = advance && ",
        "read = advance && !read_q && ",
        "reads_while_it_may",
    ),
    (
        "rf_scatter_terms",
        "rf_scatter_terms",
        "slices[slice_q]",
        "slices[slice]",
        "multiplies_what_was_read",
    ),
    (
        "rf_scatter_terms",
        "rf_scatter_terms",
        "advance && product_valid_q) m_axis",
        "product_valid_q) m_axis",
        STABLE,
    ),
)


@pytest.mark.parametrize("proof", PROOFS, ids=lambda p: f"{p.top}-{p.parameters}")
def test_every_property_is_proven(proof: Proof) -> None:
    result = prove(proof)
    assert result.part == "proven", result


def _first(module: str) -> Proof:
    return next(proof for proof in PROOFS if proof.top == f"{module}_properties")


@pytest.mark.parametrize(
    ("module", "file", "old", "new", "breaks"), FAULTS, ids=lambda v: v if "rf_" in v else None
)
def test_a_planted_fault_breaks_the_property(
    module: str, file: str, old: str, new: str, breaks: str
) -> None:
    result = prove(_first(module), fault=Fault(f"{file}.sv", old, new), only=breaks)
    assert (result.part, result.broken) == ("base", (breaks,))


@pytest.mark.parametrize("module", sorted({module for module, *_ in FAULTS}))
def test_every_property_has_a_fault(module: str) -> None:
    stated = {name for name in prove(_first(module)).properties if not name.startswith("lemma_")}
    assert stated == {fault[-1] for fault in FAULTS if fault[0] == module}
