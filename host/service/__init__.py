# SPDX-License-Identifier: Apache-2.0
"""The HTTP service; needs the extra ``serve`` (FastAPI, uvicorn, prometheus-client)."""
