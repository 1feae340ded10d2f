"""System calls as JSON: what ``pytest-ebpf trace --syscalls --json`` prints."""

from __future__ import annotations

import json
import os
from typing import Any

import calls_stream
import pytest
from model_calls import started

from pytest_ebpf import jsonable
from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.cli_calls import Calls
from pytest_ebpf.jsonable import syscall_to_dict
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.syscalls.scalars import named
from pytest_ebpf.syscalls.structures.processes import WaitStatus
from pytest_ebpf.syscalls.structures.signals import SignalSet
from pytest_ebpf.syscalls.values import Fields, Hex, InetAddress, Pointed, Pointer


def as_json(*calls: dict[str, Any], files: bytes = b"") -> list[dict[str, Any]]:
    """Return calls as JSON that was read back, without the fields of the thread, which are all the same."""
    world, cat = started()
    world.session.calls += files
    for each in calls:
        world.call(cat, **each)
    found = []
    for call in Calls(world.opened, None).take():
        assert isinstance(call, Syscall)
        fields = json.loads(json.dumps(syscall_to_dict(call)))
        assert fields.pop("process") == {"pid": 4101, "host_pid": 4101, "start_ns": cat.key[1]}
        assert [fields.pop(name) for name in ("type", "tid", "host_tid", "window")] == ["syscall", 4101, 4101, 1]
        found.append(fields)
    return found


def test_a_call_has_every_field_in_json() -> None:
    [read] = as_json(
        {
            "name": "read",
            "args": (3, 0x7F0000001000, 10),
            "result": 4,
            "entered_ns": calls_stream.FIRST_NS,
            "files": (7,),
            "pieces": [(0, b"a\xff\0\n")],
        },
        files=calls_stream.file(7, "/src/\udcff", flags=0o2),
    )
    assert read == {
        "name": "read",
        "abi": "native",
        "number": 0,
        "raw_args": ["0x3", "0x7f0000001000", "0xa", "0x0", "0x0", "0x0"],
        "args": {
            "fd": {
                "value": 3,
                "path": "/src/\udcff",
                "file": {
                    "kind": "file",
                    "path": "/src/\udcff",
                    "inode": 7,
                    "device": os.makedev(8, 1),
                    "mode": 0o100644,
                    "flags": 2,
                    "deleted": False,
                    "cut": False,
                    "local": None,
                    "remote": None,
                    "socket_type": 0,
                    "socket_protocol": 0,
                },
            },
            "buf": "a\xff\0\n",
            "count": 10,
        },
        "result": 4,
        "errno": None,
        "error": None,
        "time_ns": calls_stream.FIRST_NS,
        "duration": 1e-06,
        "unfinished": False,
        "in_progress": False,
        "denied": False,
        "truncated": [],
        "unknown": {},
    }
    assert read["args"]["buf"].encode("latin-1") == b"a\xff\0\n"


def test_what_failed_and_what_did_not_return_says_so_in_json() -> None:
    failed, inside, denied, working = as_json(
        {"name": "close", "args": (-1,), "result": -9},
        {"name": "fsync", "args": (3,), "unfinished": True},
        {"name": "fsync", "args": (3,), "result": -1, "denied": True},
        {"name": "fsync", "args": (4,), "in_progress": True},
    )
    assert (failed["args"]["fd"], failed["result"], failed["errno"], failed["error"]) == (
        {"value": -1, "file": None, "path": None},
        *(-1, 9, "EBADF"),
    )
    assert (inside["result"], inside["duration"], inside["errno"]) == (None, None, None)
    assert [each["unfinished"] for each in (failed, inside, denied, working)] == [False, True, False, False]
    assert [each["denied"] for each in (failed, inside, denied, working)] == [False, False, True, False]
    assert [each["in_progress"] for each in (failed, inside, denied, working)] == [False, False, False, True]


