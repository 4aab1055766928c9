"""The messages of one exchange: request, response and their bodies. They know no globals."""

from .request import Request as Request
from .response import Response as Response
from .websocket import Websocket as Websocket
