"""Commands in an application context, sync and async, and the one loop of a run."""

from __future__ import annotations

import asyncio
import threading
from functools import wraps

import click
import pytest

from asyncflask import App, Blueprint, current_app, g
from asyncflask.cli import AppGroup, FlaskGroup, ScriptInfo, with_appcontext
from asyncflask.threads import current_bridge


@pytest.fixture
def app():
    return App("shop")


@pytest.fixture
def call(app, runner):
    """Invoke a command with `app` as the script's; give what it printed."""

    def call(command, *args, **kwargs):
        kwargs.setdefault("obj", ScriptInfo(create_app=lambda: app))
        result = runner.invoke(command, args, catch_exceptions=False, **kwargs)
        assert result.exit_code == 0, result.output
        return result.output.split()

    return call


def echo_name():
    click.echo(current_app.name)


async def echo_name_later():
    await asyncio.sleep(0)
    click.echo(current_app.name)


# -- with_appcontext and AppGroup


@pytest.mark.parametrize("body", [echo_name, echo_name_later])
def test_a_plain_click_command_gets_a_context(call, body):
    assert call(click.command()(with_appcontext(body))) == ["shop"]


@pytest.mark.parametrize("body", [echo_name, echo_name_later])
def test_commands_of_a_group_get_a_context(call, body):
    group = AppGroup("group")
    group.command("first")(body)
    inner = group.group("inner")(lambda: None)
    inner.command("second")(body)
    assert isinstance(inner, AppGroup)
    assert call(group, "first") == call(group, "inner", "second") == ["shop"]


def test_decorators_without_parentheses(call):
    group = AppGroup("group")

    @group.command
    def first():
        echo_name()

    @group.group
    def inner():
        pass

    @inner.command
    async def second():
        await echo_name_later()

    assert call(group, "first") == call(group, "inner", "second") == ["shop"]


def test_another_class_of_group():
    group = AppGroup("group").group("inner", cls=click.Group)(lambda: None)
    assert type(group) is click.Group


@pytest.mark.parametrize("is_async", [False, True])
def test_no_application_is_loaded_where_none_is_wanted(runner, is_async):
    group = AppGroup("group")

    def plain():
        click.echo(bool(current_app))

    async def later():
        plain()

    group.command("c", with_appcontext=False)(later if is_async else plain)
    result = runner.invoke(group, ["c"], obj=ScriptInfo(create_app=lambda: pytest.fail("loaded")))
    assert result.output == "False\n"


def test_the_function_keeps_its_name_text_and_parameters(call):
    group = AppGroup("group")

    @group.command()
    @click.argument("n", type=int)
    @click.option("--word", default="w")
    async def do_it(n, word):
        """Does it."""
        click.echo([n, word])

    assert do_it.help == "Does it." and do_it.callback.__name__ == "do_it"
    assert call(group, "do-it", "3", "--word", "x") == ["[3,", "'x']"]


def test_the_return_value_of_an_async_command(runner, app):
    group = AppGroup("group")

    @group.command()
    async def answer():
        return 42

    result = runner.invoke(group, ["answer"], obj=ScriptInfo(create_app=lambda: app), standalone_mode=False)
    assert result.return_value == 42


def test_the_context_around_is_used(call, app):
    with app.app_context():
        g.kept = "kept"

        @click.command()
        @with_appcontext
        def show():
            click.echo(g.kept)

        assert call(show, obj=ScriptInfo(create_app=lambda: pytest.fail("loaded"))) == ["kept"]


def test_parameter_callbacks_and_an_async_command_share_g(call, app):
    @app.cli.command()
    @click.option("--name", default="n", callback=lambda ctx, param, value: setattr(g, "name", value))
    async def show(name):
        click.echo(g.name)

    assert call(FlaskGroup(create_app=lambda: app), "show") == ["n"]


@pytest.mark.parametrize("pass_it", [click.pass_context, click.pass_obj])
def test_an_async_command_under_a_decorator_of_click(call, pass_it):
    group = AppGroup("group")
    group.command("with")(pass_it(later_with))
    group.command("without", with_appcontext=False)(pass_it(later_with))
    assert call(group, "with") == call(group, "without") == ["got"]


