"""Why strace writes a call otherwise than we do, cause by cause; docs/strace.md tells of each under the same title.

A cause is as narrow as can be: it brings one form into the other where both say the same, and leaves all else.
"""

from __future__ import annotations

import re
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf.syscalls.flagsets import FLAGSETS
from pytest_ebpf.syscalls.values import quoted

if TYPE_CHECKING:
    import collections
    from collections.abc import Callable, Iterator

    from strace_lines import Line

__all__ = ["CAUSES", "PAIRS", "Cause", "Pair", "without_causes", "without_pairs"]


class Cause(NamedTuple):
    """One difference that has a reason."""

    title: str
    """In docs/strace.md."""
    calls: str
    """Their names: a regular expression."""
    pattern: str
    """What is replaced in arguments and result, which a NUL parts."""
    new: str | Callable[[re.Match[str]], str]
    side: str = "strace"
    """``strace`` or ``ours``: whose form is changed; ``both``: each is brought into a third."""


def _clock(match: re.Match[str]) -> str:
    """Return the number that a clock without a name has (linux/posix-timers.h)."""
    kind, owner, what = match.groups()
    low = {"CPUCLOCK_PROF": 0, "CPUCLOCK_VIRT": 1, "CPUCLOCK_SCHED": 2, None: 3}[what]
    return hex((~int(owner) << 3 | low | (4 if kind == "MAKE_THREAD_CPUCLOCK" else 0)) & 0xFFFFFFFF)


def _timeval(match: re.Match[str]) -> str:
    data = _unquoted(match[2])
    if len(data) != struct.calcsize("@qq"):
        return match[0]
    seconds, micros = struct.unpack("@qq", data)
    return f"{match[1]}, {{tv_sec={seconds}, tv_usec={micros}}}, "


def _unquoted(text: str) -> bytes:
    """Return the bytes that strace quoted."""
    short = {"n": 10, "t": 9, "r": 13, "v": 11, "f": 12}
    found = re.findall(r"\\([0-7]{1,3})|\\(.)|([^\\])", text, re.DOTALL)
    return bytes(
        int(octal, 8) if octal else short.get(escaped, ord((escaped or plain)[0])) for octal, escaped, plain in found
    )


def _received(match: re.Match[str]) -> str:
    """Keep as much of a message's text as was received."""
    text, rest, size = match.groups()
    parts = re.findall(r"\\[0-7]{1,3}|\\.|[^\\]", text, re.DOTALL)[: int(size)]
    return f'mtext="{"".join(parts)}"{rest}\0{size}'


def _huge(match: re.Match[str]) -> str:
    """Return the name that the header has for a size of huge pages."""
    size = 1 << int(match[1])
    unit, shift = next((unit, shift) for unit, shift in (("GB", 30), ("MB", 20), ("KB", 10)) if size >> shift)
    return f"{match[2]}_HUGE_{size >> shift}{unit}"


def _ordered(match: re.Match[str]) -> str:
    """Order flags by name; what is quoted stays as it is."""
    return match[0] if match[0].startswith('"') else "|".join(sorted(match[0].split("|")))


def _long_directory(match: re.Match[str]) -> str:
    """Leave out the number of entries where not all of them are copied."""
    return f"{match[1]}{match[3]}" if int(match[4]) > _STRUCTURE else match[0]


_STRING = r'"(?:[^"\\]|\\.)*"'
_STRUCTURE = 4096  # CALL_STRUCT, bpf/pieces.h
_NOT_NAMED = {"F_GET_RW_HINT": "0x40b", "F_SET_RW_HINT": "0x40c"}  # linux/fcntl.h

