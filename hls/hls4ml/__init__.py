# SPDX-License-Identifier: Apache-2.0
"""A contract as an hls4ml project: its layers, the project around them, its C simulation.

Importing this package imports nothing of hls4ml; its modules do.
"""

from __future__ import annotations


def register(register_backend: object = None, register_writer: object = None) -> None:
    """hls4ml's plug-in entry point: adds RecFabric's layers to its Vitis backend.

    hls4ml calls it when it is imported wherever RecFabric is installed; ``register_backend`` and
    ``register_writer`` are what hls4ml hands over, and not needed: no backend is added.
    """
    from recfabric.hls.hls4ml import backend

    backend.register()
