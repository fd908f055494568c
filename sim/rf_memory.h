// SPDX-License-Identifier: Apache-2.0
// The memory behind a kernel's AXI4 masters: bytes shared by all ports; each port answers in order,
// one beat a cycle, with a latency, a limit of bursts in flight, random stalls and bus errors.

#ifndef RF_MEMORY_H
#define RF_MEMORY_H

#include <algorithm>
#include <deque>

#include "rf_ports.h"

namespace rf {

constexpr uint8_t kOkay = 0;
constexpr uint8_t kSlverr = 2;
constexpr uint8_t kDecerr = 3;

struct MemoryConfig {
  uint32_t latency;      // cycles from an address to its first beat
  uint32_t outstanding;  // bursts in flight at most, of a port
  uint32_t stall_256;    // of 256 cycles, how many each channel pauses in, at random
  uint32_t seed;
};

class Memory {
 public:
  explicit Memory(uint64_t bytes) : bytes_(bytes) {}
  uint8_t* data() { return bytes_.data(); }
  void fault(uint64_t from, uint64_t to) { fault_from_ = from, fault_to_ = to; }

  // What a beat at this address answers.
  uint8_t check(uint64_t addr, uint32_t beat_bytes) const {
    if (bytes_.size() < beat_bytes || addr > bytes_.size() - beat_bytes) return kDecerr;
    return addr >= fault_from_ && addr < fault_to_ ? kSlverr : kOkay;
  }

 private:
  std::vector<uint8_t> bytes_;
  uint64_t fault_from_ = 0, fault_to_ = 0;
};

struct Burst {
  uint64_t addr;
  uint32_t beats;
  uint64_t due;  // the cycle its first beat (of a response: it) may be given in
  uint64_t id;
};

// What was seen at a port since the reset.
struct Traffic {
  uint64_t bursts, beats, peak;  // peak: bursts in flight at most
  uint64_t violations;           // bursts across 4 KiB or off the beat's grid, a misplaced WLAST
};

// Both kinds of port: sample() looks before the rising edge, drive() answers after it. What
// sample() took counts towards the limit in the same cycle, so that no more than the limit fly.
class Channel {
 public:
  const Traffic& traffic() const { return traffic_; }

 protected:
  Channel(const MemoryConfig& config, uint32_t index, uint64_t salt)
      : config_(config), pause_(config.stall_256, config.seed + 1000003ull * index + salt) {}

  void opened(const Burst& burst, uint32_t beat_bytes, size_t flying) {
    ++traffic_.bursts;
    traffic_.peak = std::max<uint64_t>(traffic_.peak, flying);
    const uint64_t end = burst.addr + uint64_t{burst.beats} * beat_bytes - 1;
    if (burst.addr / 4096 != end / 4096 || burst.addr % beat_bytes != 0) ++traffic_.violations;
  }

  MemoryConfig config_;
  Pause pause_;
  Traffic traffic_{};
};

class ReadPort : Channel {
 public:
  using Channel::traffic;

  ReadPort(const Ports& ports, const std::string& prefix, uint32_t index, uint32_t count,
           const MemoryConfig& config, Memory& memory)
      : Channel(config, index, 0), memory_(&memory) {
    const auto field = [&](const char* name) {
      return element(ports, prefix + name, index, count);
    };
    arvalid_ = field("_arvalid"), arready_ = field("_arready"), araddr_ = field("_araddr");
    arlen_ = field("_arlen"), arid_ = field("_arid"), rid_ = field("_rid");
    rvalid_ = field("_rvalid"), rready_ = field("_rready"), rdata_ = field("_rdata");
    rresp_ = field("_rresp"), rlast_ = field("_rlast");
    zeros_.resize(rdata_.bytes());
  }

  void reset() {
    bursts_.clear();
    traffic_ = {};
    arready_.set(false);
    rvalid_.set(false);
  }

  void sample(uint64_t cycle) {
    taken_ = rvalid_.test() && rready_.test();
    if (arvalid_.test() && arready_.test()) {
      const uint32_t beats = arlen_ ? static_cast<uint32_t>(arlen_.number()) + 1 : 1;
      bursts_.push_back({araddr_.number(), beats, cycle + config_.latency,
                         arid_ ? arid_.number() : 0});
      opened(bursts_.back(), rdata_.bytes(), bursts_.size());
    }
    if (!taken_) return;
    ++traffic_.beats;
    if (--bursts_.front().beats == 0) {
      bursts_.pop_front();
    } else {
      bursts_.front().addr += rdata_.bytes();
    }
  }

  void drive(uint64_t cycle) {
    arready_.set(bursts_.size() < config_.outstanding && !pause_());
    if (rvalid_.test() && !taken_) return;  // AXI: valid stays until ready
    const bool give = !bursts_.empty() && cycle >= bursts_.front().due && !pause_();
    rvalid_.set(give);
    if (!give) return;
    const Burst& burst = bursts_.front();
    const uint8_t response = memory_->check(burst.addr, rdata_.bytes());
    rdata_.write(response == kDecerr ? zeros_.data() : memory_->data() + burst.addr);
    rresp_.number(response);
    rlast_.set(burst.beats == 1);
    rid_.number(burst.id);
  }

 private:
  Memory* memory_;
  Field arvalid_, arready_, araddr_, arlen_, arid_;
  Field rvalid_, rready_, rdata_, rresp_, rlast_, rid_;
  std::vector<uint8_t> zeros_;
  std::deque<Burst> bursts_;
  bool taken_ = false;
};

class WritePort : Channel {
 public:
  using Channel::traffic;

