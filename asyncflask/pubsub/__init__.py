"""Publish and subscribe: a message said once, heard by everybody who listens to its channel.

Within one process it needs nothing; with the URL of a Redis the processes and machines that share that hear each other.

    rooms = PubSub("redis://localhost")

    @app.websocket("/rooms/<room>")
    async def chat(room):
        async with rooms.relay(websocket.send, room):
            async for text in websocket:
                await rooms.publish(room, text)
"""

from __future__ import annotations

from .channels import PubSub, Subscription
from .errors import PubSubUnavailable, SlowConsumer

__all__ = ["PubSub", "PubSubUnavailable", "SlowConsumer", "Subscription"]
