"""How probes are asked for: in Python, and in texts as bpftrace and BCC's trace have them."""

from __future__ import annotations

import ctypes
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ebpf import Trace, UsageError, kernel_function, tracepoint, uprobe, usdt
from pytest_ebpf.functions.wanted import Wanted, parse

if TYPE_CHECKING:
    from collections.abc import Callable

EXP = Wanted(kind="uprobe", target="./exp", function="accept_exp")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("uprobe:./exp:accept_exp", EXP),
        ("p:./exp:accept_exp", EXP),
        (
            "uretprobe:./exp:accept_exp",
            Wanted(kind="uprobe", target="./exp", function="accept_exp", returns=True),
        ),
        ("r:c:malloc", Wanted(kind="uprobe", target="libc", function="malloc", returns=True)),
        ("uprobe:./app:ns::f<int>", Wanted(kind="uprobe", target="./app", function="ns::f<int>")),
        ("'uprobe:./app:ns::f(int, char)'", Wanted(kind="uprobe", target="./app", function="ns::f(int, char)")),
        ("uprobe:./exp:exp.c:17", Wanted(kind="uprobe", target="./exp", function="exp.c:17")),
        (
            "usdt:/usr/bin/python3:python:gc__start",
            Wanted(kind="usdt", target="/usr/bin/python3", provider="python", function="gc__start"),
        ),
        ("usdt:./app:probe", Wanted(kind="usdt", target="./app", provider="*", function="probe")),
        (
            "tracepoint:syscalls:sys_enter_openat",
            Wanted(kind="tracepoint", provider="syscalls", function="sys_enter_openat"),
        ),
        ("t:sched:sched_switch", Wanted(kind="tracepoint", provider="sched", function="sched_switch")),
        ("rawtracepoint:sched_switch", Wanted(kind="raw_tracepoint", function="sched_switch")),
        (
            "rawtracepoint:sched_wakeup task=p",
            Wanted(kind="raw_tracepoint", function="sched_wakeup", task="p"),
        ),
        (
            "rawtracepoint:signal_generate task=...",
            Wanted(kind="raw_tracepoint", function="signal_generate", values=(("task", ...),)),
        ),
        (
            "tracepoint:task:task_rename task=s32@ctx+8",
            Wanted(kind="tracepoint", provider="task", function="task_rename", values=(("task", "s32@ctx+8"),)),
        ),
        (
            "uprobe:./exp:run task=ptr",
            Wanted(kind="uprobe", target="./exp", function="run", values=(("task", "ptr"),)),
        ),
        ("kprobe:do_unlinkat", Wanted(kind="kprobe", function="do_unlinkat")),
        ("kretprobe:do_unlinkat", Wanted(kind="kprobe", function="do_unlinkat", returns=True)),
        ("fexit:9p:v9fs_file_open", Wanted(kind="kprobe", provider="9p", function="v9fs_file_open", returns=True)),
        ("p::do_unlinkat", Wanted(kind="kprobe", function="do_unlinkat")),
        ("p:do_unlinkat", Wanted(kind="kprobe", function="do_unlinkat")),
        (
            "uprobe:./exp:accept_exp num=s32@arg0 name=str@arg0+4 where='num > 1' every=10 limit=1_0 stack returns=s32",
            Wanted(
                kind="uprobe",
                target="./exp",
                function="accept_exp",
                values=(("num", "s32@arg0"), ("name", "str@arg0+4")),
                where="num > 1",
                every=10,
                limit=10,
                stack=True,
                returns="s32",
            ),
        ),
    ],
)
def test_a_text_says_what_is_wanted(text: str, wanted: Wanted) -> None:
    assert parse(text) == wanted


def test_all_ways_to_ask_for_a_function_are_one() -> None:
    assert uprobe("./exp", "accept_exp") == EXP
    assert uprobe("./exp:accept_exp") == EXP
    assert uprobe("uprobe:./exp:accept_exp") == EXP
    assert str(EXP) == "uprobe:./exp:accept_exp"
    assert uprobe("./exp:accept_exp num=s32@arg0", name="str@arg0+4") == uprobe(
        "./exp", "accept_exp", num="s32@arg0", name="str@arg0+4"
    )
    typed = uprobe("./exp", "accept_exp", ctypes.c_int, size=ctypes.c_size_t, every=2)
    assert (typed.types, typed.values, typed.every) == ((ctypes.c_int,), (("size", ctypes.c_size_t),), 2)


