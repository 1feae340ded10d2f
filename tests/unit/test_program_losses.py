"""What a program's evidence lacks, by what its host says."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ebpf._values import Gap
from pytest_ebpf.user_programs.losses import gaps_of

WHOLE = {"lost": 0, "dropped": 0, "size": 4096, "largest": 16, "tight": 0, "pending": 0}
LESS = "write fewer events: only those of the test's processes (ebpf_traced()), or only what is asked for"


def told(*, missed: int = 0, failed: str = "", **counts: int) -> dict[str, Any]:
    return {"missed": missed, "drained": {"bytes": 0, "failed": failed, "outputs": {"events": WHOLE | counts}}}


def test_nothing_is_missing_of_what_is_whole() -> None:
    assert not list(gaps_of("probe.bpf.o", told(), told()))


def test_what_was_missing_before_the_test_had_it_is_none_of_its_own() -> None:
    before = told(missed=3, lost=5, dropped=7, tight=9)
    assert not list(gaps_of("probe.bpf.o", before, before))


@pytest.mark.parametrize(
    ("now", "why", "remedy"),
    [
        (
            told(missed=1),
            "the kernel skipped 1 run of probe.bpf.o (recursion)",
            "have it call nothing that it traces itself",
        ),
        (
            told(failed="File too large"),
            "the events of probe.bpf.o cannot be kept: File too large",
            "more memory, or a higher ulimit -f",
        ),
        (told(lost=1200), "1,200 records did not fit in the perf buffer events of probe.bpf.o", LESS),
        (
            told(dropped=1),
            "1 record of events of probe.bpf.o came when as many were kept as are of one program",
            LESS,
        ),
        (
            told(pending=1),
            "a record of events of probe.bpf.o was begun and not finished",
            "wait until the program has submitted it",
        ),
        (
            told(tight=1),
            (
                "events of probe.bpf.o, which has 4,096 bytes, was so full that records may have been lost, which the"
                " kernel does not count"
            ),
            f"a larger one (max_entries), or ebpf_emit(), which counts; or {LESS}",
        ),
    ],
)
def test_each_thing_that_is_missing_is_told_with_its_remedy(now: dict[str, Any], why: str, remedy: str) -> None:
    assert list(gaps_of("probe.bpf.o", told(), now)) == [Gap(why, remedy)]
