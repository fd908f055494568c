# SPDX-License-Identifier: Apache-2.0
"""What joins FINN's layers (``recfabric.hls.finn``) with simulation and boards."""
