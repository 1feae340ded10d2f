"""That no function call was seen says that there was none only if it would have been seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from calls_stream import file as file_record
from model_calls import tell
from model_functions import FunctionWorld

from pytest_ebpf import TraceIncomplete, UsageError
from pytest_ebpf.binaries.errors import Undecoded
from pytest_ebpf.engine import kernel_attaching
from pytest_ebpf.functions.definition import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf import Trace


def asked(**options: Any) -> tuple[FunctionWorld, Trace]:
    """A window in which `exp` runs, and its function has a probe."""
    how = {name: options.pop(name) for name in ("every", "limit", "where") if name in options}
    world = FunctionWorld(**options)
    trace = world.trace()
    trace.uprobe("./exp", "accept_exp", **how)
    return world, trace


def because(ask: Callable[[], object]) -> list[str]:
    """Return what is missing, and what to do about it."""
    with pytest.raises(TraceIncomplete) as caught:
        ask()
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("cannot tell"), lines[0]
    return [line for line in lines[1:] if line.startswith(("because", "try", "          ", "may")) and "└" not in line]


def test_a_function_that_could_have_been_called_and_was_not() -> None:
    world, trace = asked()
    world.exit(world.exp())
    trace.assert_not_called("accept_exp")
    trace.assert_called("accept_exp", count=0)
    assert not trace.functions
    trace.close()
    trace.assert_not_called("accept_exp")


def test_a_call_is_found_whatever_else_is_missing() -> None:
    world, trace = asked(every=2, inlined={"accept_exp": 1})
    world.accept(world.exp(), 1)
    world.session.lost["lost_records"] += 1
    assert trace.assert_called("accept_exp", num=1).t.num == 1


def test_lost_records_may_be_calls() -> None:
    world, trace = asked()
    world.accept(world.exp(), 1)
    world.lose()
    lacks = because(lambda: trace.assert_not_called("accept_exp"))
    assert lacks[0].startswith("because   1 record (300 B) did not fit")


def test_a_record_that_was_told_and_did_not_come() -> None:
    world, trace = asked()
    exp = world.exp()
    world.accept(exp, 1)
    world.session.pending.pop()
    assert because(lambda: trace.assert_not_called("accept_exp")) == [
        "because   1 records of accept_exp did not come",
        'try       a larger ring: @pytest.mark.ebpf(ring_size="64M"), or where= so that fewer calls count',
    ]


def test_calls_that_were_left_out_on_purpose() -> None:
    world, trace = asked(every=2, limit=3)
    exp = world.exp()
    world.accept(exp, 1)
    trace.assert_called("accept_exp", count=1)
    world.accept(exp, 2, told=None)
    expected = [
        "because   1 call of accept_exp were left out by every=2 and limit=3",
        "try       ask for the probe without",
    ]
    assert because(lambda: trace.assert_not_called("accept_exp", num=2)) == expected
    assert because(lambda: trace.assert_called("accept_exp", count=1))[:2] == expected
    with pytest.raises(TraceIncomplete):
        len(trace.functions)


def test_what_an_earlier_window_lost_is_nothing_to_this_one() -> None:
    world, first = asked()
    exp = world.exp()
    world.accept(exp, 1)
    world.session.pending.pop()
    first.close()
    trace = world.trace()
    trace.uprobe("./exp", "accept_exp")
    world.accept(exp, 2)
    trace.assert_called("accept_exp", count=1)


def test_nobody_had_the_file() -> None:
    world, trace = asked()
    world.run(world.root, "true")
    assert because(lambda: trace.assert_not_called("accept_exp")) == [
        (
            "because   nothing shows that a process had /srv/exp mapped, so its probe could not fire (mmap is not"
            " recorded, so of processes that have ended it is not known)"
        ),
        'try       record mmap: @pytest.mark.ebpf(syscalls="mmap"); or allow_unmapped=True, if it need not be',
    ]
    trace.assert_not_called("accept_exp", allow_unmapped=True)
    assert not trace.functions.where(allow_unmapped=True)


def test_who_ended_before_the_probe_was_on_does_not_count() -> None:
    world = FunctionWorld()
    trace = world.trace()
    world.exit(world.exp())
    trace.uprobe("./exp", "accept_exp")
    assert "/srv/exp" in because(lambda: trace.assert_not_called("accept_exp"))[0]


def test_another_file_of_that_name_is_named() -> None:
    world, trace = asked()
    world.run(world.root, "./exp", exe=b"/opt/exp", exe_inode=43)
    assert because(lambda: trace.assert_not_called("accept_exp")) == [
        (
            "because   nothing shows that a process had /srv/exp mapped, so its probe could not fire; another file of"
            " that name was: /opt/exp (by pid 4101) (mmap is not recorded, so of processes that have ended it is not"
            " known)"
        ),
        "try       probe /opt/exp; or allow_unmapped=True, if it need not be",
    ]


@pytest.mark.parametrize(("protection", "inode", "found"), [(5, 4242, True), (1, 4242, False), (5, 43, False)])
def test_a_library_that_was_mapped_to_be_executed(protection: int, inode: int, found: bool) -> None:
    world, trace = asked(calls=True, path="/srv/libexp.so.1")
    program = world.exec(world.fork(world.root), "program", exe_inode=7)
    world.session.calls += file_record(3, "/srv/libexp.so.1", inode=inode, pid=program.pid)
    tell(world, program, "mmap", (0, 4096, protection, 2, 3, 0), 0x7F00, files=(3,))
    world.exit(program)
    if found:
        trace.assert_not_called("accept_exp")
    else:
        assert because(lambda: trace.assert_not_called("accept_exp"))[0].startswith(
            "because   nothing shows that a process had /srv/libexp.so.1 mapped, so its probe could not fire"
        )


def test_this_very_process_has_its_own_program() -> None:
    executable = Path("/proc/self/exe").stat()
    identity = Identity(executable.st_dev, executable.st_ino, executable.st_size, executable.st_mtime_ns)
    world = FunctionWorld(identity=identity, path=os.path.realpath("/proc/self/exe"))
    # Of this world alone the test's own process is in /proc.
    world.history.pid_in_proc = lambda life: os.getpid() if life is world.history.root else 0  # type: ignore[method-assign]
    trace = world.trace()
    trace.uprobe("python3", "accept_exp")
    trace.assert_not_called("accept_exp")


def test_another_file_took_its_place() -> None:
    world, trace = asked()
    world.exit(world.exp())
    world.identity = world.identity._replace(inode=43)
    assert because(lambda: trace.assert_not_called("accept_exp")) == [
        "because   /srv/exp is no longer the file that the probe is on: another one took its place",
        "try       ask for the probe when the file is made",
    ]


def test_the_probe_follows_the_new_file_when_it_is_asked_for_again() -> None:
    world, first = asked()
    first.close()
    world.identity = world.identity._replace(inode=43)
    trace = world.trace()
    trace.uprobe("./exp", "accept_exp")
    assert len(world.session.probes) == 2
    world.run(world.root, "./exp", exe=b"/srv/exp", exe_inode=43)
    trace.assert_not_called("accept_exp")


def test_what_took_its_place_after_the_window_is_nothing_to_it() -> None:
    world, trace = asked()
    world.exit(world.exp())
    trace.close()
    world.identity = world.identity._replace(inode=43)
    trace.assert_not_called("accept_exp")


def test_code_that_is_elsewhere_too() -> None:
    world, trace = asked(inlined={"accept_exp": 2}, clones={"accept_exp": ("accept_exp.constprop.0",)})
    world.exit(world.exp())
    assert because(lambda: trace.assert_not_called("accept_exp")) == [
        "because   the compiler put the code of accept_exp into 2 other places, where no probe sees it",
        "          the compiler made copies of accept_exp, which may be called in its stead: accept_exp.constprop.0",
        "try       compile it with -fno-inline, or allow_inlined=True if those calls are of no matter",
        "          ask for accept_exp*, or allow_inlined=True if those calls are of no matter",
    ]
    trace.assert_not_called("accept_exp", allow_inlined=True)


def test_debug_information_that_is_not_read() -> None:
    world, trace = asked(undecoded=Undecoded("it is split", "compile it whole"))
    world.exit(world.exp())
    assert because(lambda: trace.assert_not_called("accept_exp")) == [
        "because   whether the compiler put the code of accept_exp into others is not known: it is split",
        "try       compile it whole, or allow_inlined=True if those calls are of no matter",
    ]
    trace.assert_not_called("accept_exp", allow_inlined=True)


def test_an_argument_of_which_debug_information_that_is_not_read_would_tell() -> None:
    _, trace = asked(types={}, undecoded=Undecoded("it is split", "compile it whole"))
    with pytest.raises(UsageError) as caught:
        trace.assert_called("accept_exp", num=1)
    assert str(caught.value) == (
        "of accept_exp no argument is read (it is split), and so none is called 'num'; say what to read, by name and"
        " type: num='s32@arg0', num=ctypes.c_int"
    )


def test_copies_of_a_function_of_the_kernel() -> None:
    world, trace = asked(path="", clones={"do_it": ("do_it.part.0",)})
    world.exit(world.exp())
    assert because(lambda: trace.assert_not_called("accept_exp")) == [
        "because   the compiler made copies of do_it, which may be called in its stead: do_it.part.0",
        "try       allow_inlined=True if those calls are of no matter",
    ]
    trace.assert_not_called("accept_exp", allow_inlined=True)


def test_functions_of_the_kernel_that_a_pattern_leaves_out() -> None:
    world = FunctionWorld(path="", functions=("do_one", "do_two"), left_out=("do_three",))
    trace = world.trace()
    trace.kernel_function("do_*")
    world.exit(world.exp())
    missing = [
        (
            "because   do_* matches functions of the kernel that have no probe, as it has several of that name or lets"
            " none be traced: do_three"
        ),
        "try       name the functions that are meant",
    ]
    assert because(lambda: trace.assert_not_called("do_*")) == missing
    assert because(lambda: trace.assert_not_called("do_*", allow_inlined=True)) == missing
    assert because(lambda: trace.assert_not_called("do_t*")) == missing
    trace.assert_not_called("do_one")
    # Another probe that is on all that this one is on is not on what it left out.
    world.left_out = ()
    trace.kernel_function("do_[ot]*")
    assert because(lambda: trace.assert_not_called("do_*")) == missing


def test_a_kernel_that_traces_no_functions_now(monkeypatch: pytest.MonkeyPatch) -> None:
    world = FunctionWorld(path="")
    trace = world.trace()
    trace.kernel_function("accept_exp")
    world.exit(world.exp())
    trace.assert_not_called("accept_exp")
    monkeypatch.setattr(kernel_attaching, "is_switched_off", lambda: True)
    assert because(lambda: trace.assert_not_called("accept_exp")) == [
        "because   the kernel traces no functions now (kernel.ftrace_enabled is 0)",
        "try       sysctl kernel.ftrace_enabled=1",
    ]


def test_a_module_of_the_kernel_that_was_loaded_again() -> None:
    world, trace = asked(path="")
    world.exit(world.exp())
    trace.assert_not_called("accept_exp")
    world.identity = world.identity._replace(inode=43)
    assert because(lambda: trace.assert_not_called("accept_exp")) == [
        "because   modules of the kernel were loaded or unloaded since the probe on accept_exp was attached",
        "try       ask for it when they are loaded",
    ]


def test_a_section_that_was_open_before() -> None:
    world = FunctionWorld()
    trace = world.trace()
    with trace.section("part") as part:
        trace.uprobe("./exp", "accept_exp")
        world.exit(world.exp())
        assert because(lambda: part.assert_not_called("accept_exp")) == [
            "because   the probe on accept_exp was not on in all of this window",
            "try       ask for it before the window opens",
        ]
    trace.assert_not_called("accept_exp")


def test_a_probe_of_a_section_says_nothing_of_what_is_around_it() -> None:
    world = FunctionWorld()
    trace = world.trace()
    with trace.section("part") as part:
        part.uprobe("./exp", "accept_exp")
        world.accept(world.exp(), 1)
    part.assert_called("accept_exp", count=1)
    trace.assert_called("accept_exp")
    assert because(lambda: trace.assert_called("accept_exp", count=1))[0] == (
        "because   the probe on accept_exp was not on in all of this window"
    )


def test_a_filter_of_the_kernel_is_no_answer_for_the_name() -> None:
    world, trace = asked(where="num > 1")
    calls = trace.uprobe("./exp", "accept_exp", where="num > 1")
    world.exit(world.exp())
    assert because(lambda: trace.assert_not_called("accept_exp")) == [
        "because   the probe on accept_exp tells only of calls where num > 1",
        "try       assert on the probe that was returned, or ask for one without where=",
    ]
    trace.assert_not_called(calls)
    assert not calls


def test_a_probe_without_a_filter_answers_for_one_with() -> None:
    world, trace = asked(where="num > 1")
    trace.uprobe("./exp", "accept_exp")
    world.exit(world.exp())
    trace.assert_not_called("accept_exp")


def test_calls_that_two_probes_tell_of_are_not_counted_twice() -> None:
    world, trace = asked()
    other = trace.uprobe("./exp", "accept_exp", returns=True)
    exp = world.exp()
    world.accept(exp, 1)
    trace.assert_called("accept_exp", num=1)
    with pytest.raises(UsageError) as caught:
        trace.assert_called("accept_exp", count=1)
    assert str(caught.value) == (
        "several probes are on accept_exp, and each tells of every call: count those of one, by what uprobe() returned"
    )
    trace.assert_called(other, count=1)


def test_a_call_of_which_the_kernel_could_not_tell_whether_it_counts() -> None:
    world, trace = asked()
    calls = trace.uprobe("./exp", "accept_exp", where="num > 1")
    world.accept(world.exp(), 1, passed=False)
    assert because(lambda: trace.assert_not_called(calls)) == [
        'may match +0.300 ms  4101 accept_exp(t={num=1, name="keqing"})',
        "            where: not known: the kernel could not read what it compares",
    ]
    with pytest.raises(TraceIncomplete):
        list(calls)


def test_whose_calls_they_would_be_is_nobody() -> None:
    world, trace = asked()
    world.exit(world.exp())
    with pytest.raises(UsageError, match="no process goes by that"):
        trace.assert_not_called("accept_exp", process="epx")
    trace.assert_not_called("accept_exp", process="exp")


def test_a_filter_may_have_crashed_who_returned() -> None:
    world = FunctionWorld(calls=True)
    world.session.filtered = True
    trace = world.trace()
    trace.uprobe("./exp", "accept_exp", returns=True)
    exp = world.exp()
    trace.assert_not_called("accept_exp")
    tell(world, exp, "seccomp", (1, 0, 0x7FFE), 0)
    world.exit(exp, signal=11)
    assert because(lambda: trace.assert_not_called("accept_exp")) == [
        (
            "because   4101 ./exp (SIGSEGV) runs under a seccomp filter, which on this kernel answers the system call"
            " that return probes work by: it may have crashed in accept_exp"
        ),
        "try       ask for the entry alone, without returns=; or use a kernel with commit cf6cb56ef244",
    ]


def test_under_a_filter_of_its_own_no_return_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = FunctionWorld()
    world.session.filtered = True
    monkeypatch.setattr("pytest_ebpf.procfs.has_filter", lambda pid: pid == os.getpid())
    trace = world.trace()
    trace.uprobe("./exp", "accept_exp")
    with pytest.raises(UsageError) as caught:
        trace.uprobe("./exp", "accept_exp", returns=True)
    assert str(caught.value) == (
        "the return of a function cannot be probed here: this process runs under a seccomp filter, which on this kernel"
        " answers the system call that return probes work by, and the programs would crash\n"
        "  try     the entry alone, without returns=; or a kernel with commit cf6cb56ef244"
    )


def test_what_took_its_place_in_the_window_is_known_when_that_has_closed() -> None:
    world, trace = asked()
    world.exit(world.exp())
    world.identity = world.identity._replace(inode=43)
    trace.close()
    with pytest.raises(TraceIncomplete, match="is no longer the file that the probe is on"):
        trace.assert_not_called("accept_exp")
