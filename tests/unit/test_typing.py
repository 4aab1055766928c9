"""The aliases exist under Flask's names and can be evaluated at run time."""

from __future__ import annotations

import typing as t
from collections.abc import AsyncIterable

import pytest
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from asyncflask import typing as ft

NAMES = [
    "AfterRequestCallable",
    "AppOrBlueprintKey",
    "BeforeFirstRequestCallable",
    "BeforeRequestCallable",
    "ErrorHandlerCallable",
    "HeaderValue",
    "HeadersValue",
    "ResponseReturnValue",
    "ResponseValue",
    "RouteCallable",
    "ShellContextProcessorCallable",
    "TeardownCallable",
    "TemplateContextProcessorCallable",
    "TemplateFilterCallable",
    "TemplateGlobalCallable",
    "TemplateTestCallable",
    "URLDefaultCallable",
    "URLValuePreprocessorCallable",
]


@pytest.mark.parametrize("name", NAMES)
def test_an_alias_can_annotate(name):
    def annotated(value: getattr(ft, name)):  # type: ignore[valid-type]
        pass

    # Libraries that read annotations must be able to.
    annotated.__annotations__ = {"value": getattr(ft, name)}
    names = {"Response": Response, "Headers": Headers, "WSGIApplication": t.Any}
    assert t.get_type_hints(annotated, globalns=names)


def test_a_response_may_be_an_async_iterable():
    assert AsyncIterable[str] in t.get_args(ft.ResponseValue)
    assert AsyncIterable[bytes] in t.get_args(ft.ResponseReturnValue)
