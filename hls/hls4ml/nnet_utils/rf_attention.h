// SPDX-License-Identifier: Apache-2.0
// Attention with the integer base-2 softmax of recfabric.contract: one query over gathered rows,
// and Sq queries over Sk keys. Head h owns the dimensions h * dim / heads onwards.
#ifndef RF_ATTENTION_H_
#define RF_ATTENTION_H_

#include "rf_common.h"

namespace nnet {

// round(255 * 2^(-i / 32))
static const unsigned char rf_exp2_table[32] = {255, 250, 244, 239, 234, 229, 224, 219, 214, 210, 205,
                                                201, 197, 192, 188, 184, 180, 176, 173, 169, 165, 162,
                                                158, 155, 152, 148, 145, 142, 139, 136, 133, 130};
static const unsigned rf_exp2_frac = 5;
static const unsigned rf_reciprocal_frac = 30;

// 255 * 2^(-below / 32), half to even; below is the distance to the row's maximum, at least 0.
inline unsigned rf_exp2(int below) {
    #pragma HLS INLINE
    const unsigned whole = unsigned(below) >> rf_exp2_frac;
    return whole > 8 ? 0 : rf_requantise<10>(rf_exp2_table[below & 31], whole);
}

struct rf_attention_config {
    static const unsigned rows = 1;     // of the tables
    static const unsigned dim = 16;     // elements of a row
    static const unsigned heads = 1;    // divide dim
    static const unsigned max_rows = 1; // of a history
    static const unsigned beats = 1;    // 512-bit beats of a row
    static const unsigned logit_shift = 0;
    static const unsigned out_shift = 0;
};

// A key row, then a value row, each `beats` cycles; one division a head between and one
// multiplication an element at the end.
template <class query_T, class id_T, class count_T, class res_T, typename CONFIG_T>
void rf_attention(const query_T query[CONFIG_T::dim], const id_T ids[CONFIG_T::max_rows], const count_T count[1],
                  res_T res[CONFIG_T::dim], const typename CONFIG_T::key_t key[CONFIG_T::rows * CONFIG_T::dim],
                  const typename CONFIG_T::value_t value[CONFIG_T::rows * CONFIG_T::dim]) {
    const unsigned width = CONFIG_T::dim / CONFIG_T::heads;
    const unsigned n = count[0].to_uint();
    short logits[CONFIG_T::max_rows][CONFIG_T::heads];
    #pragma HLS ARRAY_PARTITION variable=logits complete dim=2
    short best[CONFIG_T::heads];
    int q[CONFIG_T::dim], sums[CONFIG_T::dim];
    unsigned total[CONFIG_T::heads];
    #pragma HLS ARRAY_PARTITION variable=best complete
    #pragma HLS ARRAY_PARTITION variable=q complete
    #pragma HLS ARRAY_PARTITION variable=sums complete
    #pragma HLS ARRAY_PARTITION variable=total complete
    for (unsigned d = 0; d < CONFIG_T::dim; d++) {
        #pragma HLS UNROLL
        q[d] = rf_integer(query[d]);
        sums[d] = 0;
    }
    for (unsigned h = 0; h < CONFIG_T::heads; h++) {
        #pragma HLS UNROLL
        best[h] = -32768;
        total[h] = 0;
    }
rf_attention_keys:
    for (unsigned i = 0; i < CONFIG_T::max_rows; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::beats
        if (i >= n)
            break;
        const unsigned row = ids[i].to_uint() * CONFIG_T::dim;
        for (unsigned h = 0; h < CONFIG_T::heads; h++) {
            #pragma HLS UNROLL
            int dot = 0;
            for (unsigned d = 0; d < width; d++) {
                #pragma HLS UNROLL
                dot += q[h * width + d] * int(key[row + h * width + d]);
            }
            const short logit = rf_requantise<16>(dot, CONFIG_T::logit_shift);
            logits[i][h] = logit;
            best[h] = logit > best[h] ? logit : best[h];
        }
    }
rf_attention_values:
    for (unsigned i = 0; i < CONFIG_T::max_rows; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::beats
        if (i >= n)
            break;
        const unsigned row = ids[i].to_uint() * CONFIG_T::dim;
        for (unsigned h = 0; h < CONFIG_T::heads; h++) {
            #pragma HLS UNROLL
            const unsigned p = rf_exp2(best[h] - logits[i][h]);
            total[h] += p;
            for (unsigned d = 0; d < width; d++) {
                #pragma HLS UNROLL
                sums[h * width + d] += int(p) * int(value[row + h * width + d]);
            }
        }
    }
rf_attention_requantise:
    for (unsigned h = 0; h < CONFIG_T::heads; h++) {
        const long long reciprocal = n == 0 ? 0 : (1u << rf_reciprocal_frac) / total[h];
        for (unsigned d = 0; d < width; d++) {
            #pragma HLS PIPELINE II=1
            res[h * width + d] = rf_number<res_T>(
                rf_requantise<res_T::width>(sums[h * width + d] * reciprocal, CONFIG_T::out_shift));
        }
    }
}

template <class query_T, class id_T, class count_T, class res_T, typename CONFIG_T>
void rf_attention(hls::stream<query_T> &query_stream, hls::stream<id_T> &ids_stream,
                  hls::stream<count_T> &count_stream, hls::stream<res_T> &res_stream,
                  const typename CONFIG_T::key_t key[CONFIG_T::rows * CONFIG_T::dim],
                  const typename CONFIG_T::value_t value[CONFIG_T::rows * CONFIG_T::dim]) {
    typename query_T::value_type query[CONFIG_T::dim];
    typename id_T::value_type ids[CONFIG_T::max_rows];
    typename res_T::value_type res[CONFIG_T::dim];
    #pragma HLS ARRAY_PARTITION variable=query complete
    #pragma HLS ARRAY_PARTITION variable=res complete
    const count_T count = count_stream.read();
    rf_take<CONFIG_T::max_rows>(ids_stream, ids);
    rf_take<CONFIG_T::dim>(query_stream, query);
    rf_attention<typename query_T::value_type, typename id_T::value_type, typename count_T::value_type,
                 typename res_T::value_type, CONFIG_T>(query, ids, count.data, res, key, value);
    rf_give<CONFIG_T::dim>(res, res_stream);
}

struct rf_attention_matrix_config {
    static const unsigned queries = 1; // Sq
    static const unsigned keys = 1;    // Sk
    static const unsigned dim = 16;
    static const unsigned heads = 1;
    static const unsigned logit_shift = 0;
    static const unsigned out_shift = 0;
};

// softmax2(Q K^T) V for queries x keys: a row of Q each 2 * keys cycles, one query the same
// integers as rf_attention.
template <class query_T, class key_T, class value_T, class res_T, typename CONFIG_T>
void rf_attention_matrix(const query_T query[CONFIG_T::queries * CONFIG_T::dim],
                         const key_T key[CONFIG_T::keys * CONFIG_T::dim],
                         const value_T value[CONFIG_T::keys * CONFIG_T::dim],
                         res_T res[CONFIG_T::queries * CONFIG_T::dim]) {
    const unsigned width = CONFIG_T::dim / CONFIG_T::heads;
rf_attention_queries:
    for (unsigned s = 0; s < CONFIG_T::queries; s++) {
        for (unsigned h = 0; h < CONFIG_T::heads; h++) {
            short logits[CONFIG_T::keys];
            int sums[width];
            #pragma HLS ARRAY_PARTITION variable=sums complete
            short best = -32768;
            unsigned total = 0;
            for (unsigned d = 0; d < width; d++) {
                #pragma HLS UNROLL
                sums[d] = 0;
            }
            for (unsigned i = 0; i < CONFIG_T::keys; i++) {
                #pragma HLS PIPELINE II=1
                int dot = 0;
                for (unsigned d = 0; d < width; d++) {
                    #pragma HLS UNROLL
                    dot += rf_integer(query[s * CONFIG_T::dim + h * width + d]) *
                           rf_integer(key[i * CONFIG_T::dim + h * width + d]);
                }
                logits[i] = rf_requantise<16>(dot, CONFIG_T::logit_shift);
                best = logits[i] > best ? logits[i] : best;
            }
            for (unsigned i = 0; i < CONFIG_T::keys; i++) {
                #pragma HLS PIPELINE II=1
                const unsigned p = rf_exp2(best - logits[i]);
                total += p;
                for (unsigned d = 0; d < width; d++) {
                    #pragma HLS UNROLL
                    sums[d] += int(p) * rf_integer(value[i * CONFIG_T::dim + h * width + d]);
                }
            }
            const long long reciprocal = (1u << rf_reciprocal_frac) / total;
            for (unsigned d = 0; d < width; d++) {
                #pragma HLS PIPELINE II=1
                res[s * CONFIG_T::dim + h * width + d] =
                    rf_number<res_T>(rf_requantise<res_T::width>(sums[d] * reciprocal, CONFIG_T::out_shift));
            }
        }
    }
}

template <class query_T, class key_T, class value_T, class res_T, typename CONFIG_T>
void rf_attention_matrix(hls::stream<query_T> &query_stream, hls::stream<key_T> &key_stream,
                         hls::stream<value_T> &value_stream, hls::stream<res_T> &res_stream) {
    typename query_T::value_type query[CONFIG_T::queries * CONFIG_T::dim];
    typename key_T::value_type key[CONFIG_T::keys * CONFIG_T::dim];
    typename value_T::value_type value[CONFIG_T::keys * CONFIG_T::dim];
    typename res_T::value_type res[CONFIG_T::queries * CONFIG_T::dim];
    #pragma HLS ARRAY_PARTITION variable=query cyclic factor=CONFIG_T::dim
    #pragma HLS ARRAY_PARTITION variable=key cyclic factor=CONFIG_T::dim
    #pragma HLS ARRAY_PARTITION variable=value cyclic factor=CONFIG_T::dim
    #pragma HLS ARRAY_PARTITION variable=res cyclic factor=CONFIG_T::dim
    rf_take<CONFIG_T::queries * CONFIG_T::dim>(query_stream, query);
    rf_take<CONFIG_T::keys * CONFIG_T::dim>(key_stream, key);
    rf_take<CONFIG_T::keys * CONFIG_T::dim>(value_stream, value);
    rf_attention_matrix<typename query_T::value_type, typename key_T::value_type, typename value_T::value_type,
                        typename res_T::value_type, CONFIG_T>(query, key, value, res);
    rf_give<CONFIG_T::queries * CONFIG_T::dim>(res, res_stream);
}

} // namespace nnet

#endif
