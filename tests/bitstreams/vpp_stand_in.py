# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Vitis' v++ --link: reads its configuration strictly, links nothing.

Options and the configuration's keys are from UG1702 (v++ command). Called as the program is.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

# What the platforms offer, from their data sheets.
BANKS = {"xilinx_u50": ("HBM", 32), "xilinx_u55c": ("HBM", 32), "xilinx_u250": ("DDR", 4)}
KEYS = {"": ("platform",), "connectivity": ("nk", "sp"), "clock": ("freqHz",)}


class LinkError(Exception):
    """What the real tool would stop at."""


def read(text: str) -> dict[str, list[str]]:
    """Keys of a configuration and their values; raises LinkError for an unknown one."""
    section, found = "", {}
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            if key not in KEYS.get(section, ()):
                raise LinkError(f"[{section}] has no {key}")
            found.setdefault(key, []).append(value)
    return found


def check(config: str, kernel_xml: str) -> dict[str, str]:
    """The bank of each memory port. Raises LinkError for anything that does not fit."""
    told = read(config)
    kernel = ElementTree.fromstring(kernel_xml).find("kernel")
    assert kernel is not None
    (nk,), (platform,) = told["nk"], told["platform"]
    name, count, instance = nk.split(":")
    if name != kernel.get("name") or count != "1":
        raise LinkError(f"nk={nk} is not one instance of {kernel.get('name')}")
    wanted = {p.get("name") for p in kernel.iter("port") if p.get("mode") == "master"}
    banks: dict[str, str] = {}
    for sp in told["sp"]:
        place, _, bank = sp.partition(":")
        cell, _, port = place.partition(".")
        if cell != instance or port not in wanted or port in banks:
            raise LinkError(f"sp={sp} names no port of {instance}, or one twice")
        banks[port] = bank
    if set(banks) != wanted:
        raise LinkError(f"no bank for {sorted(wanted - set(banks))}")
    memory, size = next(b for start, b in BANKS.items() if platform.startswith(start + "_"))
    for bank in banks.values():
        match = re.fullmatch(rf"{memory}\[(\d+)(?::(\d+))?\]", bank)
        if not match or not int(match[1]) <= int(match[2] or match[1]) < size:
            raise LinkError(f"{platform} has no {bank}")
    if told["freqHz"] != [f"{int(told['freqHz'][0].partition(':')[0])}:{instance}.ap_clk"]:
        raise LinkError(f"freqHz={told['freqHz']} is of no clock of {instance}")
    return banks


def main(words: list[str]) -> int:
    """As called: --link --target hw --config FILE --save-temps --output FILE XO."""
    if words == ["-version"]:
        sys.stdout.write("v++ stand-in: no tool\n")
        return 0
    given = dict(zip(words, [*words[1:], ""], strict=True))
    flags = {w for w in words if w.startswith("-")}
    if flags != {"--link", "--target", "--config", "--save-temps", "--output"}:
        raise LinkError(f"options {flags}")
    if not Path(words[-1]).exists():
        raise LinkError(f"{words[-1]} does not exist")
    check(Path(given["--config"]).read_text(), Path("kernel.xml").read_text())
    Path(given["--output"]).write_bytes(b"a stand-in's product: no xclbin\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
