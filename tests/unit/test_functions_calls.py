"""Function calls as a test sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from model_functions import FunctionWorld

from pytest_ebpf import TraceIncomplete, UsageError
from pytest_ebpf.probes.types import Integer

if TYPE_CHECKING:
    from pytest_ebpf import Trace


INT = Integer(4, signed=True)


def started(**options: Any) -> tuple[FunctionWorld, Trace]:
    world = FunctionWorld(**options)
    return world, world.trace()


def test_a_call_has_its_arguments_as_attributes_and_by_place() -> None:
    world, trace = started()
    calls = trace.uprobe("./exp", "accept_exp")
    world.accept(world.exp(), 2)
    call = calls.one()
    assert (call.t.num, call.t.name) == (2, b"keqing")
    assert call[0].num == call[-1].num == call.args["t"].num == call.args.t.num == call.args[0].num == 2
    assert (call.function, call.window, call.process.argv) == ("accept_exp", 1, ("./exp",))
    assert str(call) == 'accept_exp(t={num=2, name="keqing"})'


def test_what_is_no_argument_is_said_with_those_there_are() -> None:
    world, trace = started()
    calls = trace.uprobe("./exp", "accept_exp")
    world.accept(world.exp(), 2)
    with pytest.raises(AttributeError, match=r"^accept_exp\(\) has no argument 'tt', only t$"):
        _ = calls[0].tt
    with pytest.raises(AttributeError, match=r"^accept_exp\(\) has no argument 'tt', only t$"):
        _ = calls[0].args.tt
    with pytest.raises(IndexError, match=r"^accept_exp\(\) has 1 arguments that are read, and none at 1$"):
        _ = calls[0][1]
    assert not hasattr(calls[0], "__array__")


def test_a_probe_grows_while_its_window_is_open() -> None:
    world, trace = started()
    calls = trace.uprobe("./exp", "accept_exp")
    exp = world.exp()
    assert not calls.seen()
    world.accept(exp, 1)
    assert [call.t.num for call in calls] == [1]
    world.accept(exp, 2)
    assert [call.t.num for call in calls] == [1, 2]
    assert repr(calls) == (
        '<2 calls of accept_exp: accept_exp(t={num=1, name="keqing"}); accept_exp(t={num=2, name="keqing"})>'
    )
    trace.close()
    assert [call.t.num for call in calls] == [1, 2]


def test_a_probe_is_attached_once_and_on_only_in_the_windows_that_asked() -> None:
    world, first = started()
    first.uprobe("./exp", "accept_exp")
    assert [probe.wanted for probe in world.session.probes] == [True]
    first.close()
    assert [probe.wanted for probe in world.session.probes] == [False]
    second = world.trace()
    world.accept(world.exp(), 1)
    calls = second.uprobe("./exp", "accept_exp")
    assert len(world.session.probes) == len(world.defined) == 1
    world.accept(world.exp(), 2)
    assert [call.t.num for call in calls] == [2]


def test_asking_again_gives_the_same_calls() -> None:
    world, trace = started()
    trace.uprobe("./exp", "accept_exp")
    world.accept(world.exp(), 1)
    assert len(trace.uprobe("./exp", "accept_exp")) == 1


def test_a_return_belongs_to_its_entry() -> None:
    world, trace = started(result=INT)
    calls = trace.uprobe("./exp", "accept_exp", returns="s32")
    exp = world.exp()
    outer, inner = world.accept(exp, 1), world.accept(exp, 2)
    assert [(call.returned, call.result, call.duration) for call in calls] == [(False, None, None)] * 2
    world.leave_function(exp, inner, 20)
    world.leave_function(exp, outer, 10)
    assert [call.result for call in calls] == [10, 20]
    assert [call.duration for call in calls] == [0.0003, 0.0001]
    assert str(calls[1]) == 'accept_exp(t={num=2, name="keqing"}) = 20'


def test_what_returned_after_the_window_is_not_known_to_have_returned() -> None:
    world, trace = started(result=INT)
    calls = trace.uprobe("./exp", "accept_exp", returns="s32")
    exp = world.exp()
    at = world.accept(exp, 1)
    trace.close()
    world.leave_function(exp, at, 5)
    assert not calls[0].returned
    assert str(calls[0]) == 'accept_exp(t={num=1, name="keqing"}) = ?'
    with pytest.raises(TraceIncomplete, match="result: not known: the function had not returned when the window"):
        trace.assert_not_called("accept_exp", result=5)


def test_a_return_that_the_kernel_does_not_tell_is_no_result() -> None:
    world, trace = started(result=INT)
    calls = trace.uprobe("./exp", "accept_exp", returns="s32")
    world.accept(world.exp(), 1, no_frame=True)
    with pytest.raises(
        TraceIncomplete,
        match=r"^the result of accept_exp\(\): the kernel tells of the returns of the outermost 64 calls of a thread",
    ):
        _ = calls[0].result
    with pytest.raises(TraceIncomplete):
        trace.assert_not_called("accept_exp", returned=False)


def test_a_section_has_the_calls_of_its_time() -> None:
    world, trace = started()
    calls = trace.uprobe("./exp", "accept_exp")
    exp = world.exp()
    world.accept(exp, 1)
    with trace.section("part") as part:
        world.accept(exp, 2)
        assert [call.t.num for call in part.functions] == [2]
        part.assert_called("accept_exp", count=1)
        part.assert_called(calls, num=2, count=1)
    world.accept(exp, 3)
    assert [call.t.num for call in calls] == [1, 2, 3]
    part.assert_not_called("accept_exp", num=3)


def test_a_probe_can_be_waited_for() -> None:
    world, trace = started()
    calls = trace.uprobe("./exp", "accept_exp")
    exp = world.exp()
    world.session.later = [lambda: world.accept(exp, 1), lambda: world.accept(exp, 2)]
    assert trace.wait_for(calls, num=2).t.num == 2
    with pytest.raises(AssertionError, match=r"^waited 0\.000 s: expected a function call made: accept_exp, num=3 "):
        trace.wait_for(calls, timeout=0, num=3)


def test_a_file_that_is_gone_when_it_is_to_be_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    world, trace = started()

    def attach(_request: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(world.session, "attach", attach)
    with pytest.raises(UsageError) as caught:
        trace.uprobe("./exp", "accept_exp")
    assert str(caught.value) == "/srv/exp cannot be opened: No such file or directory; ask again when it can"
    assert trace.window.history.functions.armings == []


def test_a_closed_window_takes_no_probe() -> None:
    world, trace = started()
    trace.close()
    with pytest.raises(UsageError, match=r"^the window is closed: ask for uprobe:\./exp:accept_exp while it is open$"):
        trace.uprobe("./exp", "accept_exp")
    assert not world.session.probes
