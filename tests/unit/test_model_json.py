"""Processes, events and traces as JSON and as text: what ``pytest-ebpf trace`` prints."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from model_stream import World, decode

from pytest_ebpf import cli_trace
from pytest_ebpf.criteria import PROCESS_FIELDS
from pytest_ebpf.history import History
from pytest_ebpf.jsonable import event_to_dict, process_to_dict


@pytest.fixture(autouse=True)
def _few_capabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_ebpf.credentials.all_capabilities", lambda: ("CAP_CHOWN", "CAP_KILL"))
    from pytest_ebpf import credentials  # noqa: PLC0415 - to clear what other tests cached

    credentials.names_of_mask.cache_clear()


def test_a_process_has_every_field_in_json() -> None:
    world = World()
    trace = world.trace()
    sh = world.exec(world.fork(world.root), "sh", b"\xff", cap_effective=2)
    world.run(sh, "true")
    world.exit(sh, signal=9)

    process = trace.processes.first
    fields = json.loads(json.dumps(process_to_dict(process)))

    assert fields.pop("executions") == [
        {
            "time_ns": process.executions[0].time_ns,
            "window": 1,
            **{name: fields[name] for name in cli_fields},
            "truncated": [],
            "unknown": {"environ": "the environment was not captured"},
        }
    ]
    namespaces = fields.pop("namespaces")
    assert namespaces["net"] == 4026531833
    assert len(namespaces) == 10
    assert fields == {
        "type": "process",
        "pid": 4101,
        "tid": 4101,
        "ppid": 4100,
        "host_pid": 4101,
        "host_tid": 4101,
        "host_ppid": 4100,
        "namespace_pid": 4101,
        "namespace_tid": 4101,
        "namespace_ppid": 4100,
        "start_ns": process.start_ns,
        "window": 1,
        "threads": 1,
        "executed": True,
        "alive": False,
        "exit_code": None,
        "signal": "SIGKILL",
        "core_dumped": False,
        "duration": 0.00055,
        "parent": {"pid": 4100, "host_pid": 4100, "start_ns": trace.root.start_ns},
        "comm": "sh",
        "filename": "/usr/bin/sh",
        "interpreter": None,
        "exe": "/usr/bin/sh",
        "exe_inode": 42,
        "exe_device": os.makedev(8, 1),
        "argv": ["sh", "\udcff"],
        "environ": None,
        "cwd": "/src",
        "new_namespaces": [],
        "credentials": {
            **dict.fromkeys(["uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid"], 1000),
            "capabilities": {
                "inheritable": [],
                "permitted": [],
                "effective": ["CAP_KILL"],
                "bounding": [],
                "ambient": [],
            },
        },
        "cgroup_id": 77,
        "children": [{"pid": 4102, "host_pid": 4102, "start_ns": trace.processes[1].start_ns}],
        "truncated": [],
        "unknown": {"environ": "the environment was not captured"},
    }


cli_fields = (
    *("comm", "filename", "interpreter", "exe", "exe_inode", "exe_device", "argv", "environ", "cwd"),
    *("namespaces", "new_namespaces", "credentials", "cgroup_id"),
)


def test_what_can_be_asked_for_is_in_the_json() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "true")
    fields = process_to_dict(trace.processes.one())

    # By another name, or part of another field.
    elsewhere = {"name", "in_namespaces_of", "capabilities", "uid", "gid", "euid", "egid"}
    assert set(PROCESS_FIELDS) - elsewhere <= set(fields)


def test_what_is_cut_or_not_known_says_so_in_json() -> None:
    world = World()
    trace = world.trace()
    world.exec(world.fork(world.root), "cc", argv=b"cc\0-", argc=3, truncated="argv", exe=b"", unreadable="exe")

    fields = process_to_dict(trace.processes.one())

    assert (fields["argv"], fields["truncated"]) == (["cc", "-"], ["argv"])
    assert fields["exe"] is None
    assert fields["unknown"]["exe"] == "exe could not be read"
    assert (fields["alive"], fields["exit_code"], "exit_code" in fields["unknown"]) == (True, None, False)


def test_every_event_becomes_json() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "daemon")
    world.exit(world.thread(actor), live=1)
    world.unshare(actor, "net")
    world.change(actor, uid=0)
    world.leave(actor)
    world.run(world.root, "true", code=3)

    events = [json.loads(json.dumps(event_to_dict(event))) for event in trace.events.seen()]

    assert [event["type"] for event in events] == [
        *("fork", "exec", "thread-start", "thread-exit", "namespace-change", "credential-change", "left"),
        *("fork", "exec", "exit"),
    ]
    by_type: dict[str, dict[str, Any]] = {event["type"]: event for event in events}
    assert by_type["fork"]["child"]["pid"] == 4103
    assert by_type["exec"]["argv"] == ["true"]
    assert by_type["exec"]["argc"] == 1
    assert by_type["namespace-change"]["changed"] == ["net"]
    assert by_type["namespace-change"]["after"]["net"] != by_type["namespace-change"]["before"]["net"]
    assert by_type["credential-change"]["after"]["uid"] == 0
    assert (by_type["exit"]["exit_code"], by_type["exit"]["signal"], by_type["exit"]["core_dumped"]) == (3, None, False)
    assert all(event["process"]["pid"] and event["window"] == 1 for event in events)


def run(world: World, *command: str, as_json: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """Run a command while the world tells the records of another."""
    original = subprocess.Popen

    def popen(*arguments: Any, **keywords: Any) -> Any:
        world.run(world.root, "sh", "-c", "x")
        return original(*arguments, **keywords)

    monkeypatch.setattr("subprocess.Popen", popen)
    monkeypatch.setattr("pytest_ebpf.history.History.check_process", lambda _: None)
    monkeypatch.setattr("pytest_ebpf.history.History.is_running", lambda *_: False)
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    status = cli_trace.run(command, History(world.session, decode), as_json=as_json)
    return status, out.getvalue().splitlines()


def test_the_command_draws_a_tree_and_returns_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    status, lines = run(World(), "sh", "-c", "exit 7", as_json=False, monkeypatch=monkeypatch)

    assert status == 7
    assert len(lines) == 1
    assert lines[0].startswith("4101 sh -c x (")
    assert "exit 0, ran 0.250 ms" in lines[0]


def test_the_command_prints_an_object_a_line_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with capfd.disabled():
        pass
    monkeypatch.setattr("sys.stderr", open(os.dup(2), "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - a real one
    status, lines = run(World(), "echo", "hello", as_json=True, monkeypatch=monkeypatch)
    sys.stderr.close()

    objects = [json.loads(line) for line in lines]
    assert status == 0
    assert [each["type"] for each in objects] == ["process", "losses"]
    assert objects[0]["argv"] == ["sh", "-c", "x"]
    assert objects[1]["complete"] is True
    assert capfd.readouterr() == ("", "hello\n")


def test_the_command_says_what_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    original = world.run

    def lossy(*arguments: Any, **keywords: Any) -> Any:
        world.session.lost.update(lost_records=2, lost_bytes=10)
        return original(*arguments, **keywords)

    monkeypatch.setattr(world, "run", lossy)
    _, lines = run(world, "true", as_json=False, monkeypatch=monkeypatch)

    assert lines[-1] == "incomplete: 2 records (10 B) did not fit in the ring of 8 MiB"


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        (["sh", "-c", "kill -9 $$"], 137, ""),
        (
            ["no-such-command-here"],
            127,
            "pytest-ebpf trace: 'no-such-command-here' cannot be run: No such file or directory\n",
        ),
        (["/etc/passwd"], 126, "pytest-ebpf trace: '/etc/passwd' cannot be run: Permission denied\n"),
    ],
)
def test_the_command_returns_what_a_shell_would(
    command: list[str], status: int, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(World(), *command, as_json=False, monkeypatch=monkeypatch)[0] == status
    assert capsys.readouterr().err == text


def test_the_parser_leaves_the_commands_own_options_alone() -> None:
    options = cli_trace.parser().parse_args(["--json", "--", "git", "--version", "--json"])

    assert (options.json, options.environ, options.command) == (True, False, ["git", "--version", "--json"])
