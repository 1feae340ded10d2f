"""Whose the records of a program's own buffers are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_ebpf._values import Verdict
from pytest_ebpf.probes.types import Field, Integer, Structure
from pytest_ebpf.user_programs.buffered import _life_at
from pytest_ebpf.user_programs.event import ProgramEvent
from pytest_ebpf.user_programs.query import ProgramQuery

SECOND = 1_000_000_000


def life(start: int, end: int | None = None) -> Any:
    return SimpleNamespace(key=(5, start * SECOND), exit=None if end is None else {"time_ns": end * SECOND})


@pytest.mark.parametrize(
    ("seconds", "which"),
    [(0.5, None), (1, 0), (2, 0), (3, 0), (3.0001, 0), (4.5, None), (5, 1), (100, 1)],
)
def test_a_pid_is_whose_it_was_at_that_time(seconds: float, which: int | None) -> None:
    lives = [life(1, 3), life(5)]
    found = _life_at(lives, int(seconds * SECOND))
    assert found is (None if which is None else lives[which])


def _pair() -> Structure:
    return Structure("struct pair", 4, 4, (Field("pid", Integer(4, signed=False), 0),))


def test_an_event_of_another_structure_of_the_same_name_is_judged_by_what_it_has() -> None:
    window: Any = None  # no process is asked for
    event = ProgramEvent(
        process=None,
        time_ns=None,
        window=1,
        host_tid=None,
        program="probe",
        output="pair",
        data=b"\7\0\0\0",
        type=_pair(),
    )
    for number, verdict in ((7, Verdict.YES), (8, Verdict.NO)):
        assert ProgramQuery(window, {"pair": _pair()}, "probe", None, {"pid": number}).judge(event) is verdict
