"""Probes of what the kernel itself does: its tracepoints; its functions where it lets them be probed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import brokers
import pytest
from calls_stream import number_of
from probe_stream import Probing, number, probing, value
from tiers import HAS_KPROBES, require_root

from pytest_ebpf.engine.attached import ProbeRequest
from pytest_ebpf.errors import BrokerError
from pytest_ebpf.probes.spec import Base, Fetch, FetchKind, Filter, Op, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_ebpf.engine.attached import AttachedProbe

LSEEK = number_of("lseek")
PLACE, END = 1234567, 99
"""No way to seek, so that nobody else does it."""
NOBODY = 65534
KERNEL = Spec(fetches=(value(1), Fetch(FetchKind.BYTES, Base.CONSTANT, constant=0, size=8, kernel=True)))
REFUSED = "pytest-ebpf: the broker refused: "


@pytest.fixture
def probes(call_broker: Path) -> Iterator[Probing]:
    with probing(call_broker) as session:
        yield session


def field(offset: int, size: int = 8) -> Fetch:
    return Fetch(FetchKind.BYTES, Base.CONTEXT, offsets=(offset,), size=size, kernel=True)


def attach(probes: Probing, kind: str, name: str, spec: Spec) -> AttachedProbe:
    where = {"functions": (name,)} if kind == "kprobe" else {"name": name}
    probe = probes.session.attach(ProbeRequest(spec=spec, kind=kind, **where))
    probe.wanted = True
    return probe


def seek(fd: int, place: int) -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.lseek(fd, place, END)


def test_a_tracepoint_tells_the_fields_of_its_record(probes: Probing) -> None:
    # /sys/kernel/tracing/events/syscalls/sys_enter_lseek/format: __syscall_nr, then the arguments in eight bytes each.
    spec = Spec(fetches=(field(8, 4), field(16), field(24), field(32)), filters=(Filter(3, Op.EQUAL, END),))
    probe = attach(probes, "tracepoint", "syscalls:sys_enter_lseek", spec)
    mounts = Path("/proc/self/mounts").read_text()
    os.lseek(0, 0, os.SEEK_CUR) if os.isatty(0) else None
    seek(5000, PLACE)
    seek(5001, -1)
    hits = probes.hits()
    assert [[number(hit, index) for index in range(4)] for hit in hits] == [
        [LSEEK, 5000, PLACE, END],
        [LSEEK, 5001, -1, END],
    ]
    assert (probe.hits, probe.told) == (2, 2)
    assert "tracefs" not in mounts or "tracefs" in Path("/proc/1/mounts").read_text()


def test_a_raw_tracepoint_tells_its_arguments_and_what_they_point_to(probes: Probing) -> None:
    # include/trace/events/syscalls.h: TP_PROTO(struct pt_regs *regs, long id)
    argument = value(1).register * 8
    fetches = (
        field(8),
        Fetch(FetchKind.BYTES, Base.CONTEXT, offsets=(0, argument), size=8, kernel=True),
        Fetch(FetchKind.VALUE, Base.CONTEXT, offsets=(0, argument, 0), kernel=True),
    )
    filters = (Filter(0, Op.EQUAL, LSEEK), Filter(1, Op.EQUAL, PLACE))
    attach(probes, "raw_tracepoint", "sys_enter", Spec(fetches=fetches, filters=filters))
    seek(5000, PLACE)
    seek(5000, PLACE + 1)
    assert [[number(hit, index) for index in range(3)] for hit in probes.hits()] == [[LSEEK, PLACE, PLACE]]


def test_a_tracepoint_is_told_to_the_session_of_the_thread_that_passes_it(
    probes: Probing, program: Callable[[str], str]
) -> None:
    spec = Spec(fetches=(field(16, 4),))
    attach(probes, "tracepoint", "syscalls:sys_enter_exit_group", spec)
    child = subprocess.run([program("probed"), "nonsense"], check=False)
    assert child.returncode == 2
    assert [number(hit, 0) for hit in probes.hits()] == [2]


def test_a_pointer_of_the_kernels_that_leads_nowhere_is_unreadable(probes: Probing) -> None:
    wild = Fetch(FetchKind.BYTES, Base.CONTEXT, offsets=(24, 0), size=8, kernel=True)
    attach(probes, "tracepoint", "syscalls:sys_enter_lseek", Spec(fetches=(wild,)))
    seek(5000, PLACE)
    (hit,) = probes.hits()
    assert (hit.pieces[0].unreadable, hit.pieces[0].step, hit.pieces[0].address) == (True, 1, PLACE)


def test_a_text_that_lies_elsewhere_in_the_record_is_found(probes: Probing, program: Callable[[str], str]) -> None:
    # events/sched/sched_process_exec/format: __data_loc char[] filename, at 8
    filename = Fetch(FetchKind.STRING, Base.CONTEXT, offsets=(8, 0), size=200, kernel=True, in_record=True)
    attach(probes, "tracepoint", "sched:sched_process_exec", Spec(fetches=(filename,)))
    subprocess.run([program("probed"), "all"], check=True)
    assert [hit.pieces[0].data for hit in probes.hits()] == [os.fsencode(program("probed"))]


def test_a_tracepoint_takes_several_probes(probes: Probing) -> None:
    place = Fetch(FetchKind.BYTES, Base.CONTEXT, offsets=(0, value(1).register * 8), size=8, kernel=True)
    kinds = (("tracepoint", "syscalls:sys_enter_lseek", field(24)), ("raw_tracepoint", "sys_enter", place))
    attached = [
        attach(probes, kind, name, Spec(fetches=(fetch, field(8, size)), filters=(Filter(0, Op.EQUAL, PLACE),))).id
        for kind, name, fetch in kinds
        for size in (4, 8)
    ]
    seek(5000, PLACE)
    hits = probes.hits()
    assert {hit.spec: number(hit, 1, 4) for hit in hits} == dict.fromkeys(attached, LSEEK)
    assert len(hits) == 4


def test_what_another_thread_does_to_a_task_is_told_as_that_tasks(
    probes: Probing, program: Callable[[str], str]
) -> None:
    # include/trace/events/sched.h: TP_PROTO(struct task_struct *p)
    probe = probes.session.attach(ProbeRequest(spec=Spec(), kind="raw_tracepoint", name="sched_wakeup", task=0))
    with subprocess.Popen([program("probed"), "waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as waiting:
        assert waiting.stdin
        assert waiting.stdout
        waiting.stdin.write(b"\n")
        waiting.stdin.flush()
        assert waiting.stdout.readline() == b"called\n"
        assert brokers.eventually(lambda: ") S " in Path(f"/proc/{waiting.pid}/stat").read_text())
        probe.wanted = True
        waiting.stdin.write(b"\n")
        waiting.stdin.flush()
        assert waiting.stdout.readline() == b"called\n"
        probe.wanted = False
    assert waiting.pid in {hit.host_tid for hit in probes.hits()}


def test_what_is_asked_of_another_loading_of_a_module_is_another_probe(call_broker: Path, probes: Probing) -> None:
    first, second = (ProbeRequest(spec=Spec(), kind="raw_tracepoint", name="sched_wakeup", loading=at) for at in (1, 2))
    attached = probes.session.attach(first)
    assert probes.session.attach(first) is attached
    assert probes.session.attach(second).id != attached.id
    with probing(call_broker) as others:
        assert others.session.attach(first).id == attached.id
        assert others.session.attach(second).id == probes.session.attach(second).id


@pytest.mark.parametrize(
    ("name", "task", "sentence"),
    [
        ("sys_enter", 1, "argument 1 of the raw tracepoint sys_enter is no struct task_struct *"),
        ("sys_enter", 3, "argument 3 of the raw tracepoint sys_enter is no struct task_struct *"),
        ("nothing", 0, f"this kernel ({os.uname().release}) has no raw tracepoint nothing"),
        ("sched_wakeup", 4, "the task of a raw tracepoint is one of its 4 first arguments, and you said 4"),
    ],
)
def test_a_task_that_is_none_is_refused(name: str, task: int, sentence: str, probes: Probing) -> None:
    with pytest.raises(BrokerError) as caught:
        probes.session.attach(ProbeRequest(spec=Spec(), kind="raw_tracepoint", name=name, task=task))
    assert str(caught.value) == REFUSED + sentence


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        (
            "tracepoint",
            "sched:no_such_event",
            f"this kernel ({os.uname().release}) has no tracepoint sched:no_such_event",
        ),
        ("raw_tracepoint", "no_such_event", f"this kernel ({os.uname().release}) has no raw tracepoint no_such_event"),
        (
            "tracepoint",
            "sched/../switch:id",
            "'sched/../switch:id' is no name of a tracepoint: sched:sched_switch is one",
        ),
        ("raw_tracepoint", "a:b", "'a:b' is no name of a raw_tracepoint: sched_switch is one"),
        ("kprobe", "do_unlinkat+4", "'do_unlinkat+4' is no name of a kprobe: do_unlinkat is one"),
    ],
)
def test_a_name_that_the_kernel_does_not_know_is_refused(kind: str, name: str, sentence: str, probes: Probing) -> None:
    with pytest.raises(BrokerError) as caught:
        attach(probes, kind, name, Spec())
    assert str(caught.value) == REFUSED + sentence


def test_a_kernel_without_kprobes_is_named_as_such(probes: Probing) -> None:
    if HAS_KPROBES:
        probe = attach(probes, "kprobe", "do_unlinkat", Spec(returns=True))
        with pytest.raises(FileNotFoundError):
            os.unlink("/no/such/file")  # noqa: PTH108 - the call itself
        assert [hit.is_return for hit in probes.hits()] == [False, True]
        assert probe.hits == 1
        return
    with pytest.raises(BrokerError) as caught:
        attach(probes, "kprobe", "do_unlinkat", Spec())
    assert str(caught.value) == (
        f"{REFUSED}this kernel ({os.uname().release}) has no kprobes\n"
        "  needs   a kernel built with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y\n"
        "  try     a tracepoint near do_unlinkat: grep NAME /sys/kernel/tracing/available_events"
    )


def test_a_tracepoint_has_neither_registers_nor_a_return(probes: Probing) -> None:
    malformed = f"{REFUSED}the table of this probe is malformed: "
    with pytest.raises(BrokerError) as caught:
        attach(probes, "tracepoint", "sched:sched_switch", Spec(fetches=(value(0),)))
    assert str(caught.value) == malformed + "value 0 is in a register, and a tracepoint has none"
    with pytest.raises(BrokerError) as caught:
        attach(probes, "tracepoint", "sched:sched_switch", Spec(returns=True))
    assert str(caught.value) == f"{REFUSED}a tracepoint has no return"


def test_under_an_administrators_broker_the_kernels_memory_is_for_root(program: Callable[[str], str]) -> None:
    require_root()
    probed = program("probed")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        socket = Path(folder, "socket")
        command = [sys.executable, "-I", "-m", "pytest_ebpf", "serve", "--uid", str(NOBODY), "--socket", str(socket)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as broker:
            assert broker.stdout
            assert broker.stdout.readline()  # says that it is there

            def client() -> str:
                with probing(Path(folder), broker=socket) as probes:
                    said = []
                    for kind, name in (("tracepoint", "sched:sched_switch"), ("kprobe", "do_unlinkat")):
                        with pytest.raises(BrokerError) as caught:
                            attach(probes, kind, name, Spec())
                        said.append(str(caught.value))
                    with pytest.raises(BrokerError) as caught:
                        probes.attach(KERNEL, target, "take_numbers")
                    said.append(str(caught.value))
                    # Its own memory is its own; and the bit of another's probe gives it nothing.
                    probes.attach(Spec(fetches=(value(1),)), target, "take_numbers")
                    for slot in range(8):
                        probes.session._control.want_probe(slot, on=True)
                    subprocess.run([target, "all"], check=True)
                    return f"{sorted(set(said))} {[sorted(hit.pieces) for hit in probes.hits()]}"

            target = str(shutil.copy(probed, folder))
            try:
                with probing(Path(folder), broker=socket) as root:
                    root.attach(KERNEL, target, "take_numbers")
                    with brokers.forked(client, NOBODY) as (_, said):
                        answer = said()
            finally:
                broker.terminate()
    refusal = (
        f"{REFUSED}a probe that shows the kernel's memory is for root here, since an administrator runs this broker "
        "for all: run pytest as root, or without --ebpf-broker"
    )
    assert answer == f"{[refusal]} [[0]]"
