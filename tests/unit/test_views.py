"""Class-based views: what function a class becomes, and what that calls."""

from __future__ import annotations

import asyncio
from functools import wraps
from inspect import iscoroutinefunction
from types import SimpleNamespace

import pytest

from asyncflask.globals import _cv_app
from asyncflask.views import MethodView, View, http_method_funcs


class FakeApp:
    """Runs coroutine functions to their end, as an application does for a thread, and says which."""

    def __init__(self):
        self.bridged = []

    def ensure_sync(self, function):
        if not iscoroutinefunction(function):
            return function

        def bridged(*args, **kwargs):
            self.bridged.append(function.__name__)
            return asyncio.run(function(*args, **kwargs))

        return bridged


@pytest.fixture
def ctx():
    ctx = SimpleNamespace(app=FakeApp(), request=SimpleNamespace(method="GET"))
    token = _cv_app.set(ctx)
    yield ctx
    _cv_app.reset(token)


def run(view, **kwargs):
    return asyncio.run(view(**kwargs)) if iscoroutinefunction(view) else view(**kwargs)


class Sync(View):
    """Answers at once."""

    def dispatch_request(self, name="nobody"):
        return f"sync {name}"


class Async(View):
    async def dispatch_request(self, name="nobody"):
        await asyncio.sleep(0)
        return f"async {name}"


def shout(view):
    """A decorator as Flask applications have them: it calls the view and uses what comes back."""

    @wraps(view)
    def louder(**kwargs):
        return view(**kwargs).upper()

    return louder


def shout_async(view):
    @wraps(view)
    async def louder(**kwargs):
        return (await view(**kwargs)).upper()

    return louder


# View


def test_the_function_describes_its_class():
    class Described(Sync):
        """What it is for."""

        methods = ("PUT",)
        provide_automatic_options = False

    for cls in (Described, type("AsyncDescribed", (Async,), {"methods": ("PUT",), "provide_automatic_options": False})):
        view = cls.as_view("shown")
        assert (view.__name__, view.__module__, view.__doc__) == ("shown", cls.__module__, cls.__doc__)
        assert view.view_class is cls and view.methods == ("PUT",) and view.provide_automatic_options is False


def test_a_view_says_nothing_by_default():
    view = View.as_view("view")
    assert view.methods is None and view.provide_automatic_options is None
    assert View.decorators == [] and View.init_every_request is True
    with pytest.raises(NotImplementedError):
        View().dispatch_request()


@pytest.mark.parametrize(("cls", "answer"), [(Sync, "sync you"), (Async, "async you")])
def test_a_view_has_the_colour_of_its_handler(ctx, cls, answer):
    view = cls.as_view("view")
    assert iscoroutinefunction(view) is (cls is Async)
    assert run(view, name="you") == answer
    assert ctx.app.bridged == []


@pytest.mark.parametrize("base", [Sync, Async])
@pytest.mark.parametrize(("each", "made"), [(True, 2), (False, 1)])
def test_instances(ctx, base, each, made):
    class Counted(base):
        init_every_request = each
        instances = []  # noqa: RUF012

        def __init__(self, *args, **kwargs):
            self.instances.append((args, kwargs))

    view = Counted.as_view("view", 1, key=2)
    run(view)
    run(view)
    assert Counted.instances == [((1,), {"key": 2})] * made


@pytest.mark.parametrize("base", [Sync, Async])
@pytest.mark.parametrize("other", [Sync, Async])
def test_another_class_may_be_put_in_place(ctx, base, other):
    view = base.as_view("view")
    view.view_class = type("Other", (other,), {})
    assert run(view) == ("sync nobody" if other is Sync else "async nobody")


def test_a_decorator_gets_a_def_function_whatever_the_handlers_are(ctx):
    for base in (Sync, Async):
        seen = []

        def note(view, seen=seen):
            seen.append((iscoroutinefunction(view), view.__name__, view.__module__))
            return view

        view = type("Decorated", (base,), {"decorators": [note, shout], "__module__": "somewhere"}).as_view("view")
        assert seen == [(False, "view", "somewhere")]
        assert not iscoroutinefunction(view) and view.__name__ == "view"
        assert run(view) == ("SYNC NOBODY" if base is Sync else "ASYNC NOBODY")
    assert ctx.app.bridged == ["dispatch_request"]