def test_probes_of_the_kernel() -> None:
    assert tracepoint("sched:sched_switch") == parse("tracepoint:sched:sched_switch")
    assert tracepoint("sched:sched_switch", next_pid=...) == parse("t:sched:sched_switch next_pid=...")
    assert kernel_function("do_unlinkat", returns=True) == parse("kretprobe:do_unlinkat")


def test_all_ways_to_ask_for_a_static_probe_are_one() -> None:
    gc = Wanted(kind="usdt", target="/usr/bin/python3", provider="python", function="gc__start")
    assert usdt("/usr/bin/python3", "python", "gc__start") == gc
    assert usdt("usdt:/usr/bin/python3:python:gc__start") == usdt("/usr/bin/python3:python:gc__start") == gc


SUCH_AS = "(such as uprobe:./program:function, usdt:/usr/bin/python3:python:gc__start)"


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda: parse("uprob:./exp:f"), f"'uprob:./exp:f' is no probe; did you mean uprobe:…? {SUCH_AS}"),
        (lambda: parse(""), f"'' is no probe {SUCH_AS}"),
        (lambda: parse("uprobe:./exp:f 'x"), '"uprobe:./exp:f \'x" is no probe: No closing quotation'),
        (lambda: parse("uprobe:./exp"), "uprobe:./exp is not whole: it is written as 'uprobe:./program:function'"),
        (
            lambda: parse("tracepoint:sched"),
            "tracepoint:sched is not whole: it is written as 'tracepoint:sched:sched_process_exit'",
        ),
        (
            lambda: parse("uprobe:./exp:f x"),
            "'uprobe:./exp:f x': 'x' says nothing to read; write name=type, such as num=s32@arg0",
        ),
        (lambda: parse("uprobe:./exp:f x=s32 x=u32"), "'uprobe:./exp:f x=s32 x=u32': x is given twice"),
        (lambda: parse("uprobe:./exp:f every=x"), "'uprobe:./exp:f every=x': 'every=x' takes a number"),
        (
            lambda: uprobe("./exp"),
            (
                "uprobe('./exp'): in which file, and which function? Say uprobe('./program', 'function'), or"
                " 'uprobe:./program:function'"
            ),
        ),
        (
            lambda: uprobe("usdt:./exp:a:b"),
            "'usdt:./exp:a:b' is a usdt; here a uprobe is asked for, such as 'uprobe:./program:function'",
        ),
        (lambda: uprobe("./exp", ""), "a function is named by a text, such as 'accept_exp', not by ''"),
        (
            lambda: uprobe(1.5, "f"),
            "a target is an executable or a library, by its path or name, or a process that runs it, not 1.5",
        ),
        (
            lambda: uprobe("./exp", "f", every=0),
            "every is how many calls there are to each that is recorded: 1 or more, not 0",
        ),
        (
            lambda: parse("rawtracepoint:sched_wakeup task=p stack"),
            (
                "raw_tracepoint:sched_wakeup: the stack is that of the thread that passes a tracepoint, and task=p asks"
                " for those of another; ask without stack, or without task"
            ),
        ),
        (lambda: uprobe("./exp", "f", limit=0), "limit is how many calls are recorded at most, 1 or more, not 0"),
        (
            lambda: uprobe("./exp", "f", where=len),  # type: ignore[arg-type]  # which is refused
            "where is a text such as 'size > 1_000_000', not <built-in function len>",
        ),
        (
            lambda: usdt("./exp", "python"),
            "usdt('./exp', 'python'): which probe? Say its name too; any is '*'",
        ),
        (
            lambda: tracepoint("kprobe:f"),
            "'kprobe:f' is a kprobe; here a tracepoint is asked for, such as 'tracepoint:sched:sched_process_exit'",
        ),
    ],
)
def test_what_cannot_be_wanted(ask: Callable[[], Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask()
    assert str(caught.value) == text


@pytest.mark.parametrize("ask", [uprobe, usdt, tracepoint, kernel_function])
def test_a_trace_takes_what_the_function_of_that_name_takes(ask: Callable[..., Wanted]) -> None:
    method = inspect.signature(getattr(Trace, ask.__name__)).parameters.values()
    of_trace = [(each.name, each.kind, each.default) for each in method if each.name != "self"]
    assert of_trace == [(each.name, each.kind, each.default) for each in inspect.signature(ask).parameters.values()]
