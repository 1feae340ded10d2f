"""The pages that a session's client shares with the kernel (``struct control`` in ``bpf/events.h``)."""

from __future__ import annotations

import contextlib
import mmap
import struct
import threading
from typing import TYPE_CHECKING

from pytest_ebpf.engine.layout import layouts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["DATA_LIMIT", "Control"]

DATA_LIMIT = 16384
"""Bytes that can be copied of what one call reads or writes (``CALL_DATA_SPACE`` of ``bpf/captures.h``)."""

_COUNTERS = ("lost_records", "lost_bytes", "lost_members", "left_members", "urings")
_ABIS = ("native", "compat", "x32")


class Control:
    """Settings that the kernel programs read, counters that they write.

    Each store is one aligned machine word (a cast `memoryview` assigns so), since the kernel reads it at
    any moment.
    """

    def __init__(self, fd: int) -> None:
        """Map the pages behind the descriptor of a mappable array, which stays the caller's."""
        layout = layouts()
        self._map = mmap.mmap(fd, -(-layout.structs["control"].size // mmap.PAGESIZE) * mmap.PAGESIZE)
        view = memoryview(self._map)
        self._words = view.cast("I")
        self._longs = view.cast("Q")
        self._count = layout.structs["probe_count"]
        self._offsets = layout.structs["control"].offsets
        self._flags = layout.enums["control_flag"]
        abis = layout.enums["call_abi"]
        self._abis = {name: abis[f"CALL_{name.upper()}"] for name in _ABIS}
        self._wanted = struct.calcsize(layout.structs["control"].codes["wanted"]) // 8 // abis["CALL_ABIS"]
        self._muted = struct.calcsize(layout.structs["control"].codes["muted"]) // 4
        self._muting = threading.Lock()
        self._wanting = threading.Lock()
        self._leaving_apart = threading.Lock()

    def _get(self, name: str) -> int:
        return int(self._words[self._offsets[name] // 4])

    def _set(self, name: str, value: int) -> None:
        self._words[self._offsets[name] // 4] = value

    def _flag(self, name: str) -> bool:
        return bool(self._get("flags") & self._flags[name])

    def _set_flag(self, name: str, *, on: bool) -> None:
        flags = self._get("flags")
        self._set("flags", flags | self._flags[name] if on else flags & ~self._flags[name])

    def _set_wanted(self, index: int, mask: int) -> None:
        self._longs[self._offsets["wanted"] // 8 + index] = mask

    @property
    def window(self) -> int:
        """The number that records carry now; 0: no window is open."""
        return self._get("window")

    @window.setter
    def window(self, number: int) -> None:
        self._set("window", number)

    @property
    def wake(self) -> bool:
        """Whether the kernel wakes who polls the ring at every record, and not at a quarter full."""
        return bool(self._get("wake"))

    @wake.setter
    def wake(self, on: bool) -> None:
        self._set("wake", int(on))

    @property
    def capture_environ(self) -> bool:
        """Whether the environment is copied at exec."""
        return self._flag("CONTROL_ENVIRON")

    @capture_environ.setter
    def capture_environ(self, on: bool) -> None:
        self._set_flag("CONTROL_ENVIRON", on=on)

    @property
    def argv_limit(self) -> int:
        """Bytes of argv, and of the environment, that are copied at exec; 2 MiB at most."""
        return self._get("argv_limit")

    @argv_limit.setter
    def argv_limit(self, limit: int) -> None:
        self._set("argv_limit", limit)

    @property
    def children_only(self) -> bool:
        """Whether the system calls of the client's own process are left out."""
        return self._flag("CONTROL_CHILDREN_ONLY")

    @children_only.setter
    def children_only(self, on: bool) -> None:
        self._set_flag("CONTROL_CHILDREN_ONLY", on=on)

    @property
    def data_limit(self) -> int:
        """Bytes that are copied of what a call reads or writes; `DATA_LIMIT` at most."""
        return self._get("data_limit")

    @data_limit.setter
    def data_limit(self, limit: int) -> None:
        if not 0 <= limit <= DATA_LIMIT:
            raise ValueError(f"of a call's data 0 to {DATA_LIMIT} bytes can be copied, and you asked for {limit}")
        self._set("data_limit", limit)

    def want_calls(self, numbers: Mapping[str, Iterable[int]] | None) -> None:
        """Choose the system calls that are recorded from now on.

        Args:
            numbers: By ABI (``"native"``, ``"compat"``, ``"x32"``); None: all, nothing in it: none.
        """
        if numbers is None:
            for index in range(self._wanted * len(_ABIS)):
                self._set_wanted(index, (1 << 64) - 1)
        else:
            masks = dict.fromkeys(range(self._wanted * len(_ABIS)), 0)
            for abi, wanted in numbers.items():
                for number in wanted:
                    if number < self._wanted * 64:  # those above are always recorded
                        masks[self._abis[abi] * self._wanted + number // 64] |= 1 << number % 64
            for index, mask in masks.items():
                self._set_wanted(index, mask)
        self._set("calls", int(numbers is None or any(True for wanted in numbers.values() for _ in wanted)))

    def probe_wanted(self, slot: int) -> bool:
        """Whether the probe that lies there is told."""
        return bool(self._longs[self._offsets["probes"] // 8 + slot // 64] >> slot % 64 & 1)

    def want_probe(self, slot: int, *, on: bool) -> None:
        """Choose whether a probe is told from now on.

        Args:
            slot: Its id modulo `MAX_PROBES`.
            on: Whether.
        """
        index, bit = self._offsets["probes"] // 8 + slot // 64, 1 << slot % 64
        with self._wanting:
            mask = self._longs[index]
            self._longs[index] = mask | bit if on else mask & ~bit

    def probe_counts(self, slot: int) -> tuple[int, int]:
        """Return how often the probes that lay there were hit, and told; see ``struct probe_count``."""
        at = self._offsets["counts"] + slot * self._count.size
        hits, told = (self._longs[(at + self._count.offsets[name]) // 8] for name in ("hits", "told"))
        return int(hits), int(told)

    def mute(self, tid: int) -> int:
        """Record none of a thread's system calls from now on; return the slot for `unmute`.

        Raises:
            RuntimeError: As many threads are muted as can be.
        """
        first = self._offsets["muted"] // 4
        with self._muting:
            for slot in range(first, first + self._muted):
                if not self._words[slot]:
                    self._words[slot] = tid
                    return slot
        message = f"{self._muted} threads are muted, as many as can be"
        raise RuntimeError(message)

    def unmute(self, slot: int) -> None:
        """Record the calls of the slot's thread again."""
        self._words[slot] = 0

    @contextlib.contextmanager
    def apart(self, tid: int) -> Iterator[None]:
        """Leave out of the session the children that a thread makes within, and all that descends from them.

        Another thread that wants the same waits.
        """
        with self._leaving_apart:
            self._set("apart", tid)
            try:
                yield
            finally:
                self._set("apart", 0)

    def counters(self) -> dict[str, int]:
        """Return what was lost since the session began, and how many io_urings were set up; see ``struct control``."""
        return {name: int(self._longs[self._offsets[name] // 8]) for name in _COUNTERS}

    def add(self, counter: str, count: int) -> None:
        """Count a loss that the kernel could not see (the broker's, before the session's first event)."""
        self._longs[self._offsets[counter] // 8] += count

    def close(self) -> None:
        """Unmap the pages."""
        self._words.release()
        self._longs.release()
        self._map.close()
