"""The ledger of what a window's evidence lacks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_ebpf._values import Gap

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Losses", "amount"]

_KNOWN = ("lost_records", "lost_bytes", "lost_members", "left_members")


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What is missing in one window; all zero when its evidence is whole."""

    lost_records: int = 0
    """Records that did not fit in the ring."""
    lost_bytes: int = 0
    """Their bytes."""
    lost_members: int = 0
    """Processes or threads that the kernel could not enter into the session, since it began."""
    left_members: int = 0
    """Threads that left the session: their credentials are no longer the session's user's."""
    left_earlier: int = 0
    """Processes that left it before this window and were still alive when it opened."""
    missed_programs: int = 0
    """Runs of the tracing programs that the kernel skipped, in the whole of the broker."""
    other: Mapping[str, int] = field(default_factory=dict)
    """Losses that only a newer kernel side counts."""

    @classmethod
    def between(cls, before: Mapping[str, int], after: Mapping[str, int], *, missed: int, left_earlier: int) -> Losses:
        """Return what was lost between two readings of the session's counters."""
        lost = {
            name: count - before.get(name, 0) for name, count in after.items() if name.startswith(("lost_", "left_"))
        }
        # One that was not entered lives on, and so do its children, unseen in every later window.
        if "lost_members" in lost:
            lost["lost_members"] = after["lost_members"]
        return cls(
            **{name: lost.get(name, 0) for name in _KNOWN},
            left_earlier=left_earlier,
            missed_programs=missed,
            other={name: count for name, count in lost.items() if name not in _KNOWN and count},
        )

    @property
    def any(self) -> bool:
        """Whether anything at all is missing."""
        return bool(self.gaps(0))

    def __bool__(self) -> bool:
        """Whether anything is missing, so that ``assert not trace.losses`` reads as it means."""
        return self.any

    def gaps(self, ring_size: int) -> tuple[Gap, ...]:
        """Say what is missing and what to do about it.

        Args:
            ring_size: Bytes of the ring in force, for the advice.
        """
        found: list[Gap] = []
        if self.lost_records:
            enough = _enough(ring_size, self.lost_bytes)
            found.append(
                Gap(
                    f"{amount(self.lost_records, 'record')} ({_size(self.lost_bytes)}) did not fit"
                    f" in the ring of {_size(ring_size)}",
                    f'a larger ring: @pytest.mark.ebpf(ring_size="{enough}") or --ebpf-ring-size={enough}',
                )
            )
        if self.lost_members:
            found.append(
                Gap(
                    f"{amount(self.lost_members, 'thread')} could not be entered into the session"
                    " (the kernel was out of memory): nothing is known of it",
                    "run with more memory, or with fewer workers",
                )
            )
        if self.left_members or self.left_earlier:
            found.append(
                Gap(
                    f"{amount(self.left_members + self.left_earlier, 'thread')} left the session by"
                    " a change of user (a set-uid program): what came after was not seen",
                    "run the tests as root to follow set-uid programs",
                )
            )
        if self.missed_programs:
            found.append(
                Gap(
                    f"the kernel skipped {amount(self.missed_programs, 'run')} of the tracing programs (recursion)",
                    "run the test again; if it stays, run with fewer workers",
                )
            )
        found.extend(Gap(f"{name.replace('_', ' ')}: {count}") for name, count in self.other.items())
        return tuple(found)

    def __str__(self) -> str:
        parts = [f"{self.lost_records} lost"]
        if self.lost_members:
            parts.append(f"{self.lost_members} not entered")
        if self.left_members or self.left_earlier:
            parts.append(f"{self.left_members + self.left_earlier} left")
        if self.missed_programs:
            parts.append(f"{self.missed_programs} runs skipped")
        parts.extend(f"{name.replace('_', ' ')} {count}" for name, count in self.other.items())
        return ", ".join(parts)


def amount(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def _size(size: int) -> str:
    """Write a number of bytes as people do: ``512 B``, ``64 KiB``, ``1.5 MiB``."""
    if size < 1024:  # noqa: PLR2004 - what a KiB is
        return f"{size} B"
    unit, value = ("KiB", size / 1024) if size < 1 << 20 else ("MiB", size / (1 << 20))
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"


def _enough(ring_size: int, lost: int) -> str:
    """Return the size of a ring, a power of two, that would have held what was lost twice over."""
    wanted = 1 << 20
    while wanted <= ring_size or wanted < ring_size + 2 * lost:
        wanted *= 2
    return f"{wanted >> 20}M"
