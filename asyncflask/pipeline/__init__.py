"""One exchange, told in its order: match, hooks, respond, fail, run.

The stages are coroutines that suspend only where a callable really has to run somewhere else. Awaited by the ASGI side
or driven to their end in a worker thread, they are the same code.
"""
