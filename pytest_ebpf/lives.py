"""The life of each process as records tell it, in whatever order they come.

What the user sees of it is `pytest_ebpf.processes.Process`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from pytest_ebpf._values import Gap
from pytest_ebpf.images import Image, NoText, ProcText, Text

__all__ = ["Key", "Life"]

Key: TypeAlias = tuple[int, int]
"""The number in the initial pid namespace and the start (CLOCK_MONOTONIC ns). A pid alone is reused."""

Identity: TypeAlias = Mapping[str, Any]


class Life:
    """One process: what has been learned of it so far."""

    __slots__ = (
        "adopted",
        "birth_ns",
        "birth_window",
        "children",
        "creator",
        "executed",
        "exit",
        "forked",
        "identity",
        "identity_ns",
        "key",
        "left",
        "origin",
        "threads",
        "threads_identity",
        "tids",
        "touched",
    )

    def __init__(self, key: Key) -> None:
        self.key = key
        self.identity: Identity | None = None
        """The latest one seen, of the leader if it was seen at all."""
        self.identity_ns = -1
        self.forked = False
        """Whether its birth was seen."""
        self.adopted = False
        """Whether it was found running when the session began."""
        self.birth_window = 0
        self.birth_ns = key[1]
        self.creator: Life | None = None
        """Who forked it; of an adopted one, its parent at that time."""
        self.children: dict[Key, Life] = {}
        self.origin: Image | None = None
        """What it ran before it executed anything itself."""
        self.executed: list[Image] = []
        self.exit: Mapping[str, Any] | None = None
        """The record of the end of its last thread."""
        self.left: Mapping[str, Any] | None = None
        """The record of its leaving the session."""
        self.threads = 1
        self.threads_identity: dict[int, Identity] = {}
        """The latest of each living thread, by its number in the initial pid namespace."""
        self.tids: dict[int, int] = {}
        """What the test sees each thread under, also one that ended, by its number in the initial pid namespace."""
        self.touched: set[int] = set()
        """The windows in which it executed, changed, left or ended."""

    @property
    def image(self) -> Image:
        """The program that it runs, or ran last."""
        if self.executed:
            return self.executed[-1]
        return self.start()

    def start(self) -> Image:
        """Return what it ran when it was born; made up of gaps if that was not seen."""
        if self.origin is None:
            why = "the process was adopted" if self.adopted else "the record of its birth was lost"
            text = NoText(Gap(f"what it ran is not known: {why}"))
            self.origin = Image(
                text,
                time_ns=self.birth_ns,
                window=self.birth_window,
                identity=self.identity,
                inherited=True,
            )
        return self.origin

    def image_at(self, time_ns: int) -> Image:
        """Return the program that it ran at that time."""
        for image in reversed(self.executed):
            if image.time_ns <= time_ns:
                return image
        return self.start()

    def see(self, identity: Identity, time_ns: int) -> None:
        """Learn a thread's state."""
        self.tids[identity["host_tid"]] = identity["tid"]
        is_leader = identity["host_tid"] == identity["host_pid"]
        known_leader = self.identity is not None and (self.identity["host_tid"] == self.identity["host_pid"])
        if not is_leader and known_leader:
            return
        if time_ns >= self.identity_ns or (is_leader and not known_leader):
            self.identity, self.identity_ns = identity, time_ns
        if is_leader:
            self.image_at(time_ns).see(identity, time_ns)

    def child_of(self, creator: Life) -> None:
        """Learn whose child it is."""
        if creator is not self:
            self.creator = creator
            creator.children[self.key] = self

    def born(self, creator: Life, identity: Identity, time_ns: int, window: int) -> None:
        """Learn of its birth by fork(2), vfork(2), clone(2) or clone3(2)."""
        self.forked = True
        self.birth_window, self.birth_ns = window, time_ns
        self.child_of(creator)
        self.origin = self._origin(creator.image_at(time_ns).text, identity, time_ns, window)
        self.see(identity, time_ns)

    def adopt(self, identity: Identity, time_ns: int, window: int, text: ProcText) -> None:
        """Learn that it lived already when the session began."""
        self.adopted = True
        self.origin = self._origin(text, identity, time_ns, window)
        self.see(identity, time_ns)

    def _origin(self, text: Text, identity: Identity, time_ns: int, window: int) -> Image:
        origin = Image(text, time_ns=time_ns, window=window, identity=identity, inherited=True)
        if self.origin is not None and self.origin.identity is not None:
            origin.see(self.origin.identity, self.origin.identity_ns)
        return origin

    def execute(self, image: Image) -> None:
        """Learn that it replaced its program."""
        self.executed.append(image)
        if len(self.executed) > 1 and self.executed[-2].time_ns > image.time_ns:
            self.executed.sort(key=lambda each: each.time_ns)
        # Children that were born later, but told of earlier, have inherited this one.
        heirs = [(self, child) for child in self.children.values()]
        while heirs:
            creator, child = heirs.pop()
            if child.forked and child.birth_ns > image.time_ns and child.origin is not None:
                child.origin.text = creator.image_at(child.birth_ns).text
                heirs.extend((child, grandchild) for grandchild in child.children.values())

    def end(self, record: Mapping[str, Any]) -> None:
        """Learn that its last thread ended; of several that were last, the latest tells the status."""
        if self.exit is None or record["time_ns"] >= self.exit["time_ns"]:
            self.exit = record

    def pid_in(self, numbering: str) -> int:
        """Return its number as ``pid`` or ``host_pid``, 0 if it has none there or it is not known."""
        if numbering == "host_pid":
            return self.key[0]
        return self.identity[numbering] if self.identity is not None else 0
