"""What can go wrong between who publishes and who subscribes."""

from __future__ import annotations

from werkzeug.exceptions import ServiceUnavailable


class PubSubUnavailable(ServiceUnavailable):
    """What carries the messages cannot be reached: a request is answered 503, a websocket closed with 1013."""

    close_code = 1013


class SlowConsumer(ServiceUnavailable):
    """A subscriber took its messages so slowly that its queue is full; its websocket is closed with 1013."""

    close_code = 1013
