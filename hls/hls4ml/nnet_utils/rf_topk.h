// SPDX-License-Identifier: Apache-2.0
// Scores of a whole catalogue and its exact top k: query . item + (bias << shift), with rf_scatter
// before it + message, items on the ascending list `seen` left out; higher score first, then lower
// row.
#ifndef RF_TOPK_H_
#define RF_TOPK_H_

#include "rf_common.h"

namespace nnet {

struct rf_topk_config {
    static const unsigned rows = 1; // items
    static const unsigned dim = 16;
    static const unsigned max_seen = 1;
    static const unsigned k = 1;
    static const unsigned beats = 1; // 512-bit beats of an item: the initiation interval of an item
    static const unsigned term_shift = 0;
};

// What edges add to the next item's score: nothing, or numbers in the order of the rows.
struct rf_no_messages {};
inline int rf_message(rf_no_messages &, unsigned) {
    #pragma HLS INLINE
    return 0;
}
template <class message_T> inline int rf_message(const message_T *&messages, unsigned item) {
    #pragma HLS INLINE
    return rf_integer(messages[item]);
}
template <class packet_T> inline int rf_message(hls::stream<packet_T> &messages, unsigned) {
    #pragma HLS INLINE
    static_assert(packet_T::size == 1, "packets of one item");
    return rf_integer(messages.read()[0]);
}

// An item each `beats` cycles, always: the list of the k best is a row of registers in which every
// place compares the new score with its own. res: k rows (-1 where none is left), then k scores.
template <class query_T, class seen_T, class res_T, typename CONFIG_T, class messages_T>
void rf_topk_scan(const query_T query[CONFIG_T::dim], const seen_T seen[CONFIG_T::max_seen], unsigned n,
                  messages_T &messages, res_T res[2 * CONFIG_T::k],
                  const typename CONFIG_T::item_t item[CONFIG_T::rows * CONFIG_T::dim],
                  const typename CONFIG_T::bias_t bias[CONFIG_T::rows]) {
    #pragma HLS INLINE
    int q[CONFIG_T::dim];
    int score[CONFIG_T::k], row[CONFIG_T::k];
    #pragma HLS ARRAY_PARTITION variable=q complete
    #pragma HLS ARRAY_PARTITION variable=score complete
    #pragma HLS ARRAY_PARTITION variable=row complete
    unsigned next = 0; // of the seen list
    for (unsigned d = 0; d < CONFIG_T::dim; d++) {
        #pragma HLS UNROLL
        q[d] = rf_integer(query[d]);
    }
    for (unsigned i = 0; i < CONFIG_T::k; i++) {
        #pragma HLS UNROLL
        score[i] = -2147483647 - 1;
        row[i] = -1;
    }
rf_topk_items:
    for (unsigned i = 0; i < CONFIG_T::rows; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::beats
        int s = int(bias[i]) * (1 << CONFIG_T::term_shift) + rf_message(messages, i);
        for (unsigned d = 0; d < CONFIG_T::dim; d++) {
            #pragma HLS UNROLL
            s += q[d] * int(item[i * CONFIG_T::dim + d]);
        }
        const bool known = next < n && seen[next].to_uint() == i;
        next += known ? 1 : 0;
        // Rows come ascending, so an equal score that is there already stays in front.
        if (!known && (row[CONFIG_T::k - 1] < 0 || s > score[CONFIG_T::k - 1])) {
            for (unsigned j = CONFIG_T::k - 1; j < CONFIG_T::k; j--) {
                #pragma HLS UNROLL
                const bool beaten = row[j] < 0 || s > score[j];
                const bool above = j > 0 && (row[j - 1] < 0 || s > score[j - 1]);
                if (beaten) {
                    score[j] = above ? score[j - 1] : s;
                    row[j] = above ? row[j - 1] : int(i);
                }
            }
        }
    }
rf_topk_result:
    for (unsigned i = 0; i < CONFIG_T::k; i++) {
        #pragma HLS PIPELINE II=1
        res[i] = row[i];
        res[CONFIG_T::k + i] = score[i];
    }
}

template <class query_T, class seen_T, class count_T, class res_T, typename CONFIG_T>
void rf_topk(const query_T query[CONFIG_T::dim], const seen_T seen[CONFIG_T::max_seen], const count_T count[1],
             res_T res[2 * CONFIG_T::k], const typename CONFIG_T::item_t item[CONFIG_T::rows * CONFIG_T::dim],
             const typename CONFIG_T::bias_t bias[CONFIG_T::rows]) {
    rf_no_messages none;
    rf_topk_scan<query_T, seen_T, res_T, CONFIG_T>(query, seen, count[0].to_uint(), none, res, item, bias);
}

template <class query_T, class seen_T, class count_T, class message_T, class res_T, typename CONFIG_T>
void rf_topk(const query_T query[CONFIG_T::dim], const seen_T seen[CONFIG_T::max_seen], const count_T count[1],
             const message_T messages[CONFIG_T::rows], res_T res[2 * CONFIG_T::k],
             const typename CONFIG_T::item_t item[CONFIG_T::rows * CONFIG_T::dim],
             const typename CONFIG_T::bias_t bias[CONFIG_T::rows]) {
    rf_topk_scan<query_T, seen_T, res_T, CONFIG_T>(query, seen, count[0].to_uint(), messages, res, item, bias);
}

// The same from streams, with what they bring before the scan.
template <class query_T, class seen_T, class count_T, class res_T, typename CONFIG_T, class messages_T>
void rf_topk_streams(hls::stream<query_T> &query_stream, hls::stream<seen_T> &seen_stream,
                     hls::stream<count_T> &count_stream, messages_T &messages, hls::stream<res_T> &res_stream,
                     const typename CONFIG_T::item_t item[CONFIG_T::rows * CONFIG_T::dim],
                     const typename CONFIG_T::bias_t bias[CONFIG_T::rows]) {
    #pragma HLS INLINE
    typename query_T::value_type query[CONFIG_T::dim];
    typename seen_T::value_type seen[CONFIG_T::max_seen];
    typename res_T::value_type res[2 * CONFIG_T::k];
    #pragma HLS ARRAY_PARTITION variable=query complete
    #pragma HLS ARRAY_PARTITION variable=res complete
    const count_T count = count_stream.read();
    rf_take<CONFIG_T::max_seen>(seen_stream, seen);
    rf_take<CONFIG_T::dim>(query_stream, query);
    rf_topk_scan<typename query_T::value_type, typename seen_T::value_type, typename res_T::value_type, CONFIG_T>(
        query, seen, count[0].to_uint(), messages, res, item, bias);
    rf_give<2 * CONFIG_T::k>(res, res_stream);
}

template <class query_T, class seen_T, class count_T, class res_T, typename CONFIG_T>
void rf_topk(hls::stream<query_T> &query_stream, hls::stream<seen_T> &seen_stream,
             hls::stream<count_T> &count_stream, hls::stream<res_T> &res_stream,
             const typename CONFIG_T::item_t item[CONFIG_T::rows * CONFIG_T::dim],
             const typename CONFIG_T::bias_t bias[CONFIG_T::rows]) {
    rf_no_messages none;
    rf_topk_streams<query_T, seen_T, count_T, res_T, CONFIG_T>(query_stream, seen_stream, count_stream, none,
                                                               res_stream, item, bias);
}

template <class query_T, class seen_T, class count_T, class message_T, class res_T, typename CONFIG_T>
void rf_topk(hls::stream<query_T> &query_stream, hls::stream<seen_T> &seen_stream,
             hls::stream<count_T> &count_stream, hls::stream<message_T> &message_stream,
             hls::stream<res_T> &res_stream,
             const typename CONFIG_T::item_t item[CONFIG_T::rows * CONFIG_T::dim],
             const typename CONFIG_T::bias_t bias[CONFIG_T::rows]) {
    rf_topk_streams<query_T, seen_T, count_T, res_T, CONFIG_T>(query_stream, seen_stream, count_stream,
                                                               message_stream, res_stream, item, bias);
}

} // namespace nnet

#endif
