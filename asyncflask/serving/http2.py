"""HTTP/2 by uvicorn and zttp, with what uvicorn 0.54 leaves out: the end of a request that has no body."""

from __future__ import annotations

import typing as t

from uvicorn.protocols.http.auto_zttp_impl import AutoZttpProtocol
from uvicorn.protocols.http.zttp_h2_impl import ZttpH2Protocol


class HTTP2(ZttpH2Protocol):
    """One HTTP/2 connection.

    zttp tells of a request without a body by one event, whose `end_stream` uvicorn does not look at yet; an
    application that reads such a request would wait until the client leaves.
    """

    def handle_request(self, event: t.Any) -> None:
        """Begin a request, and end its body if it has none."""
        super().handle_request(event)
        cycle = self.cycles.get(event.stream_id)
        if cycle is not None and getattr(event, "end_stream", False):
            cycle.more_body = False
            cycle.message_event.set()


class HTTP1or2(AutoZttpProtocol):
    """A connection of either kind, as uvicorn finds out; HTTP/2 is ours."""

    def _switch(self, http2: bool, initial_data: bytes = b"") -> None:
        if not http2:
            super()._switch(http2, initial_data)
            return
        ours = HTTP2(self.config, self.server_state, self.app_state, self.loop)
        self.transport.set_protocol(ours)
        ours.connection_made(self.transport)
        if initial_data:
            ours.data_received(initial_data)
