"""Keeping this plugin's own system calls out of what it shows."""

from __future__ import annotations

import functools
import inspect
import operator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pytest_ebpf.protocols import Session

__all__ = ["quiet"]

C = TypeVar("C", bound=type)


def quiet(session_at: str, *, but: Collection[str] = ()) -> Callable[[C], C]:
    """Make a class whose methods leave no system calls in the window, whatever they do.

    Also not those of the interpreter on their behalf, which asks the kernel for memory at any time.

    Args:
        session_at: Where an instance has its session, such as ``scope.history.session``.
        but: What does without: it is asked for very often, and by what is covered already or so simple that it
            makes no system call. Private methods do too, which are called by those that are covered.
    """
    session: Callable[[Any], Session] = operator.attrgetter(session_at)

    def wrap(cls: C) -> C:
        for name, member in list(vars(cls).items()):
            if name in but or (name.startswith("_") and not name.startswith("__")):
                continue
            if isinstance(member, property):
                getter, setter = (_quiet(function, session) for function in (member.fget, member.fset))
                setattr(cls, name, property(getter, setter, doc=member.__doc__))
            elif inspect.isfunction(member) and name != "__init__" and not hasattr(member, "__overloads__"):
                setattr(cls, name, _quiet(member, session))
        return cls

    return wrap


def _quiet(function: Any, session: Callable[[Any], Session]) -> Any:
    if function is None:
        return None
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generate(self: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
            __tracebackhide__ = True
            # Between two items it is the author of the test who acts.
            items = function(self, *arguments, **named)
            while True:
                with session(self).muted():
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item

        return generate

    @functools.wraps(function)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        with session(self).muted():
            return function(self, *arguments, **named)

    return call
