// SPDX-License-Identifier: Apache-2.0
// The Verilated hot path as a C library: one kernel, its AXI4-Lite port driven by calls, its AXI4
// ports served by a memory with latency, bandwidth, stalls and bus errors. Loaded by
// recfabric.sim.verilated through ctypes.

#include <memory>

#include "rf_memory.h"
#include "rf_top.h"

namespace {

class Device {
 public:
  Device(uint64_t bytes, const rf::MemoryConfig& config)
      : memory_(bytes),
        top_(std::make_unique<rf::Top>(&context_)),
        axi_(rf::ports(*top_), config, memory_) {
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
    axi_.reset();
    top_->eval();
    for (int i = 0; i < 8; ++i) cycle();
    top_->rst_ni = 1;
    cycle();
  }

  uint8_t* memory() { return memory_.data(); }
  uint64_t cycles() const { return cycles_; }
  void fault(uint64_t from, uint64_t to) { memory_.fault(from, to); }

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
    axi_.sample(cycles_);
    top_->clk_i = 1;
    top_->eval();
    ++cycles_;
    axi_.drive(cycles_);
  }

  void cycle_end() {
    top_->clk_i = 0;
    top_->eval();
  }

  VerilatedContext context_;
  rf::Memory memory_;
  std::unique_ptr<rf::Top> top_;
  rf::MemoryPorts axi_;
  uint64_t cycles_ = 0;
};

}  // namespace

extern "C" {

Device* rf_create(uint64_t bytes, const rf::MemoryConfig* config) {
  return new Device(bytes, *config);
}
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