def test_a_call_that_a_filter_answered_by_a_signal_has_no_result_in_json() -> None:
    # Its register still holds the call's number, which for openat(2) looks like a descriptor.
    (trapped,) = as_json({"name": "openat", "args": (-100, 0, 0), "result": 257, "denied": True, "trapped": True})
    assert (trapped["denied"], trapped["result"], trapped["errno"], trapped["duration"]) == (True, None, None, None)


def test_what_is_cut_or_not_known_of_a_call_says_so_in_json() -> None:
    cut, cold, fault, base = as_json(
        {
            "name": "execve",
            "args": (1, 2, 3),
            "pieces": [(0, b"/bin/true"), (1, 0, b"true"), (1, 1, b"-\xff")],
            "more": [{"data": b"half", "capture": 1, "part": 2, "cut": True}],
        },
        {"name": "openat", "args": (-100, 0x1000), "result": 3, "more": [{"unreadable": True, "address": 0x1000}]},
        {"name": "openat", "args": (-100, 0x1000), "result": -14, "more": [{"unreadable": True, "address": 0x1000}]},
        {"name": "openat", "args": (5, 0x1000), "result": 3, "files": (9,), "pieces": [(0, b"x")]},
    )
    assert cut["args"]["argv"] == ["true", "-\udcff", "half"]
    assert (cut["truncated"], cut["unknown"]) == (["argv"], {})
    assert cold["args"]["path"] is None
    assert cold["unknown"] == {"path": "path, a path, could not be read at 0x1000"}
    assert fault["args"]["path"] is None
    assert fault["unknown"] == {"path": "the kernel could not read it either at 0x1000"}
    assert (base["args"]["path"], base["truncated"]) == ({"value": "…/x", "raw": "x"}, ["path"])


def test_structures_are_objects_in_json_and_what_they_lack_is_named_by_the_way_to_it() -> None:
    notes = jsonable._Notes({}, [])
    inner = Fields({"text": Cut("ab", Gap("…")), "mask": SignalSet.of(b"\x06")})
    value = Fields({"ends": (inner, Gap("it is cold")), "at": Pointer(4096), "address": InetAddress("::1")})
    found = jsonable._argument(value, "arg", notes)
    assert json.loads(json.dumps(found)) == {
        "ends": [{"text": "ab", "mask": [{"value": 2, "name": "SIGINT"}, {"value": 3, "name": "SIGQUIT"}]}, None],
        "at": "0x1000",
        "address": "::1",
    }
    assert notes == ({"arg.ends[1]": "it is cold"}, ["arg.ends[0].text"])


_SIGNAL = named("signals")(9)
_CHANGED = Pointed(7)
_CHANGED.after = 5


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (
            named("open_flags")(0o2000002 | 1 << 31),
            {"value": 0o2000002 | 1 << 31, "names": ["O_RDWR", "O_CLOEXEC"], "unknown": 1 << 31, "octal": ""},
        ),
        (_SIGNAL, {"value": 9, "name": "SIGKILL"}),
        (named("signals")(99), {"value": 99, "name": None}),
        (Pointed(_SIGNAL), {"value": 9, "name": "SIGKILL"}),
        (_CHANGED, {"value": 7, "after": 5}),
        (Hex(16), 16),
        (
            WaitStatus(9 | 0x80),
            {
                "value": 0x89,
                "exit_code": None,
                "signal": {"value": 9, "name": "SIGKILL"},
                "stopped": False,
                "continued": False,
                "core_dumped": True,
            },
        ),
        (None, None),
    ],
)
def test_a_number_that_knows_more_than_itself_is_an_object_in_json(value: Any, found: Any) -> None:
    assert json.loads(json.dumps(jsonable._argument(value, "arg", jsonable._Notes({}, [])))) == found


def test_a_path_is_in_json_made_absolute_and_as_it_was_passed() -> None:
    [opened] = as_json(
        {"name": "openat", "args": (-100, 0x1000), "result": 3, "files": (8,), "pieces": [(0, b"a/./\xff")]},
        files=calls_stream.file(8, "/src", mode=0o40755),
    )
    assert opened["args"]["path"] == {"value": "/src/a/\udcff", "raw": "a/./\udcff"}
