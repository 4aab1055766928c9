"""Views that are classes, with `def` and `async def` methods."""

from __future__ import annotations

import asyncio
import threading
from functools import wraps

import pytest

from asyncflask import request
from asyncflask.views import MethodView, View


def add_both(app, cls, rule="/", **options):
    """Let the class answer at /def as it is, and at /async with its handlers made `async def`."""

    def coroutine(function):
        @wraps(function)
        async def handler(self, **values):
            await asyncio.sleep(0)
            return function(self, **values)

        return handler

    names = {"dispatch_request"} if "dispatch_request" in vars(cls) else set(vars(cls)) & {"get", "post", "put"}
    other = type(cls.__name__, (cls,), {name: coroutine(vars(cls)[name]) for name in names})
    app.add_url_rule(f"/def{rule}", view_func=cls.as_view("def", **options))
    app.add_url_rule(f"/async{rule}", view_func=other.as_view("async", **options))


@pytest.fixture(params=["/def", "/async"])
def path(request):
    return request.param


def test_a_class_answers(app, asked, path):
    class Page(View):
        methods = ("GET", "POST")

        def __init__(self, title):
            self.title = title

        def dispatch_request(self, name):
            return f"{self.title} {name} {request.method}"

    add_both(app, Page, "/<name>", title="Title")
    assert asked(f"{path}/x").text == "Title x GET"
    assert asked(f"{path}/x", "POST").text == "Title x POST"
    assert asked(f"{path}/x", "PUT").status == 405
    assert app.view_functions["def"].view_class is Page
    assert app.view_functions["def"].__name__ == "def"


@pytest.mark.parametrize("each", [True, False])
def test_an_instance_for_each_request_or_one_for_all(app, asked, path, each):
    class Counter(View):
        init_every_request = each

        def __init__(self):
            self.count = 0

        def dispatch_request(self):
            self.count += 1
            return str(self.count)

    add_both(app, Counter)
    assert [asked(f"{path}/").text for _ in range(3)] == (["1", "1", "1"] if each else ["1", "2", "3"])


def test_decorators_the_last_one_outermost(app, asked, path):
    def around(name):
        def decorate(function):
            @wraps(function)
            def call(*args, **kwargs):
                return f"{name}({app.ensure_sync(function)(*args, **kwargs)})"

            return call

        return decorate

    class Page(View):
        decorators = (around("inner"), around("outer"))

        def dispatch_request(self):
            return "text"

    add_both(app, Page)
    assert asked(f"{path}/").text == "outer(inner(text))"


@pytest.mark.parametrize(("automatic", "status"), [(None, 200), (False, 405)])
def test_automatic_options(app, asked, path, automatic, status):
    class Page(View):
        provide_automatic_options = automatic

        def dispatch_request(self):
            return ""

    add_both(app, Page)
    assert asked(f"{path}/", "OPTIONS").status == status


def test_a_method_for_each_method(app, asked, path):
    class Items(MethodView):
        def get(self, n=None):
            return f"get {n}"

        def post(self, n=None):
            return f"post {n}", 201

    add_both(app, Items, "/<int:n>")
    assert asked(f"{path}/1").text == "get 1"
    got = asked(f"{path}/2", "POST")
    assert (got.status, got.text) == (201, "post 2")
    head = asked(f"{path}/3", "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "5")
    assert asked(f"{path}/1", "DELETE").status == 405
    assert set(asked(f"{path}/1", "OPTIONS").headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_methods_are_inherited_and_a_head_of_its_own_is_used(app, asked):
    class Base(MethodView):
        def get(self):
            return "get"

    class Posting:
        def post(self):
            return "post"

    class Page(Posting, Base):
        def head(self):
            return "", {"X-Head": "own"}

    app.add_url_rule("/", view_func=Page.as_view("page"))
    assert [asked("/", method).text for method in ("GET", "POST")] == ["get", "post"]
    assert asked("/", "HEAD").headers["X-Head"] == "own"


def test_sync_and_async_methods_in_one_class(app, asked):
    threads = {}

    class Page(MethodView):
        def get(self):
            threads["get"] = threading.get_ident()
            return f"get {request.method}"

        async def post(self):
            await asyncio.sleep(0)
            threads["post"] = threading.get_ident()
            return f"post {request.form['a']}"

    app.add_url_rule("/", view_func=Page.as_view("page"))
    assert asked("/").text == "get GET"
    assert asked("/", "HEAD").status == 200
    assert asked("/", "POST", data={"a": "1"}).text == "post 1"
    if asked.way == "asgi":
        here = threading.get_ident()
        assert (threads["get"] == here, threads["post"] == here) == (False, True)
