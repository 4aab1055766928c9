"""A host that no URL can be built for is the client's mistake where a URL is to be built."""

from __future__ import annotations

import pytest

from asyncflask import App, url_for


@pytest.mark.parametrize("host", ["..", "ex:99999", "a" * 64 + ".b"])
def test_a_url_for_a_host_that_is_no_name_is_refused_with_400(host: str) -> None:
    app = App(__name__)
    app.add_url_rule("/", endpoint="index", view_func=lambda: url_for("index", _external=True))
    response = app.test_client().get("/", headers={"Host": host})
    assert response.status_code == 400
