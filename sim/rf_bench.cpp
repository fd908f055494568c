// SPDX-License-Identifier: Apache-2.0
// Any Verilated module as a C library: its streams are fed and emptied at full rate, its AXI4
// masters served by a memory, and the cycle of every beat is noted. Knows no kernel; the ports come
// from rf_top.h. Loaded by recfabric.sim.bench through ctypes.

#include <memory>
#include <stdexcept>

#include "rf_memory.h"
#include "rf_top.h"

namespace {

enum Status : int { kDone = 0, kTimeout = 1, kSurplus = 2 };

// One AXI-Stream: a beat is its fields' bytes one after the other, tdata first.
struct Stream {
  Stream(const rf::Ports& ports, const std::string& base, uint32_t index, uint32_t count, bool in)
      : name(count > 1 ? base + "[" + std::to_string(index) + "]" : base), input(in) {
    valid = rf::element(ports, base + "_tvalid", index, count);
    ready = rf::element(ports, base + "_tready", index, count);
    for (const char* field : {"tdata", "tlast", "tuser", "tdest", "tid", "tkeep", "tstrb"}) {
      const rf::Field found = rf::element(ports, base + "_" + field, index, count);
      if (!found) continue;
      fields.push_back(found);
      layout += std::string(" ") + field + ":" + std::to_string(found.bits());
      bytes += found.bytes();
    }
  }

  void feed(const uint8_t* data, uint64_t beats) {
    queue.assign(data, data + beats * bytes);
    limit = beats;
  }

  std::string name, layout;
  bool input;
  rf::Field valid, ready;  // a stream may lack ready: it is then always taken
  std::vector<rf::Field> fields;
  uint32_t bytes = 0;
  std::vector<uint8_t> queue;  // of a slave: beats to give; of a master: beats taken
  std::vector<int64_t> stamps;
  uint64_t limit = 0, offered = 0, from = 0;  // from: no beat is offered before this cycle
  bool awaited = false, beat = false;
};

class Bench {
 public:
  Bench(uint64_t bytes, const rf::MemoryConfig& config)
      : top_(&context_), ports_(rf::ports(top_)), memory_(bytes), axi_(ports_, config, memory_) {
    clock_ = port("clk_i"), reset_ = port("rst_ni");
    for (const rf::Port& port : ports_) add(port);
    for (const Stream& s : streams_) {
      text_ += (s.input ? "slave " : "master ") + s.name + s.layout + "\n";
    }
    for (const std::string& name : axi_.names()) text_ += name + "\n";
    clock_.set(false);
    reset();
  }

  ~Bench() { top_.final(); }

  void reset() {
    reset_.set(false);
    axi_.reset();
    for (Stream& s : streams_) {
      if (s.input) s.valid.set(false);
      else s.ready.set(false);
    }
    top_.eval();
    for (int i = 0; i < 8; ++i) cycle([] {});
    reset_.set(true);
    axi_.drive(cycles_);
    settle();
  }

  void forget() {
    for (Stream& s : streams_) {
      if (s.input) s.valid.set(false);
      s.queue.clear();
      s.stamps.clear();
      s.limit = s.offered = s.from = 0;
      s.awaited = false;
    }
  }

  // Runs until every awaited beat came and `until`, where it is a port, was high; with neither,
  // until every input is taken. The first cycle has the number 0.
  int run(uint64_t max_cycles, uint32_t stall_256, uint32_t seed, const rf::Field& until) {
    pause_ = rf::Pause(stall_256, seed);
    start_ = cycles_;
    until_ = until, risen_ = false;
    drive_streams();
    settle();
    while (!done()) {
      if (cycles_ - start_ >= max_cycles) return kTimeout;
      step();
    }
    elapsed_ = cycles_ - start_;
    for (Stream& s : streams_) {
      if (s.input && s.stamps.size() < s.limit) return kDone;  // more was fed than was wanted
    }
    for (int i = 0; i < kAfter; ++i) {
      for (Stream& s : streams_) {
        if (!s.input && s.awaited && s.valid.test()) return kSurplus;
      }
      step();
    }
    return kDone;
  }

  const char* text() const { return text_.c_str(); }
  rf::Memory& memory() { return memory_; }
  std::vector<Stream>& streams() { return streams_; }
  const rf::Traffic& traffic(size_t index) const { return axi_.traffic(index); }
  uint64_t elapsed() const { return elapsed_; }
  rf::Field port(const std::string& name) const { return rf::element(ports_, name, 0, 1); }
  void settle() { top_.eval(); }

 private:
  static constexpr int kAfter = 64;  // cycles in which nothing more may come

