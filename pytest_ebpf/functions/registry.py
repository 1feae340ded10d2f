"""The probes of a session: what was asked for, what is on in which window, and the calls that they told of."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from pytest_ebpf import procfs
from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions.arming import Arming, Attached
from pytest_ebpf.functions.store import FunctionStore

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from pytest_ebpf.functions.definition import Definition
    from pytest_ebpf.functions.python_frames import Timeline
    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.history import History
    from pytest_ebpf.lives import Key
    from pytest_ebpf.window import Window

__all__ = ["Functions"]

_SEARCHED = ("PATH", "LD_LIBRARY_PATH")


class Functions:
    """All probes of one session."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._known: dict[Hashable, tuple[Definition, tuple[Attached, ...]]] = {}
        self._by_id: dict[int, Attached] = {}
        self.define: Callable[[Wanted], Definition] = self._define
        """Finds what is wanted."""
        self.store = FunctionStore()
        self.armings: list[Arming] = []
        """Of the windows that are remembered, in the order in which they were asked for."""
        self.timelines: tuple[Hashable, dict[tuple[Key, int], Timeline]] | None = None
        """The Python frames of each thread, and of what they were made (`pytest_ebpf.functions.python_frames`)."""

    def arm(self, wanted: Wanted, window: Window) -> Arming:
        """Switch a probe on for what is left of a window; at once if it was asked for before.

        Raises:
            UsageError: There is no such function, or it cannot be asked so.
            BrokerError: It cannot be attached.
        """
        if wanted.returns is not None and self.returns_filtered and procfs.has_filter(os.getpid()):
            raise UsageError(
                "the return of a function cannot be probed here: this process runs under a seccomp filter, which on"
                " this kernel answers the system call that return probes work by, and the programs would crash\n"
                "  try     the entry alone, without returns=; or a kernel with commit cf6cb56ef244"
            )
        definition, attached = self._find(wanted)
        for arming in self.armings:
            if arming.window is window and arming.definition is definition:
                return arming
        arming = Arming(definition, attached, window)
        for each in attached:
            each.probe.wanted = True
        self.armings.append(arming)
        return arming

    @functools.cached_property
    def returns_filtered(self) -> bool:
        """Whether a seccomp filter can answer the system call that return probes work by."""
        return self._history.session.returns_filtered()

    def _find(self, wanted: Wanted) -> tuple[Definition, tuple[Attached, ...]]:
        key = _key(wanted)
        found = None if key is None else self._known.get(key)
        if found is not None and not found[0].replaced:
            return found
        definition = self.define(wanted)
        found = definition, tuple(self._attach(definition))
        if definition.replaced:
            raise UsageError(f"{definition.shown} was replaced by another file while it was looked at: ask again")
        if key is not None:
            self._known[key] = found
        return found

    def _define(self, wanted: Wanted) -> Definition:
        from pytest_ebpf.functions.finding import define  # noqa: PLC0415 - reads binaries, which most runs never do

        return define(wanted, self._history.session)

    def _attach(self, definition: Definition) -> Iterable[Attached]:
        from pytest_ebpf.engine.attached import ProbeRequest  # noqa: PLC0415 - most runs have no probes

        for group in definition.groups:
            request = ProbeRequest(
                kind=definition.kind_of_program,
                name=definition.kernel_name,
                target=definition.path or None,
                spec=group.spec,
                places=group.places,
                functions=group.functions if definition.kind == "kprobe" else (),
                loading=group.loading,
                task=definition.task,
            )
            try:
                probe = self._history.session.attach(request)
            except OSError as error:
                raise UsageError(
                    f"{definition.shown} cannot be opened: {error.strerror}; ask again when it can"
                ) from None
            attached = self._by_id.get(probe.id)
            if attached is None:
                attached = self._by_id[probe.id] = Attached(probe, returns=group.spec.returns)
            yield attached

    def closing(self, window: Window) -> None:
        """Switch off what only this window wanted; it is closed next."""
        ending = [arming for arming in self.armings if arming.window is window]
        for arming in ending:
            arming.close()
        still = {id(each) for arming in self.armings if arming.open for each in arming.attached}
        for arming in ending:
            for each in arming.attached:
                if id(each) not in still:
                    each.probe.wanted = False

    def forget(self, floor: int) -> None:
        """Drop what windows before this one had."""
        self.timelines = None
        if self.armings:
            self.armings = [arming for arming in self.armings if arming.window.first >= floor]
        if self.store.taken:
            self.store.forget(floor)

    def take(self, told: Any) -> None:
        """Take in a record (`pytest_ebpf.functions.store.Told`)."""
        head = told.head()
        self._history.life_of((head.host_pid, head.start_ns))
        attached = self._by_id.get(head.spec)
        if attached is None:
            return  # of a probe that another session of this very process holds
        self.store.take(told, head, returns=attached.returns)

    def of(self, window: Window) -> list[Arming]:
        """Return the probes that were on in a window, or in a part of it."""
        return [arming for arming in self.armings if arming.overlaps(window)]


def _key(wanted: Wanted) -> Hashable | None:
    """Return what two questions for the same have in common; None: look every time."""
    if isinstance(wanted.target, int | tuple):
        return None  # of a process, which is another the next time
    try:
        surroundings = os.getcwd(), *(os.environ.get(name) for name in _SEARCHED)  # noqa: PTH109 - short
        hash(wanted)
    except (OSError, TypeError):
        return None
    return wanted, surroundings