async def later_with(passed):
    await asyncio.sleep(0)
    assert passed is not None
    click.echo("got")


def test_a_wrapper_that_runs_the_coroutine_itself(call):
    group = AppGroup("group")

    def own_loop(f):
        return wraps(f)(lambda: asyncio.run(f()))

    group.command("c")(own_loop(echo_name_later))
    assert call(group, "c") == ["shop"]


def test_an_async_group_callback_runs(call):
    @click.group(cls=AppGroup)
    async def group():
        await asyncio.sleep(0)
        click.echo("group")

    @group.command()
    async def inner():
        click.echo("inner")

    assert call(group, "inner") == ["group", "inner"]


def test_commands_of_blueprints(call, app):
    bp = Blueprint("bp", __name__)
    bp.cli.command("sync")(echo_name)
    bp.cli.command("async")(echo_name_later)
    app.register_blueprint(bp)
    assert call(app.cli, "bp", "sync") == call(app.cli, "bp", "async") == ["shop"]


# -- the loop


def test_teardown_runs_after_the_command_and_on_its_loop(call, app):
    @app.teardown_appcontext
    async def close(error):
        click.echo(f"closed {g.loop is asyncio.get_running_loop()} {g.thread == threading.get_ident()}")

    @app.cli.command()
    async def work():
        g.loop, g.thread = asyncio.get_running_loop(), threading.get_ident()
        click.echo("worked")

    assert call(app.cli, "work") == ["worked", "closed", "True", "True"]


def test_teardown_gets_the_error_of_a_command(runner, app):
    seen = []

    @app.teardown_appcontext
    async def close(error):
        seen.append(error)

    @app.cli.command()
    async def fail():
        raise LookupError("lost")

    result = runner.invoke(app.cli, ["fail"], obj=ScriptInfo(create_app=lambda: app))
    assert isinstance(result.exception, LookupError) and seen == [result.exception]


def test_a_sync_command_calls_async_code_on_the_same_loop(call, app):
    loops = []

    async def note():
        loops.append(asyncio.get_running_loop())

    app.teardown_appcontext(lambda error: current_app.ensure_sync(note)())

    @app.cli.command()
    def twice():
        current_app.ensure_sync(note)()
        current_app.async_to_sync(note)()

    call(app.cli, "twice")
    assert len(loops) == 3 and len(set(loops)) == 1


def test_code_on_the_loop_is_told_to_await(call, app):
    async def other():
        pytest.fail("cannot run")

    @app.cli.command()
    async def work():
        with pytest.raises(RuntimeError, match="await"):
            current_app.async_to_sync(other)()

    call(app.cli, "work")


def test_what_the_command_left_running_is_cancelled_and_the_loop_closed(call, app):
    seen = []

    async def linger():
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cancelled")

    @app.cli.command()
    async def work():
        seen.append(asyncio.get_running_loop())
        g.task = asyncio.create_task(linger())
        await asyncio.sleep(0)

    call(app.cli, "work")
    assert seen[1:] == ["cancelled"] and seen[0].is_closed()
    assert current_bridge() is None


def test_an_async_command_awaits_another(call, app):
    @app.cli.command()
    async def inner():
        await asyncio.sleep(0)
        return "inner"

    @app.cli.command()
    @click.pass_context
    async def outer(ctx):
        click.echo(await ctx.invoke(inner))

    assert call(app.cli, "outer") == ["inner"]


def test_a_command_runs_others_in_a_run_of_their_own(call, app):
    app.cli.command("inner")(echo_name_later)

    @app.cli.command()
    async def outer():
        click.echo(app.test_cli_runner().invoke(args=["inner"]).output)

    assert call(app.cli, "outer") == ["shop"]


async def test_a_command_called_while_a_loop_runs(call, app):
    app.cli.command("work")(echo_name_later)
    assert call(app.cli, "work") == ["shop"]
    await asyncio.sleep(0)


