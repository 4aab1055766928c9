"""An app may bind each request to a URL map of its own, as applications of many tenants do."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest
from werkzeug.routing import Map, MapAdapter, Rule

from asyncflask import App
from asyncflask.pipeline import hooks


class Tenants(App):
    def __init__(self, import_name: str) -> None:
        super().__init__(import_name)
        self.endpoints = cycle("abc")

    def create_url_adapter(self, request: Any) -> MapAdapter | None:
        return Map([Rule("/", endpoint=next(self.endpoints))]).bind("localhost")


@pytest.fixture
def app() -> App:
    app = Tenants(__name__)
    for name in "abc":
        app.view_functions[name] = lambda name=name: name
    return app


def test_each_request_gets_the_view_of_its_own_rule(app: App) -> None:
    client = app.test_client()
    assert "".join(client.get("/").text for _ in range(60)) == "abc" * 20


def test_rules_that_are_gone_are_not_kept_for_ever(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "MOST_PLANS", 10)
    client = app.test_client()
    assert "".join(client.get("/").text for _ in range(60)) == "abc" * 20
    assert len(app.stages.plans) <= 10
