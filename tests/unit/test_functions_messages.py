"""The whole text of what assertions about function calls say when they fail, or cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from model_functions import FunctionWorld

from pytest_ebpf import TraceIncomplete, UsageError
from pytest_ebpf.probes.types import Integer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf import Trace

TREE = """\
processes 4100 pytest test_it.py (the test)
          └─ 4101 ./exp (+0.100 ms, exit 0, ran 0.550 ms)
"""
WINDOW = "window    3 events, 3 function calls, 0 lost, 0 truncated"


def build(**options: Any) -> tuple[FunctionWorld, Trace]:
    """`exp`, which calls the function three times."""
    world = FunctionWorld(**options)
    trace = world.trace()
    trace.uprobe("./exp", "accept_exp", returns="s32" if "result" in options else None)
    exp = world.exp()
    for number in (1, 2, 3):
        at = world.accept(exp, number)
        if number < 3 and "result" in options:
            world.leave_function(exp, at, number * 10)
    world.exit(exp)
    return world, trace


def text_of(kind: type[BaseException], ask: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        ask()
    assert caught.type is kind
    return str(caught.value)


def test_a_call_that_was_not_made_with_what_came_nearest() -> None:
    _, trace = build()
    assert text_of(AssertionError, lambda: trace.assert_called("accept_exp", num=2, name="kequing")) == (
        """\
expected a function call made: accept_exp, num=2, name='kequing'   (0 of 3 matched)
closest   +0.400 ms  4101 accept_exp(t={num=2, name="keqing"})   ← differs: name
            name: b'keqing', asked 'kequing'
          +0.300 ms  4101 accept_exp(t={num=1, name="keqing"})   ← differs: num, name
            num: 1, asked 2
            name: b'keqing', asked 'kequing'
          +0.500 ms  4101 accept_exp(t={num=3, name="keqing"})   ← differs: num, name
            num: 3, asked 2
            name: b'keqing', asked 'kequing'
"""
        + TREE
        + WINDOW
    )


def test_a_call_that_should_not_have_been_made() -> None:
    _, trace = build()
    assert text_of(AssertionError, lambda: trace.assert_not_called("accept_*", t={"num": 2})) == (
        """\
expected no function call made: accept_*, t={'num': 2}   (1 of 3 matched)
matched   +0.400 ms  4101 accept_exp(t={num=2, name="keqing"})
"""
        + TREE
        + WINDOW
    )


def test_too_many_of_a_probe() -> None:
    world, trace = build()
    calls = trace.uprobe("./exp", "accept_exp")
    assert text_of(AssertionError, lambda: trace.assert_called(calls, count=2)) == (
        """\
expected 2 function calls made: accept_exp   (3 of 3 matched)
matched   +0.300 ms  4101 accept_exp(t={num=1, name="keqing"})
          +0.400 ms  4101 accept_exp(t={num=2, name="keqing"})
          +0.500 ms  4101 accept_exp(t={num=3, name="keqing"})
"""
        + TREE
        + WINDOW
    )
    assert world.session.window == 1


def test_the_only_one_of_a_probe() -> None:
    _, trace = build()
    assert text_of(AssertionError, lambda: trace.functions.where(num=4).one()).splitlines()[0] == (
        "expected exactly one call of accept_exp where num=4   (0 of 3 matched)"
    )


def test_a_result_that_is_not_there_yet() -> None:
    _, trace = build(result=Integer(4, signed=True))
    assert text_of(TraceIncomplete, lambda: trace.assert_not_called("accept_exp", result=30)) == (
        """\
cannot tell whether a function call made: accept_exp, result=30   (0 of 3 matched)
may match +0.700 ms  4101 accept_exp(t={num=3, name="keqing"}) = ?   (not returned)
            result: not known: the function has not returned
            try wait until it has: ebpf_trace.wait_for(…, returned=True)
processes 4100 pytest test_it.py (the test)
          └─ 4101 ./exp (+0.100 ms, exit 0, ran 0.750 ms)
"""
        + WINDOW
    )
    assert trace.assert_called("accept_exp", result=20).t.num == 2


def test_a_function_that_has_no_probe() -> None:
    _, trace = build()
    assert text_of(UsageError, lambda: trace.assert_called("acept_exp")) == (
        "no probe on 'acept_exp' was asked for in this window (only on accept_exp); ask for it before it is called:"
        " ebpf_trace.uprobe('./program', 'acept_exp')"
    )
    trace.close()
    nothing = FunctionWorld().trace()
    assert text_of(UsageError, nothing.assert_not_called) == (
        "no probe on a function was asked for in this window; ask for it before it is called:"
        " ebpf_trace.uprobe('./program', 'function')"
    )
    assert not nothing.functions.seen()


@pytest.mark.parametrize(
    ("criteria", "text"),
    [
        ({"nmae": "x"}, "accept_exp has no argument 'nmae'; did you mean 'name'? (it has: t, num, name)"),
        ({"num": "2"}, "num is a number, not '2'"),
        ({"num": True}, "num is a number, not True"),
        ({"num": 1 << 31}, "num is a number from -2147483648 to 2147483647, and never 2147483648"),
        ({"name": 5}, "name is text or bytes, not 5"),
        ({"t": [1]}, "t is a struct: ask for its fields, by a dict or by their names, not [1]"),
        ({"t": {"nam": 1}}, "t has no field 'nam' (there are: num, name)"),
        ({"t": {"num": "x"}}, "t: num is a number, not 'x'"),
        ({"t__num": b"2"}, "t__num is a number, not b'2'"),
        ({"args": {"duration": 1}}, "accept_exp has no argument 'duration' (it has: t, num, name)"),
        ({"args": 5}, "args is a dict of arguments by name, not 5"),
        ({"duration": "long"}, "duration is a number of seconds, not 'long'"),
        ({"returned": 1}, "returned is a bool, not 1"),
        (
            {"result": 1},
            "what accept_exp returns is not recorded; ask for it: ebpf_trace.uprobe(…, returns=…), with a type or True",
        ),
        ({"num": None}, "num is never None"),
        ({"name": ...}, "name=...: leave it out instead; `...` stands for items in a list"),
    ],
)
def test_what_cannot_be_asked(criteria: dict[str, Any], text: str) -> None:
    _, trace = build()
    assert text_of(UsageError, lambda: trace.assert_not_called("accept_exp", **criteria)) == text


def test_arguments_that_are_not_read() -> None:
    _, trace = build(types={})
    assert text_of(UsageError, lambda: trace.assert_called("accept_exp", num=1)) == (
        "of accept_exp no argument is read, and so none is called 'num'; say what to read, by name and type:"
        " num='s32@arg0', num=ctypes.c_int"
    )


def test_what_is_no_probe() -> None:
    _, trace = build()
    assert text_of(UsageError, lambda: trace.probe(5)) == (  # type: ignore[arg-type]  # which is refused
        "a probe is what pytest_ebpf.uprobe() and the others return, or a text such as"
        " 'uprobe:./program:function', not 5"
    )
