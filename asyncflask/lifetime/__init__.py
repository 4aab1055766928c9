"""What lives longer than a view: the time of serving, resources, background work, and tasks beside a request.

hooks       the decorators of applications and blueprints
serving     one run of an application, from its start to its end
mounted     the lifespans of mounted applications
state       ``app.state``
resource    what is opened on first use and closed after the last byte, or at the end of serving
request     what a request keeps until its last byte: its resources and its tasks
jobs        background work, and the registry of it
periodic    background work that is done again and again
"""

from __future__ import annotations

from .hooks import BlueprintLifetimes, Lifetimes
from .jobs import Job, Jobs
from .request import start_task
from .resource import Resource
from .state import State

__all__ = ["BlueprintLifetimes", "Job", "Jobs", "Lifetimes", "Resource", "State", "start_task"]
