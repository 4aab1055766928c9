"""WSGI both ways: a WSGI callable served on ASGI in worker threads, and our own responses given to a WSGI server.

In the order a request passes them: ``adapter`` (`WSGIAdapter`), ``exchange`` (one request and the rules of PEP 3333),
``head`` (what ``start_response`` was given), ``bodies`` (both bodies between the worker and the loop). The other way
round: ``ahead`` (the request body) and ``respond``.
"""

from __future__ import annotations

import typing as t

from ..lazy import late_names
from .ahead import read_ahead, read_on_demand
from .respond import respond

if t.TYPE_CHECKING:
    from .adapter import WSGIAdapter as WSGIAdapter

__all__ = ["WSGIAdapter", "read_ahead", "read_on_demand", "respond"]

# Few applications have WSGI inside; all can be served by WSGI servers.
if not t.TYPE_CHECKING:  # checkers would take any name for one of ours
    __getattr__ = late_names(__name__, {"WSGIAdapter": f"{__name__}.adapter"})
