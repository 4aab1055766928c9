"""Views that are classes: of both colours, with and without values of the URL."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from asyncflask import App, jsonify, render_template
from asyncflask.typing import ResponseReturnValue, RouteCallable
from asyncflask.views import MethodView, View
from asyncflask.wrappers import Response

app = App(__name__)


def logged(view: Callable[..., t.Any]) -> Callable[..., t.Any]:
    return view


class Page(View):
    methods = ("GET", "POST")
    decorators = [logged]  # noqa: RUF012
    init_every_request = False

    def __init__(self, template_name: str) -> None:
        self.template_name = template_name

    def dispatch_request(self) -> str:
        return render_template(self.template_name)


class Item(View):
    def dispatch_request(self, id: int) -> tuple[dict[str, int], int]:
        return {"id": id}, 200


class AsyncItem(View):
    async def dispatch_request(self, id: int, name: str = "") -> Response:
        return jsonify(id=id, name=name)


class Anything(View):
    def dispatch_request(self, **values: t.Any) -> ResponseReturnValue:
        return values


class Items(MethodView):
    def get(self, id: int) -> dict[str, int]:
        return {"id": id}

    async def post(self) -> tuple[str, int]:
        return "made", 201

    async def delete(self, id: int) -> str:
        return str(id)


class Checked(MethodView):
    def dispatch_request(self, **values: t.Any) -> ResponseReturnValue:
        values.pop("language", None)
        return super().dispatch_request(**values)


class CheckedAsync(MethodView):
    async def dispatch_request(self, **values: t.Any) -> str:
        return "text"


app.add_url_rule("/page", view_func=Page.as_view("page", template_name="page.html"))
app.add_url_rule("/item/<int:id>", view_func=Item.as_view("item"))
app.add_url_rule("/async/<int:id>", view_func=AsyncItem.as_view("async"))
app.add_url_rule("/items/", view_func=Items.as_view("items"), methods=["POST"])
view: RouteCallable = Items.as_view("items")
