"""What methods do under the cover that keeps their system calls out of the window."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ebpf.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator


class Session:
    """Counts how deep it is covered."""

    def __init__(self) -> None:
        self.depth = 0

    @contextlib.contextmanager
    def muted(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


@quiet("scope.session", but=("plain",))
class Thing:
    """Its methods say how deep they are covered."""

    kind = "thing"

    def __init__(self, session: Session) -> None:
        self.scope = SimpleNamespace(session=session)
        self.at_birth = session.depth
        self._set: int | None = None

    def method(self, *arguments: Any, **named: Any) -> tuple[int, Any, Any]:
        """Say it."""
        return self.scope.session.depth, arguments, named

    @property
    def value(self) -> int:
        """Say it too."""
        depth: int = self.scope.session.depth
        return depth

    @value.setter
    def value(self, new: int) -> None:
        self._set = new + self.scope.session.depth

    @property
    def what_was_set(self) -> int | None:
        return self._set

    def items(self, count: int) -> Iterator[int]:
        for _ in range(count):
            yield self.scope.session.depth

    def __len__(self) -> int:
        return int(self.scope.session.depth)

    def __repr__(self) -> str:
        return f"<{self.scope.session.depth}>"

    def failing(self) -> None:
        raise KeyError(self.scope.session.depth)

    @property
    def plain(self) -> int:
        return int(self.scope.session.depth)

    def _private(self) -> int:
        return int(self.scope.session.depth)

    @classmethod
    def made(cls, session: Session) -> Thing:
        return cls(session)


def test_methods_properties_and_operators_are_covered() -> None:
    session = Session()
    thing = Thing.made(session)
    assert thing.at_birth == 0
    assert thing.method(1, two=2) == (1, (1,), {"two": 2})
    assert thing.value == len(thing) == 1
    assert repr(thing) == "<1>"
    thing.value = 5
    assert thing.what_was_set == 6
    assert session.depth == 0


def test_what_is_private_or_excepted_is_not() -> None:
    thing = Thing(Session())
    assert (thing.plain, thing._private()) == (0, 0)


def test_between_the_items_of_an_iteration_nothing_is_covered() -> None:
    session = Session()
    thing = Thing(session)
    for depth in thing.items(3):
        assert depth == 1
        assert session.depth == 0
    assert list(thing.items(0)) == []


def test_a_failure_takes_the_cover_off() -> None:
    session = Session()
    with pytest.raises(KeyError, match="1"):
        Thing(session).failing()
    assert session.depth == 0


def test_a_class_is_otherwise_what_it_was() -> None:
    assert Thing.__doc__ == "Its methods say how deep they are covered."
    assert Thing.method.__name__ == "method"
    assert Thing.method.__doc__ == "Say it."
    assert Thing.value.__doc__ == "Say it too."
    assert Thing.kind == "thing"
