"""Hooks that take or return the wrong things."""

from __future__ import annotations

import typing as t

from asyncflask import App, Blueprint, Response, after_this_request

app = App(__name__)
blueprint = Blueprint("hooks", __name__)


@app.before_request  # error
def before_number() -> int:
    return 1


@blueprint.before_request  # error
async def before_number_async() -> bool:
    return True


@blueprint.before_app_request  # error
def before_takes(name: str) -> None: ...


@app.after_request  # error
def after_nothing(response: Response) -> None: ...


@blueprint.after_request  # error
async def after_nothing_async(response: Response) -> None: ...


@app.after_request  # error
def after_takes_nothing() -> Response:
    return Response()


@blueprint.after_app_request  # error
def after_text(response: Response) -> str:
    return "text"


@after_this_request  # error
def after_this_takes_two(response: Response, more: int) -> Response:
    return response


@app.teardown_request  # error
def teardown_takes_nothing() -> None: ...


@blueprint.teardown_request  # error
def teardown_number(error: int) -> None: ...


@app.teardown_appcontext  # error
async def teardown_always_an_error(error: BaseException) -> None: ...


@app.context_processor  # error
def names_list() -> list[str]:
    return ["one"]


@blueprint.app_context_processor  # error
async def names_number() -> int:
    return 1


@app.shell_context_processor  # error
def shell_nothing() -> None: ...


@app.template_test()  # error
def test_text(value: t.Any) -> str:
    return "yes"


@app.template_filter(1)  # error
def named_by_number(value: str) -> str:
    return value


@app.url_value_preprocessor  # error
def values_only(values: dict[str, t.Any]) -> None: ...


@app.url_value_preprocessor  # error
def always_values(endpoint: str, values: dict[str, t.Any]) -> None: ...


@blueprint.url_defaults  # error
def defaults_number(endpoint: int, values: dict[str, t.Any]) -> None: ...


app.before_request(before_number())  # error
app.add_template_filter("upper")  # error
app.before_request_funcs[None].append(before_number)  # error
app.teardown_request_funcs[None].append(teardown_number)  # error
