"""From the number that a thread counts a process with to the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ebpf.engine.calls import RawCall
    from pytest_ebpf.history import History
    from pytest_ebpf.lives import Life

__all__ = ["life_of_child", "life_of_number"]


def life_of_child(number: int, call: RawCall, history: History) -> Life | None:
    """Return what a call that forks made: a process, or its own if it made a thread.

    Args:
        number: The child's, as the caller counts.
        call: What returned it.
        history: What is known of processes.
    """
    caller = history.life_of((call.host_pid, call.start_ns))
    born = [child for child in caller.children.values() if call.entered_ns <= child.birth_ns <= call.time_ns]
    # Two threads of it may fork at the same time: then the number decides, if it is known.
    numbered = [child for child in born if _number_of(child, caller, history) == number]
    found = numbered or (born if len(born) == 1 else [])
    if found:
        return found[0]
    return caller if not born and _is_thread(number, caller, history) else None


def life_of_number(number: int, call: RawCall, history: History) -> Life | None:
    """Return the process that has, or had last, a number when a call was made.

    Args:
        number: As the caller counts; of its own it may be a thread's.
        call: What was passed it, or returned it.
        history: What is known of processes.
    """
    caller = history.life_of((call.host_pid, call.start_ns))
    if number <= 0:
        return None  # the caller itself, its group, any child: the call says what is meant
    if _number_of(caller, caller, history) == number:
        return caller
    found = [
        life
        for life in history.lives.values()
        if life.key[1] <= call.time_ns and _number_of(life, caller, history) == number
    ]
    # A number is given again once its last process was waited for.
    latest = max(found, key=lambda life: life.key[1], default=None)
    return caller if latest is None and _is_thread(number, caller, history) else latest


def _numbering(caller: Life, history: History) -> str:
    """Return what the numbers that a process counts with are: the test's, the initial namespace's, or its own's."""
    identity, root = caller.identity, history.root.identity if history.root is not None else None
    if identity is None:
        return ""
    if root is not None and root["ns_pid"] == identity["ns_pid"]:
        return "pid"
    return "namespace_pid" if identity["pid_level"] else "host_pid"


def _number_of(life: Life, caller: Life, history: History) -> int | None:
    """Return a process's number as another one counts; None: it is not known."""
    numbering = _numbering(caller, history)
    if life.identity is None or caller.identity is None:
        return None
    if numbering == "namespace_pid" and life.identity["ns_pid"] != caller.identity["ns_pid"]:
        return None  # one in a namespace below has a number above, which no record tells
    return int(life.identity[numbering])


def _is_thread(number: int, caller: Life, history: History) -> bool:
    numbering = _numbering(caller, history)
    if numbering == "pid":
        return number in caller.tids.values()
    if numbering == "host_pid":
        return number in caller.tids
    # Of those that ended, nothing is known.
    return number in {identity["namespace_tid"] for identity in caller.threads_identity.values()}
