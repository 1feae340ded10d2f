"""One BCC program: compiled, loaded and attached by BCC. Knows nothing of clients."""

from __future__ import annotations

import atexit
import ctypes
import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ebpf.host.bcc_attaching import attach_to, pass_every_argument, usdt_contexts
from pytest_ebpf.host.bcc_import import import_bcc
from pytest_ebpf.host.bcc_tracefs import show_tracefs
from pytest_ebpf.host.bcc_words import NotLoaded, listening, refusal
from pytest_ebpf.host.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    Place: TypeAlias = Mapping[str, Any]

__all__ = ["Module", "Source", "Table", "load"]

_OPENED = (
    *("funcs", "tables", "kprobe_fds", "uprobe_fds", "tracepoint_fds", "raw_tracepoint_fds", "kfunc_entry_fds"),
    *("kfunc_exit_fds", "lsm_fds", "perf_buffers", "open_perf_events"),
)
"""What an object of BCC's has to close."""
_KPROBE = re.compile(r"k(?:ret)?probe__")
_AUTOLOADED = re.compile(r"(?:k(?:ret)?probe|(?:raw_)?tracepoint|k(?:ret)?func|lsm)__")
_KPROBES = Path("/sys/bus/event_source/devices/kprobe")
_WANTS_TRACEFS = re.compile(r"\b(?:TRACEPOINT_PROBE|tracepoint__)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is to be compiled, and how."""

    name: str
    """Of the text, in clang's messages."""
    text: str
    cflags: tuple[str, ...]
    attach: Mapping[str, Sequence[Place]]
    """By function, what BCC's own names do not say: where to; empty: nowhere, something else calls it."""
    files: Sequence[int]
    """Descriptors, which places name by their index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One of the program's maps."""

    name: str
    descriptor: int
    id: int
    """The kernel's."""
    type: int
    """BPF_MAP_TYPE_*."""
    key_size: int
    value_size: int
    max_entries: int
    fields: tuple[str, ...]
    """Of an output: BCC's own description of what is submitted to it, ``name#type`` each."""


class Module:
    """A program that BCC holds."""

    def __init__(self, bpf: Any, lib: Any) -> None:
        """Take over an object of BCC's."""
        self._bpf, self._lib = bpf, lib

    @property
    def functions(self) -> dict[str, int]:
        """The descriptors of the loaded programs, by the functions' names."""
        return {name.decode(): function.fd for name, function in self._bpf.funcs.items()}

    def tables(self) -> Iterator[Table]:
        """Return its maps."""
        lib, module = self._lib, self._bpf.module
        lib.bpf_table_name.restype = ctypes.c_char_p  # it has no declaration there
        lib.bpf_table_name.argtypes = [ctypes.c_void_p, ctypes.c_ulonglong]
        for index in range(lib.bpf_num_tables(ctypes.c_void_p(module))):
            name = lib.bpf_table_name(module, index)
            count = lib.bpf_perf_event_fields(module, name)
            descriptor = lib.bpf_table_fd(module, name)
            facts = _facts(descriptor)
            yield Table(
                name=name.decode(),
                descriptor=descriptor,
                id=facts["map_id"],
                type=facts["map_type"],
                key_size=facts["key_size"],
                value_size=facts["value_size"],
                max_entries=facts["max_entries"],
                fields=tuple(lib.bpf_perf_event_field(module, name, at).decode() for at in range(count)),
            )

    def close(self) -> None:
        """Detach and free it; safe to call again."""
        self._bpf.cleanup()
        atexit.unregister(self._bpf.cleanup)


def _facts(descriptor: int) -> dict[str, int]:
    """Return what the kernel says of a map (``bpf_map_show_fdinfo()``, ``kernel/bpf/syscall.c``)."""
    lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    return {name: int(found[name]) for name in ("map_id", "map_type", "key_size", "value_size", "max_entries")}


def load(source: Source, headers: Path | None) -> Module:
    """Compile a text, load its functions and attach them.

    Args:
        source: The text.
        headers: A tree of kernel headers; None: BCC finds those of the running kernel.

    Raises:
        Unavailable: There is no BCC.
        Refused: It does not compile, the verifier refuses it, or it cannot be attached; nothing of it stays.
    """
    bcc = import_bcc()
    if headers is not None:
        os.environ["BCC_KERNEL_SOURCE"] = str(headers)
    if _WANTS_TRACEFS.search(source.text) or _has(source.attach, "tracepoint"):
        try:
            show_tracefs()
        except OSError as error:
            raise Refused("attach", f"the kernel's tracepoints cannot be shown to BCC: {error.strerror}") from None
    bpf, lib = _program_class(bcc)(), bcc.libbcc.lib
    pass_every_argument(lib)
    said = bytearray()
    try:
        with listening(said):
            bpf.compile(source)
        _check_functions(_names(bpf, lib), source)
        said.clear()
        with listening(said):
            _attach_all(bpf, lib, source)
    except Exception as error:  # noqa: BLE001 - BCC raises nothing but this
        compiled = bpf.module is not None
        bpf.cleanup()
        atexit.unregister(bpf.cleanup)
        raise refusal(error, said.decode(errors="replace"), compiled=compiled) from None
    return Module(bpf, lib)


def _program_class(bcc: Any) -> Any:
    """Return BCC's class, in steps that can fail one by one."""

    class Program(bcc.BPF):  # type: ignore[misc]  # BCC has no types
        def __init__(self) -> None:
            """Do nothing yet; `cleanup` finds nothing then."""
            for name in _OPENED:
                setattr(self, name, {})
            self.module = self.tracefile = self._ringbuf_manager = None

        def compile(self, source: Source) -> None:
            text = f"#line 1 {_quoted(source.name)}\n{source.text}\n"
            super().__init__(text=text, cflags=list(source.cflags), usdt_contexts=usdt_contexts(bcc, source))

        def _trace_autoload(self) -> None:
            """Not yet: BCC does this while it compiles."""

        def autoload(self) -> None:
            super()._trace_autoload()

        def load_func(self, func_name: bytes, prog_type: int, *arguments: Any, **named: Any) -> Any:
            ctypes.set_errno(0)
            try:
                return super().load_func(func_name, prog_type, *arguments, **named)
            except Exception as error:
                atexit.unregister(self.donothing)
                raise NotLoaded(func_name.decode(), ctypes.get_errno()) from error

    return Program


def _attach_all(bpf: Any, lib: Any, source: Source) -> None:
    bpf.autoload()
    for name, places in source.attach.items():
        for place in places:
            attach_to(bpf, lib, name, place, source.files)


def _names(bpf: Any, lib: Any) -> list[str]:
    return [lib.bpf_function_name(bpf.module, at).decode() for at in range(lib.bpf_num_functions(bpf.module))]


def _check_functions(names: Sequence[str], source: Source) -> None:
    """Refuse what would never run: nothing would ever be told of it, and a test would take that for an answer."""
    for name in source.attach:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(names) or 'none'}"
            raise Refused("attach", f"attach={{{name!r}: …}}: it has no function {name!r}{hint}")
    loose = [name for name in names if name not in source.attach and not _AUTOLOADED.match(name)]
    if loose or not names:
        raise Refused("attach", _never_run(loose))
    kprobes = [name for name in names if _KPROBE.match(name) or _has({name: source.attach.get(name, ())}, "kprobe")]
    if kprobes and not _KPROBES.exists():
        raise Refused("attach", _no_kprobes(kprobes[0]))


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


def _has(attach: Mapping[str, Sequence[Place]], kind: str) -> bool:
    return any(place["kind"] == kind for places in attach.values() for place in places)


def _never_run(loose: Sequence[str]) -> str:
    if not loose:
        return "it has no function that could be attached"
    return (
        f"nothing calls its function {loose[0]}: its name is none that BCC attaches by itself "
        "(kprobe__, TRACEPOINT_PROBE, RAW_TRACEPOINT_PROBE, KFUNC_PROBE …)\n"
        f'  try     attach={{"{loose[0]}": "uprobe:./program:function"}} (or tracepoint:, raw_tracepoint:, kprobe:, '
        "usdt:),\n          or `static` before a function that others of the text call"
    )


def _no_kprobes(name: str) -> str:
    return (
        f"{name} is for a function of the kernel, and this kernel ({os.uname().release}) has no kprobes\n"
        "  needs   a kernel built with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y\n"
        "  try     a tracepoint: TRACEPOINT_PROBE(syscalls, sys_enter_openat), RAW_TRACEPOINT_PROBE(sched_switch)"
    )
