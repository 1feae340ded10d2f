"""Processes and events as text: one line each, and as a tree."""

from __future__ import annotations

import shlex
import signal as signals
from typing import TYPE_CHECKING

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.events import (
    CredentialChange,
    Event,
    Exec,
    Exit,
    Fork,
    NamespaceChange,
    ThreadStart,
)
from pytest_ebpf.processes import Process
from pytest_ebpf.syscalls.values import written
from pytest_ebpf.user_programs.event import ProgramEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ebpf.images import Image
    from pytest_ebpf.lives import Life
    from pytest_ebpf.window import Window

__all__ = ["brief", "brief_event", "command", "cut_to", "offset", "outcome", "printable", "span", "tree"]

_WIDTH = 72
_SECOND_NS = 1_000_000_000


def printable(text: str) -> str:
    """Escape what is not UTF-8 and what would move the cursor."""
    decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in decoded)


def cut_to(text: str, width: int) -> str:
    """Shorten a text to that many letters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def span(nanoseconds: int) -> str:
    """Write a time as people do: ``0.911 ms``, ``2.345 s``."""
    if abs(nanoseconds) < _SECOND_NS:
        return f"{nanoseconds / 1e6:.3f} ms"
    return f"{nanoseconds / 1e9:.3f} s"


def offset(time_ns: int, window: Window) -> str:
    """Write when something happened, counted from the window's opening."""
    return ("+" if time_ns >= window.opened_ns else "") + span(time_ns - window.opened_ns)


def command(image: Image, width: int = _WIDTH) -> str:
    """Write an image's command line; what it is called where that is not known."""
    argv = image.get("argv")
    if isinstance(argv, Cut):
        text = " ".join([*(shlex.quote(item) for item in argv.value), "…"])
    elif isinstance(argv, tuple) and argv:
        text = shlex.join(argv)
    else:
        comm, exe = image.get("comm"), image.get("exe")
        text = next((each for each in (comm, exe) if isinstance(each, str)), "(never seen)")
    return cut_to(printable(text), width)


def _number(process: Process) -> str:
    pid = process.raw("pid")
    return str(pid) if pid and not isinstance(pid, Gap) else f"host:{process.host_pid}"


def outcome(process: Process) -> str:
    """Write how a process ended."""
    code, signal = process.raw("exit_code"), process.raw("signal")
    if isinstance(signal, Gap):
        return "running" if signal.pending else "end not seen"
    if signal is None:
        return f"exit {code}"
    name = signal.name if isinstance(signal, signals.Signals) else f"signal {signal}"
    return name + (", core dumped" if process.raw("core_dumped") else "")


def brief(process: Process, width: int = _WIDTH) -> str:
    """Write a process in one line."""
    return f"{_number(process)} {command(process.life.image, width)} ({outcome(process)})"


def tree(window: Window, *, with_test: bool = True) -> Iterator[str]:
    """Draw the processes of a window, each under the one that forked it, a line each.

    Args:
        window: Of which time.
        with_test: Whether the test's own process is drawn; if not, its children stand at the left.
    """
    shown = _with_ancestors(window)
    root = window.history.root
    if root is not None:
        shown.setdefault(root.key, root)
        if not with_test:
            del shown[root.key]
    roots = [life for life in shown.values() if _parent(life, shown) is None]
    waiting: list[tuple[Life, str, str]] = [(life, "", "") for life in reversed(_by_birth(roots))]
    while waiting:
        life, own, below = waiting.pop()
        yield own + _line(life, window)
        children = [child for child in life.children.values() if shown.get(child.key) is child]
        for index, child in enumerate(reversed(_by_birth(children))):
            branch, trunk = ("└─ ", "   ") if index == 0 else ("├─ ", "│  ")
            waiting.append((child, below + branch, below + trunk))


def _by_birth(lives: list[Life]) -> list[Life]:
    return sorted(lives, key=lambda life: (life.birth_ns, life.key))


def _parent(life: Life, shown: dict[tuple[int, int], Life]) -> Life | None:
    parent = life.creator
    return parent if parent is not None and shown.get(parent.key) is parent else None


def _with_ancestors(window: Window) -> dict[tuple[int, int], Life]:
    """Return the lives of a window and those through which they descend from the test."""
    shown = {life.key: life for life in window.lives()}
    for life in list(shown.values()):
        line = []
        parent = life.creator
        while parent is not None and parent.key not in shown:
            line.append(parent)
            parent = parent.creator
        # Up to a process of the window, to the test, or to where the line is lost.
        shown.update((each.key, each) for each in line)
    return shown


def _line(life: Life, window: Window) -> str:
    process = Process(life, window)
    # What it was before: `unshare … → sh -c id`; of the earlier ones the name is enough.
    images = life.executed[-3:] or [life.image]
    names = [command(image, 24) for image in images[:-1]] + [command(images[-1], _WIDTH)]
    return f"{_number(process)} {' → '.join(names)} ({', '.join(_notes(process, window))})"


def _notes(process: Process, window: Window) -> Iterator[str]:
    life = process.life
    if life is window.history.root:
        yield "the test"
        return
    if window.was_born_here(life):
        yield offset(life.birth_ns, window)
    elif life.adopted:
        yield "born before the trace"
    else:
        yield "born earlier" + (f", window {life.birth_window}" if life.birth_window else "")
    if window.was_born_here(life) and not life.forked:
        yield "its birth was lost"
    if life.forked and not life.executed:
        yield "forked"
    yield outcome(process)
    duration = process.raw("duration")
    if isinstance(duration, float):
        yield f"ran {span(round(duration * 1e9))}"
    new = process.raw("new_namespaces")
    if isinstance(new, frozenset) and new:
        yield f"new {' '.join(sorted(new))}"
    inside = process.raw("namespace_pid")
    if inside != process.raw("pid") and isinstance(inside, int):
        yield f"pid {inside} inside"
    if life.left is not None:
        yield "left the session"


def brief_event(event: Event) -> str:  # noqa: PLR0911 - a table of types
    """Write an event in one line."""
    if isinstance(event, ProgramEvent):
        return _brief_program_event(event)
    process = event.process
    text = f"{offset(event.time_ns, process.scope)} {_number(process)}"
    if isinstance(event, Exec):
        return f"{text} {command(event.execution.image())}"
    if isinstance(event, Fork):
        return f"{text} → {_number(event.child)}"
    if isinstance(event, ThreadStart):
        return f"{text} → thread {event.tid or event.new_host_tid}"
    if isinstance(event, Exit):
        return f"{text} {outcome(process)}"
    if isinstance(event, NamespaceChange | CredentialChange):
        return f"{text} {' '.join(sorted(event.changed)) or 'from what is not known'}"
    return f"{text} {command(process.life.image)}"


def _brief_program_event(event: ProgramEvent) -> str:
    if event.process is None:
        text = "(no process of the test's)" if event.outsider else "(by whom is not known)"
    else:
        when = "" if event.time_ns is None else f"{offset(event.time_ns, event.process.scope)} "
        text = f"{when}{_number(event.process)}"
    return f"{text} {event.program}: {event.output} {cut_to(printable(written(event.raw_value())), _WIDTH)}"
