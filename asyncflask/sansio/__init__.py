"""The registry of rules, hooks and handlers: no I/O, no request."""
