"""EnvironBuilder: where URLs come from, and whose JSON it writes."""

from __future__ import annotations

from contextlib import closing

import pytest

from asyncflask.testing import EnvironBuilder


@pytest.mark.parametrize(
    ("config", "args", "url"),
    [
        ({}, {}, "http://localhost/"),
        ({}, {"path": "/a?b=c"}, "http://localhost/a?b=c"),
        ({"SERVER_NAME": "example.com:81"}, {"path": "/a"}, "http://example.com:81/a"),
        ({"SERVER_NAME": "example.com"}, {"subdomain": "sub"}, "http://sub.example.com/"),
        ({}, {"subdomain": "sub"}, "http://sub.localhost/"),
        ({"APPLICATION_ROOT": "/root"}, {"path": "/a"}, "http://localhost/root/a"),
        ({"PREFERRED_URL_SCHEME": "https"}, {}, "https://localhost/"),
        ({}, {"url_scheme": "https"}, "https://localhost/"),
        ({"SERVER_NAME": "example.com"}, {"path": "https://other.org/a?b=c"}, "https://other.org/a?b=c"),
        ({"SERVER_NAME": "example.com"}, {"base_url": "http://given/x", "path": "/a"}, "http://given/x/a"),
    ],
)
def test_the_url(app, config, args, url):
    app.config.update(config)
    with closing(EnvironBuilder(app, **args)) as builder:
        assert builder.get_request().url == url


@pytest.mark.parametrize("more", [{"subdomain": "sub"}, {"url_scheme": "https"}])
def test_a_base_url_stands_alone(app, more):
    with pytest.raises(AssertionError, match='Cannot pass "subdomain" or "url_scheme" with "base_url"'):
        EnvironBuilder(app, base_url="http://given/", **more)


def test_json_is_written_by_the_provider_of_the_app(app):
    app.json.ensure_ascii = False
    with closing(EnvironBuilder(app, json="\u20ac")) as builder:
        assert builder.input_stream.read() == '"\u20ac"'.encode()
        assert builder.content_type == "application/json"
