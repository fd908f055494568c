// SPDX-License-Identifier: Apache-2.0
// The ports of a Verilated module by name, whatever their type: a port's storage is little-endian
// words, so a field of it is some bits from a byte on. rf_top.h, which lists them, is written for
// each module by recfabric.sim.library.

#ifndef RF_PORTS_H
#define RF_PORTS_H

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace rf {

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The harness reads ports as bytes and needs a little-endian host."
#endif

// A field of a port: `bits` bits from bit `shift` of the byte at `at`. A default one is no port.
class Field {
 public:
  Field() = default;
  Field(uint8_t* port, uint32_t from, uint32_t bits)
      : at_(port + from / 8), shift_(from % 8), bits_(bits), whole_(from % 8 + bits % 8 == 0) {}

  explicit operator bool() const { return at_ != nullptr; }
  uint32_t bits() const { return bits_; }
  uint32_t bytes() const { return (bits_ + 7) / 8; }

  bool test() const { return *at_ >> shift_ & 1; }
  void set(bool value) {
    if (at_ == nullptr) return;
    *at_ = static_cast<uint8_t>((*at_ & ~(1u << shift_)) | (unsigned{value} << shift_));
  }

  void read(uint8_t* out) const {
    if (whole_) {
      std::memcpy(out, at_, bits_ / 8);
      return;
    }
    std::memset(out, 0, bytes());
    for (uint32_t i = 0; i < bits_; ++i) {
      const uint32_t from = shift_ + i;
      out[i / 8] |= static_cast<uint8_t>((at_[from / 8] >> (from % 8) & 1) << (i % 8));
    }
  }

  void write(const uint8_t* in) {
    if (whole_) {
      std::memcpy(at_, in, bits_ / 8);
      return;
    }
    for (uint32_t i = 0; i < bits_; ++i) {
      const uint32_t to = shift_ + i;
      const unsigned bit = in[i / 8] >> (i % 8) & 1u;
      at_[to / 8] = static_cast<uint8_t>((at_[to / 8] & ~(1u << (to % 8))) | (bit << (to % 8)));
    }
  }

  // The same for at most 64 bits as a number; a write of a field that is no port does nothing.
  uint64_t number() const {
    uint64_t value = 0;
    read(reinterpret_cast<uint8_t*>(&value));
    return value;
  }
  void number(uint64_t value) {
    if (at_ != nullptr) write(reinterpret_cast<const uint8_t*>(&value));
  }

 private:
  uint8_t* at_ = nullptr;
  uint32_t shift_ = 0, bits_ = 0;
  bool whole_ = true;
};

struct Port {
  std::string name;
  bool input;
  uint32_t bits;
  uint8_t* data;
};

// CData, SData, IData, QData and VlWide alike.
template <typename T>
Port port(const char* name, bool input, uint32_t bits, T& storage) {
  return {name, input, bits, reinterpret_cast<uint8_t*>(&storage)};
}

using Ports = std::vector<Port>;

inline const Port* find(const Ports& ports, const std::string& name) {
  for (const Port& port : ports) {
    if (port.name == name) return &port;
  }
  return nullptr;
}

// Element `index` of `count` in the packed array `name`; no port where the module has none.
inline Field element(const Ports& ports, const std::string& name, uint32_t index, uint32_t count) {
  const Port* port = find(ports, name);
  if (port == nullptr) return {};
  if (port->bits % count != 0) throw std::runtime_error(name + " is no array of its port count");
  const uint32_t bits = port->bits / count;
  return {port->data, index * bits, bits};
}

// A pause in about `share` of 256 calls, at random.
class Pause {
 public:
  Pause(uint32_t share, uint64_t seed) : share_(share), state_(seed * 2654435769u + 1) {}
  bool operator()() {
    if (share_ == 0) return false;
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return (state_ >> 56) < share_;
  }

 private:
  uint32_t share_;
  uint64_t state_;
};

}  // namespace rf

#endif
