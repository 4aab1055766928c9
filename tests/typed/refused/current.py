"""Mistakes with the request, the session, contexts, signatures of decorated functions, and the test client."""

from __future__ import annotations

import asyncflask
from asyncflask import App, copy_current_request_context, current_app, flash, redirect, request, session, url_for

app = App(__name__, threads=4)  # error


class OwnApp(App):
    response_class = str  # error


@app.get("/<int:id>")
def view(id: int) -> str:
    request.form["number"].is_number()  # error
    request.path.decode()  # error
    request.no_such_attribute  # error # noqa: B018
    request.method()  # error
    session[1] = "one"  # error
    session.permanent = "yes"  # error
    flash(1)  # error
    redirect(302)  # error
    current_app.no_such_attribute  # error # noqa: B018
    return url_for(view)  # error


@copy_current_request_context
def elsewhere(number: int) -> str:
    return str(number)


@app.template_filter()
def shout(text: str) -> str:
    return text.upper()


view("1")  # error
elsewhere("1")  # error
shout(1)  # error
number: int = shout("text")  # error
app.config.get(1)  # error
app.test_client().fetch("/")  # error
app.run(port="8000")  # error
with app.app_context() as ctx:
    ctx.app = "app"  # error
asyncflask.no_such_name()  # error
