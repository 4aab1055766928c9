"""WSGI both ways: a WSGI callable served on ASGI in worker threads, and our own responses given to a WSGI server.

In the order a request passes them: ``adapter`` (`WSGIAdapter`), ``exchange`` (one request and the rules of PEP 3333),
``head`` (what ``start_response`` was given), ``bodies`` (both bodies between the worker and the loop). ``respond`` is
the other way round.
"""

from __future__ import annotations

from .adapter import WSGIAdapter
from .respond import respond

__all__ = ["WSGIAdapter", "respond"]
