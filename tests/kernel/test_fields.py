"""Every field of a process against what /proc, stat(2) and the program itself say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiers import require_command, require_root

from pytest_ebpf import Exec, Trace, TraceIncomplete, namespaces_of
from pytest_ebpf.namespaces import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INITIAL_PID_NAMESPACE = 0xEFFFFFFC
"""PROC_PID_INIT_INO of the kernel: the inode number of the pid namespace that the machine booted with."""
MAX_ARGUMENT = (128 << 10) - 1
"""Bytes of the longest argument that Linux takes (MAX_ARG_STRLEN), its NUL not counted."""


@pytest.fixture
def sleeper(ebpf_trace: Trace) -> Iterator[int]:
    """The pid of a program that runs until the test is over."""
    assert not ebpf_trace.losses.any
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as running:
        yield running.pid
        assert running.stdin is not None
        running.stdin.close()


def status_of(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def test_pids_in_pid_namespaces_three_deep_are_those_that_each_process_sees(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    command = [program("nested"), "3"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        said: dict[str, tuple[int, int]] = {}
        for line in iter(running.stdout.readline, "ready\n"):
            assert line, "nested ended early"
            name, *numbers = line.split()
            said[name] = (int(numbers[0]), int(numbers[1]))
        assert said == {"init1": (1, 0), "second1": (2, 1), "init2": (1, 0), "second2": (2, 1)} | {
            "init3": (1, 0),
            "second3": (2, 1),
        }
        nested = ebpf_trace.processes.where(pid=running.pid).one()
        own = {process.pid: process for process in nested.walk()}
        assert len(own) == 7
        initial = namespaces_of(os.getpid(), "pid").ids["pid"] == INITIAL_PID_NAMESPACE
        for pid, process in own.items():
            truth = status_of(pid)
            seen = [int(number) for number in truth["NSpid"]]
            assert (process.pid, process.namespace_pid) == (seen[0], seen[-1])
            assert process.ppid == int(truth["PPid"][0])
            assert process.host_pid == seen[0] or not initial
            assert process.parent is not None
            assert process.host_ppid == process.parent.host_pid
        running.stdin.close()
    # Their names are known from their ends: prctl(2) is no event.
    for name, numbers_inside in said.items():
        process = ebpf_trace.assert_spawned(comm=name)
        assert (process.namespace_pid, process.namespace_ppid) == numbers_inside
    deepest = ebpf_trace.assert_spawned(comm="second3", namespace_pid=2, new_namespaces={"pid"})
    assert deepest.pid not in {1, 2}


def test_namespaces_are_those_of_proc(ebpf_trace: Trace, sleeper: int) -> None:
    process = ebpf_trace.processes.where(pid=sleeper).one()
    for kind in KINDS:
        assert getattr(process.namespaces, kind) == Path(f"/proc/{sleeper}/ns/{kind}").stat().st_ino, kind
    assert process.new_namespaces == frozenset()


def test_a_namespace_can_be_named_by_its_file_by_who_is_in_it_and_by_his_pid(ebpf_trace: Trace) -> None:
    require_root()
    require_command("ip")
    blue = f"pytest-ebpf-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", blue], check=True)
    try:
        with subprocess.Popen(["ip", "netns", "exec", blue, "cat"], stdin=subprocess.PIPE) as started:
            inside = ebpf_trace.wait_for("cat", pid=started.pid)
            subprocess.run(["nsenter", f"--target={started.pid}", "--net", "--mount", "true"], check=True)
            subprocess.run(["uname"], stdout=subprocess.DEVNULL, check=True)
            for them in (f"/run/netns/{blue}", inside, started.pid):
                ebpf_trace.assert_spawned("true", in_namespaces_of=them)
                ebpf_trace.assert_not_spawned("uname", in_namespaces_of=them)
            started.communicate()
    finally:
        subprocess.run(["ip", "netns", "delete", blue], check=True)


def test_ids_and_capabilities_are_those_of_proc(ebpf_trace: Trace, sleeper: int) -> None:
    process, truth = ebpf_trace.processes.where(pid=sleeper).one(), status_of(sleeper)
    mine = process.credentials
    assert [mine.uid, mine.euid, mine.suid, mine.fsuid] == [int(number) for number in truth["Uid"]]
    assert [mine.gid, mine.egid, mine.sgid, mine.fsgid] == [int(number) for number in truth["Gid"]]
    sets = {
        "CapInh": mine.capabilities.inheritable_mask,
        "CapPrm": mine.capabilities.permitted_mask,
        "CapEff": mine.capabilities.effective_mask,
        "CapBnd": mine.capabilities.bounding_mask,
        "CapAmb": mine.capabilities.ambient_mask,
    }
    assert sets == {name: int(truth[name][0], 16) for name in sets}


ODD_IDS = """
import ctypes, os
os.setresgid(1001, 1002, 1003)
os.setresuid(0, 1005, 1006)  # the effective capabilities go, the permitted ones stay
ctypes.CDLL(None).setfsgid(1001)
ctypes.CDLL(None).setfsuid(0)  # and those for files come back
print(open("/proc/self/status").read())
"""


def test_ids_and_capabilities_that_differ_from_each_other_are_told_apart(ebpf_trace: Trace) -> None:
    require_root()
    command = ["setpriv", "--bounding-set=-all,+chown,+kill,+setuid,+setgid"]
    command += ["--inh-caps=-all,+chown,+kill", "--ambient-caps=-all,+kill"]
    command += [sys.executable, "-c", ODD_IDS]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    truth = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    process = ebpf_trace.assert_spawned(uid=0, euid=1005, gid=1001, egid=1002)
    mine = process.credentials
    assert [mine.uid, mine.euid, mine.suid, mine.fsuid] == [int(number) for number in truth["Uid"]]
    assert [mine.gid, mine.egid, mine.sgid, mine.fsgid] == [int(number) for number in truth["Gid"]]
    assert truth["Uid"] == ["0", "1005", "1006", "0"]
    assert truth["Gid"] == ["1001", "1002", "1003", "1001"]
    assert mine.capabilities.bounding == {"CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"}
    assert mine.capabilities.permitted_mask == int(truth["CapPrm"][0], 16) > 0
    assert mine.capabilities.inheritable == {"CAP_CHOWN", "CAP_KILL"}
    assert mine.capabilities.ambient == {"CAP_KILL"}
    assert mine.capabilities.effective == {"CAP_CHOWN"}
    with pytest.raises(AssertionError, match=r"(?m)differs: e[ug]id$"):
        ebpf_trace.assert_spawned(executed=True, euid=0, egid=1002)


def test_the_cgroup_id_is_the_inode_of_its_folder_in_the_unified_hierarchy(ebpf_trace: Trace, tmp_path: Path) -> None:
    require_root()
    mounted = tmp_path / "cgroup"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "cgroup2", "none", mounted], check=True)
    group = mounted / f"pytest-ebpf-{os.getpid()}"
    try:
        group.mkdir()
        script = f'echo $$ > "{group}/cgroup.procs" && exec cat'
        subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL, check=True)
        inode = group.stat().st_ino
        process = ebpf_trace.assert_spawned("cat", cgroup_id=inode)
        assert process.parent is not None
        assert process.parent.cgroup_id != inode
    finally:
        if group.exists():
            group.rmdir()
        subprocess.run(["umount", mounted], check=True)


def test_the_executable_and_its_folder_are_those_of_stat(
    ebpf_trace: Trace, program: Callable[[str], str], tmp_path: Path
) -> None:
    binary = program("many")
    (tmp_path / "alias").symlink_to(binary)
    subprocess.run(["./alias", "0"], cwd=tmp_path, check=True)
    process = ebpf_trace.processes.where("alias").one()
    truth = Path(binary).stat()
    assert (process.exe_inode, process.exe_device) == (truth.st_ino, truth.st_dev)
    assert (process.filename, process.exe, process.cwd) == ("./alias", os.path.realpath(binary), str(tmp_path))
    assert process.interpreter is None


def test_a_script_has_its_own_name_and_its_interpreter(ebpf_trace: Trace, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh -u\nexit 3\n")
    script.chmod(0o755)
    assert subprocess.run([str(script), "one"], check=False).returncode == 3
    process = ebpf_trace.assert_spawned("script", filename=str(script), exit_code=3)
    assert process.interpreter == "/bin/sh"
    assert process.exe == os.path.realpath("/bin/sh")
    assert process.argv == ("/bin/sh", "-u", str(script), "one")


def test_names_and_arguments_that_are_not_utf8_survive(ebpf_trace: Trace, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff\xfe name"
    folder = os.fsencode(tmp_path) + b"/\xc3("
    Path(os.fsdecode(folder)).mkdir()
    Path(os.fsdecode(odd)).symlink_to("/bin/true")
    subprocess.run([odd, b"\x80\xff", b"", b"a\nb"], cwd=folder, check=True)
    process = ebpf_trace.processes.where(filename=os.fsdecode(odd)).one()
    assert [os.fsencode(item) for item in process.argv] == [odd, b"\x80\xff", b"", b"a\nb"]
    assert os.fsencode(process.cwd) == folder
    assert os.fsencode(process.comm) == b"\xff\xfe name"
    ebpf_trace.assert_spawned(argv=[odd, b"\x80\xff", ...])
    with pytest.raises(AssertionError, match=r"differs: argv"):
        ebpf_trace.assert_spawned(argv=[odd, b"\x80\xfe", ...])


@pytest.mark.ebpf(argv_limit="129K")
def test_an_argument_of_128_kib_is_whole(ebpf_trace: Trace) -> None:
    longest = "x" * (MAX_ARGUMENT - 1) + "y"
    subprocess.run(["/bin/true", longest], check=True)
    process = ebpf_trace.processes.where("true").one()
    assert process.argv == ("/bin/true", longest)
    assert process.truncated == frozenset()
    ebpf_trace.assert_not_spawned("true", argv=["/bin/true", "x" * MAX_ARGUMENT])


def test_arguments_that_just_fill_the_default_limit_are_whole(ebpf_trace: Trace) -> None:
    # argv[0] and both NULs count too.
    filling = "x" * ((128 << 10) - len("/bin/true") - 2)
    subprocess.run(["/bin/true", filling], check=True)
    assert ebpf_trace.processes.where("true").one().argv == ("/bin/true", filling)
    ebpf_trace.assert_not_spawned("true", argv=[..., "another"])


def test_arguments_cut_at_the_limit_let_no_negative_pass(ebpf_trace: Trace) -> None:
    one_more = "x" * ((128 << 10) - len("/bin/true") - 1)
    with ebpf_trace.section("one byte more") as part:
        subprocess.run(["/bin/true", one_more], check=True)
    assert part.assert_spawned("true").truncated == {"argv"}
    subprocess.run(["/bin/true", one_more, "--force"], check=True)
    with pytest.raises(TraceIncomplete, match=re.escape("argv was cut at 131,072 bytes")):
        ebpf_trace.assert_not_spawned("true", argv=[..., "--force"])
    with pytest.raises(TraceIncomplete, match=re.escape("keep more: @pytest.mark.ebpf(argv_limit=…)")):
        ebpf_trace.assert_not_spawned("true", argv=[..., "--other"])
    # What comes before the cut is known.
    ebpf_trace.assert_not_spawned("true", argv=["/bin/true", "--force", ...])


def test_an_exec_says_how_much_its_program_was_given(ebpf_trace: Trace) -> None:
    subprocess.run(["/bin/true", "a", "bc"], env={"A": "1", "B": "", "C": "2"}, check=True)
    event = ebpf_trace.events.where(Exec).one()
    assert (event.argc, event.argv_size) == (3, len("/bin/true a bc "))
    assert (event.envc, event.environ_size) == (3, len("A=1 B= C=2 "))
    assert event.secure is False


@pytest.mark.ebpf(environ=True)
def test_the_environment_is_captured_when_it_is_asked_for(ebpf_trace: Trace) -> None:
    environment = {b"PLAIN": b"1", b"EMPTY": b"", b"ODD": b"\xff=\n"}
    subprocess.run(["/bin/true"], env=environment, check=True)
    process = ebpf_trace.processes.where("true").one()
    assert {os.fsencode(name): os.fsencode(value) for name, value in process.environ.items()} == environment
    ebpf_trace.assert_not_spawned("true", environ={"PLAIN": "2"})


def test_the_environment_that_was_not_asked_for_is_unknown_not_empty(ebpf_trace: Trace) -> None:
    subprocess.run(["/bin/true"], env={"PLAIN": "1"}, check=True)
    with pytest.raises(TraceIncomplete, match=r"ask for it: @pytest\.mark\.ebpf\(environ=True\)"):
        ebpf_trace.assert_not_spawned("true", environ={"PLAIN": "2"})


def test_a_process_that_unshares_its_mount_and_pid_namespaces_is_seen_in_the_new_ones(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    said = subprocess.run([program("unshare_own")], stdout=subprocess.PIPE, text=True, check=True).stdout
    mnt, child_pid, child_time = map(int, said.split())
    process = ebpf_trace.assert_spawned("unshare_own", new_namespaces={"mnt", "pid_for_children"}, executed=True)
    assert (process.namespaces.mnt, process.namespaces.pid_for_children) == (mnt, child_pid)
    child = process.children.one()
    assert (child.namespaces.mnt, child.namespaces.pid, child.namespaces.time) == (mnt, child_pid, child_time)
    assert process.namespaces.time != process.namespaces.time_for_children == child_time
    assert (child.namespace_pid, child.exit_code) == (1, 1)
    # Itself it stays in its pid namespace (pid_namespaces(7)).
    ebpf_trace.assert_not_spawned("unshare_own", new_namespaces={"pid"}, executed=True)
    with pytest.raises(AssertionError, match=r"^expected no process spawned"):
        ebpf_trace.assert_not_spawned(new_namespaces={"pid"}, namespace_pid=1)
