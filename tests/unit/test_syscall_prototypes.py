"""Signatures of system calls: read from their lines, laid out for the kernel side, chosen by other arguments."""

from __future__ import annotations

import pytest

from pytest_ebpf.syscalls import prototype
from pytest_ebpf.syscalls.prototype import Prototype, prototypes
from pytest_ebpf.syscalls.table import Capture


def made(lines: str, monkeypatch: pytest.MonkeyPatch) -> Prototype:
    monkeypatch.setattr(prototype, "PROTOTYPES", lines)
    (found,) = prototypes.__wrapped__().values()
    return found


def test_arguments_stand_in_the_order_in_which_they_are_written_each_with_its_register(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clone = made("clone stack#1:ptr flags#0:int tls#2:ptr -> int", monkeypatch)
    assert [(name, kind.at) for name, kind in clone.arguments.items()] == [("stack", 1), ("flags", 0), ("tls", 2)]


def test_a_line_that_cannot_be_read_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"^a line of the prototypes cannot be read: x a:int b -> int$"):
        made("x a:int b -> int", monkeypatch)


def test_variants_share_what_is_copied_and_each_is_copied_for_its_own_values(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(
        "x cmd:flags(fcntl_commands) arg:hex -> int\n"
        "  cmd=F_GETFD arg:timespec(out)\n"
        "  cmd=F_SETFD arg:str\n"
        "  cmd=F_GETFL arg:timespec(out)\n",
        monkeypatch,
    )
    # linux/fcntl.h
    numbers = {"F_GETFD": 1, "F_SETFD": 2, "F_GETFL": 3}
    assert found.captures == (Capture("bytes", 1, 16, at_exit=True), Capture("string", 1))
    assert [variant.arguments["arg"].first for variant in found.variants] == [0, 1, 0]
    assert [capture.when for capture in found.spec().captures] == [
        (numbers["F_GETFD"], numbers["F_GETFL"]),
        (numbers["F_SETFD"],),
    ]


def test_a_longer_structure_does_not_serve_for_a_shorter_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(
        "x cmd:flags(fcntl_commands) arg:hex -> int\n  cmd=F_GETFD arg:int32(out)\n  cmd=F_GETFL arg:int64(out)\n",
        monkeypatch,
    )
    assert [capture.size for capture in found.captures] == [4, 8]


@pytest.mark.parametrize(
    "line",
    [
        "x cmd:flags(fcntl_commands) arg:str -> int\n  cmd=F_GETFD arg:str\n",  # all others have it too
        "x cmd:flags(fcntl_commands) arg:ptr -> int\n  cmd!F_GETFD arg:str\n",  # not one of a few
        "x cmd:flags(open_flags) arg:ptr -> int\n  cmd=O_RDWR arg:str\n",  # bits beside others
        "x cmd:flags(fcntl_commands) arg:ptr -> int\n  cmd=F_NEVER_HEARD arg:str\n",
    ],
)
def test_what_cannot_be_told_by_one_value_is_copied_always(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(line, monkeypatch).spec().captures == (Capture("string", 1),)


def test_values_that_lie_far_apart_are_told_by_their_low_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made("x r:flags(ioctl_requests) arg:ptr -> int\n  r=TIOCGPTN|FIONREAD arg:int32(out)\n", monkeypatch)
    (capture,) = found.spec().captures
    assert (capture.when, capture.when_arg, capture.when_mask) == ((0x1B, 0x30), 0, 0x3F)
