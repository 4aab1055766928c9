"""An application without anything that serves."""

from __future__ import annotations

import pytest
from werkzeug.wrappers import Response

from asyncflask.sansio.app import App
from asyncflask.templating import Environment


class PlainApp(App):
    """The registry with just enough configuration."""

    response_class = Response
    default_config = {  # noqa: RUF012
        "TESTING": False,
        "SECRET_KEY": None,
        "PERMANENT_SESSION_LIFETIME": 60,
        "PROVIDE_AUTOMATIC_OPTIONS": True,
        "TEMPLATES_AUTO_RELOAD": None,
        "TRAP_BAD_REQUEST_ERRORS": None,
        "TRAP_HTTP_EXCEPTIONS": False,
    }

    def create_jinja_environment(self):
        return Environment(self, **self.jinja_options)


@pytest.fixture
def app_class():
    return PlainApp


@pytest.fixture
def app(tmp_path):
    return PlainApp("plain", root_path=str(tmp_path))
