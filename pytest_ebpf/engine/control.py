"""The page that a session's client shares with the kernel (``struct control`` in ``bpf/events.h``)."""

from __future__ import annotations

import mmap

from pytest_ebpf.engine.layout import layouts

__all__ = ["Control"]

_COUNTERS = ("lost_records", "lost_bytes", "lost_members", "left_members")


class Control:
    """Settings that the kernel programs read, counters that they write.

    Each store is one aligned machine word (a cast `memoryview` assigns so), since the kernel reads it at
    any moment.
    """

    def __init__(self, fd: int) -> None:
        """Map the page behind the descriptor of a mappable array, which stays the caller's."""
        self._map = mmap.mmap(fd, mmap.PAGESIZE)
        view = memoryview(self._map)
        self._words = view.cast("I")
        self._longs = view.cast("Q")
        layout = layouts()
        self._offsets = layout.structs["control"].offsets
        self._environ = layout.enums["control_flag"]["CONTROL_ENVIRON"]

    def _get(self, name: str) -> int:
        return int(self._words[self._offsets[name] // 4])

    def _set(self, name: str, value: int) -> None:
        self._words[self._offsets[name] // 4] = value

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
        return bool(self._get("flags") & self._environ)

    @capture_environ.setter
    def capture_environ(self, on: bool) -> None:
        flags = self._get("flags")
        self._set("flags", flags | self._environ if on else flags & ~self._environ)

    @property
    def argv_limit(self) -> int:
        """Bytes of argv, and of the environment, that are copied at exec; 2 MiB at most."""
        return self._get("argv_limit")

    @argv_limit.setter
    def argv_limit(self, limit: int) -> None:
        self._set("argv_limit", limit)

    def counters(self) -> dict[str, int]:
        """Return what was lost since the session began; see ``struct control``."""
        return {name: int(self._longs[self._offsets[name] // 8]) for name in _COUNTERS}

    def add(self, counter: str, count: int) -> None:
        """Count a loss that the kernel could not see (the broker's, before the session's first event)."""
        self._longs[self._offsets[counter] // 8] += count

    def close(self) -> None:
        """Unmap the page."""
        self._words.release()
        self._longs.release()
        self._map.close()
