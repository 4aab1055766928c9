"""One block of a template, rendered as it is on the page.

A block may use what the template imports or sets outside of blocks, and a parent's block by ``super()``. So everything
outside of blocks is run first, with every block standing empty; that also puts the blocks of the parents behind those
of the children. (Jinja docs: API, The Low-Level API.)
"""

from __future__ import annotations

import typing as t
from types import CodeType

from jinja2 import Template, TemplateRuntimeError

from .threads import run_anywhere

Render = t.Callable[..., t.Any]


class _EmptyFirst(dict[str, list[Render]]):
    """Blocks by name, each a list with the child's before its parents'; the first one renders nothing."""

    def __init__(self, blocks: t.Mapping[str, list[Render]], nothing: Render) -> None:
        super().__init__({name: [nothing, *renders] for name, renders in blocks.items()})
        self._nothing = nothing

    # called by templates for the blocks of their parents
    def setdefault(self, name: str, default: t.Any = None) -> list[Render]:
        return super().setdefault(name, [self._nothing])


def block_text(template: Template, name: str, variables: dict[str, t.Any]) -> str:
    """Return a block's text. Raises LookupError if there is none of that name, and what its page raises."""
    is_async = template.environment.is_async
    context = template.new_context(variables)
    context.blocks = _EmptyFirst(context.blocks, _nothing_async if is_async else _nothing)
    try:
        _text(template.root_render_func(context), is_async)
        context.blocks = {name: renders[1:] for name, renders in context.blocks.items()}
        if name in context.blocks:
            text = template.environment.concat(_text(context.blocks[name][0](context), is_async))
            if not text.strip() and len(context.blocks[name]) == 1:
                _check_filled(name, context.blocks[name][0])
            return text
    except Exception:
        template.environment.handle_exception()  # with the template's lines in the traceback
    known = ", ".join(map(repr, context.blocks)) or "none"
    raise LookupError(f"The template {template.name!r} has no block {name!r}. It has: {known}.")


def _check_filled(name: str, block: Render) -> None:
    """Raise TemplateRuntimeError for a block that is ``required``: that is in the code around its place on the page."""
    message = f"Required block {name!r} not found"
    template = block.__globals__
    if any(_has(around.__code__, message) for around in (template["root"], *template["blocks"].values())):
        raise TemplateRuntimeError(message)


def _has(code: CodeType, text: str) -> bool:
    # a recursive loop is a function inside
    return any(
        constant == text or (isinstance(constant, CodeType) and _has(constant, text)) for constant in code.co_consts
    )


def _text(pieces: t.Any, is_async: bool) -> list[str]:
    return run_anywhere(_listed(pieces)) if is_async else list(pieces)


async def _listed(pieces: t.AsyncIterator[str]) -> list[str]:
    return [piece async for piece in pieces]


def _nothing(context: t.Any) -> t.Iterator[str]:
    return iter(())


async def _nothing_async(context: t.Any) -> t.AsyncIterator[str]:
    nothing: tuple[str, ...] = ()
    for piece in nothing:
        yield piece
