# SPDX-License-Identifier: Apache-2.0
"""The overlay and the kernel's driver in pynq's own terms; needs pynq to be imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pynq import DefaultIP, Overlay

from recfabric.errors import BitstreamError
from recfabric.host.registers import Registers
from recfabric.kernels.hotpath.arguments import VLNV


class HotPathIP(DefaultIP):  # type: ignore[misc]
    """The driver that pynq binds to the kernel by its VLNV. Registers are 32 bits wide."""

    bindto = (VLNV,)

    def __init__(self, description: dict[str, Any]) -> None:
        super().__init__(description)
        self.registers = Registers(self)

    def read_register(self, offset: int) -> int:
        """One read over the processing system's port."""
        return int(self.mmio.read(offset))

    def write_register(self, offset: int, value: int) -> None:
        """One write over the processing system's port."""
        self.mmio.write(offset, value)


class HotPathOverlay(Overlay):  # type: ignore[misc]
    """A bitstream with one hot path in it, wherever in the design it stands."""

    def __init__(self, bitfile: Path, device: Any = None) -> None:  # noqa: ANN401
        """Loads the bitstream; its ``.hwh`` lies beside it. ``device``: None for pynq's own choice.

        Raises BitstreamError where the handoff names no kernel of ours, or several.
        """
        super().__init__(str(bitfile.absolute()), device=device)
        names = [name for name, ip in self.ip_dict.items() if ip["type"] == VLNV]
        if len(names) != 1:
            raise BitstreamError(
                f"{bitfile.with_suffix('.hwh')} names {len(names)} IPs {VLNV}, not one; take the "
                "handoff that belongs to the bitstream."
            )
        self._kernel_name = names[0]

    @property
    def kernel(self) -> HotPathIP:
        """The kernel's driver."""
        driver: Any = self
        for part in self._kernel_name.split("/"):
            driver = getattr(driver, part)
        assert isinstance(driver, HotPathIP)
        return driver
