"""From what is read at some places to what the kernel knows as one probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf.functions.definition import CALLER, Group
from pytest_ebpf.probes.machines import X86_64
from pytest_ebpf.probes.plan import plan
from pytest_ebpf.probes.text_types import parse_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ebpf.functions.reading import Reads
    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.probes.machines import Machine
    from pytest_ebpf.probes.spec import Place

__all__ = ["planned"]

_STACK = 64
"""Frames."""


def planned(  # noqa: PLR0913 - the last by their names
    wanted: Wanted,
    reads: Reads,
    places: Sequence[Place],
    names: Sequence[str],
    on: Machine,
    *,
    kernel: bool = False,
    loading: int = 0,
) -> Group:
    """Plan a probe.

    Args:
        wanted: What was asked for.
        reads: What is read.
        places: Where it is attached.
        names: By place: what is called there.
        on: Whose registers.
        kernel: Whether pointers lead to the kernel's memory.
        loading: See `Group.loading`.

    Raises:
        UsageError: More is asked than a probe can read.
    """
    values = dict(reads.values)
    if wanted.stack and wanted.kind == "uprobe":
        # Frame pointers lead past who called: the function has not made a frame of its own yet.
        values[CALLER] = parse_text("u64@sp" if on is X86_64 else "u64(x30)")
    return Group(
        plan=plan(
            values,
            on=on,
            result=reads.result,
            returns=wanted.returns is not None,
            where=wanted.where or "",
            every=wanted.every,
            cap=wanted.limit or 0,
            stack=_STACK if wanted.stack else 0,
            kernel=kernel,
        ),
        places=tuple(places),
        functions=tuple(names),
        result=None if reads.result is None else reads.result.type,
        loading=loading,
    )
