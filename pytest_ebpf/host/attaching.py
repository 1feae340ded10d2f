"""Attaches the programs of a user's object: to what its section names say, or to what the test says."""

from __future__ import annotations

import errno
import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ebpf.engine import kernel_attaching
from pytest_ebpf.engine.native import library
from pytest_ebpf.errors import BrokerError
from pytest_ebpf.host.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["attach"]

_TRACEPOINT = re.compile(r"(?:tp|tracepoint)/(?P<name>[^/]+/[^/]+)")
_KPROBE = re.compile(r"k(?P<returns>ret)?probe/(?P<name>[^+]+)")
_BY_KPROBES = re.compile(r"k(?:ret)?(?:syscall|probe\.multi|probe\.session)/(?P<name>.+)")
TRACING = 26
"""BPF_PROG_TYPE_TRACING: ``fentry``, ``fexit``, ``tp_btf``."""
_TRACE = frozenset({"kprobe", "tracepoint", "perf_event", "raw_tracepoint", "raw_tracepoint_writable", "tracing"})
_SECTION = 'SEC("{}/…") with the place, or '
_EXAMPLE = '"uprobe:./program:function"', "or kprobe:, tracepoint:, usdt:", _SECTION
_EXAMPLES = {
    "usdt": ('"usdt:./program:provider:probe"', "or uprobe:, kprobe:, tracepoint:", _SECTION),
    "perf_event": ('"profile:hz:99"', "or software:page-faults:1, hardware:cache-misses:1000000", ""),
}
"""By section: what to write, what else, and how the section itself can say it."""


def attach(program: Any, place: Mapping[str, Any] | None, files: Sequence[int]) -> Callable[[], object]:
    """Attach a program; return what detaches it.

    Args:
        program: libbpf's.
        place: Where to, as the client found it: ``kind`` and what that needs. None: where its section's name says.
        files: Descriptors, which the place of a uprobe names by their index.

    Raises:
        Refused: It cannot be.
    """
    ffi, lib = library()
    name = ffi.string(lib.bpf_program__name(program)).decode()
    section = ffi.string(lib.bpf_program__section_name(program)).decode()
    kind = lib.bpf_program__type(program)
    # One for one function was told which before it was loaded.
    where = _of_section(section) if place is None else None if kind == TRACING else place
    try:
        if where is None and (function := _BY_KPROBES.fullmatch(section)):
            kernel_attaching.check_kprobes(function["name"])
        link = lib.bpf_program__attach(program) if where is None else _KINDS[where["kind"]](program, where, files)
    except BrokerError as error:
        raise Refused("attach", f"its program {name} cannot be attached: {error}") from None
    if isinstance(link, partial):
        return link
    if link == ffi.NULL:
        raise Refused("attach", f"its program {name} cannot be attached: {_why(ffi.errno, program, where)}")
    return partial(lib.bpf_link__destroy, link)


def _of_section(section: str) -> dict[str, Any] | None:
    """Return what libbpf would look for in tracefs, which need not be mounted; None: libbpf does it."""
    if match := _TRACEPOINT.fullmatch(section):
        return {"kind": "tracepoint", "name": match["name"].replace("/", ":")}
    if match := _KPROBE.fullmatch(section):
        return {"kind": "kprobe", "name": match["name"], "returns": bool(match["returns"])}
    return None


def _why(error: int, program: Any, where: Mapping[str, Any] | None) -> str:
    ffi, lib = library()
    name, section, kind = (
        ffi.string(each).decode()
        for each in (
            lib.bpf_program__name(program),
            lib.bpf_program__section_name(program),
            lib.libbpf_bpf_prog_type_str(lib.bpf_program__type(program)),
        )
    )
    if where is None and error == errno.EOPNOTSUPP:
        if kind not in _TRACE:
            return (
                f"pytest-ebpf attaches programs that trace, and this is one of the type {kind}\n"
                f'  try     attach={{"{name}": None}} to have it loaded only, or without=["{name}"]'
            )
        examples = _EXAMPLES.get(section.partition(".")[0], _EXAMPLE)
        return (
            f'its section SEC("{section}") does not say where to\n'
            f'  try     attach={{"{name}": {examples[0]}}} ({examples[1]}), or'
            f' {examples[2].format(section)}{{"{name}": None}} if something else calls it'
        )
    place = f'SEC("{section}")' if where is None else " ".join(str(where[key]) for key in ("kind", "name"))
    return f"the kernel refused {place}: {os.strerror(error)}"


def _uprobe(program: Any, where: Mapping[str, Any], files: Sequence[int]) -> Any:
    ffi, lib = library()
    options = ffi.new("struct bpf_uprobe_opts *")
    options.sz = ffi.sizeof("struct bpf_uprobe_opts")
    options.retprobe = where["returns"]
    path = f"/proc/self/fd/{files[where['file']]}".encode()
    return lib.bpf_program__attach_uprobe_opts(program, -1, path, where["offset"], options)


def _usdt(program: Any, where: Mapping[str, Any], files: Sequence[int]) -> Any:
    ffi, lib = library()
    path = f"/proc/self/fd/{files[where['file']]}".encode()
    provider, name = where["provider"].encode(), where["probe"].encode()
    return lib.bpf_program__attach_usdt(program, -1, path, provider, name, ffi.NULL)


def _tracepoint(program: Any, where: Mapping[str, Any], _files: Sequence[int]) -> Any:
    return kernel_attaching.attach_tracepoint(library(), program, where["name"])


def _raw_tracepoint(program: Any, where: Mapping[str, Any], _files: Sequence[int]) -> Any:
    return kernel_attaching.attach_raw_tracepoint(library(), program, where["name"], of_task=False)


def _kprobe(program: Any, where: Mapping[str, Any], _files: Sequence[int]) -> Any:
    kernel_attaching.check_kprobes(where["name"])
    return kernel_attaching.attach_function(library(), program, where["name"], 0, returns=where["returns"])


def _sampling(program: Any, where: Mapping[str, Any], _files: Sequence[int]) -> Callable[[], object]:
    """Attach on each CPU; return what detaches all."""
    ffi, lib = library()
    links: list[Any] = []

    def detach() -> None:
        while links:
            lib.bpf_link__destroy(links.pop())

    for cpu in _online_cpus():
        event = lib.pe_open_sampling(where["type"], where["config"], where["period"], where["frequency"], cpu)
        link = ffi.NULL if event < 0 else lib.bpf_program__attach_perf_event(program, event)
        if link == ffi.NULL:
            error = -event if event < 0 else ffi.errno
            if event >= 0:
                os.close(event)
            detach()
            if error in {errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV}:
                raise BrokerError(f"this machine counts no {where['name'].split(':')[1]}")
            raise BrokerError(f"the kernel refused {where['name']}: {os.strerror(error)}")
        links.append(link)
    return partial(detach)


def _online_cpus() -> list[int]:
    ranges = Path("/sys/devices/system/cpu/online").read_text(encoding="ascii").strip().split(",")  # "0-3,6"
    ends = [[int(end) for end in each.split("-")] for each in ranges]
    return [cpu for each in ends for cpu in range(each[0], each[-1] + 1)]


_KINDS: Mapping[str, Callable[[Any, Mapping[str, Any], Sequence[int]], Any]] = {
    "uprobe": _uprobe,
    "usdt": _usdt,
    "tracepoint": _tracepoint,
    "raw_tracepoint": _raw_tracepoint,
    "kprobe": _kprobe,
    "sampling": _sampling,
}