  WritePort(const Ports& ports, const std::string& prefix, uint32_t index, uint32_t count,
            const MemoryConfig& config, Memory& memory)
      : Channel(config, index, 500009), memory_(&memory) {
    const auto field = [&](const char* name) {
      return element(ports, prefix + name, index, count);
    };
    awvalid_ = field("_awvalid"), awready_ = field("_awready"), awaddr_ = field("_awaddr");
    awlen_ = field("_awlen"), awid_ = field("_awid"), bid_ = field("_bid");
    wvalid_ = field("_wvalid"), wready_ = field("_wready"), wdata_ = field("_wdata");
    wstrb_ = field("_wstrb"), wlast_ = field("_wlast");
    bvalid_ = field("_bvalid"), bready_ = field("_bready"), bresp_ = field("_bresp");
    data_.resize(wdata_.bytes());
  }

  void reset() {
    bursts_.clear();
    responses_.clear();
    traffic_ = {};
    worst_ = kOkay;
    awready_.set(false);
    wready_.set(false);
    bvalid_.set(false);
  }

  void sample(uint64_t cycle) {
    answered_ = bvalid_.test() && bready_.test();
    if (awvalid_.test() && awready_.test()) {
      const uint32_t beats = awlen_ ? static_cast<uint32_t>(awlen_.number()) + 1 : 1;
      bursts_.push_back({awaddr_.number(), beats, 0, awid_ ? awid_.number() : 0});
      opened(bursts_.back(), wdata_.bytes(), bursts_.size() + responses_.size());
    }
    if (wvalid_.test() && wready_.test()) take_beat(cycle);
    if (answered_) responses_.pop_front();
  }

  void drive(uint64_t cycle) {
    awready_.set(bursts_.size() + responses_.size() < config_.outstanding && !pause_());
    wready_.set(!bursts_.empty() && !pause_());  // data is taken once its address is there
    if (bvalid_.test() && !answered_) return;
    const bool give = !responses_.empty() && cycle >= responses_.front().due && !pause_();
    bvalid_.set(give);
    if (!give) return;
    bresp_.number(responses_.front().beats);
    bid_.number(responses_.front().id);
  }

 private:
  void take_beat(uint64_t cycle) {
    Burst& burst = bursts_.front();
    const uint32_t bytes = wdata_.bytes();
    const uint8_t response = memory_->check(burst.addr, bytes);
    worst_ = std::max(worst_, response);
    ++traffic_.beats;
    if (response == kOkay) {
      wdata_.read(data_.data());
      const uint64_t strobe = wstrb_ ? wstrb_.number() : ~uint64_t{0};
      for (uint32_t i = 0; i < bytes; ++i) {
        if (strobe >> i & 1) memory_->data()[burst.addr + i] = data_[i];
      }
    }
    burst.addr += bytes;
    --burst.beats;
    if (wlast_ && wlast_.test() != (burst.beats == 0)) ++traffic_.violations;
    if (burst.beats != 0) return;
    responses_.push_back({0, worst_, cycle + config_.latency, burst.id});
    worst_ = kOkay;
    bursts_.pop_front();
  }

  Memory* memory_;
  Field awvalid_, awready_, awaddr_, awlen_, awid_;
  Field wvalid_, wready_, wdata_, wstrb_, wlast_;
  Field bvalid_, bready_, bresp_, bid_;
  std::vector<uint8_t> data_;
  std::deque<Burst> bursts_, responses_;
  uint8_t worst_ = kOkay;
  bool answered_ = false;
};

// Every AXI4 master of a module; `m_axi_x_arvalid` of n bits is n ports of one read channel each.
class MemoryPorts {
 public:
  MemoryPorts(const Ports& ports, const MemoryConfig& config, Memory& memory) {
    for (const Port& port : ports) {
      if (port.name.rfind("m_axi_", 0) != 0 || port.name.size() < 14) continue;
      const std::string prefix = port.name.substr(0, port.name.size() - 8);
      const std::string channel = port.name.substr(prefix.size());
      for (uint32_t i = 0; i < port.bits && channel == "_arvalid"; ++i) {
        reads_.emplace_back(ports, prefix, i, port.bits, config, memory);
        names_.push_back("read " + prefix + "[" + std::to_string(i) + "]");
      }
      for (uint32_t i = 0; i < port.bits && channel == "_awvalid"; ++i) {
        writes_.emplace_back(ports, prefix, i, port.bits, config, memory);
        write_names_.push_back("write " + prefix + "[" + std::to_string(i) + "]");
      }
    }
    names_.insert(names_.end(), write_names_.begin(), write_names_.end());
  }

  void reset() {
    for (ReadPort& port : reads_) port.reset();
    for (WritePort& port : writes_) port.reset();
  }
  void sample(uint64_t cycle) {
    for (ReadPort& port : reads_) port.sample(cycle);
    for (WritePort& port : writes_) port.sample(cycle);
  }
  void drive(uint64_t cycle) {
    for (ReadPort& port : reads_) port.drive(cycle);
    for (WritePort& port : writes_) port.drive(cycle);
  }

  // "read m_axi_gmem[0]" and so on, reads first; traffic() goes by the same index.
  const std::vector<std::string>& names() const { return names_; }
  const Traffic& traffic(size_t index) const {
    return index < reads_.size() ? reads_[index].traffic()
                                 : writes_[index - reads_.size()].traffic();
  }

 private:
  std::vector<ReadPort> reads_;
  std::vector<WritePort> writes_;
  std::vector<std::string> names_, write_names_;
};

}  // namespace rf

#endif
