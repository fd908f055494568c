# SPDX-License-Identifier: Apache-2.0
"""uvicorn's fast HTTP/1.1 protocol, with the limit on a request's head that its parser lacks."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from recfabric.host.service.guard import MAX_HEAD


class BoundedHttp(HttpToolsProtocol):
    """Ends a connection by a 400 once a head that is still coming is longer than ``MAX_HEAD``."""

    _head: int | None = 0  # bytes of the head that is coming; None after it

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head = 0

    def on_headers_complete(self) -> None:
        """The head is there."""
        super().on_headers_complete()
        self._head = None

    def data_received(self, data: bytes) -> None:
        """Parse, and count what belongs to no whole head."""
        coming = self._head is not None
        super().data_received(data)
        if not coming or self._head is None or self.transport.is_closing():
            return
        self._head += len(data)
        if self._head > MAX_HEAD:
            self.send_400_response("The request's head is too large.")
