# SPDX-License-Identifier: Apache-2.0
"""The host: devices behind one protocol, and the recommender that uses them."""
