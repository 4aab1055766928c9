"""Werkzeug's interactive debugger in front of an ASGI application.

In the order an error passes them: ``application`` (`DebuggedApplication`, the middleware), ``frames`` (what is kept of
an error), ``tools`` (the requests that its page makes), ``guard`` (who may make them), ``console`` (code in a frame).
"""

from __future__ import annotations

from .application import DebuggedApplication

__all__ = ["DebuggedApplication"]
