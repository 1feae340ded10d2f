"""Tracepoints of the kernel: what they have, and where that is."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions.definition import Definition
from pytest_ebpf.functions.planning import planned
from pytest_ebpf.functions.reading import Reads
from pytest_ebpf.matching import show
from pytest_ebpf.probes.btf_types import kernel_btf
from pytest_ebpf.probes.machines import machine
from pytest_ebpf.probes.text_types import Anchor, Text, is_text, parse_text
from pytest_ebpf.probes.types import Array, Character, Chars, Integer, Opaque, PointerTo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.probes.planner import Asked
    from pytest_ebpf.probes.types import Type

__all__ = ["fields", "raw_tracepoint", "tracepoint"]

_FIELD = re.compile(r"\s*field:(.+?)\b(\w+)(?:\[(\d*)\])?;\s*offset:(\d+);\s*size:(\d+);\s*signed:(\d);")
_WORD = 8
_PATH = 4096  # PATH_MAX: most of these texts are paths
_COMMON = "common_"
_TASK = re.compile(r"(const )?struct task_struct \*")
_TASKS = 4
"""Arguments that can be the task that a tracepoint is about: there is a program for each."""
_BEFORE_MEMBERSHIP = "task_newtask"
"""Passed before the new thread is anybody's: it becomes the test's at ``sched_process_fork``
(``copy_process()`` and ``kernel_clone()``, kernel/fork.c)."""


def tracepoint(wanted: Wanted, format_of: Callable[[str], str]) -> Definition:
    """Find a tracepoint, whose fields its format tells.

    Args:
        wanted: With its category.
        format_of: Returns the lines of a format that describe fields.

    Raises:
        UsageError: It has no such field.
        BrokerError: The kernel has no such tracepoint.
    """
    if wanted.task is not None:
        raise UsageError(
            f"{wanted}: task={wanted.task!r} is an argument of the kernel's, and the record of a tracepoint has none:"
            f" ask for 'raw_tracepoint:{wanted.function}', which has the arguments"
        )
    return _defined(wanted, _chosen(wanted, fields(format_of(f"{wanted.provider}:{wanted.function}"))))


def fields(lines: str) -> dict[str, Text]:
    """Return what reads each field of a tracepoint's record, by the lines of its format; without what all have."""
    matches = filter(None, map(_FIELD.match, lines.splitlines()))
    return {match[2]: _field(match) for match in matches if not match[2].startswith(_COMMON)}


def _field(match: re.Match[str]) -> Text:
    """Return what reads a field; a text that lies elsewhere in the record through the word that says where."""
    spelling, name, offset, size = match[1], match[2], int(match[4]), int(match[5])
    kind = _type(spelling, match[3], size, signed=match[6] == "1")
    if not isinstance(kind, Chars):
        return _in_context(name, kind, offset)
    # Of __data_loc counted from the record's beginning, of __rel_loc from this field's end
    # (include/trace/stages/stage6_event_callback.h).
    start = offset + size if "__rel_loc" in spelling else 0
    return Text(name, kind, Anchor("context"), (offset, start), in_memory=True, user=False, in_record=True)


def _type(spelling: str, count: str | None, size: int, *, signed: bool) -> Type:
    if "__data_loc" in spelling or "__rel_loc" in spelling:
        if re.search(r"\bchar\s*(\[\])?\s*$", spelling):
            return Chars(_PATH)
        return Opaque(spelling.strip(), size, "it lies elsewhere in the record, and is no text")
    if count is not None:
        item: Type = (
            Character() if re.search(r"\bchar\s*$", spelling) else Integer(size // max(int(count or 1), 1), signed)
        )
        return Array(item, size // item.size)
    if spelling.rstrip().endswith("*"):
        return PointerTo(lambda: None, spelling.strip())
    return Integer(size, signed) if size in {1, 2, 4, 8} else Opaque(spelling.strip(), size, f"it has {size} bytes")


def raw_tracepoint(wanted: Wanted) -> Definition:
    """Find a tracepoint by its bare name, whose arguments BTF tells.

    Raises:
        UsageError: The kernel has no such tracepoint, or it no such argument.
        Unavailable: The kernel tells no types.
    """
    arguments = kernel_btf().tracepoint(wanted.function).arguments
    known: dict[str, Asked] = {
        name or f"arg{place}": _in_context(name, kind, _WORD * place) for place, (name, kind) in enumerate(arguments)
    }
    task = None if wanted.task is None else _task_of(wanted, arguments)
    reads = _chosen(wanted, known)
    if task is not None:
        _refuse_programs_memory(wanted, reads)
    return _defined(wanted, reads, task=task)


def _task_of(wanted: Wanted, arguments: Sequence[tuple[str, Type]]) -> int:
    """Return the place of the argument that is the task."""
    names = [name or f"arg{place}" for place, (name, _) in enumerate(arguments)]
    tasks = {
        name: place
        for place, (name, (_, kind)) in enumerate(zip(names, arguments, strict=True))
        if isinstance(kind, PointerTo) and _TASK.fullmatch(kind.name)
    }
    place = tasks.get(wanted.task)
    if place is None:
        what = "no argument of it" if wanted.task not in names else "no struct task_struct *"
        near = difflib.get_close_matches(wanted.task, tasks, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        there = f"tasks are: {', '.join(tasks)}" if tasks else "it has no task: ask for it without task="
        raise UsageError(f"{wanted}: task={wanted.task!r} is {what}{hint} ({there})")
    if place >= _TASKS:
        raise UsageError(f"{wanted}: task={wanted.task!r} is argument {place}, and one of 0 to {_TASKS - 1} can be it")
    if wanted.function == _BEFORE_MEMBERSHIP:
        raise UsageError(
            f"{wanted}: the new task is not yet known as the test's there, and nothing would be told: ask for it"
            " without task=, or for raw_tracepoint:sched_process_fork"
        )
    return place


def _refuse_programs_memory(wanted: Wanted, reads: Reads) -> None:
    """Refuse what lies in a program's memory: it would be that of the program that happens to run."""
    for name, asked in reads.values.items():
        if isinstance(asked, Text) and asked.user:
            raise UsageError(
                f"{wanted}: {name}={asked.text!r} is in the memory of a program, and with task= another program may be"
                " running: ask for it without task="
            )


def _in_context(name: str, kind: Type, offset: int) -> Text:
    return Text(name, kind, Anchor("context"), (offset,), in_memory=True, user=False)


def _chosen(wanted: Wanted, known: Mapping[str, Asked]) -> Reads:
    """Return what was said, or all that there is."""
    if wanted.types:
        raise UsageError(f"{wanted}: its fields have names and types; name those that you mean: field=...")
    values: dict[str, Asked] = {}
    for name, given in wanted.values:
        if is_text(given):
            values[name] = parse_text(given)
        elif name in known and given is ...:
            values[name] = known[name]
        else:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f"{wanted}: {name}={show(given)} is no field of it{hint} (there are: {', '.join(known)}; say one as"
                f" {next(iter(known), 'field')}=...)"
            )
    return Reads(values or known, None)


def _defined(wanted: Wanted, reads: Reads, *, task: int | None = None) -> Definition:
    group = planned(wanted, reads, (), (wanted.function,), machine(), kernel=True)
    return Definition(wanted=wanted, shown=str(wanted), groups=(group,), task=task)
