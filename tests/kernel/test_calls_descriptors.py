"""What the descriptors and directories of calls are, whatever came before: beside what /proc says at that moment."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
from call_stream import tracing
from calls_stream import number_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some
from proc_links import link_of

from pytest_ebpf.syscalls.table import CallSpec, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from call_stream import Call, FileSeen

LSEEK, ACCESS, FACCESSAT = number_of("lseek"), number_of("access"), number_of("faccessat")
MOVING = ("rename", "renameat2", "mount", "umount2", "chroot", "unshare")
TYPE = 0o170000  # S_IFMT
MARK = 99
"""What the program passes for the last argument of its calls."""
TABLE = {
    LSEEK: CallSpec((), (Slot("fd", 0),)),
    ACCESS: CallSpec((), (Slot("cwd", 0, 0),)),
    FACCESSAT: CallSpec((), (Slot("base", 0, 1),)),
    **{number_of(name): CallSpec((), (), moves=True) for name in MOVING},
}
INODES_OF_THEIR_OWN = {
    0x794C7630,
    0x9123683E,
}  # overlayfs, btrfs: what stat(2) says is not what the kernel's inode says

NAMES = {"odd": b"\xff\n ", "long": b"n" * 255}


class Said(NamedTuple):
    """What the program saw itself, before it named it in a call."""

    what: str
    pid: int
    number: int
    flags: int
    device: int
    inode: int
    mode: int
    link: bytes


@pytest.fixture(scope="module")
def juggle(
    call_broker: Path, program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[list[str]], int]]:
    """Has the program do that, in one session for all examples; compares; returns how many files it compared."""
    with tracing(call_broker) as traced:
        traced.session.want_calls({"native": list(TABLE)})

        def run(commands: list[str]) -> int:
            lines = _run(program("juggler"), tmp_path_factory.mktemp("juggler"), commands)
            calls: dict[tuple[int, int], list[Call]] = {}
            for call in traced.calls():
                if call.args[1 if call.number == ACCESS else 2] != MARK:
                    continue  # the C library's
                calls.setdefault((call.host_pid, call.number), []).append(call)
            for line in lines:
                _compare(line, calls[line.pid, LSEEK if line.what == "fd" else ACCESS].pop(0))
                if line.what == "fd" and stat.S_ISDIR(line.mode):
                    _compare(line, calls[line.pid, FACCESSAT].pop(0))
            assert not traced.session.counters()["lost_records"]
            return len(lines)

        yield run


def _run(path: str, folder: Path, commands: list[str]) -> list[Said]:
    text = "\n".join(map(_whole, commands))
    said = subprocess.run([path], cwd=folder, input=text, stdout=subprocess.PIPE, text=True, check=True)
    return [_said(line) for line in said.stdout.splitlines()]


def _whole(line: str) -> str:
    name, first, second, *numbers = line.split()
    paths = (b"/".join(NAMES.get(part, part.encode()) for part in path.split("/")).hex() for path in (first, second))
    return " ".join((name, *paths, *numbers))


def _said(line: str) -> Said:
    what, pid, number, flags, device, inode, mode, *link = line.split()
    return Said(
        *(what, int(pid), int(number), int(flags, 8), int(device), int(inode), int(mode, 8)),
        bytes.fromhex("".join(link)),
    )


def _compare(line: Said, call: Call) -> None:
    file: FileSeen | None = call.files[0]
    if line.what == "fd":
        assert call.args[0] == line.number
    assert file is not None, line
    # stat(2) shows no type of what has none, whatever its inode says (anon_inode_getattr(), fs/anon_inodes.c).
    mode = file.mode if line.mode & TYPE else file.mode & ~TYPE
    assert (link_of(file), mode) == (line.link, line.mode), line
    if file.magic not in INODES_OF_THEIR_OWN:
        assert (file.inode, os.makedev(file.device >> 20, file.device & 0xFFFFF)) == (line.inode, line.device), line
    if line.what == "fd":
        assert file.flags == line.flags, line


def command(name: str, first: str = "-", second: str = "-", number: int = 0, other: int = 0) -> str:
    """A line as the program reads it, but for the paths, which `NAMES` keeps short."""
    return f"{name} {first} {second} {number} {other}"


def opened(path: str, flags: int = os.O_RDWR | os.O_CREAT) -> str:
    return command("open", path, number=flags, other=0o640)


PATHS = some.lists(some.sampled_from(["a", "b", *NAMES]), min_size=1, max_size=3).map("/".join)
NUMBERS = some.integers(3, 8)
FLAGS = some.sampled_from(
    [
        *(os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, os.O_PATH, os.O_DIRECTORY),
        *(os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK),
        os.O_RDWR | os.O_TMPFILE,
    ]
)
KINDS = some.sampled_from(["pipe", "pair", "memfd", "eventfd", "epoll", "pidfd", "inet"])
COMMANDS = some.one_of(
    some.builds(opened, PATHS | some.just("."), FLAGS),
    some.builds(lambda path: command("mkdir", path), PATHS),
    some.builds(lambda one, two: command("rename", one, two), PATHS, PATHS),
    some.builds(lambda one, two: command("exchange", one, two), PATHS, PATHS),
    some.builds(lambda one, two: command("link", one, two), PATHS, PATHS),
    some.builds(lambda path: command("unlink", path), PATHS),
    some.builds(lambda path: command("rmdir", path), PATHS),
    some.builds(lambda path: command("chdir", path), PATHS | some.just("..")),
    some.builds(lambda number: command("fchdir", number=number), NUMBERS),
    some.builds(lambda number: command("close", number=number), NUMBERS),
    some.builds(lambda number: command("dup", number=number), NUMBERS),
    some.builds(lambda one, two: command("dup2", number=one, other=two), NUMBERS, NUMBERS),
    some.builds(
        lambda number, mode: command("fchmod", number=number, other=mode), NUMBERS, some.integers(0o600, 0o777)
    ),
    some.builds(lambda number, flags: command("setfl", number=number, other=flags), NUMBERS, FLAGS),
    some.builds(lambda kind: command("make", kind), KINDS),
    some.sampled_from([command(name) for name in ("fork", "exec", "alone", "unshare")]),
    some.builds(command, some.sampled_from(["mount", "detach", "chroot"]), PATHS),
    some.builds(command, some.sampled_from(["bind", "move"]), PATHS, PATHS),
)


SOME = [opened("a/b"), opened("a/odd"), opened("a/long")]
"""More than one: those that a thread has named lately take each other's place, by where in memory they happen to be."""


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(commands=some.lists(COMMANDS, min_size=5, max_size=40))
# What is closed leaves its address to what is opened next, name and all.
@example(commands=[command("make", "inet"), command("close", number=3)] * 3)
@example(commands=[command("make", "memfd"), command("close", number=3)] * 3)
@example(commands=[opened("a"), command("close", number=3), command("unlink", "a")] * 3)
# It has no place any more, or other permissions or flags.
@example(commands=[command("mkdir", "a"), *SOME, command("unlink", "a/b"), command("unlink", "a/odd")])
@example(
    commands=[opened("a"), command("fchmod", number=3, other=0o600), command("setfl", number=3, other=os.O_APPEND)]
)
@example(commands=[command("mkdir", "a"), command("chdir", "a"), command("rmdir", "../a")])
# The directory above has another name, or another directory has this one's.
@example(commands=[command("mkdir", "a"), *SOME, command("rename", "a", "b"), command("rename", "b", "a")])
@example(commands=[command("mkdir", "a"), command("mkdir", "b"), *SOME, command("exchange", "a", "b")])
# Another file system over it, which goes elsewhere, and away; another root; a mount namespace of its own.
@example(commands=[command("mkdir", "a"), command("alone"), command("mount", "a"), *SOME, command("detach", "a")])
@example(
    commands=[
        *(command("mkdir", "a"), command("mkdir", "b"), command("alone"), command("mount", "a")),
        *(*SOME, command("move", "a", "b")),
    ]
)
@example(commands=[command("mkdir", "a"), *SOME, command("chdir", "a"), command("chroot", "."), command("unshare")])
# A number that exec closed is another file's then.
@example(commands=[opened("a", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC), opened("b"), command("exec"), opened("b")])
def test_a_calls_descriptor_is_what_proc_says_after_whatever_was_done_to_it(
    commands: list[str], juggle: Callable[[list[str]], int]
) -> None:
    juggle(commands)
