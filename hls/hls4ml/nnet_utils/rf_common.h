// SPDX-License-Identifier: Apache-2.0
// What RecFabric's layers share: the one rounding and overflow rule, and the integer of a number.
#ifndef RF_COMMON_H_
#define RF_COMMON_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"
#include "nnet_types.h"

namespace nnet {

// The integer of a signed fixed-point number: value = integer * 2^-frac.
template <class T> inline int rf_integer(const T &x) {
    #pragma HLS INLINE
    ap_int<T::width> bits;
    bits.range(T::width - 1, 0) = x.range(T::width - 1, 0);
    return bits.to_int();
}

// The signed fixed-point number of an integer that fits its width.
template <class T> inline T rf_number(int integer) {
    #pragma HLS INLINE
    T x;
    x.range(T::width - 1, 0) = ap_int<T::width>(integer).range(T::width - 1, 0);
    return x;
}

// x * 2^-shift rounded half to even (RND_CONV), saturated to WIDTH signed bits (SAT).
template <unsigned WIDTH> inline int rf_requantise(long long x, unsigned shift) {
    #pragma HLS INLINE
    const long long whole = x >> shift;
    const long long rest = x - (whole << shift);
    const long long half = shift > 0 ? 1LL << (shift - 1) : 0;
    const bool up = shift > 0 && (rest > half || (rest == half && (whole & 1)));
    const long long rounded = whole + (up ? 1 : 0);
    const long long limit = 1LL << (WIDTH - 1);
    return int(rounded < -limit ? -limit : rounded >= limit ? limit - 1 : rounded);
}

// A whole tensor of N elements from a stream of packets, whatever the packets' size.
template <unsigned N, class packet_T, class data_T> void rf_take(hls::stream<packet_T> &from, data_T to[N]) {
    static_assert(N % packet_T::size == 0, "a tensor is whole packets");
rf_take_packets:
    for (unsigned i = 0; i < N / packet_T::size; i++) {
        #pragma HLS PIPELINE II=1
        const packet_T packet = from.read();
        for (unsigned j = 0; j < packet_T::size; j++) {
            #pragma HLS UNROLL
            to[i * packet_T::size + j] = packet[j];
        }
    }
}

// The same the other way.
template <unsigned N, class packet_T, class data_T> void rf_give(const data_T from[N], hls::stream<packet_T> &to) {
    static_assert(N % packet_T::size == 0, "a tensor is whole packets");
rf_give_packets:
    for (unsigned i = 0; i < N / packet_T::size; i++) {
        #pragma HLS PIPELINE II=1
        packet_T packet;
        for (unsigned j = 0; j < packet_T::size; j++) {
            #pragma HLS UNROLL
            packet[j] = from[i * packet_T::size + j];
        }
        to.write(packet);
    }
}

} // namespace nnet

#endif
