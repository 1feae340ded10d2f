"""Signatures of system calls: read from their lines, laid out for the kernel side, chosen by other arguments."""

from __future__ import annotations

import pytest

from pytest_ebpf.syscalls import prototype
from pytest_ebpf.syscalls.prototype import Prototype, prototypes
from pytest_ebpf.syscalls.table import Capture, merged


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


def test_variants_share_what_is_copied_and_the_longer_structure_serves_both(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(
        "x cmd:flags(fcntl_commands) arg:hex -> int\n"
        "  cmd=F_GETFD arg:timespec(out)\n"
        "  cmd=F_SETFD arg:str\n"
        "  cmd=F_GETFL arg:timespec(out)\n",
        monkeypatch,
    )
    assert found.captures == (Capture("bytes", 1, 16, at_exit=True), Capture("string", 1))
    assert [variant.arguments["arg"].first for variant in found.variants] == [0, 1, 0]


def test_captures_that_are_there_already_are_found_in_a_row() -> None:
    captures = [Capture("string", 0), Capture("bytes", 1, 4), Capture("bytes", 1, 8, at_exit=True)]
    assert merged(captures, (Capture("bytes", 1, 16), Capture("bytes", 1, 8, at_exit=True))) == 1
    assert captures[1] == Capture("bytes", 1, 16)
    assert merged(captures, (Capture("bytes", 1, 4, at_exit=True), Capture("string", 0))) == 3
    assert merged(captures, ()) == 0


def test_items_of_another_size_share_nothing() -> None:
    captures = [Capture("bytes", 1, 4, length="arg", length_arg=2)]
    assert merged(captures, (Capture("bytes", 1, 8, length="arg", length_arg=2),)) == 1