CAUSES = (
    Cause("Times as dates", "utime.*|futimesat", r" /\* -?\d+-\d\d-\d\dT[^*]* \*/", ""),
    Cause("Requests that share a number", "ioctl", r"(?<=, )[A-Z_0-9]+ or ([A-Z_0-9]+)(?=,|\0)", r"\1"),
    Cause(
        "Settings of terminals", "ioctl", r"\b(TC[GS]ETS[WF]?), (?:\{.*?\}|0x[0-9a-f]+)(?=\0)", r"\1, TERMIOS", "both"
    ),
    Cause(
        "Lists of network interfaces",
        "ioctl",
        r"\bSIOCGIFCONF, (?:\{.*\}|0x[0-9a-f]+)(?=\0)",
        "SIOCGIFCONF, LIST",
        "both",
    ),
    Cause(
        "Names that strace 6.1 does not have", "fcntl", "|".join(_NOT_NAMED), lambda found: _NOT_NAMED[found[0]], "ours"
    ),
    Cause("How large a handle has to be", "name_to_handle_at", r"(\{handle_bytes=\d+) => \d+\}", r"\1}"),
    Cause("The end of an extended attribute", "[lf]?[gs]etxattr", r'\\0", (\d+)', r'", \1', "ours"),
    Cause("Data of asynchronous writes", "io_submit", rf"aio_buf=(?:{_STRING}|0x[0-9a-f]+)", "aio_buf=BUF", "both"),
    Cause("Pages in core", "mincore", r", (?:\[[0-9, ]+\]|0x[0-9a-f]+)(?=\0)", ", VEC", "both"),
    Cause("Long paths", ".*", r'("(?:[^"\\]|\\.){4095})(?:[^"\\]|\\.)"\.\.\.', r'\1"...', "ours"),
    Cause(
        "Long lists of arguments",
        "execve|execveat",
        rf"(\[(?:{_STRING}, ){{32}})(?:{_STRING}, )*{_STRING}\]",
        r"\1...]",
    ),
    Cause(
        "Long directories",
        "getdents|getdents64",
        r"^(.*?)( /\* \d+ entries \*/(?:\.\.\.)?)(.*\0(\d+))$",
        _long_directory,
        "both",
    ),
    Cause("Numbers without a name", "access|faccessat2?", r" /\* \?_OK \*/", ""),
    Cause("Numbers without a name", ".*", r" /\* [A-Z0-9_]+_\?\?\?? \*/", ""),
    Cause("The environment", "execve|execveat", r" /\* \d+ vars? \*/", ""),
    Cause("What rt_sigreturn restores", "rt_sigreturn", r"^\{mask=~?\[[^]]*\]\}", ""),
    Cause("What restart_syscall resumes", "restart_syscall", r"^<\.\.\. resuming interrupted \S.* \.\.\.>", ""),
    Cause(
        "Clocks of processes and devices",
        "clock_.*|timer_create",
        r"^(MAKE_PROCESS_CPUCLOCK|MAKE_THREAD_CPUCLOCK|FD_TO_CLOCKID)\((-?\d+)(?:, (\w+))?\)",
        _clock,
        "ours",
    ),
    Cause(
        "Network interfaces",
        "bind|connect|recv.*|send.*|get(sock|peer)name|[gs]etsockopt|accept.*",
        r'if_nametoindex\("([^"]+)"\)',
        lambda match: str(socket.if_nametoindex(match[1])),
    ),
    Cause("Timeouts of sockets", "[gs]etsockopt", r'(SO_(?:RCV|SND)TIMEO_OLD), "((?:\\.|[^"\\])*)", ', _timeval),
    Cause(
        "Texts of four bytes",
        "[gs]etsockopt",
        r"(SO_BINDTODEVICE|TCP_CONGESTION|TCP_ULP), \[(-?\d+)\]",
        lambda match: f"{match[1]}, {quoted(int(match[2]).to_bytes(4, 'little', signed=True))}",
    ),
    Cause("Control messages that are none", "sendm?msg|recvm?msg", r", \.\.\. /\* 0x[0-9a-f]+ \*/\]", "]"),
    Cause("Capabilities as bits", "capget|capset", r"1<<(?=CAP_)", ""),
    Cause(
        "Policies that children do not inherit",
        "sched_setscheduler",
        r"0x4000000([0-6])(?=,)",
        lambda match: f"{FLAGSETS['scheduling_policies'].of(int(match[1]))}|SCHED_RESET_ON_FORK",
    ),
    Cause(
        "Policies that children do not inherit",
        "sched_getscheduler",
        r" \(SCHED_\w+\|SCHED_RESET_ON_FORK\)$",
        "",
        "ours",
    ),
    Cause("Sizes of huge pages", "shmget|mmap|memfd_create", r"\b(\d+)<<(SHM|MAP|MFD)_HUGE_SHIFT", _huge),
    Cause("Messages that are received", "msgrcv", r'mtext="((?:\\.|[^"\\])*)"(?:\.\.\.)?(.*)\0(\d+)$', _received),
    # The last: names are put for numbers before.
    Cause("The order of flags", ".*", rf"{_STRING}|[\w<]+(?:\|[\w<]+)+", _ordered, "both"),
)


