# SPDX-License-Identifier: Apache-2.0
"""From a contract to a board: boards, flows, reports of cells."""
