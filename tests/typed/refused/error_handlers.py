"""Error handlers for what is no error, and handlers that take or return the wrong things."""

from __future__ import annotations

from werkzeug.exceptions import NotFound

from asyncflask import App, Blueprint

app = App(__name__)
blueprint = Blueprint("errors", __name__)


@app.errorhandler(404)  # error
def takes_number(error: int) -> str:
    return str(error)


@app.errorhandler(ValueError)  # error
async def takes_text(error: str) -> str:
    return error


@blueprint.errorhandler(ValueError)  # error
def takes_nothing() -> str:
    return "text"


@blueprint.app_errorhandler(404)  # error
def takes_two(error: Exception, more: int) -> str:
    return "text"


@app.errorhandler(404)  # error
def returns_nothing(error: NotFound) -> None: ...


@blueprint.app_errorhandler(NotFound)  # error
async def returns_number(error: NotFound) -> int:
    return 404


@app.errorhandler(500)  # error
def status_is_text(error: Exception) -> tuple[str, int, str]:
    return "text", 500, "text"


@app.errorhandler("404")  # error
def code_is_text(error: Exception) -> str:
    return "text"


@app.errorhandler(int)  # error
def class_is_no_error(error: Exception) -> str:
    return "text"


@app.errorhandler(NotFound())  # error
def instance(error: Exception) -> str:
    return "text"


def for_value_error(error: ValueError) -> str:
    return "text"


app.register_error_handler(ValueError, for_value_error)
app.register_error_handler(KeyError, for_value_error)  # error
app.register_error_handler(404, takes_number)  # error
app.register_error_handler(404, returns_number)  # error
app.register_error_handler("404", for_value_error)  # error
blueprint.register_error_handler(KeyError, for_value_error)  # error
