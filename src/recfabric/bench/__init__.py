# SPDX-License-Identifier: Apache-2.0
"""Kernels measured against bounds that follow from bytes and arithmetic alone.

``recfabric bench kernels`` runs every case of every module here whose name has no underscore: one
module a kernel, which exports ``cases() -> tuple[Case, ...]``. A case says

- what is run: ``kernel`` and its ``parameters`` (by their SystemVerilog names) and ``config``, the
  case in words, with everything that makes it another case (sizes, widths, k, ports);
- ``bound`` in cycles and its ``formula`` in words: from the bytes that must pass a port of one
  512-bit beat a cycle and the products that the array can do a cycle, never from the design's
  pipeline. Where reads are of one beat each at random places, ``MEMORY``'s latency and reads in
  flight allow fewer than one a cycle: ``note`` then says :func:`little` beside it;
- ``limit`` in cycles and ``limit_formula`` as the issue words it (``None`` where it sets none);
- ``run``: a function that simulates, compares **every** output integer with the integer model and
  gives a ``Measure``. It makes its data itself, from ``SEED`` or from what ``data`` says;
- ``netlist``: what Yosys counts, as (module, parameters), where that is not the kernel at these
  parameters; ``cells=False`` where no cells are wanted (a second k of the same netlist costs
  nothing: results are kept by content), ``parts`` where only these are counted; ``most``: cells not
  to be exceeded, by part and resource.

``MEMORY`` is the memory every case is measured with. A kernel with AXI4 masters is measured with
them; a kernel with streams alone gets what memory would give one port: consecutive beats, one a
cycle, the first after ``MEMORY.latency`` cycles (``Bench.run(..., delay=...)``). Cycle 0 is the
first one after reset; the last output beat's cycle counts.
"""

from recfabric.bench._case import MEMORY as MEMORY
from recfabric.bench._case import SEED as SEED
from recfabric.bench._case import Case as Case
from recfabric.bench._case import Measure as Measure
from recfabric.bench._case import Row as Row
from recfabric.bench._case import little as little