def test_context_variables_set_by_an_async_command_outlive_it(call, app):
    from contextvars import ContextVar

    variable = ContextVar("variable", default="unset")
    app.teardown_appcontext(lambda error: click.echo(variable.get()))

    @app.cli.command()
    async def work():
        variable.set("set")

    assert call(app.cli, "work") == ["set"]


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (click.ClickException("no luck"), 1, "Error: no luck"),
        (click.UsageError("not so"), 2, "Usage:"),
        (click.exceptions.Exit(7), 7, ""),
        (SystemExit(9), 9, ""),
        (KeyboardInterrupt(), 1, "Aborted!"),
    ],
)
def test_errors_that_click_knows(runner, app, error, code, text):
    @app.cli.command()
    async def fail():
        await asyncio.sleep(0)
        raise error

    result = runner.invoke(app.cli, ["fail"], obj=ScriptInfo(create_app=lambda: app))
    assert result.exit_code == code and text in result.output


def test_click_context_is_there_in_an_async_command(call, app):
    @app.cli.command()
    async def work():
        await asyncio.sleep(0)
        click.echo(click.get_current_context().info_name)

    assert call(app.cli, "work") == ["work"]


# -- the time of serving


@pytest.fixture
def events(app):
    """What happens, in its order."""
    events = []

    @app.while_serving
    async def pool():
        app.pool = asyncio.get_running_loop()
        events.append("opened")
        yield
        assert asyncio.get_running_loop() is app.pool
        events.append("closed")

    @app.before_serving
    def before():
        events.append(f"before {threading.get_ident() == app.thread}")

    app.thread = threading.get_ident()
    app.after_serving(lambda: events.append("after"))
    app.teardown_appcontext(lambda error: events.append("teardown"))
    return events


def note(events, what):
    assert asyncio.get_running_loop() is current_app.pool
    events.append(what)


def test_an_async_command_runs_while_the_application_serves(call, app, events):
    @app.cli.command()
    async def work():
        events.append("work")
        assert asyncio.get_running_loop() is app.pool

    call(app.cli, "work")
    order = [event for event in events if event != "teardown"]
    assert order == ["before True", "opened", "work", "after", "closed"]
    assert events.index("teardown", events.index("work")) < events.index("closed")
    assert not app.servings
    events.clear()
    call(app.cli, "work")
    assert [event for event in events if event != "teardown"] == order


def test_it_starts_once_for_a_chain_of_commands(call, app, events):
    @app.cli.group(chain=True, invoke_without_command=False)
    async def chain():
        """Several."""

    @chain.command()
    async def one():
        note(events, "one")

    @chain.command()
    @click.pass_context
    async def two(ctx):
        await ctx.invoke(one)
        note(events, "two")

    call(app.cli, "chain", "one", "two")
    assert [event for event in events if event in ("opened", "one", "two", "closed")] == [
        "opened",
        "one",
        "one",
        "two",
        "closed",
    ]


def test_a_sync_command_does_not_start_it_nor_does_one_that_says_so(call, app, events):
    @app.cli.command()
    def sync():
        events.append("sync")

    @app.cli.command(lifespan=False)
    async def without():
        events.append("without")

    call(app.cli, "sync")
    call(app.cli, "without")
    assert [event for event in events if event != "teardown"] == ["sync", "without"]


def test_a_start_that_fails_is_the_error_of_the_command(runner, app, events):
    @app.before_serving
    async def fails():
        raise OSError("no database")

    @app.cli.command()
    async def work():
        events.append("work")

    result = runner.invoke(app.cli, ["work"], obj=ScriptInfo(create_app=lambda: app))
    assert isinstance(result.exception, OSError) and "work" not in events
    assert not app.servings


def test_what_a_sync_command_opens_is_closed(call, app):
    events = []

    @app.resource(scope="app")
    async def pool():
        events.append("opened")
        yield "pool"
        events.append("closed")

    @app.cli.command()
    def work():
        events.append(pool.get())

    call(app.cli, "work")
    assert events == ["opened", "pool", "closed"]
