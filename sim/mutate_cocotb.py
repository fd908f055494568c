# SPDX-License-Identifier: Apache-2.0
"""Inside the simulation: a cocotb "test" that runs the real ones once for every mutant.

The simulator starts, imports the tests and forks: one child a mutant, which sets ``mutsel`` and
lets cocotb's own regression manager run the tests, so that starting up is paid once. A child
ends at its first failure. What the children say is appended to ``MUTANT_RESULTS``, one line of
JSON each. ``recfabric.sim.mutate`` starts this.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
from collections import Counter
from pathlib import Path
from time import process_time
from typing import Any

import cocotb
from cocotb import regression
from cocotb.handle import Immediate

# A mutant may hang the tests: then they end after this many times the simulated time that they
# take on the unmutated netlist, and some more, but never later than they say themselves.
_SLOWER, _MORE_NS = 4.0, 20_000.0
# A child that computes for so much longer than the unmutated one has left simulated time behind.
_CPU_SLOWER, _CPU_MORE_S = 20.0, 60.0
_GAVE_UP = 4  # a child's exit status
_UNIT_NS = {"fs": 1e-6, "ps": 1e-3, "ns": 1.0, "us": 1e3, "ms": 1e6, "sec": 1e9}


class _Order:
    """Tests that kill often and cheaply come first; learned from mutant to mutant."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.runs: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()

    def learn(self, answer: dict[str, Any]) -> None:
        for name, cpu, _ in answer["passed"]:
            self.cpu.setdefault(name, cpu)
            self.runs[name] += 1
        if answer["by"]:
            self.runs[answer["by"]] += 1
            self.kills[answer["by"]] += 1

    def cost(self, name: str) -> float:
        """CPU-seconds a kill, as seen so far."""
        return self.cpu.get(name, 1.0) * (self.runs[name] + 2) / (self.kills[name] + 1)


@cocotb.test(stage=-1)  # before all others
async def every_mutant(dut: Any) -> None:  # noqa: ANN401
    """Fork a child for every mutant still to be run; only children come back from here."""
    manager, order = regression._manager_inst, _Order()
    results = Path(os.environ["MUTANT_RESULTS"])
    done = [json.loads(line) for line in results.read_text().splitlines()]
    limit = 0
    for mutant in json.loads(os.environ["MUTANTS"]):
        answer = next((a for a in done if a["mutant"] == mutant), None)
        if answer is None:
            manager._test_queue.sort(key=lambda test: order.cost(test.fullname))
            answer = _child(manager, dut, mutant, limit)
            if answer is None:
                return  # this is the child
            with results.open("a") as out:
                out.write(json.dumps(answer) + "\n")
        order.learn(answer)
        if mutant == 0:
            if answer["how"] != "survived":
                os._exit(3)  # the tests fail without a mutation: nothing can be learned
            limit = int(_CPU_SLOWER * answer["cpu"] + _CPU_MORE_S)
            _watch(manager, answer)
    os._exit(0)


def _watch(manager: Any, first: dict[str, Any]) -> None:  # noqa: ANN401
    """Give each test the time that the unmutated netlist needs, and a margin."""
    took = {name: ns for name, _, ns in first["passed"]}
    for test in manager._test_queue:
        limits = [_SLOWER * took[test.fullname] + _MORE_NS]
        if test.timeout is not None:
            limits.append(test.timeout[0] * _UNIT_NS[test.timeout[1]])
        test.timeout = (round(min(limits)), "ns")


def _child(manager: Any, dut: Any, mutant: int, limit: int) -> dict[str, Any] | None:  # noqa: ANN401
    """What the child said, in the parent; None in the child, where the mutation is on."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        if limit:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        _end_at_once()
        dut.mutsel.set(Immediate(mutant))
        _report_to(manager, writer)
        return None
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = [json.loads(line) for line in pipe]
    _, status, used = os.wait4(pid, 0)
    passed = [(name, cpu, ns) for name, verdict, cpu, ns in said if verdict == "passed"]
    failed = [(name, verdict) for name, verdict, _, _ in said if verdict not in ("passed", "end")]
    ended = bool(said) and said[-1][1] == "end"
    how = failed[0][1] if failed else "survived" if ended else f"crashed: status {status}"
    by = failed[0][0] if failed else ""
    cpu = round(used.ru_utime + used.ru_stime, 3)
    return {"mutant": mutant, "how": how, "by": by, "cpu": cpu, "passed": passed}


def _end_at_once() -> None:
    """In a child: leave out the exit handlers where Verilator gives up, as on a loop of gates.

    They would wait for threads of the simulator's, which a fork does not take along.
    """
    libc = ctypes.CDLL(None)
    libc.__cxa_atexit(libc._exit, ctypes.c_void_p(_GAVE_UP), None)


def _report_to(manager: Any, writer: int) -> None:  # noqa: ANN401
    """In a child: say how each test went, and end the process with the first that fails."""
    started = [process_time()]

    def tell(*row: object) -> None:
        os.write(writer, (json.dumps(row) + "\n").encode())

    def score(failure: BaseException | None, _: float, start_ns: float, stop_ns: float) -> None:
        name, cpu = manager._test.fullname, process_time() - started[0]
        started[0] = process_time()
        if name.endswith(".every_mutant"):
            return
        if failure is None:
            tell(name, "passed", round(cpu, 3), stop_ns - start_ns)
            return
        tell(name, type(failure).__name__, round(cpu, 3), stop_ns - start_ns)
        os._exit(1)

    def tear_down() -> None:
        tell("", "end", 0, 0)
        os._exit(0)

    manager._score_test, manager._tear_down = score, tear_down
