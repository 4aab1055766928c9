"""The ASGI side: scopes and messages in and out, one module a scope type.

Nothing here knows the pipeline: the app is asked to begin an exchange and to run it, and its answer is sent.
(ASGI specification 3.0, https://asgi.readthedocs.io/en/stable/specs/.)
"""
