"""The moments an application announces, as blinker signals.

The sender is always the application. Receivers may be ``def`` or ``async def``. (Flask docs: Signals. The signals of
websockets, serving and background tasks have Quart's names.)
"""

from __future__ import annotations

import typing as t

from blinker import ANY, NamedSignal, Namespace

from .versions import Version, WatchedDict

R = t.TypeVar("R", bound=t.Callable[..., t.Any])

connections: Version = Version()
"""Bumped when a receiver is connected to one of these signals, or disconnected."""


class _Signal(NamedSignal):
    def __init__(self, name: str, doc: str | None = None) -> None:
        super().__init__(name, doc)
        self.receivers: dict[t.Any, t.Any] = WatchedDict(connections)

    def connect(self, receiver: R, sender: t.Any = ANY, weak: bool = True) -> R:
        connected = super().connect(receiver, sender, weak)
        connections.bump()  # once more: the receiver was stored before its sender
        return connected

    def disconnect(self, receiver: t.Callable[..., t.Any], sender: t.Any = ANY) -> None:
        super().disconnect(receiver, sender)
        connections.bump()  # of one sender, the receiver stays stored


class _Namespace(Namespace):
    # Ours alone; an extension makes a Namespace of its own.
    def signal(self, name: str, doc: str | None = None) -> NamedSignal:
        made: NamedSignal = self.setdefault(name, _Signal(name, doc))
        return made


_signals = _Namespace()

appcontext_pushed: NamedSignal = _signals.signal("appcontext-pushed")
"""An application context became current. Receivers get ``(app)``."""

appcontext_popped: NamedSignal = _signals.signal("appcontext-popped")
"""An application context is current no more. Receivers get ``(app)``."""

appcontext_tearing_down: NamedSignal = _signals.signal("appcontext-tearing-down")
"""An application context is being torn down. Receivers get ``(app, exc=error or None)``."""

request_started: NamedSignal = _signals.signal("request-started")
"""A request is about to be handled; its context is there. Receivers get ``(app)``."""

request_finished: NamedSignal = _signals.signal("request-finished")
"""A response is ready to be sent. Receivers get ``(app, response=response)``."""

request_tearing_down: NamedSignal = _signals.signal("request-tearing-down")
"""A request is being torn down. Receivers get ``(app, exc=error or None)``."""

got_request_exception: NamedSignal = _signals.signal("got-request-exception")
"""A request failed with an error nobody handled. Receivers get ``(app, exception=error)``."""

before_render_template: NamedSignal = _signals.signal("before-render-template")
"""A template is about to be rendered. Receivers get ``(app, template=template, context=dict)``."""

template_rendered: NamedSignal = _signals.signal("template-rendered")
"""A template was rendered. Receivers get ``(app, template=template, context=dict)``."""

message_flashed: NamedSignal = _signals.signal("message-flashed")
"""A message was flashed. Receivers get ``(app, message=text, category=text)``."""

websocket_started: NamedSignal = _signals.signal("websocket-started")
"""A websocket is about to be handled; its context is there. Receivers get ``(app)``."""

websocket_finished: NamedSignal = _signals.signal("websocket-finished")
"""A websocket handler has returned. Receivers get ``(app, response=response or None)``."""

websocket_tearing_down: NamedSignal = _signals.signal("websocket-tearing-down")
"""A websocket is being torn down. Receivers get ``(app, exc=error or None)``."""

got_websocket_exception: NamedSignal = _signals.signal("got-websocket-exception")
"""A websocket handler failed with an error nobody handled. Receivers get ``(app, exception=error)``."""

got_background_exception: NamedSignal = _signals.signal("got-background-exception")
"""A background task failed. Receivers get ``(app, exception=error)``."""

got_serving_exception: NamedSignal = _signals.signal("got-serving-exception")
"""A function run before, while or after serving failed. Receivers get ``(app, exception=error)``."""
