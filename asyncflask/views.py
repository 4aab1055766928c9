"""Class-based views: a class becomes a view function.

A class whose handlers are all `async def` becomes a coroutine function, which runs on the event loop. Any other becomes
a `def` function, which runs in a thread and there waits for those of its handlers that are `async def`.
"""

from __future__ import annotations

import asyncio
import typing as t
from collections.abc import Awaitable, Callable, Collection
from inspect import isawaitable, iscoroutinefunction

from .globals import current_app, request, websocket
from .wrappers.websocket import State

if t.TYPE_CHECKING:
    from . import typing as ft

http_method_funcs: frozenset[str] = frozenset({"delete", "get", "head", "options", "patch", "post", "put", "trace"})


class View:
    """Base of a view that is a class: override `dispatch_request`, register `as_view(name)`.

    Source: Flask docs, "Class-based Views".
    """

    #: The methods it is registered for; None: as `add_url_rule` does.
    methods: t.ClassVar[Collection[str] | None] = None
    #: Whether OPTIONS is answered for it; None: as `add_url_rule` does.
    provide_automatic_options: t.ClassVar[bool | None] = None
    #: Put around the view function, the first one innermost.
    decorators: t.ClassVar[list[Callable[..., t.Any]]] = []
    #: Whether each request gets an instance of its own. False is faster; `self` is then shared by all requests.
    init_every_request: t.ClassVar[bool] = True

    if t.TYPE_CHECKING:  # a subclass may name the values it takes, and be of either colour

        def dispatch_request(
            self, *args: t.Any, **kwargs: t.Any
        ) -> ft.ResponseReturnValue | Awaitable[ft.ResponseReturnValue]:
            """Answer the request, with the values of the URL as keyword arguments. May be `async def`."""
            ...

    else:

        def dispatch_request(self):
            """Answer the request, with the values of the URL as keyword arguments. May be `async def`."""
            raise NotImplementedError

    @classmethod
    def _is_async(cls) -> bool:
        """Say whether everything that may be called for a request is `async def`."""
        return iscoroutinefunction(cls.dispatch_request)

    @classmethod
    def as_view(cls, name: str, *class_args: t.Any, **class_kwargs: t.Any) -> ft.RouteCallable:
        """Return a view function that has an instance of the class answer.

        Args:
            name: the function's name, so the endpoint's by default.
            class_args: positional arguments of the class.
            class_kwargs: its keyword arguments.

        Returns:
            The function, in the class's decorators. Its attribute `view_class` may be set to another class.

            Decorators get a `def` function, as they would in Flask, whatever colour the handlers have. Only where all
            handlers are `async def` and the first decorator makes coroutine functions does it get a coroutine function.
        """
        shared = None if cls.init_every_request else cls(*class_args, **class_kwargs)

        def instance() -> t.Any:
            # by the attribute, so that a class put there later is used
            return view.view_class(*class_args, **class_kwargs) if shared is None else shared

        def in_thread(**kwargs: t.Any) -> t.Any:
            return current_app.ensure_sync(instance().dispatch_request)(**kwargs)

        async def on_loop(**kwargs: t.Any) -> t.Any:
            answer = instance().dispatch_request(**kwargs)
            while isawaitable(answer):
                answer = await answer
            return answer

        for function in (in_thread, on_loop):
            function.__name__ = name
            function.__module__ = cls.__module__
        view = _decorated(cls.decorators, in_thread, on_loop if cls._is_async() else None)
        view.__name__ = name
        view.__module__ = cls.__module__
        view.__doc__ = cls.__doc__
        view.view_class = cls
        view.provide_automatic_options = cls.provide_automatic_options
        view.methods = cls.methods
        return t.cast("ft.RouteCallable", view)


def _decorated(decorators: list[Callable[..., t.Any]], plain: t.Any, native: t.Any | None) -> t.Any:
    """Put decorators around `plain`, or around `native` where there is none or the first makes coroutine functions."""
    if not decorators:
        return plain if native is None else native
    first, *others = decorators
    view = first(plain)
    if native is not None and iscoroutinefunction(view):
        view = first(native)
    for decorator in others:
        view = decorator(view)
    return view


class MethodView(View):
    """A view with a method for each request method: `get` for GET and, if there is no `head`, HEAD.

    `methods` is worked out from them, unless the class sets it.

    Source: Flask docs, "Class-based Views", "Method Dispatching and APIs".
    """

    def __init_subclass__(cls, **kwargs: t.Any) -> None:
        super().__init_subclass__(**kwargs)
        if "methods" in vars(cls):
            return
        inherited = [getattr(base, "methods", None) or () for base in cls.__bases__]
        found = {name.upper() for name in http_method_funcs if hasattr(cls, name)}.union(*inherited)
        if found:
            cls.methods = found

    @classmethod
    def _is_async(cls) -> bool:
        if cls.dispatch_request is not MethodView.dispatch_request:
            return super()._is_async()
        names = http_method_funcs.union(method.lower() for method in cls.methods or ())
        handlers = [getattr(cls, name) for name in names if hasattr(cls, name)]
        return bool(handlers) and all(map(iscoroutinefunction, handlers))

    # Any of it: a subclass may make it `async def`; the rest: one that calls this may return what it gets.
    def dispatch_request(self, **kwargs: t.Any) -> ft.ResponseReturnValue | t.Any:
        """Call the method for the request's method; on an event loop an `async def` one's coroutine is returned."""
        method = request.method
        handler = getattr(self, method.lower(), None)
        if handler is None and method == "HEAD":
            handler = getattr(self, "get", None)
        if handler is None:
            raise AssertionError(f"Unimplemented method {method!r}")  # pytest would add to an `assert`
        if iscoroutinefunction(handler) and _on_a_loop():
            return handler(**kwargs)
        return current_app.ensure_sync(handler)(**kwargs)


class WebsocketListener(View):
    """A websocket handler that is a class: what each message is made into, and a method for it.

        class Moves(WebsocketListener):
            message = Point                      # a dataclass, a Pydantic model, or any function of a JSON value

            async def on_message(self, message):
                return {"moved": message.x}      # sent back, as JSON unless it is text or bytes

        app.add_websocket("/moves", view_func=Moves.as_view("moves"))

    Each websocket has an instance of its own. A message that `message` refuses, by ValueError or TypeError, closes the
    websocket with 1007.
    """

    #: Makes something of each message, as `Websocket.receive_as` has it; None: `on_message` gets text or bytes.
    message: t.ClassVar[Callable[..., t.Any] | None] = None

    async def on_connect(self, **values: t.Any) -> None:
        """Before the first message, with the values of the URL: refuse by ``abort``, or accept with headers."""

    async def on_message(self, message: t.Any) -> t.Any:
        """Handle one message; what is returned is sent back, unless it is None."""
        raise NotImplementedError

    async def on_disconnect(self) -> None:
        """After the last message, when `on_connect` came to its end. ``websocket.disconnect`` says how."""

    async def dispatch_request(self, **values: t.Any) -> t.Any:
        """Serve one websocket."""
        await self.on_connect(**values)
        kind = type(self).message
        if websocket.state is State.CONNECTING:
            await websocket.accept()
        try:
            while True:
                received = await (websocket.receive() if kind is None else websocket.receive_as(kind))
                answer = await self.on_message(received)
                if isinstance(answer, (str, bytes)):
                    await websocket.send(answer)
                elif answer is not None:
                    await websocket.send_json(answer)
        finally:
            await self.on_disconnect()


def _on_a_loop() -> bool:
    """Say whether this thread runs an event loop: nothing can be waited for here, only awaited."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
