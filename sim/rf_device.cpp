// SPDX-License-Identifier: Apache-2.0
// The Verilated hot path as a C library: one kernel, its AXI4-Lite port driven by calls, its AXI4
// port served by a memory with latency, bandwidth, stalls and bus errors. Loaded by
// recfabric.sim.verilated through ctypes. BEAT_BYTES comes from the build.

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "Vrf_hotpath.h"
#include "verilated.h"

namespace {

constexpr uint8_t kOkay = 0;
constexpr uint8_t kSlverr = 2;
constexpr uint8_t kDecerr = 3;

struct MemoryConfig {
  uint32_t latency;      // cycles from an address to its first beat
  uint32_t outstanding;  // bursts in flight at most
  uint32_t stall_256;    // of 256 cycles, how many each channel pauses in, at random
  uint32_t seed;
};

struct Burst {
  uint64_t addr;
  uint32_t beats;
  uint64_t due;  // the cycle its first beat may be given in
};

class Device {
 public:
  Device(uint64_t bytes, const MemoryConfig& config)
      : memory_(bytes), config_(config), random_(config.seed * 2654435769u + 1) {
    top_ = std::make_unique<Vrf_hotpath>(&context_);
    top_->clk_i = 0;
    reset();
  }

  ~Device() { top_->final(); }

  void reset() {
    top_->rst_ni = 0;
    top_->s_axi_control_awvalid = 0;
    top_->s_axi_control_wvalid = 0;
    top_->s_axi_control_bready = 1;
    top_->s_axi_control_arvalid = 0;
    top_->s_axi_control_rready = 1;
    top_->m_axi_gmem_rvalid = 0;
    top_->m_axi_gmem_bvalid = 0;
    reads_.clear();
    writes_.clear();
    responses_.clear();
    top_->m_axi_gmem_arready = 0;
    top_->m_axi_gmem_awready = 0;
    top_->m_axi_gmem_wready = 0;
    top_->eval();
    for (int i = 0; i < 8; ++i) cycle();
    top_->rst_ni = 1;
    cycle();
  }

  uint8_t* memory() { return memory_.data(); }
  uint64_t cycles() const { return cycles_; }
  void fault(uint64_t from, uint64_t to) { fault_from_ = from, fault_to_ = to; }

  bool write_register(uint32_t addr, uint32_t data) {
    top_->s_axi_control_awaddr = addr;
    top_->s_axi_control_awvalid = 1;
    top_->s_axi_control_wdata = data;
    top_->s_axi_control_wstrb = 0xF;
    top_->s_axi_control_wvalid = 1;
    top_->eval();
    for (int i = 0; i < 100; ++i) {
      const bool address = top_->s_axi_control_awvalid && top_->s_axi_control_awready;
      const bool value = top_->s_axi_control_wvalid && top_->s_axi_control_wready;
      const bool response = top_->s_axi_control_bvalid;
      cycle_begin();
      if (address) top_->s_axi_control_awvalid = 0;
      if (value) top_->s_axi_control_wvalid = 0;
      cycle_end();
      if (response) return true;
    }
    return false;
  }

  bool read_register(uint32_t addr, uint32_t* data) {
    top_->s_axi_control_araddr = addr;
    top_->s_axi_control_arvalid = 1;
    top_->eval();
    for (int i = 0; i < 100; ++i) {
      const bool address = top_->s_axi_control_arvalid && top_->s_axi_control_arready;
      const bool response = top_->s_axi_control_rvalid;
      if (response) *data = top_->s_axi_control_rdata;
      cycle_begin();
      if (address) top_->s_axi_control_arvalid = 0;
      cycle_end();
      if (response) return true;
    }
    return false;
  }

  // Runs until the interrupt line rises; false where it has not after max_cycles.
  bool run(uint64_t max_cycles) {
    const uint64_t end = cycles_ + max_cycles;
    while (!top_->interrupt_o) {
      if (cycles_ >= end) return false;
      cycle();
    }
    return true;
  }

  void idle(uint64_t count) {
    while (count-- > 0) cycle();
  }

 private:
  void cycle() {
    cycle_begin();
    cycle_end();
  }

