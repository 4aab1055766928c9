"""Every hook of an application and of a blueprint, of both colours."""

from __future__ import annotations

import typing as t

from werkzeug.sansio.response import Response as SansioResponse
from werkzeug.wrappers import Response as WerkzeugResponse

from asyncflask import App, Blueprint, Response, after_this_request, copy_current_request_context, make_response
from asyncflask.typing import (
    AfterRequestCallable,
    BeforeRequestCallable,
    ResponseReturnValue,
    TeardownCallable,
    TemplateContextProcessorCallable,
)

app = App(__name__)
blueprint = Blueprint("hooks", __name__)


class OwnResponse(Response):
    note = "own"


# -- before -----------------------------------------------------------------------------------------------------------


@app.before_request
@blueprint.before_request
@blueprint.before_app_request
def before() -> None: ...


@app.before_request
@blueprint.before_request
@blueprint.before_app_request
async def before_async() -> None: ...


@app.before_request
def before_answers() -> str | None:
    return None


@app.before_request
async def before_answers_async() -> tuple[str, int] | None:
    return "no", 403


@app.before_request
def before_by_alias() -> ResponseReturnValue | None:
    return make_response()


# -- after ------------------------------------------------------------------------------------------------------------


@app.after_request
@blueprint.after_request
@blueprint.after_app_request
def after(response: Response) -> Response:
    return response


@app.after_request
@blueprint.after_request
@blueprint.after_app_request
async def after_async(response: Response) -> Response:
    return response


@app.after_request
def after_own(response: OwnResponse) -> OwnResponse:
    return response


@app.after_request
def after_werkzeug(response: WerkzeugResponse) -> WerkzeugResponse:
    return response


@app.after_request
async def after_sansio(response: SansioResponse) -> SansioResponse:
    return response


@app.get("/")
def view() -> str:
    @after_this_request
    def once(response: Response) -> Response:
        return response

    @after_this_request
    async def once_async(response: Response) -> Response:
        return response

    @copy_current_request_context
    def elsewhere(number: int, text: str = "") -> list[str]:
        return [text] * number

    @copy_current_request_context
    async def elsewhere_async(number: int) -> float:
        return number / 2

    t.assert_type(elsewhere(1, text="text"), list[str])
    t.assert_type(once(make_response()), Response)
    return ""


# -- teardown ---------------------------------------------------------------------------------------------------------


@app.teardown_request
@app.teardown_appcontext
@blueprint.teardown_request
@blueprint.teardown_app_request
def teardown(error: BaseException | None) -> None: ...


@app.teardown_request
@app.teardown_appcontext
@blueprint.teardown_request
@blueprint.teardown_app_request
async def teardown_async(error: BaseException | None = None) -> None: ...


# -- templates --------------------------------------------------------------------------------------------------------


@app.context_processor
@blueprint.context_processor
@blueprint.app_context_processor
def names() -> dict[str, t.Any]:
    return {"one": 1}


@app.context_processor
async def names_async() -> dict[str, t.Any]:
    return {"two": 2}


@app.template_filter()
def shout(text: str) -> str:
    return text.upper()


@app.template_filter("whisper")
async def whisper(text: str, mark: str = ".") -> str:
    return text.lower() + mark


@app.template_test("odd_one")
def is_odd(number: int) -> bool:
    return number % 2 == 1


@app.template_global(name="twice")
def double(number: int) -> int:
    return 2 * number


@blueprint.app_template_filter("cut")
@blueprint.app_template_global()
def cut(text: str, length: int = 3) -> str:
    return text[:length]


@blueprint.app_template_test()
def short(text: str) -> bool:
    return len(text) < 3


app.add_template_filter(shout, "loud")
app.add_template_global(double)
app.add_template_test(short)
blueprint.add_app_template_filter(cut)


@app.shell_context_processor
def shell() -> dict[str, t.Any]:
    return {"app": app}


# -- URLs -------------------------------------------------------------------------------------------------------------


@app.url_value_preprocessor
@blueprint.url_value_preprocessor
@blueprint.app_url_value_preprocessor
def take_language(endpoint: str | None, values: dict[str, t.Any] | None) -> None:
    if values is not None:
        values.pop("language", None)


@app.url_defaults
@blueprint.url_defaults
@blueprint.app_url_defaults
def give_language(endpoint: str, values: dict[str, t.Any]) -> None:
    values.setdefault("language", "en")


# A hook may be kept under its alias, and registered from there.
befores: list[BeforeRequestCallable] = [before, before_async, before_answers]
afters: list[AfterRequestCallable[Response]] = [after, after_async]
teardowns: list[TeardownCallable] = [teardown, teardown_async]
processors: list[TemplateContextProcessorCallable] = [names, names_async]
for hook in befores:
    app.before_request(hook)
for after_hook in afters:
    app.after_request(after_hook)
for teardown_hook in teardowns:
    app.teardown_appcontext(teardown_hook)
app.before_request_funcs[None].append(before)
app.after_request_funcs.setdefault(None, []).append(after)

# A decorator leaves a function its signature.
t.assert_type(after(response=Response()), Response)
t.assert_type(after_own(OwnResponse()), OwnResponse)
t.assert_type(before_answers(), str | None)
t.assert_type(names(), dict[str, t.Any])
t.assert_type(shout(text="text"), str)
t.assert_type(is_odd(number=1), bool)
t.assert_type(double(2), int)
t.assert_type(cut("text", length=2), str)


async def signatures_of_coroutine_functions_stay() -> None:
    t.assert_type(await before_answers_async(), tuple[str, int] | None)
    t.assert_type(await after_async(response=Response()), Response)
    t.assert_type(await whisper("text", mark="!"), str)
    await teardown_async(error=None)
