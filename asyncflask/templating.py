"""Templates by Jinja: where they are found, what they see, rendered whole or as a stream.

Rendering is synchronous in both kinds of handler and gives plain strings.
"""

from __future__ import annotations

import typing as t

from jinja2 import BaseLoader, Template, TemplateNotFound
from jinja2 import Environment as BaseEnvironment

from .globals import _cv_request, current_app
from .globals import _default_template_ctx_processor as _default_template_ctx_processor
from .helpers import stream_with_context
from .rendering import QuickEnvironment
from .signals import before_render_template, template_rendered
from .threads import run_anywhere, waited_for

if t.TYPE_CHECKING:
    from .app import App as WebApp
    from .sansio.app import App
    from .sansio.scaffold import Scaffold

Source = tuple[str, str | None, t.Callable[[], bool] | None]
"""What a loader finds: the text, its file if it has one, and a function that says whether it is still current."""


class Environment(QuickEnvironment):
    """A Jinja environment that belongs to an application and looks for templates in its blueprints too.

    Args:
        app: the application.
        options: of ``jinja2.Environment``; without ``loader`` the application makes one.
    """

    def __init__(self, app: App, **options: t.Any) -> None:
        self.app = app
        if "loader" not in options:
            options = {**options, "loader": app.create_global_jinja_loader()}
        super().__init__(**options)


class DispatchingJinjaLoader(BaseLoader):
    """Looks for a template in the folder of the application, then in those of its blueprints in their order.

    Args:
        app: the application.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    def get_source(self, environment: BaseEnvironment, template: str) -> Source:
        """Return the first source found; with ``EXPLAIN_TEMPLATE_LOADING`` try all loaders and log what they said.

        Raises:
            TemplateNotFound: no loader has the template.
        """
        if self.app.config["EXPLAIN_TEMPLATE_LOADING"]:
            found = self._find_explained(environment, template)
        else:
            found = next((source for *_, source in self._attempts(environment, template) if source is not None), None)
        if found is None:
            raise TemplateNotFound(template)
        return found

    def list_templates(self) -> list[str]:
        """Return the names of all templates, each once."""
        return list({name for _, loader in self._iter_loaders("") for name in loader.list_templates()})

    def _iter_loaders(self, template: str) -> t.Iterator[tuple[Scaffold, BaseLoader]]:
        for owner in (self.app, *self.app.iter_blueprints()):
            if owner.jinja_loader is not None:
                yield owner, owner.jinja_loader

    def _attempts(
        self, environment: BaseEnvironment, template: str
    ) -> t.Iterator[tuple[BaseLoader, Scaffold, Source | None]]:
        for owner, loader in self._iter_loaders(template):
            try:
                yield loader, owner, loader.get_source(environment, template)
            except TemplateNotFound:
                yield loader, owner, None

    def _find_explained(self, environment: BaseEnvironment, template: str) -> Source | None:
        from .debughelpers import explain_template_loading_attempts  # only needed by who asks for it

        attempts = list(self._attempts(environment, template))
        explain_template_loading_attempts(self.app, template, attempts)
        return next((source for *_, source in attempts if source is not None), None)


def render_template(template_name_or_list: str | Template | list[str | Template], **context: t.Any) -> str:
    """Return a template's text.

    Args:
        template_name_or_list: a template's name, or a template, or several of these of which the first that exists is
            taken.
        context: the variables it sees, besides those of the context processors.

    Raises:
        TemplateNotFound: none of them exists. (Flask docs: Templates.)
    """
    app = _active_app()
    return _render(app, app.jinja_env.get_or_select_template(template_name_or_list), context)


def render_template_string(source: str, **context: t.Any) -> str:
    """Return the text of a template whose source is given; `context` as for `render_template`."""
    app = _active_app()
    return _render(app, app.jinja_env.from_string(source), context)


def render_block(
    template_name_or_list: str | Template | list[str | Template], block_name: str, /, **context: t.Any
) -> str:
    """Return the text of one block of a template: a fragment of a page, for whoever has the rest of it already.

    The block is what it is on the page: a child template's, with ``super()``, and with what is imported or set outside
    of blocks. Other blocks are not rendered. Template and `context` as for `render_template`.

    Raises:
        TemplateNotFound: none of the templates exists.
        LookupError: there is no such block; the message has those that there are.
        TemplateRuntimeError: it is marked ``required``, and no template fills it.
    """
    from .fragments import block_text  # seldom needed

    app = _active_app()
    template = app.jinja_env.get_or_select_template(template_name_or_list)
    _prepare(app, template, context)
    text = block_text(template, block_name, context)
    _announce(app, template, context)
    return text


def stream_template(template_name_or_list: str | Template | list[str | Template], **context: t.Any) -> t.Iterator[str]:
    """Return an iterator over the pieces of a template's text, to be returned by a view as it is.

    The request, if there is one, stays active until the last piece. Arguments and errors as for `render_template`.
    """
    app = _active_app()
    return _stream(app, app.jinja_env.get_or_select_template(template_name_or_list), context)


def stream_template_string(source: str, **context: t.Any) -> t.Iterator[str]:
    """Return an iterator over the pieces of the text of a template whose source is given; see `stream_template`."""
    app = _active_app()
    return _stream(app, app.jinja_env.from_string(source), context)


def _active_app() -> WebApp:
    return t.cast("WebApp", t.cast(t.Any, current_app)._get_current_object())


def _prepare(app: WebApp, template: Template, context: dict[str, t.Any]) -> None:
    app.update_template_context(context)
    before_render_template.send(app, _async_wrapper=waited_for, template=template, context=context)


def _announce(app: WebApp, template: Template, context: dict[str, t.Any]) -> None:
    template_rendered.send(app, _async_wrapper=waited_for, template=template, context=context)


def _render(app: WebApp, template: Template, context: dict[str, t.Any]) -> str:
    _prepare(app, template, context)
    # Jinja's own way for async environments needs a thread in which no loop runs.
    text = run_anywhere(template.render_async(context)) if app.jinja_env.is_async else template.render(context)
    _announce(app, template, context)
    return text


def _stream(app: WebApp, template: Template, context: dict[str, t.Any]) -> t.Iterator[str]:
    _prepare(app, template, context)

    def pieces() -> t.Iterator[str]:
        yield from _awaited(template.generate_async(context)) if app.jinja_env.is_async else template.generate(context)
        _announce(app, template, context)

    return pieces() if _cv_request.get(None) is None else stream_with_context(pieces())


def _awaited(pieces: t.AsyncIterator[str]) -> t.Iterator[str]:
    end = object()

    async def following() -> t.Any:
        return await anext(pieces, end)

    while (piece := run_anywhere(following())) is not end:
        yield piece
