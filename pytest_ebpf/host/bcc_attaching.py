"""Attaches a BCC program's functions to where the test says: with what BCC's own methods use."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any

from pytest_ebpf.host.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_ebpf.host.bcc_module import Place, Source

__all__ = ["attach_to", "pass_every_argument", "usdt_contexts"]

_INT, _TEXT = ctypes.c_int, ctypes.c_char_p
_UPROBE_ARGUMENTS = (_INT, _INT, _TEXT, _TEXT, ctypes.c_uint64, _INT, ctypes.c_uint32)


def usdt_contexts(bcc: Any, source: Source) -> list[Any]:
    """Return BCC's objects for the USDT probes among the places: it has to know them before it compiles.

    Raises:
        Refused: BCC cannot use such a probe.
    """
    contexts: dict[int, Any] = {}
    for function, places in source.attach.items():
        for place in places:
            if place["kind"] != "usdt":
                continue
            file = place["file"]
            probe = f"{place['provider']}:{place['probe']}"
            try:
                if file not in contexts:
                    contexts[file] = bcc.USDT(path=_path(source.files[file]))
                contexts[file].enable_probe(probe, function)
            except bcc.USDTException as error:
                raise Refused(
                    "attach",
                    f"BCC cannot use the USDT probe {probe}: {str(error).splitlines()[0].rstrip(':')}\n"
                    "  needs   a probe without a semaphore: BCC can set those of one process only\n"
                    f'  try     ebpf_trace.probe("usdt:PATH:{probe}"), or a program of libbpf\'s',
                ) from None
    return list(contexts.values())


def pass_every_argument(lib: Any) -> None:
    """Have BCC's Python part call ``bpf_attach_uprobe()`` as its C part has it since 0.15.

    The last argument, where a semaphore is, is not passed (BCC 0.26). What lies on the stack is taken for it, and the
    kernel refuses to whoever comes next a probe at that place with another (``__uprobe_register()``).
    """
    attach = lib["bpf_attach_uprobe"]
    attach.restype, attach.argtypes = ctypes.c_int, _UPROBE_ARGUMENTS
    lib.bpf_attach_uprobe = lambda *arguments: attach(*arguments[:6], 0)


def attach_to(bpf: Any, lib: Any, function: str, place: Place, files: Sequence[int]) -> None:
    """Attach a function to one place.

    Args:
        bpf: BCC's object.
        lib: Its library.
        function: Its name.
        place: As `pytest_ebpf.user_programs.places` found it.
        files: Descriptors, which the place of a uprobe names by their index.

    Raises:
        Refused: The kernel does not.
        Exception: BCC does not; its own.
    """
    if place["kind"] == "uprobe":
        _attach_uprobe(bpf, lib, function, place, files[place["file"]])
    elif place["kind"] != "usdt":  # which BCC did as it compiled
        _KINDS[place["kind"]](bpf, function, place)


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _attach_uprobe(bpf: Any, lib: Any, function: str, place: Place, file: int) -> None:
    """Attach to an offset in a file: BCC's own method would look for the symbol once more, in fewer places."""
    loaded = bpf.load_func(function.encode(), bpf.KPROBE)
    status = os.fstat(file)
    name = f"{'r' if place['returns'] else 'p'}_{status.st_dev:x}_{status.st_ino:x}_{place['offset']:x}".encode()
    made = lib.bpf_attach_uprobe(loaded.fd, int(place["returns"]), name, _path(file).encode(), place["offset"], -1)
    if made < 0:
        raise Refused("attach", f"the kernel refused {place['name']}: {os.strerror(ctypes.get_errno())}")
    bpf._add_uprobe_fd(name, made)  # noqa: SLF001 - so that BCC detaches it with the others


def _tracepoint(bpf: Any, function: str, place: Place) -> None:
    bpf.attach_tracepoint(tp=place["name"], fn_name=function)


def _raw_tracepoint(bpf: Any, function: str, place: Place) -> None:
    bpf.attach_raw_tracepoint(tp=place["name"], fn_name=function)


def _kprobe(bpf: Any, function: str, place: Place) -> None:
    attach = bpf.attach_kretprobe if place["returns"] else bpf.attach_kprobe
    attach(event=bpf.fix_syscall_fnname(place["name"]), fn_name=function)


def _sampling(bpf: Any, function: str, place: Place) -> None:
    bpf.attach_perf_event(
        ev_type=place["type"],
        ev_config=place["config"],
        fn_name=function.encode(),
        sample_period=place["period"],
        sample_freq=place["frequency"],
    )


_KINDS: Mapping[str, Callable[[Any, str, Place], None]] = {
    "tracepoint": _tracepoint,
    "raw_tracepoint": _raw_tracepoint,
    "kprobe": _kprobe,
    "sampling": _sampling,
}