  void add(const rf::Port& port) {
    const bool in = port.name.rfind("s_axis", 0) == 0;
    const size_t at = port.name.rfind("_tvalid");
    const bool stream = in || port.name.rfind("m_axis", 0) == 0;
    if (stream && at != std::string::npos && at + 7 == port.name.size()) {
      for (uint32_t i = 0; i < port.bits; ++i) {
        streams_.emplace_back(ports_, port.name.substr(0, at), i, port.bits, in);
      }
    } else if (!stream && port.name.find("_axi_") == std::string::npos) {
      text_ += (port.input ? "input " : "output ") + port.name + " :" +
               std::to_string(port.bits) + "\n";
    }
  }

  template <typename Drive>
  void cycle(Drive drive) {
    clock_.set(true);
    top_.eval();
    ++cycles_;
    drive();
    clock_.set(false);
    top_.eval();
  }

  void step() {
    risen_ = risen_ || (until_ && until_.test());
    for (Stream& s : streams_) {
      s.beat = s.valid.test() && (!s.ready || s.ready.test());
      if (s.beat) take(s);
    }
    axi_.sample(cycles_);
    cycle([this] {
      drive_streams();
      axi_.drive(cycles_);
    });
  }

  void take(Stream& s) {
    s.stamps.push_back(static_cast<int64_t>(cycles_ - start_));
    if (s.input) return;
    s.queue.resize(s.queue.size() + s.bytes);
    uint8_t* to = s.queue.data() + s.queue.size() - s.bytes;
    for (const rf::Field& field : s.fields) {
      field.read(to);
      to += field.bytes();
    }
  }

  void drive_streams() {
    for (Stream& s : streams_) {
      if (s.input) {
        offer(s);
      } else {
        s.ready.set(s.awaited && s.stamps.size() < s.limit && !pause_());
      }
      s.beat = false;
    }
  }

  void offer(Stream& s) {
    if (s.valid.test() && !s.beat) return;  // valid stays until ready
    const bool give = s.offered < s.limit && cycles_ - start_ >= s.from && !pause_();
    s.valid.set(give);
    if (!give) return;
    const uint8_t* from = s.queue.data() + s.offered++ * s.bytes;
    for (rf::Field& field : s.fields) {
      field.write(from);
      from += field.bytes();
    }
  }

  bool done() const {
    bool any = static_cast<bool>(until_), inputs = true;
    for (const Stream& s : streams_) {
      const bool complete = s.stamps.size() >= s.limit;
      if (s.awaited && !complete) return false;
      any = any || s.awaited;
      inputs = inputs && (!s.input || complete);
    }
    return until_ ? risen_ : any || inputs;
  }

  VerilatedContext context_;
  rf::Top top_;
  rf::Ports ports_;
  rf::Memory memory_;
  rf::MemoryPorts axi_;
  rf::Field clock_, reset_, until_;
  std::vector<Stream> streams_;
  std::string text_;
  rf::Pause pause_{0, 1};
  uint64_t cycles_ = 0, start_ = 0, elapsed_ = 0;
  bool risen_ = false;
};

}  // namespace

extern "C" {

// Null where the module's ports are no streams and no AXI masters that fit together.
Bench* rf_create(uint64_t bytes, const rf::MemoryConfig* config) {
  try {
    return new Bench(bytes, *config);
  } catch (const std::runtime_error&) {
    return nullptr;
  }
}
void rf_destroy(Bench* bench) { delete bench; }
uint8_t* rf_memory(Bench* bench) { return bench->memory().data(); }
const char* rf_text(Bench* bench) { return bench->text(); }
void rf_reset(Bench* bench) { bench->reset(); }
void rf_forget(Bench* bench) { bench->forget(); }
void rf_set(Bench* bench, const char* name, uint64_t value) {
  bench->port(name).number(value);
  bench->settle();
}
uint64_t rf_get(Bench* bench, const char* name) { return bench->port(name).number(); }
void rf_feed(Bench* bench, uint32_t stream, const uint8_t* data, uint64_t beats,
             uint64_t from) {
  bench->streams()[stream].feed(data, beats);
  bench->streams()[stream].from = from;
}
void rf_await(Bench* bench, uint32_t stream, uint64_t beats) {
  bench->streams()[stream].limit = beats;
  bench->streams()[stream].awaited = true;
}
int rf_run(Bench* bench, uint64_t max_cycles, uint32_t stall_256, uint32_t seed,
           const char* until) {
  return bench->run(max_cycles, stall_256, seed, bench->port(until));
}
uint64_t rf_elapsed(Bench* bench) { return bench->elapsed(); }
uint64_t rf_count(Bench* bench, uint32_t stream) { return bench->streams()[stream].stamps.size(); }
const int64_t* rf_stamps(Bench* bench, uint32_t stream) {
  return bench->streams()[stream].stamps.data();
}
const uint8_t* rf_beats(Bench* bench, uint32_t stream) {
  return bench->streams()[stream].queue.data();
}
void rf_traffic(Bench* bench, uint32_t port, rf::Traffic* out) { *out = bench->traffic(port); }

}  // extern "C"
