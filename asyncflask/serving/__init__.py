"""Serving an application while it is developed, by uvicorn in this process, with the arguments of Werkzeug's server."""

from __future__ import annotations
