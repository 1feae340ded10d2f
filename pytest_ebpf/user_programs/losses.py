"""What the evidence of one program lacks, by what its host says: none seen does not yet mean none written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Gap
from pytest_ebpf.losses import amount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["gaps_of"]

_WRITE_LESS = "write fewer events: only those of the test's processes (ebpf_traced()), or only what is asked for"


def gaps_of(name: str, before: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[Gap]:
    """Say what is missing.

    Args:
        name: Of the program.
        before: What the host said when the test got the program.
        told: What it said last.
    """
    if skipped := told["missed"] - before["missed"]:
        yield Gap(
            f"the kernel skipped {amount(skipped, 'run')} of {name} (recursion)",
            "have it call nothing that it traces itself",
        )
    if failed := told["drained"]["failed"]:
        yield Gap(f"the events of {name} cannot be kept: {failed}", "more memory, or a higher ulimit -f")
    for output, counts in told["drained"]["outputs"].items():
        yield from _of_output(f"{output} of {name}", before["drained"]["outputs"][output], counts)


def _of_output(output: str, before: Mapping[str, int], now: Mapping[str, int]) -> Iterator[Gap]:
    if lost := now["lost"] - before["lost"]:
        yield Gap(f"{amount(lost, 'record')} did not fit in the perf buffer {output}", _WRITE_LESS)
    if dropped := now["dropped"] - before["dropped"]:
        yield Gap(
            f"{amount(dropped, 'record')} of {output} came when as many were kept as are of one program", _WRITE_LESS
        )
    if now["pending"]:
        yield Gap(f"a record of {output} was begun and not finished", "wait until the program has submitted it")
    if now["tight"] - before["tight"]:
        yield Gap(
            f"{output}, which has {now['size']:,} bytes, was so full that records may have been lost, which the kernel"
            " does not count",
            f"a larger one (max_entries), or ebpf_emit(), which counts; or {_WRITE_LESS}",
        )
