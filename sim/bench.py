# SPDX-License-Identifier: Apache-2.0
"""Any kernel Verilated and driven in volume: streams in, streams out, the cycle of every beat.

Knows no kernel. A stream is named by its port without the signal (``s_axis_item``); where
``tvalid`` has several bits, each is a stream of its own (``s_axis_item[0]``). A beat is
``ceil(width / 8)`` bytes, little-endian. Fields beside ``tdata`` go by their port's name
(``s_axis_row_tlast``). Every AXI4 master ``m_axi_<name>_*`` is served from one memory by
``MemoryModel``; an array of ports is as many ports with a limit of bursts in flight each.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recfabric.errors import DeviceError, DeviceTimeoutError, RequestError
from recfabric.sim.faults import Fault
from recfabric.sim.library import Library
from recfabric.sim.verilated import CMemoryModel, MemoryModel

Beats = npt.NDArray[np.uint8]
Stamps = npt.NDArray[np.int64]

_HARNESS = Path(__file__).parent / "rf_bench.cpp"
_TIMEOUT, _SURPLUS = 1, 2


@dataclass(frozen=True)
class Traffic:
    """What passed an AXI port: bursts, beats, and the most bursts in flight at once."""

    bursts: int
    beats: int
    peak: int


@dataclass(frozen=True)
class BenchRun:
    """One run. Cycle 0 is its first, right after the reset.

    ``cycles``: until the last awaited beat, that one included; ``outputs``: beats of each awaited
    stream (n, bytes), fields beside tdata by their port's name; ``stamps``: the cycle in which each
    beat of an input or output was handed over; ``traffic``: by ``read m_axi_gmem[0]`` and
    ``write m_axi_gmem[0]``; ``cpu_seconds``: of this process, for the simulation alone.
    """

    cycles: int
    outputs: Mapping[str, Beats]
    stamps: Mapping[str, Stamps]
    traffic: Mapping[str, Traffic]
    cpu_seconds: float


@dataclass(frozen=True)
class _Stream:
    name: str
    index: int
    slave: bool
    fields: tuple[tuple[str, int], ...]  # port, bytes

    @property
    def beat_bytes(self) -> int:
        return sum(size for _, size in self.fields)


class _CTraffic(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("bursts", "beats", "peak", "violations"))


class Bench:
    """A module at some parameters. Not thread-safe; close it, or use it in a ``with``.

    ``memory``: bytes behind every AXI port, kept from run to run; ``scalars``: values of inputs
    that are neither streams nor AXI (0 where not named); ``generated``: files from outside
    ``kernels/``; ``fault``: planted for a test. Raises as :meth:`Library.build`, RequestError for
    a scalar the module does not have.
    """

    def __init__(
        self,
        top: str,
        parameters: Mapping[str, int] | None = None,
        *,
        memory_bytes: int = 0,
        memory: MemoryModel | None = None,
        scalars: Mapping[str, int] | None = None,
        generated: tuple[Path, ...] = (),
        fault: Fault | None = None,
    ) -> None:
        self.top = top
        library = Library(top, parameters or {}, _HARNESS, generated, fault)
        self._lib = _load(library.build())
        model = CMemoryModel.of(memory or MemoryModel())
        self._bench = self._lib.rf_create(memory_bytes, ctypes.byref(model))
        if not self._bench:
            raise DeviceError(f"The ports of {top} do not fit together as streams and AXI masters.")
        self.memory: Beats = np.zeros(0, np.uint8)
        if memory_bytes:
            pointer = self._lib.rf_memory(self._bench)
            self.memory = np.ctypeslib.as_array(pointer, (memory_bytes,))
        self._read_ports(self._lib.rf_text(self._bench).decode())
        for name, value in (scalars or {}).items():
            self.set(name, value)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the simulation; its memory is gone with it."""
        if self._bench is not None:
            self._lib.rf_destroy(self._bench)
            self._bench = None
            self.memory = np.zeros(0, np.uint8)

    def set(self, name: str, value: int) -> None:
        """Drive an input that is no stream from now on; at most 64 bits."""
        limit = self._scalar(name, self._inputs)
        self._lib.rf_set(self._bench, name.encode(), value & ((1 << limit) - 1))

    def get(self, name: str) -> int:
        """The value of an output that is no stream, as an unsigned number of at most 64 bits."""
        self._scalar(name, self._outputs)
        return int(self._lib.rf_get(self._bench, name.encode()))

    def reset(self) -> None:
        """Hold reset for eight cycles; memory and scalars stay."""
        self._lib.rf_reset(self._bench)

    def run(
        self,
        inputs: Mapping[str, Beats],
        outputs: Mapping[str, int],
        *,
        max_cycles: int,
        stall: float = 0.0,
        seed: int = 1,
        until: str | None = None,
        reset: bool = True,
        delay: Mapping[str, int] | None = None,
    ) -> BenchRun:
        """Offer all ``inputs`` at once and take ``outputs`` beats of each named master.

        ``inputs``: uint8 (n, bytes) a stream, and (n,) or (n, bytes) a further field; ``outputs``:
        beats to await, after which that stream is no longer ready; masters not named never are.
        ``stall``: share of the cycles in which a stream pauses at random (0 to 1); ``until``: an
        output that must have been high as well. With neither outputs nor ``until`` the run ends
        when all inputs are taken. ``reset``: before the run; without it, what the last run left in
        the module counts, what it left to give does not; ``delay``: the cycle before which an input
        offers nothing.

        Raises RequestError for a stream or a shape that does not fit, DeviceTimeoutError after
        ``max_cycles``, DeviceError for a beat too many or a burst against the AXI rules.
        """
        self._lib.rf_forget(self._bench)
        if reset:
            self.reset()
        used = self._feed(inputs, delay or {})
        for name, count in outputs.items():
            used[name] = self._stream(name, slave=False)
            self._lib.rf_await(self._bench, used[name].index, count)
        if until is not None:
            self._scalar(until, self._outputs)
        started = time.process_time()
        share = round(stall * 256)
        code = self._lib.rf_run(self._bench, max_cycles, share, seed, (until or "").encode())
        spent = time.process_time() - started
        self._judge(code, used, inputs, outputs, max_cycles)
        return self._result(used, outputs, spent)

    def _feed(self, inputs: Mapping[str, Beats], delay: Mapping[str, int]) -> dict[str, _Stream]:
        fields = {port: s for s in self._streams.values() if s.slave for port, _ in s.fields[1:]}
        used = {n: self._stream(n, slave=True) for n in inputs if n not in fields}
        for name, stream in used.items():
            record = np.concatenate(
                [
                    _beats(port, inputs[name if i == 0 else port], len(inputs[name]), size)
                    if i == 0 or port in inputs
                    else np.zeros((len(inputs[name]), size), np.uint8)
                    for i, (port, size) in enumerate(stream.fields)
                ],
                axis=1,
            )
            record = np.ascontiguousarray(record)
            pointer = record.ctypes.data_as(ctypes.c_void_p)
            start = delay.get(name, 0)
            self._lib.rf_feed(self._bench, stream.index, pointer, len(record), start)
        return used

    def _judge(
        self,
        code: int,
        used: Mapping[str, _Stream],
        inputs: Mapping[str, Beats],
        outputs: Mapping[str, int],
        max_cycles: int,
    ) -> None:
        fed = {name: len(beats) for name, beats in inputs.items() if name in used}
        limits = fed | dict(outputs)
        if code == _TIMEOUT:
            counts = [f"{n} {self._count(s)} of {limits[n]}" for n, s in used.items()]
            raise DeviceTimeoutError(
                f"{self.top} did not finish within {max_cycles} cycles: {', '.join(counts)} beats."
            )
        if code == _SURPLUS:
            raise DeviceError(f"{self.top} gives more beats than the {dict(outputs)} awaited.")
        for name, traffic in self._traffic().items():
            if traffic.violations:
                raise DeviceError(
                    f"{self.top}, {name}: {traffic.violations} bursts cross 4 KiB, lie off the "
                    "beat's grid or end at the wrong beat."
                )

    def _result(
        self, used: Mapping[str, _Stream], outputs: Mapping[str, int], spent: float
    ) -> BenchRun:
        found: dict[str, Beats] = {}
        for name in outputs:
            stream, at = used[name], 0
            shape = (self._count(stream), stream.beat_bytes)
            data = _copy(self._lib.rf_beats(self._bench, stream.index), shape)
            for i, (port, size) in enumerate(stream.fields):
                found[name if i == 0 else port] = data[:, at : at + size]
                at += size
        stamps = {name: self._stamps(stream) for name, stream in used.items()}
        traffic = {name: Traffic(t.bursts, t.beats, t.peak) for name, t in self._traffic().items()}
        return BenchRun(int(self._lib.rf_elapsed(self._bench)), found, stamps, traffic, spent)

    def _traffic(self) -> dict[str, _CTraffic]:
        seen = {}
        for i, name in enumerate(self._axi):
            seen[name] = _CTraffic()
            self._lib.rf_traffic(self._bench, i, ctypes.byref(seen[name]))
        return seen

    def _stamps(self, stream: _Stream) -> Stamps:
        pointer = self._lib.rf_stamps(self._bench, stream.index)
        return _copy(pointer, (8 * self._count(stream),)).view(np.int64)

    def _count(self, stream: _Stream) -> int:
        return int(self._lib.rf_count(self._bench, stream.index))

    def _stream(self, name: str, *, slave: bool) -> _Stream:
        # An array of one port is no array in the simulation; both spellings mean it.
        stream = self._streams.get(name) or self._streams.get(name.removesuffix("[0]"))
        if stream is None or stream.slave != slave:
            known = ", ".join(s.name for s in self._streams.values() if s.slave == slave)
            raise RequestError(f"{self.top} has no such stream as '{name}'; it has {known}.")
        return stream

    def _scalar(self, name: str, known: Mapping[str, int]) -> int:
        if name not in known:
            raise RequestError(f"{self.top} has no port '{name}'; it has {', '.join(known)}.")
        return known[name]

    def _read_ports(self, text: str) -> None:
        self._streams: dict[str, _Stream] = {}
        self._inputs: dict[str, int] = {}
        self._outputs: dict[str, int] = {}
        self._axi: list[str] = []
        for line in text.splitlines():
            kind, name, *fields = line.split()
            if kind in ("read", "write"):
                self._axi.append(line)
            elif kind in ("slave", "master"):
                index = len(self._streams)
                self._streams[name] = _Stream(name, index, kind == "slave", _fields(name, fields))
            elif name not in ("clk_i", "rst_ni"):
                scalars = self._inputs if kind == "input" else self._outputs
                scalars[name] = int(fields[0].removeprefix(":"))


