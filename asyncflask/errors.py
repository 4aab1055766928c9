"""Errors of functions that all had to run, such as teardown functions: raised when the last one has."""

from __future__ import annotations


def raise_collected(errors: list[BaseException], several: str = "Several teardown functions failed.") -> None:
    """Raise what functions left that all had to run: nothing, the one error, or an ExceptionGroup of several."""
    if not errors:
        return
    error = errors[0] if len(errors) == 1 else BaseExceptionGroup(several, tuple(errors))
    errors.clear()  # an error in a list in a frame of its own traceback is a reference cycle
    try:
        raise error
    finally:
        del error