def without_causes(line: Line, side: str) -> Line:
    """Bring a call into the form that both sides share.

    Args:
        line: The call.
        side: Who tells of it: ``strace`` or ``ours``.
    """
    text = f"{line.arguments}\0{line.result}"
    for cause in CAUSES:
        if cause.side in {side, "both"} and re.fullmatch(cause.calls, line.name):
            text = re.sub(cause.pattern, cause.new, text, flags=re.DOTALL)
    arguments, _, result = text.partition("\0")
    return line._replace(arguments=arguments, result=result)


class Pair(NamedTuple):
    """A difference that shows only where both lines are seen."""

    title: str
    """In docs/strace.md."""
    same: Callable[[Line, Line], bool]
    """Whether our line and strace's, of one thread and one call, say the same."""


_HEADER = struct.Struct("@IHHIi")  # struct nlmsghdr
_TOLD = re.compile(r"(?<!msg=)(?<!msg=\[)\{nlmsg_len=(\d+), [^{}]*?nlmsg_seq=(\d+), nlmsg_pid=(-?\d+)\}")
_TEXT = r'"((?:\\.|[^"\\])*)"'


def _headers(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Return length, sequence number and port of each netlink message, as far as there are any."""
    at = 0
    while len(data) - at >= _HEADER.size:
        length, _, _, sequence, port = _HEADER.unpack_from(data, at)
        yield length, sequence, port
        if length < _HEADER.size:
            break
        at += (length + 3) & ~3


def _same_netlink(ours: Line, theirs: Line) -> bool:
    told = [(int(length), int(sequence), int(port)) for length, sequence, port in _TOLD.findall(theirs.arguments)]
    data = re.search(rf"(?:^-?\d+, |iov_base=){_TEXT}", ours.arguments)
    if not told or data is None or list(_headers(_unquoted(data[1]))) != told:
        return False
    before, after = ours.arguments[: data.start(1) - 1], ours.arguments[data.end(1) + 1 :]
    return theirs.arguments.startswith(before) and theirs.arguments.endswith(after)


def _killed(ours: Line, theirs: Line) -> bool:
    return (
        theirs.result == "?"
        and ours.result == "0"
        and ours.arguments == theirs.arguments
        and "SIGKILL" in ours.arguments
    )


def _ended(ours: Line, theirs: Line) -> bool:
    if not theirs.result.startswith("? ERESTART") or ours.result != "?":
        return False
    if ours.name not in {"nanosleep", "clock_nanosleep"}:
        return ours.arguments == theirs.arguments
    # What is left was written for nobody, too.
    left, address = re.sub(r"\{[^{}]*\}$", "", theirs.arguments), re.sub(r"0x[0-9a-f]+$", "", ours.arguments)
    return left == address or ours.arguments == theirs.arguments


def _skipped(ours: Line, theirs: Line) -> bool:
    return theirs.result == "?" and ours.result.startswith("-1 ENOSYS") and ours.arguments == theirs.arguments


def _unseen(ours: Line, theirs: Line) -> bool:
    return theirs.result == "? <unavailable>" and ours.arguments == theirs.arguments


PAIRS = (
    Pair("Messages of netlink", _same_netlink),
    Pair("A thread that kills itself", _killed),
    Pair("A thread that is killed before its call begins", _skipped),
    Pair("Calls that a fatal signal ends", _ended),
    Pair("A thread that is killed while strace looks", _unseen),
)


def without_pairs(ours: collections.Counter[Line], theirs: collections.Counter[Line]) -> None:
    """Take out the lines that say the same in two ways."""
    for line in list(theirs.elements()):
        found = next(
            (
                each
                for each in ours
                if each[:2] == line[:2] and ours[each] > 0 and any(pair.same(each, line) for pair in PAIRS)
            ),
            None,
        )
        if found is not None:
            ours[found] -= 1
            theirs[line] -= 1
