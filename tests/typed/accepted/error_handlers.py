"""Error handlers by code and by class, on an application and on a blueprint, of both colours."""

from __future__ import annotations

import typing as t
from http import HTTPStatus

from werkzeug.exceptions import BadRequest, HTTPException, NotFound

from asyncflask import App, Blueprint, Response, make_response
from asyncflask.typing import ErrorHandlerCallable, ResponseReturnValue

app = App(__name__)
blueprint = Blueprint("errors", __name__)


class OutOfStock(Exception):
    item = ""


@app.errorhandler(404)
@app.errorhandler(HTTPStatus.GONE)
def missing(error: HTTPException) -> tuple[str, int]:
    return "missing", 404


@app.errorhandler(400)
@app.errorhandler(HTTPStatus.BAD_REQUEST)
@app.errorhandler(BadRequest)
def bad(error: BadRequest) -> str:
    return error.name


@app.errorhandler(ValueError)
def value_error(error: ValueError) -> dict[str, str]:
    return {"error": str(error)}


@app.errorhandler(OutOfStock)
@blueprint.errorhandler(OutOfStock)
@blueprint.app_errorhandler(OutOfStock)
async def out_of_stock(error: OutOfStock) -> tuple[dict[str, str], int]:
    return {"item": error.item}, 409


@app.errorhandler(ValueError)
@app.errorhandler(KeyError)
@blueprint.app_errorhandler(500)
def any_error(error: Exception) -> Response:
    return make_response(str(error), 500)


@app.errorhandler(BadRequest)
@app.errorhandler(NotFound)
@app.errorhandler(404)
def one_of_two(error: BadRequest | NotFound) -> str:
    return error.name


@app.errorhandler(Exception)
async def everything(error: BaseException) -> ResponseReturnValue:
    return str(error), 500


@app.errorhandler(Exception)
def maybe(error: Exception | None = None) -> str:
    return str(error)


@app.errorhandler(Exception)
def by_object(error: object) -> str:
    return str(error)


@app.errorhandler(KeyError)
def by_any(error: t.Any) -> t.Any:
    return str(error)


@app.errorhandler(404)
def unannotated(error):  # type: ignore[no-untyped-def]
    return "missing"


@app.errorhandler(HTTPException)
def http_errors_as_they_are(error: HTTPException) -> HTTPException:
    return error


class Page:
    def __call__(self, error: HTTPException) -> str:
        return error.name


kinds: list[type[Exception] | int] = [404, OutOfStock]
for kind in kinds:
    app.register_error_handler(kind, any_error)
app.register_error_handler(404, missing)
app.register_error_handler(OutOfStock, out_of_stock)
app.register_error_handler(OutOfStock, any_error)
app.register_error_handler(NotFound, Page())
app.register_error_handler(NotFound, lambda error: error.name)
blueprint.register_error_handler(404, one_of_two)
blueprint.register_error_handler(500, maybe)
blueprint.register_error_handler(500, by_object)
blueprint.register_error_handler(KeyError, by_object)
blueprint.register_error_handler(500, everything)

handlers: list[ErrorHandlerCallable] = [missing, bad, out_of_stock]
for handler in handlers:
    app.register_error_handler(404, handler)

# A decorator leaves a handler its types.
t.assert_type(missing(NotFound()), tuple[str, int])
t.assert_type(bad(BadRequest()), str)
t.assert_type(any_error(error=KeyError()), Response)
t.assert_type(one_of_two(NotFound()), str)
t.assert_type(maybe(), str)


async def types_of_coroutine_functions_stay() -> None:
    t.assert_type(await out_of_stock(OutOfStock()), tuple[dict[str, str], int])
