"""Sequences in which function calls and system calls stand side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from calls_stream import number_of
from model_calls import tell
from model_functions import FunctionWorld

from pytest_ebpf import TraceIncomplete, UsageError, call

if TYPE_CHECKING:
    from model_stream import Actor

    from pytest_ebpf import Trace
    from pytest_ebpf.functions.probe import Probe


class Program:
    """A program that calls its function, and system calls."""

    def __init__(self, **options: Any) -> None:
        self.world = FunctionWorld(calls=True)
        self.trace: Trace = self.world.trace()
        self.calls: Probe = self.trace.uprobe("./exp", "accept_exp", **options)
        self.exp = self.world.exp()

    def enter(self, num: int, actor: Actor | None = None, **how: Any) -> None:
        self.world.accept(actor or self.exp, num, **how)

    def sync(self, actor: Actor | None = None) -> None:
        tell(self.world, actor or self.exp, number_of("fsync"), (1000,), 0)


def test_a_function_and_the_system_call_that_it_causes() -> None:
    program = Program()
    program.enter(1)
    program.sync()
    program.enter(2)
    first, sync, second = program.trace.assert_sequence(
        [program.calls.where(num=1), "fsync", program.calls.where(num=2)], by="thread"
    )
    assert (first.t.num, sync.name, second.t.num) == (1, "fsync", 2)
    program.trace.assert_sequence(["fsync", program.calls], by="process")
    program.trace.assert_sequence([program.calls, program.calls])


def test_one_call_is_no_two_steps() -> None:
    program = Program()
    program.enter(1)
    with pytest.raises(AssertionError, match=r"calls in this order: .*\(1 of 2 steps found\)"):
        program.trace.assert_sequence([program.calls, program.calls])


def test_what_came_before_the_function_was_called_is_too_early() -> None:
    program = Program()
    program.sync()
    program.enter(1)
    with pytest.raises(AssertionError) as caught:
        program.trace.assert_sequence([program.calls, "fsync"], by="thread")
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "expected calls in this order (by the same thread): call of accept_exp, fsync   (1 of 2 steps found)"
    )
    assert lines[1].startswith("found     +")
    assert 'accept_exp(t={num=1, name="keqing"})' in lines[1]
    assert lines[2] == "missing   fsync after call of accept_exp"
    assert lines[3].startswith("too early +")


def test_a_function_that_was_called_with_another_value_comes_nearest() -> None:
    program = Program()
    program.sync()
    program.enter(1)
    with pytest.raises(AssertionError) as caught:
        program.trace.assert_sequence(["fsync", program.calls.where(num=3)])
    lines = str(caught.value).splitlines()
    assert lines[2] == "missing   call of accept_exp where num=3 after fsync"
    assert lines[3].startswith("closest ")
    assert lines[4].strip() == "num: 1, asked 3"


def test_another_thread_does_not_go_on_with_the_sequence() -> None:
    program = Program()
    other = program.world.fork(program.exp)
    program.enter(1)
    program.sync(other)
    program.trace.assert_sequence([program.calls, "fsync"])
    with pytest.raises(AssertionError, match=r"elsewhere "):
        program.trace.assert_sequence([program.calls, "fsync"], by="process")
    program.trace.assert_sequence([program.calls], process=program.exp.key[0])
    with pytest.raises(AssertionError, match=r"0 of 1 steps found"):
        program.trace.assert_sequence([program.calls], process=other.key[0])


def test_no_other_call_of_the_functions_lies_between() -> None:
    program = Program()
    program.enter(1)
    program.enter(2)
    program.sync()
    steps = [program.calls.where(num=1), "fsync"]
    program.trace.assert_sequence(steps)
    with pytest.raises(AssertionError, match=r"between +\+.*accept_exp\(t=\{num=2"):
        program.trace.assert_sequence(steps, strict=True)
    program.trace.assert_sequence([program.calls.where(num=2), "fsync"], strict=True)


def test_with_functions_alone_system_calls_are_of_no_matter() -> None:
    program = Program()
    program.enter(1)
    program.sync()
    program.enter(2)
    program.trace.assert_sequence([program.calls.where(num=1), program.calls.where(num=2)], strict=True)


def test_what_was_left_out_may_lie_between() -> None:
    program = Program(every=2)
    program.enter(1)
    program.enter(2, told=None)
    program.sync()
    steps = [program.calls.where(num=1), "fsync"]
    program.trace.assert_sequence(steps)
    with pytest.raises(TraceIncomplete, match=r"1 call of accept_exp were left out by every=2"):
        program.trace.assert_sequence(steps, strict=True)


def test_a_record_that_did_not_come_may_be_the_step() -> None:
    program = Program()
    program.enter(1)
    program.world.session.pending.pop()
    program.sync()
    with pytest.raises(TraceIncomplete) as caught:
        program.trace.assert_sequence([program.calls, "fsync"])
    assert str(caught.value).splitlines()[:2] == [
        "cannot tell whether there were calls in this order: call of accept_exp, fsync   (0 of 2 steps found)",
        "because   1 records of accept_exp did not come",
    ]


def test_a_call_that_the_kernel_could_not_compare_may_be_the_step() -> None:
    program = Program(where="num > 1")
    program.enter(1, passed=False)
    program.sync()
    with pytest.raises(TraceIncomplete, match=r"may be +\+.*accept_exp"):
        program.trace.assert_sequence([program.calls, "fsync"])


def test_a_function_is_on_no_file() -> None:
    program = Program()
    with pytest.raises(UsageError) as caught:
        program.trace.assert_sequence([program.calls, call("fsync")], by="file")
    assert str(caught.value) == (
        "a call of accept_exp is on no file: say by='thread' or by='process' instead of by='file'"
    )