def test_decorators_are_applied_from_the_first_outwards(ctx):
    def add(letter):
        return lambda view: wraps(view)(lambda **kwargs: view(**kwargs) + letter)

    assert type("Both", (Sync,), {"decorators": [add("1"), add("2")]}).as_view("v")() == "sync nobody12"


def test_a_decorator_that_awaits_gets_a_coroutine_function(ctx):
    view = type("Awaiting", (Async,), {"decorators": [shout_async]}).as_view("view")
    assert iscoroutinefunction(view) and run(view) == "ASYNC NOBODY"
    assert ctx.app.bridged == []


# MethodView


def sync_method(self, **kwargs):
    return "sync"


async def async_method(self, **kwargs):
    await asyncio.sleep(0)
    return "async"


def method_view(**methods):
    return type("Made", (MethodView,), methods)


@pytest.mark.parametrize("method", sorted(http_method_funcs))
@pytest.mark.parametrize("handler", [sync_method, async_method])
def test_each_method_has_its_handler(ctx, method, handler):
    cls = method_view(**{method: handler})
    assert cls.methods == {method.upper()}
    ctx.request.method = method.upper()
    assert run(cls.as_view("view")) == handler.__name__.partition("_")[0]


def test_methods_are_inherited_unless_the_class_sets_them():
    getting, posting = method_view(get=sync_method), method_view(post=sync_method)
    assert type("Both", (getting, posting), {}).methods == {"GET", "POST"}
    assert type("Less", (getting, posting), {"methods": ["GET"]}).methods == ["GET"]
    more = type("More", (method_view(methods=["PROPFIND"]),), {"get": sync_method})
    assert more.methods == {"GET", "PROPFIND"}
    assert method_view().methods is None and MethodView.methods is None


def test_head_falls_back_to_get(ctx):
    ctx.request.method = "HEAD"
    assert run(method_view(get=async_method).as_view("view")) == "async"
    assert run(method_view(get=async_method, head=sync_method).as_view("view")) == "sync"


def test_a_method_without_a_handler(ctx):
    ctx.request.method = "PUT"
    for handler in (sync_method, async_method):
        with pytest.raises(AssertionError, match=r"^Unimplemented method 'PUT'$"):
            run(method_view(get=handler).as_view("view"))


@pytest.mark.parametrize(
    ("handlers", "asynchronous"),
    [
        ({}, False),
        ({"get": sync_method}, False),
        ({"get": async_method}, True),
        ({"get": async_method, "post": async_method}, True),
        ({"get": async_method, "post": sync_method}, False),
        ({"methods": ["GET", "PROPFIND"], "get": async_method, "propfind": sync_method}, False),
        ({"methods": ["PROPFIND"], "propfind": async_method}, True),
        ({"get": async_method, "dispatch_request": sync_method}, False),
        ({"get": sync_method, "dispatch_request": async_method}, True),
    ],
)
def test_a_coroutine_function_only_if_all_that_may_be_called_is_async(handlers, asynchronous):
    assert iscoroutinefunction(method_view(**handlers).as_view("view")) is asynchronous


def test_async_methods_of_a_mixed_class_are_waited_for_in_the_thread(ctx):
    view = method_view(get=async_method, post=sync_method).as_view("view")
    assert view() == "async" and ctx.app.bridged == ["async_method"]
    ctx.request.method = "POST"
    assert view() == "sync"


def test_an_overridden_dispatch_may_call_the_inherited_one(ctx):
    class Plain(MethodView):
        get = async_method

        def dispatch_request(self, **kwargs):
            return super().dispatch_request(**kwargs) + "!"

    class Awaiting(MethodView):
        get = async_method

        async def dispatch_request(self, **kwargs):
            return await super().dispatch_request(**kwargs) + "!"

    class Passing(MethodView):
        get = async_method

        async def dispatch_request(self, **kwargs):
            return super().dispatch_request(**kwargs)

    answers = [run(cls.as_view("view")) for cls in (Plain, Awaiting, Passing)]
    assert answers == ["async!", "async!", "async"]


def test_values_of_the_url_reach_the_handler(ctx):
    def get(self, a, b=None):
        return a, b

    assert method_view(get=get).as_view("view")(a=1, b=2) == (1, 2)
