"""Whether an answer has a body goes by the method that the client sent, not by one that a hook has assigned."""

from __future__ import annotations

import pytest

from asyncflask import request


@pytest.mark.parametrize("hooked", [False, True], ids=["plainly", "with a response"])
@pytest.mark.parametrize(("sent", "assigned", "body"), [("GET", "HEAD", "text"), ("HEAD", "GET", "")])
async def test_an_assigned_method_does_not_change_what_the_client_gets(app, hooked, sent, assigned, body):
    @app.get("/")
    async def view():
        request.method = assigned
        return "text"

    if hooked:
        app.after_request(lambda response: response)
    async with app.async_test_client() as client:
        answer = await client.request(sent, "/")
    assert (answer.text, answer.headers["Content-Length"]) == (body, "4")