def _fields(name: str, texts: list[str]) -> tuple[tuple[str, int], ...]:
    base, bracket, index = name.partition("[")
    pairs = (text.split(":") for text in texts)
    return tuple((f"{base}_{sig}{bracket}{index}", -(-int(bits) // 8)) for sig, bits in pairs)


def _beats(port: str, beats: Beats, count: int, size: int) -> Beats:
    shaped = beats.reshape(-1, 1) if beats.ndim == 1 else beats
    if shaped.dtype != np.uint8 or shaped.shape != (count, size):
        raise RequestError(
            f"{port} takes uint8 of shape ({count}, {size}), not {beats.dtype} of {beats.shape}."
        )
    return shaped


def _copy(pointer: int | None, shape: tuple[int, ...]) -> Beats:
    size = int(np.prod(shape))
    if not size or not pointer:
        return np.zeros(shape, np.uint8)
    return np.frombuffer(ctypes.string_at(pointer, size), np.uint8).reshape(shape).copy()


@cache
def _load(library: Path) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(library))
    bench, u32, u64, text = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_char_p
    pointer = ctypes.c_void_p
    signatures = {
        "rf_create": (bench, [u64, ctypes.POINTER(CMemoryModel)]),
        "rf_destroy": (None, [bench]),
        "rf_memory": (ctypes.POINTER(ctypes.c_uint8), [bench]),
        "rf_text": (text, [bench]),
        "rf_reset": (None, [bench]),
        "rf_forget": (None, [bench]),
        "rf_set": (None, [bench, text, u64]),
        "rf_get": (u64, [bench, text]),
        "rf_feed": (None, [bench, u32, pointer, u64, u64]),
        "rf_await": (None, [bench, u32, u64]),
        "rf_run": (ctypes.c_int, [bench, u64, u32, u32, text]),
        "rf_elapsed": (u64, [bench]),
        "rf_count": (u64, [bench, u32]),
        "rf_stamps": (pointer, [bench, u32]),
        "rf_beats": (pointer, [bench, u32]),
        "rf_traffic": (None, [bench, u32, ctypes.POINTER(_CTraffic)]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib
