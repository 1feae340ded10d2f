"""Attaches the programs of a user's object: to what its section names say, or to what the test says."""

from __future__ import annotations

import errno
import os
import re
from functools import partial
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
    where = _of_section(section) if place is None else place
    try:
        link = lib.bpf_program__attach(program) if where is None else _KINDS[where["kind"]](program, where, files)
    except BrokerError as error:
        raise Refused("attach", f"its program {name} cannot be attached: {error}") from None
    if isinstance(link, partial):
        return link
    if link == ffi.NULL:
        raise Refused("attach", f"its program {name} cannot be attached: {_why(ffi.errno, name, section, where)}")
    return partial(lib.bpf_link__destroy, link)


def _of_section(section: str) -> dict[str, Any] | None:
    """Return what libbpf would look for in tracefs, which need not be mounted; None: libbpf does it."""
    if match := _TRACEPOINT.fullmatch(section):
        return {"kind": "tracepoint", "name": match["name"].replace("/", ":")}
    if match := _KPROBE.fullmatch(section):
        return {"kind": "kprobe", "name": match["name"], "returns": bool(match["returns"])}
    return None


def _why(error: int, name: str, section: str, where: Mapping[str, Any] | None) -> str:
    if where is None and error == errno.EOPNOTSUPP:
        return (
            f'its section SEC("{section}") does not say where to\n'
            f'  try     attach={{"{name}": "uprobe:./program:function"}} (or kprobe:, tracepoint:, usdt:), or'
            f' SEC("{section}/…") with the place, or {{"{name}": None}} if something else calls it'
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
    return kernel_attaching.attach_function(library(), program, where["name"], 0, returns=where["returns"])


_KINDS: Mapping[str, Callable[[Any, Mapping[str, Any], Sequence[int]], Any]] = {
    "uprobe": _uprobe,
    "usdt": _usdt,
    "tracepoint": _tracepoint,
    "raw_tracepoint": _raw_tracepoint,
    "kprobe": _kprobe,
}
