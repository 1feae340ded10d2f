"""A probe as the author of a test asks for it, before anybody has looked whether there is such a function."""

from __future__ import annotations

import difflib
import os
import shlex
from dataclasses import dataclass, replace
from typing import Any

from pytest_ebpf.errors import UsageError

__all__ = ["KINDS", "Wanted", "kernel_function", "parse", "tracepoint", "uprobe", "usdt"]

KINDS = ("uprobe", "usdt", "tracepoint", "raw_tracepoint", "kprobe")
_OPTIONS = ("where", "every", "limit", "stack", "returns")
_TASK = "task"
"""Said of a tracepoint; a function may have an argument of that name."""
_FORMS = {
    "uprobe": ("uprobe", False),
    "uretprobe": ("uprobe", True),
    "usdt": ("usdt", False),
    "tracepoint": ("tracepoint", False),
    "raw_tracepoint": ("raw_tracepoint", False),
    "rawtracepoint": ("raw_tracepoint", False),
    "kprobe": ("kprobe", False),
    "kretprobe": ("kprobe", True),
    "fentry": ("kprobe", False),
    "fexit": ("kprobe", True),
    "kfunc": ("kprobe", False),
    "kretfunc": ("kprobe", True),
    # BCC's trace.
    "p": ("uprobe", False),
    "r": ("uprobe", True),
    "t": ("tracepoint", False),
}
"""By the word before the first colon: what kind of probe, and whether its return is meant."""
_EXAMPLES = {
    "uprobe": "uprobe:./program:function",
    "usdt": "usdt:/usr/bin/python3:python:gc__start",
    "tracepoint": "tracepoint:sched:sched_process_exit",
    "raw_tracepoint": "raw_tracepoint:sched_process_exit",
    "kprobe": "kprobe:do_unlinkat",
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for; made by `uprobe` and the others, or of a text by `parse`."""

    kind: str
    """One of `KINDS`."""
    target: Any = None
    """An executable or a library: its path, its name, or the pid of a process that runs it."""
    function: str = ""
    """A name, a pattern, an address, ``file.c:line``; of a tracepoint its name."""
    provider: str = ""
    """Of a USDT probe, the category of a tracepoint, or the module of a kernel's function; empty: any."""
    types: tuple[Any, ...] = ()
    """Of the arguments, in their order."""
    values: tuple[tuple[str, Any], ...] = ()
    """Names, and types or texts that say what to read where."""
    where: Any = None
    """What has to hold of the values, or the call does not count: the kernel compares."""
    every: Any = 1
    """One call in so many is recorded."""
    limit: Any = None
    """Calls recorded in a window at most."""
    stack: bool = False
    returns: Any = None
    """Whether the return is recorded (True), or what is returned: a type."""
    task: Any = None
    """Of a tracepoint: the argument that is the task it is about, and whose it is; None: whose thread passes it."""

    def __post_init__(self) -> None:
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise UsageError(
                f"every is how many calls there are to each that is recorded: 1 or more, not {self.every!r}"
            )
        if self.limit is not None and (
            isinstance(self.limit, bool) or not isinstance(self.limit, int) or self.limit < 1
        ):
            raise UsageError(f"limit is how many calls are recorded at most, 1 or more, not {self.limit!r}")
        if self.where is not None and not isinstance(self.where, str):
            raise UsageError(f"where is a text such as 'size > 1_000_000', not {self.where!r}")
        if self.task is not None and self.stack:
            raise UsageError(
                f"{self}: the stack is that of the thread that passes a tracepoint,"
                f" and task={self.task} asks for those of another; ask without stack, or without task"
            )

    @property
    def filtered(self) -> bool:
        """Whether some calls are left out on purpose."""
        return self.where is not None

    def __str__(self) -> str:
        """Write it as `parse` reads it, without what is read."""
        target = self.target if isinstance(self.target, tuple) else (self.target,)
        shown = "/".join(str(each) for each in target if each is not None)
        return ":".join(filter(None, [self.kind, shown, self.provider, self.function]))


def uprobe(  # noqa: PLR0913 - each has its name
    target: Any,
    function: Any = None,
    /,
    *types: Any,
    where: str | None = None,
    every: int = 1,
    limit: int | None = None,
    stack: bool = False,
    returns: Any = None,
    **values: Any,
) -> Wanted:
    """Ask for the calls of a function in an executable or a library.

    Args:
        target: Its path; its name, as a shell or the loader finds it; a process that runs it (its pid, its ``Popen``);
            a process and the name of a library that it has; or all in one text: ``"./exp:accept_exp"``.
        function: Its name, also a demangled one; a pattern; an address (``"0x1139"``); or ``"file.c:17"``.
        types: Of its arguments in their order, as of ctypes; ``...``: what the debug information says.
        where: What must hold of the values for a call to count, such as ``"size > 1_000_000"``: the kernel compares.
        every: One call in so many is recorded.
        limit: How many are recorded in a window at most.
        stack: Whether to record from where it was called.
        returns: Whether to record the return (True), and what is returned (a type).
        values: What to read, by name: a type for the next argument, or a text (``"s32@arg0+4"``).

    Raises:
        UsageError: It cannot be asked so.
    """
    options = {"where": where, "every": every, "limit": limit, "stack": stack, "returns": returns}
    if function is None:
        text = os.fspath(target) if isinstance(target, str | os.PathLike) else None
        if not isinstance(text, str) or ":" not in text:
            raise UsageError(
                f"uprobe({target!r}): in which file, and which function? Say uprobe('./program', 'function'),"
                " or 'uprobe:./program:function'"
            )
        wanted = parse(text if text.partition(":")[0] in _FORMS else f"uprobe:{text}")
        _check_kind(wanted, "uprobe", text)
    else:
        if not isinstance(function, str) or not function:
            raise UsageError(f"a function is named by a text, such as 'accept_exp', not by {function!r}")
        wanted = Wanted(kind="uprobe", target=_target(target), function=function)
    return _with(wanted, types, values, options)


def usdt(  # noqa: PLR0913 - each has its name
    target: Any,
    provider: str | None = None,
    name: str | None = None,
    /,
    *types: Any,
    where: str | None = None,
    every: int = 1,
    limit: int | None = None,
    stack: bool = False,
    **values: Any,
) -> Wanted:
    """Ask for a static probe (USDT) that an executable or a library has.

    Args:
        target: As of `uprobe`; or all in one text: ``"usdt:/usr/bin/python3:python:gc__start"``.
        provider: Of the probe; ``"*"``: any.
        name: Of the probe, or a pattern.
        types: As of `uprobe`: of an argument that is the address of a text, ``"str"``.
        where: As of `uprobe`.
        every: As of `uprobe`.
        limit: As of `uprobe`.
        stack: As of `uprobe`.
        values: As of `uprobe`.

    Raises:
        UsageError: It cannot be asked so.
    """
    options = {"where": where, "every": every, "limit": limit, "stack": stack}
    if name is None:
        if provider is not None:
            raise UsageError(f"usdt({target!r}, {provider!r}): which probe? Say its name too; any is '*'")
        text = str(target)
        wanted = parse(text if text.partition(":")[0] in _FORMS else f"usdt:{text}")
        _check_kind(wanted, "usdt", text)
    else:
        wanted = Wanted(kind="usdt", target=_target(target), provider=str(provider or "*"), function=name)
    return _with(wanted, types, values, options)


def tracepoint(
    name: str,
    /,
    *,
    where: str | None = None,
    every: int = 1,
    limit: int | None = None,
    task: Any = None,
    **values: Any,
) -> Wanted:
    """Ask for a tracepoint of the kernel, such as ``"sched:sched_process_exit"``.

    Args:
        name: With its category before it; or ``"raw_tracepoint:sched_process_exit"``: its arguments, and not its
            record.
        where: As of `uprobe`.
        every: As of `uprobe`.
        limit: As of `uprobe`.
        task: Of a raw one, the name of the argument (a ``struct task_struct *``) whose passing it is, whichever
            thread runs; else it is told of the thread that passes it. ``...``: a field that has this name.
        values: Fields, each as ``...``, if not all are meant; or texts.

    Raises:
        UsageError: It cannot be asked so.
    """
    wanted = parse(name if name.partition(":")[0] in _FORMS else f"tracepoint:{name}")
    if wanted.kind != "raw_tracepoint":
        _check_kind(wanted, "tracepoint", name)
    options = {"where": where, "every": every, "limit": limit}
    if task is not None:
        values = {_TASK: task, **values}
    return _with(wanted, (), *_task_apart(wanted, values, options))


def kernel_function(  # noqa: PLR0913 - each has its name
    name: str,
    /,
    *types: Any,
    where: str | None = None,
    every: int = 1,
    limit: int | None = None,
    stack: bool = False,
    returns: Any = None,
    **values: Any,
) -> Wanted:
    """Ask for the calls of a function of the kernel.

    Args:
        name: As in ``/proc/kallsyms``, or a pattern; of a module's with or without the module
            (``"9p:v9fs_file_open"``).
        types: As of `uprobe`; what is not said, BTF says.
        where: As of `uprobe`.
        every: As of `uprobe`.
        limit: As of `uprobe`.
        stack: As of `uprobe`: in the kernel, and from where in the program.
        returns: As of `uprobe`.
        values: As of `uprobe`.

    Raises:
        UsageError: It cannot be asked so.
    """
    wanted = parse(name if name.partition(":")[0] in _FORMS else f"kprobe:{name}")
    _check_kind(wanted, "kprobe", name)
    options = {"where": where, "every": every, "limit": limit, "stack": stack, "returns": returns}
    return _with(wanted, types, values, options)


def _check_kind(wanted: Wanted, kind: str, text: str) -> None:
    if wanted.kind != kind:
        raise UsageError(f"{text!r} is a {wanted.kind}; here a {kind} is asked for, such as {_EXAMPLES[kind]!r}")


def _target(target: Any) -> Any:
    if isinstance(target, tuple) and len(target) == 2:  # noqa: PLR2004 - a process and a library of it
        pid, name = _target(target[0]), _target(target[1])
        if isinstance(pid, int) and not isinstance(name, int | tuple):
            return pid, name
    pid = getattr(target, "pid", None)  # of a subprocess.Popen, a Process
    if isinstance(pid, int):
        return pid
    if isinstance(target, bool) or not isinstance(target, str | os.PathLike | int) or not str(target):
        raise UsageError(
            f"a target is an executable or a library, by its path or name, or a process that runs it, not {target!r}"
        )
    return target


def _with(wanted: Wanted, types: tuple[Any, ...], values: dict[str, Any], options: dict[str, Any]) -> Wanted:
    """Add what was given by name to what a text said."""
    given = {name: value for name, value in options.items() if value != Wanted.__dataclass_fields__[name].default}
    return replace(
        wanted,
        types=wanted.types + types,
        values=(*wanted.values, *values.items()),
        **given,
    )


def parse(text: str) -> Wanted:
    """Read a probe as bpftrace and BCC's trace write its name, and what to read after it.

    ``uprobe:./exp:accept_exp num=s32@arg0 name=str@arg0+4``; `where`, `every`, `limit`, `stack` and `returns` are given
    in the same way.

    Raises:
        UsageError: It is none; with what it may have been meant to be.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no probe: {error}") from None
    head, *rest = words or [""]
    form, colon, name = head.partition(":")
    if form not in _FORMS or not colon:
        raise UsageError(f"{head!r} is no probe{_hint(form)}")
    kind, of_return = _FORMS[form]
    wanted = _named(form, kind, name)
    if of_return:
        wanted = replace(wanted, returns=True)
    return _with(wanted, (), *_task_apart(wanted, *_settings(text, rest)))


def _hint(form: str) -> str:
    near = difflib.get_close_matches(form, _FORMS, n=1, cutoff=0.6)
    meant = f"; did you mean {near[0]}:…?" if near else ""
    return f"{meant} (such as {_EXAMPLES['uprobe']}, {_EXAMPLES['usdt']})"


def _named(form: str, kind: str, name: str) -> Wanted:
    first, colon, rest = name.partition(":")
    if form in {"p", "r"} and not (first and colon):
        kind, first, colon, rest = "kprobe", name.removeprefix(":"), "", ""
    wanted = Wanted(kind=kind)
    if kind == "kprobe":
        wanted = replace(wanted, provider=first if colon else "", function=rest if colon else first)
    elif kind == "raw_tracepoint":
        wanted = replace(wanted, function=first if not rest else name)
    elif kind == "tracepoint":
        wanted = replace(wanted, provider=first, function=rest)
    elif kind == "usdt":
        provider, colon, probe = rest.partition(":")
        wanted = replace(wanted, target=first, provider=provider if colon else "*", function=probe if colon else rest)
    else:
        library = "libc" if form in {"p", "r"} and first == "c" else first
        wanted = replace(wanted, target=library, function=rest)
    if not wanted.function or (kind == "tracepoint" and not wanted.provider) or wanted.target == "":
        raise UsageError(f"{form}:{name} is not whole: it is written as {_EXAMPLES[kind]!r}")
    return wanted


def _task_apart(
    wanted: Wanted, values: dict[str, Any], options: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the task that a tracepoint is about, which is a name, from a field that is called so."""
    task = values.get(_TASK)
    if wanted.kind not in {"tracepoint", "raw_tracepoint"} or not (isinstance(task, str) and task.isidentifier()):
        return values, options
    return {name: value for name, value in values.items() if name != _TASK}, {**options, _TASK: task}


def _settings(text: str, words: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what to read, and the options."""
    values: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if word == "stack":
            options["stack"] = True
        elif not equals or not name.isidentifier() or not value:
            raise UsageError(f"{text!r}: {word!r} says nothing to read; write name=type, such as num=s32@arg0")
        elif name in values or name in options:
            raise UsageError(f"{text!r}: {name} is given twice")
        elif name in {"every", "limit"}:
            options[name] = _number(text, word, value)
        elif name in _OPTIONS:
            options[name] = True if name == "stack" or value == "True" else ... if value == "..." else value
        else:
            values[name] = ... if value == "..." else value
    return values, options


def _number(text: str, word: str, value: str) -> int:
    digits = value.replace("_", "")
    if not (digits.isascii() and digits.isdecimal()):
        raise UsageError(f"{text!r}: {word!r} takes a number")
    return int(digits)
