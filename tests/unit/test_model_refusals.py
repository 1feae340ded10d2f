"""What could never match is refused: a negative assertion about it would always pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from model_stream import World

from pytest_ebpf.errors import UsageError
from pytest_ebpf.events import Exit
from pytest_ebpf.matching import glob

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf.trace import Trace


class Nothing:
    """Has no ``==`` of its own."""

    def __repr__(self) -> str:
        return "<nothing>"


NOTHING = Nothing()


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (
            lambda trace: trace.assert_spawned("sh", exitcode=0),
            "a process has no field 'exitcode'; did you mean 'exit_code'?",
        ),
        (lambda trace: trace.assert_not_spawned(uid="root"), "uid is an int, not 'root'"),
        (
            lambda trace: trace.assert_not_spawned(uid=re.compile("0")),
            "uid is no text: re.compile('0') cannot match it",
        ),
        (lambda trace: trace.assert_not_spawned(uid=glob("0")), "uid is no text: glob('0') cannot match it"),
        (lambda trace: trace.assert_not_spawned(uid=True), "uid is an int, not True"),
        (lambda trace: trace.assert_not_spawned(uid=-1), "uid is never negative, as -1 is"),
        (lambda trace: trace.assert_not_spawned(uid=None), "uid is never None"),
        (lambda trace: trace.assert_not_spawned(uid=int), "uid=int: a class matches nothing by itself;"),
        (
            lambda trace: trace.assert_not_spawned(exit_code=-9),
            "an exit code is 0 to 255, not -9; for an end by a signal ask for signal=",
        ),
        (lambda trace: trace.assert_not_spawned(alive=1), "alive is a bool, not 1"),
        (lambda trace: trace.assert_not_spawned(argv="rm -rf /"), "argv is a list of arguments, such as"),
        (lambda trace: trace.assert_not_spawned(argv=["kill", 9]), "argv[1] is a text, not 9"),
        (lambda trace: trace.assert_not_spawned(argv=...), "argv=...: leave it out instead;"),
        (lambda trace: trace.assert_not_spawned(cwd=7), "cwd is a text, not 7"),
        (
            lambda trace: trace.assert_not_spawned(cwd=NOTHING),
            "cwd is never <nothing>, which equals nothing but itself",
        ),
        (
            lambda trace: trace.assert_not_spawned(uid=NOTHING),
            "uid is never <nothing>, which equals nothing but itself",
        ),
        (lambda trace: trace.assert_not_spawned(1.5), "name is a text, not 1.5"),
        (lambda trace: trace.assert_not_spawned(name=True), "name is a text, not True"),
        (
            lambda trace: trace.assert_not_spawned(comm="a-name-of-many-letters"),
            "comm has at most 15 bytes, 'a-name-of-many-letters' has more: ask for the name instead",
        ),
        (
            lambda trace: trace.assert_not_spawned(new_namespaces={"network"}),
            "'network' is no kind of namespace; did you mean 'net'?",
        ),
        (lambda trace: trace.assert_not_spawned(new_namespaces=1), "new_namespaces is a set of names, not 1"),
        (
            lambda trace: trace.assert_not_spawned(signal="SIGKIL"),
            "signal: there is no 'SIGKIL'; did you mean 'SIGKILL'?",
        ),
        (lambda trace: trace.assert_not_spawned(signal=1.5), "signal is a signal, such as signal.SIGKILL, not 1.5"),
        (lambda trace: trace.assert_not_spawned(truncated="arg"), "truncated: there is no 'arg'; did you mean 'argv'?"),
        (lambda trace: trace.assert_not_spawned(environ=["A=1"]), "environ is a dict of variables, not ['A=1']"),
        (lambda trace: trace.assert_not_spawned(environ={1: "A"}), "environ has texts as keys, not 1"),
        (lambda trace: trace.assert_not_spawned(environ={"A": 1}), "environ['A'] is a text, not 1"),
        (lambda trace: trace.assert_not_spawned(parent=1.5), "parent is a process, a pid or a name, not 1.5"),
        (
            lambda trace: trace.assert_not_spawned(credentials={"uid": 0}),
            "credentials cannot be {'uid': 0}: ask for its parts",
        ),
        (lambda trace: trace.assert_not_spawned(in_namespaces_of=4194305), "there is no process with pid 4194305"),
        (
            lambda trace: trace.assert_not_spawned(in_namespaces_of="/nowhere"),
            "the namespace file cannot be opened: [Errno 2]",
        ),
        (lambda trace: trace.assert_not_spawned(in_namespaces_of="/"), "/ is no namespace file"),
        (lambda trace: trace.assert_not_spawned("sh", name="sh"), "name is given twice: first, and as name="),
        (lambda trace: trace.assert_spawned("sh", count=-1), "count is a number of processes, 0 or more, not -1"),
        (lambda trace: trace.assert_spawned("sh", count=True), "count is a number of processes, 0 or more, not True"),
        (lambda trace: trace.assert_spawned("sh", count="2"), "count is a number of processes, 0 or more, not '2'"),
        (lambda trace: trace.wait_for("sh", -1), "timeout is a number of seconds, not -1"),
        (lambda trace: trace.wait_for("sh", "1"), "timeout is a number of seconds, not '1'"),
        (
            lambda trace: trace.wait_for(lambda _: 1, uid=0),
            "wait_for() with a function takes no criteria: test them in it",
        ),
        (lambda trace: trace.wait_for(Exit, argv=["x"]), "Exit has no field 'argv'"),
        (lambda trace: trace.events.where(kind="forks"), "kind: there is no 'forks'; did you mean 'fork'?"),
        (lambda trace: trace.events.where(changed={"network"}), "changed: there is no 'network'"),
        (lambda trace: trace.events.where("exec"), "events are asked for by their class, such as Exec, not 'exec'"),
        (lambda trace: trace.events.where(argc="x"), "argc is an int, not 'x'"),
        (lambda trace: trace.events.where(nothing=1), "an event has no field 'nothing'"),
    ],
)
def test_what_could_never_match_is_refused(ask: Callable[[Trace], object], text: str) -> None:
    trace = World().trace()

    with pytest.raises(UsageError) as caught:
        ask(trace)

    assert str(caught.value).startswith(text)