  // The rising edge; the memory then answers what was on its channels before it.
  void cycle_begin() {
    const bool ar = top_->m_axi_gmem_arvalid && top_->m_axi_gmem_arready;
    const bool r = top_->m_axi_gmem_rvalid && top_->m_axi_gmem_rready;
    const bool aw = top_->m_axi_gmem_awvalid && top_->m_axi_gmem_awready;
    const bool w = top_->m_axi_gmem_wvalid && top_->m_axi_gmem_wready;
    const bool b = top_->m_axi_gmem_bvalid && top_->m_axi_gmem_bready;
    if (ar) {
      reads_.push_back({top_->m_axi_gmem_araddr, top_->m_axi_gmem_arlen + 1u,
                        cycles_ + config_.latency});
    }
    if (r && --reads_.front().beats == 0) {
      reads_.pop_front();
    } else if (r) {
      reads_.front().addr += BEAT_BYTES;
    }
    if (aw) writes_.push_back({top_->m_axi_gmem_awaddr, top_->m_axi_gmem_awlen + 1u, 0});
    if (w) take_write_beat();
    if (b) responses_.pop_front();
    top_->clk_i = 1;
    top_->eval();
    ++cycles_;
    drive_read(r);
    drive_write(b);
  }

  void cycle_end() {
    top_->clk_i = 0;
    top_->eval();
  }

  void drive_read(bool taken) {
    top_->m_axi_gmem_arready = reads_.size() < config_.outstanding && !stall();
    const bool held = top_->m_axi_gmem_rvalid && !taken;  // AXI: valid stays until ready
    if (held) return;
    const bool give = !reads_.empty() && cycles_ >= reads_.front().due && !stall();
    top_->m_axi_gmem_rvalid = give;
    if (!give) return;
    const Burst& burst = reads_.front();
    const uint8_t response = check(burst.addr);
    if (response == kDecerr) {
      std::memset(&top_->m_axi_gmem_rdata, 0, BEAT_BYTES);
    } else {
      std::memcpy(&top_->m_axi_gmem_rdata, memory_.data() + burst.addr, BEAT_BYTES);
    }
    top_->m_axi_gmem_rresp = response;
    top_->m_axi_gmem_rlast = burst.beats == 1;
  }

  void drive_write(bool taken) {
    top_->m_axi_gmem_awready = writes_.size() < config_.outstanding && !stall();
    // Data is taken once its address is there.
    top_->m_axi_gmem_wready = !writes_.empty() && !stall();
    const bool held = top_->m_axi_gmem_bvalid && !taken;
    if (held) return;
    const bool give = !responses_.empty() && cycles_ >= responses_.front().due && !stall();
    top_->m_axi_gmem_bvalid = give;
    if (give) top_->m_axi_gmem_bresp = static_cast<uint8_t>(responses_.front().beats);
  }

  void take_write_beat() {
    Burst& burst = writes_.front();
    const uint8_t response = check(burst.addr);
    worst_ = response > worst_ ? response : worst_;
    if (response == kOkay) {
      uint8_t data[BEAT_BYTES];
      std::memcpy(data, &top_->m_axi_gmem_wdata, BEAT_BYTES);
      const uint64_t strobe = static_cast<uint64_t>(top_->m_axi_gmem_wstrb);
      for (uint64_t i = 0; i < BEAT_BYTES; ++i) {
        if (strobe >> i & 1) memory_[burst.addr + i] = data[i];
      }
    }
    burst.addr += BEAT_BYTES;
    if (--burst.beats == 0) {
      responses_.push_back({0, worst_, cycles_ + config_.latency});
      worst_ = kOkay;
      writes_.pop_front();
    }
  }

  uint8_t check(uint64_t addr) const {
    if (addr > memory_.size() - BEAT_BYTES) return kDecerr;
    return addr >= fault_from_ && addr < fault_to_ ? kSlverr : kOkay;
  }

  bool stall() {
    if (config_.stall_256 == 0) return false;
    random_ = random_ * 6364136223846793005ull + 1442695040888963407ull;
    return (random_ >> 56) < config_.stall_256;
  }

  VerilatedContext context_;
  std::unique_ptr<Vrf_hotpath> top_;
  std::vector<uint8_t> memory_;
  MemoryConfig config_;
  uint64_t random_;
  uint64_t cycles_ = 0;
  uint64_t fault_from_ = 0, fault_to_ = 0;
  std::deque<Burst> reads_, writes_, responses_;
  uint8_t worst_ = kOkay;
};

}  // namespace

extern "C" {

Device* rf_create(uint64_t bytes, const MemoryConfig* config) { return new Device(bytes, *config); }
void rf_destroy(Device* device) { delete device; }
void rf_reset(Device* device) { device->reset(); }
uint8_t* rf_memory(Device* device) { return device->memory(); }
uint64_t rf_cycles(Device* device) { return device->cycles(); }
void rf_fault(Device* device, uint64_t from, uint64_t to) { device->fault(from, to); }
int rf_write(Device* device, uint32_t addr, uint32_t data) {
  return device->write_register(addr, data);
}
int rf_read(Device* device, uint32_t addr, uint32_t* data) {
  return device->read_register(addr, data);
}
int rf_run(Device* device, uint64_t max_cycles) { return device->run(max_cycles); }
void rf_idle(Device* device, uint64_t count) { device->idle(count); }

}  // extern "C"
