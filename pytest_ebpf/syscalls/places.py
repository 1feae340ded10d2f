"""Many system calls, each decoded when it is looked at, and found by the store as far as that goes."""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from pytest_ebpf._values import Verdict
from pytest_ebpf.engine.calls import Span
from pytest_ebpf.explanations import Found
from pytest_ebpf.syscalls.call import Syscall

if TYPE_CHECKING:
    from pytest_ebpf.syscalls.asking import CallQuery
    from pytest_ebpf.window import Window

__all__ = ["Places", "calls_of", "later", "search"]


class Places(Sequence[Syscall]):
    """Places in the store of a window's calls, by the time of entry."""

    __slots__ = ("places", "window")

    def __init__(self, window: Window, places: Sequence[int]) -> None:
        """Take them.

        Args:
            window: Of the calls; when its records are gone, so are these.
            places: As `pytest_ebpf.engine.calls.CallStore.select` returns them.
        """
        self.window = window
        self.places = places

    def __del__(self) -> None:
        # Memory of this size goes back to the kernel, by a system call.
        with self.window.history.session.muted():
            self.places = ()

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Syscall: ...
    @overload
    def __getitem__(self, index: slice) -> Places: ...
    def __getitem__(self, index: int | slice) -> Syscall | Places:
        if isinstance(index, slice):
            return Places(self.window, self.places[index])
        self.window.check_kept(calls=True)
        return Syscall(self.places[index], self.window)


def calls_of(window: Window, *, snapshot: bool = True) -> Places:
    """Return the calls of a window.

    Args:
        window: Which.
        snapshot: Whether those that have not returned are to be among them.
    """
    window.update_calls(snapshot=snapshot)
    store, root = window.history.calls, window.history.root
    places = store.select(window.first, window.last)
    if window.children_only and root is not None:
        # Those that it made before they were left out.
        own = frozenset(store.narrow(places, None, [Span(*root.key)]))
        if own:
            places = array.array("I", (place for place in places if place not in own))
    return Places(window, places)


def search(items: Sequence[Syscall], query: CallQuery) -> Found[Syscall]:
    """Judge calls; those that the store can tell from others are not looked at."""
    if not isinstance(items, Places) or not len(items):
        items = Places(query.window, array.array("I"))
    window, store = items.window, items.window.history.calls
    window.check_kept(calls=True)
    places, doubtful, hidden = items.places, array.array("I"), array.array("I")
    if query.hidden:
        standing = store.narrow(places, query.hidden, query.who and query.who.spans)
        hidden.extend(place for place in standing if query.stands_for_it(Syscall(place, window)))
    if query.numbers is not None:
        places = store.narrow(places, query.numbers)
    if query.who is not None:
        if query.who.doubtful:
            doubtful = array.array("I", store.narrow(places, None, query.who.doubtful))
        places = store.narrow(places, None, query.who.sure)
    others = len(items) - len(places) - len(doubtful) - len(hidden)
    if query.plain:
        return Found(Places(window, places), Places(window, doubtful + hidden), (), others)
    into = {verdict: array.array("I") for verdict in Verdict}
    for best, some in ((Verdict.YES, places), (Verdict.UNKNOWN, doubtful)):
        for place in some:
            into[query.judge_rest(Syscall(place, window), best)].append(place)
    into[Verdict.UNKNOWN].extend(hidden)
    yes, unknown, no = (Places(window, into[verdict]) for verdict in (Verdict.YES, Verdict.UNKNOWN, Verdict.NO))
    return Found(yes, unknown, no, others)


def later(calls: Places, place: int) -> Places:
    """Return those calls that were told of when the store had so many already."""
    return Places(calls.window, array.array("I", (each for each in calls.places if each >= place)))
