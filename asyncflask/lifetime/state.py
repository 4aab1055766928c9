"""``app.state``: what an application makes when it starts and its handlers use."""

from __future__ import annotations

import typing as t


class State:
    """A namespace of any attributes; for types, subclass it with annotations and set ``App.state_class``.

    Under a server that has the lifespan state of ASGI it is that: what is set here is in ``scope["state"]`` of every
    later request, and what a middleware puts there at the start is seen here. Set things while the application starts;
    each process has its own. (ASGI specification, Lifespan State.)
    """

    def __init__(self) -> None:
        object.__setattr__(self, "_values", {})

    def share(self, values: dict[str, t.Any]) -> None:
        """Keep everything in `values`, the server's dict, from now on; what is in there already stays."""
        held: dict[str, t.Any] = vars(self)["_values"]
        if values is not held:
            values |= held
            object.__setattr__(self, "_values", values)

    def copy(self) -> dict[str, t.Any]:
        """Return everything as a new dict."""
        return dict(vars(self)["_values"])

    def get(self, name: str, default: t.Any = None) -> t.Any:
        """Return the attribute `name`, or `default` if it is not set."""
        return vars(self)["_values"].get(name, default)

    def __getattr__(self, name: str) -> t.Any:
        if name.startswith("__"):  # asked of any object, by inspection
            raise AttributeError(name)
        try:
            return vars(self)["_values"][name]
        except KeyError:
            raise AttributeError(
                f"app.state has no {name!r}. What a 'before_serving' function sets is there once the application has"
                f" started: by its server, or in a test by a client that runs the lifespan.",
                name=name,
                obj=self,
            ) from None

    def __setattr__(self, name: str, value: t.Any) -> None:
        vars(self)["_values"][name] = value

    def __delattr__(self, name: str) -> None:
        getattr(self, name)
        del vars(self)["_values"][name]

    def __contains__(self, name: object) -> bool:
        return name in vars(self)["_values"]

    def __iter__(self) -> t.Iterator[str]:
        return iter(self.copy())

    def __len__(self) -> int:
        return len(vars(self)["_values"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {sorted(self)}>"
