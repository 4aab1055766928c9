"""The switch that turns short ways off, so that they can be shown to give what the long ways give.

With the environment variable ``ASYNCFLASK_PLAIN`` set to anything but 0 when asyncflask is imported,

- routing asks Werkzeug's adapter for every request, and for the methods that a URL allows (`pipeline.match`),
- responses are made in full when they are made (`wrappers.response`), those to HTTP exceptions by the exception
  (`pipeline.of_error`), redirects by Werkzeug (`wrappers.redirect`),
- each sync hook around an async view takes a hop of its own to a thread (`pipeline.hooks`),
- bodies are put together of pieces, also those that came as one (`asgi.http`),
- query strings, cookies, content types and Accept headers are parsed, and URLs put together, by Werkzeug each time
  (`wrappers.request_head`), and so are forms (`wrappers.request`),
- every host is looked at, and `Map.bind` asked, for each URL adapter (`pipeline.bind`), which is made of a request,
- every multipart form goes through Werkzeug's decoder (`wrappers.whole_form`),
- templates are rendered with nothing but what Jinja has (`rendering`),
- JSON is read and written by ``json.loads`` and ``json.dumps`` (`json.provider`),
- cookies are signed by itsdangerous' own serializer, made as it is (`signing`), and every tag is tried (`json.tag`),
- sessions are opened before the first hook and saved after the last, however their cookies look, and nothing is known
  of them ahead of requests (`sessions`).

Answers stay the same: the parity tests pass either way.
"""

from __future__ import annotations

import os


def is_plain() -> bool:
    """Return whether short ways are to be left alone."""
    return os.environ.get("ASYNCFLASK_PLAIN", "0") not in {"", "0"}
