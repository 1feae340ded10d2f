"""How often which system call was made, as ``strace -c`` shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf.syscalls.numbers import name_of

if TYPE_CHECKING:
    from pytest_ebpf.engine.calls import CallCount

__all__ = ["Count", "Summary"]


class Count(NamedTuple):
    """Of one system call."""

    calls: int
    errors: int
    seconds: float
    """Inside, of those that returned."""


class Summary(Mapping[str, Count]):
    """Counts by name, those with the most time first; its text is a table of what was seen.

    Calls of a 32-bit program are told apart: ``openat (compat)``.
    """

    def __init__(self, counts: Mapping[str, Count], check: Callable[[], object] = tuple) -> None:
        """Take the counts.

        Args:
            counts: By name.
            check: Raises `TraceIncomplete` if they may not be all.
        """
        order = sorted(counts.items(), key=lambda item: (-item[1].seconds, -item[1].calls, item[0]))
        self._counts = dict(order)
        self._check = check

    @classmethod
    def of(cls, counts: Iterable[CallCount], check: Callable[[], object] = tuple) -> Summary:
        """Make it of what the store counted."""
        found = {}
        for each in counts:
            name = name_of(each.abi, each.number) or f"syscall_{each.number:#x}"
            found[name if each.abi == "native" else f"{name} ({each.abi})"] = Count(
                each.calls, each.errors, each.time_ns / 1e9
            )
        return cls(found, check)

    @property
    def total(self) -> Count:
        """All together."""
        self._check()
        return self._total()

    def _total(self) -> Count:
        every = self._counts.values()
        return Count(
            sum(each.calls for each in every), sum(each.errors for each in every), sum(each.seconds for each in every)
        )

    def __getitem__(self, name: str) -> Count:
        self._check()
        return self._counts[name]

    def __iter__(self) -> Iterator[str]:
        self._check()
        return iter(self._counts)

    def __len__(self) -> int:
        self._check()
        return len(self._counts)

    def __repr__(self) -> str:
        total = self._total()
        return f"<Summary of {total.calls:,} calls, {total.errors:,} errors, {total.seconds:.6f} s>"

    def __str__(self) -> str:
        total = self._total()
        lines = [
            "% time     seconds  usecs/call     calls    errors syscall",
            "------ ----------- ----------- --------- --------- ----------------",
        ]
        lines += [_row(count, total.seconds, name) for name, count in self._counts.items()]
        lines += [lines[1], _row(total, total.seconds, "total")]
        return "\n".join(lines)


def _row(count: Count, whole: float, name: str) -> str:
    share = 100 * count.seconds / whole if whole else 0.0
    each = count.seconds * 1e6 / count.calls if count.calls else 0
    errors = str(count.errors) if count.errors else ""
    return f"{share:6.2f} {count.seconds:11.6f} {each:11.0f} {count.calls:9} {errors:>9} {name}"
