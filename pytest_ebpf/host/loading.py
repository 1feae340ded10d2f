"""Loads users' compiled objects: libbpf's part of `ebpf_trace.program()`."""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import re
from typing import TYPE_CHECKING, Any

from pytest_ebpf.engine.native import library
from pytest_ebpf.engine.objects import LoadError, Object
from pytest_ebpf.host.attaching import TRACING, attach
from pytest_ebpf.host.instance import Instance
from pytest_ebpf.host.maps import Map
from pytest_ebpf.host.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_ebpf.host.instance import LoadRequest

__all__ = ["ObjectInstance"]

_OWN = "ebpf_"
"""Before the names of what ``include/pytest_ebpf.bpf.h`` declares, and is replaced, or set, here."""
_BUFFERS = {"ringbuf": 0, "perf_event_array": 4}
"""Bytes of the keys and of the values that the kernel wants (``ringbuf_map_alloc()``, ``perf_event_array``'s)."""
_NO_MAP = re.compile(r"map '([^']*)': failed to create")
_REFUSED = re.compile(r"prog '([^']*)': BPF program load failed")
_NO_TYPE = re.compile(r"prog '([^']*)': failed to find kernel BTF type ID of '([^']*)'")
_LOG_SIZE = 16 << 20
"""Bytes of a verifier's log; the kernel writes no longer one than UINT_MAX >> 2, and takes none of more before 5.2."""


def _no_function(program: str, function: str) -> str:
    return (
        f"its program {program} is for {function}, and this kernel ({os.uname().release}) has no such function or"
        " tracepoint, or does not describe it\n"
        f'  try     attach={{"{program}": "fentry:function"}} with another, or without=["{program}"]'
    )


class ObjectInstance(Instance):
    """A user's object, in the kernel."""

    def __init__(self, request: LoadRequest) -> None:
        """Load and attach it.

        Args:
            request: With the object as its payload.

        Raises:
            Refused: It does not open, load or attach; nothing of it stays.
        """
        super().__init__()
        self._ffi, self._lib = library()
        self._object = Object((self._ffi, self._lib))
        self._links: list[Callable[[], object]] = []
        self._data = request.packet.payload
        # Of memory that nobody touches none is taken: clearing it would cost more than all else here.
        self._log: Any = self._ffi.new_allocator(should_clear_after_alloc=False)("char[]", _LOG_SIZE)
        self._log[0] = b"\0"
        try:
            self._open(request.packet.body)
            self._prepare(request)
            self._load()
            self._find_maps(request.packet.body.get("records", {}))
            self._attach(request)
        except BaseException:
            self.close()
            raise
        self._log, self._data = None, b""
        self.description = {"attached": len(self._links)}

    # --- opening and loading ---

    def _open(self, body: Mapping[str, Any]) -> None:
        ffi, lib = self._ffi, self._lib
        name = ffi.new("char[]", str(body.get("name", "program")).encode())
        options = ffi.new("struct bpf_object_open_opts *")
        options.sz = ffi.sizeof("struct bpf_object_open_opts")
        options.object_name, options.kernel_log_buf, options.kernel_log_size = name, self._log, _LOG_SIZE
        lib.pe_log_start()
        try:
            self._object.take(lib.bpf_object__open_mem(ffi.from_buffer(self._data), len(self._data), options))
        except LoadError as failure:
            raise Refused("open", f"libbpf cannot read it ({os.strerror(failure.error)})", failure.log) from None

    def _prepare(self, request: LoadRequest) -> None:
        for name, map_ in self._object.map_objects.items():
            shared = request.shared.get(name.removeprefix(_OWN)) if name.startswith(_OWN) else None
            if shared is not None and (error := self._lib.bpf_map__reuse_fd(map_, shared)):
                raise Refused("open", f"its map {name} cannot be the tracer's: {os.strerror(-error)}")
            self._normalize(map_)
        self._resize(request.packet.body.get("maps", {}))
        self._choose(request.packet.body.get("load", {}), request.packet.body.get("attach", {}))
        for section, offset, value in request.packet.body.get("variables", ()):
            self._set_initial(section, offset, bytes.fromhex(value))
        for name, number in (("session", request.session), ("program", self.number)):
            self._set_own(f"{_OWN}{name}", number)

    def _resize(self, maps: Mapping[str, Mapping[str, int]]) -> None:
        lib = self._lib
        setters = {
            "key_size": lib.bpf_map__set_key_size,
            "max_entries": lib.bpf_map__set_max_entries,
            "value_size": lib.bpf_map__set_value_size,
        }
        for name, sizes in maps.items():
            for size, number in sizes.items():
                if error := setters[size](self._object.map_objects[name], number):
                    raise Refused("open", f"its map {name} cannot have the {size} {number:,} ({os.strerror(-error)})")

    def _choose(self, load: Mapping[str, bool], attach: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Choose what is loaded, and tell those that are loaded for one function (``fentry``) which it is."""
        for name, wanted in load.items():
            self._lib.bpf_program__set_autoload(self._object.programs[name], wanted)
        for name, places in attach.items():
            program = self._object.programs[name]
            if self._lib.bpf_program__type(program) != TRACING or not places:
                continue
            if len(places) > 1 or places[0]["kind"] != "kprobe":
                told = ", ".join(f"{each['kind']} {each['name']}" for each in places)
                raise Refused("usage", f"its program {name} is for one function of the kernel, and not for {told}")
            if self._lib.bpf_program__set_attach_target(program, 0, places[0]["name"].encode()):
                raise Refused("attach", _no_function(name, places[0]["name"]))

    def _normalize(self, map_: Any) -> None:
        """Let a buffer declare what is written to it by its value type, which the kernel knows nothing of."""
        kind = self._kind(map_)
        if kind in _BUFFERS:
            self._lib.bpf_map__set_key_size(map_, _BUFFERS[kind])
            self._lib.bpf_map__set_value_size(map_, _BUFFERS[kind])

    def _kind(self, map_: Any) -> str:
        return str(self._ffi.string(self._lib.libbpf_bpf_map_type_str(self._lib.bpf_map__type(map_))).decode())

    def _set_own(self, name: str, number: int) -> None:
        btf = self._lib.bpf_object__btf(self._object.opened)
        at = -1 if btf == self._ffi.NULL else self._lib.pe_find_variable(btf, b".rodata", name.encode())
        if at >= 0:
            self._set_initial(".rodata", at & 0xFFFFFFFF, number.to_bytes(at >> 32, "little"))

    def _set_initial(self, section: str, offset: int, value: bytes) -> None:
        map_ = self._section(section)
        size = self._ffi.new("size_t *")
        start = self._ffi.NULL if map_ is None else self._lib.bpf_map__initial_value(map_, size)
        if start == self._ffi.NULL or offset + len(value) > size[0]:
            raise Refused("usage", f"it has no variable of {len(value)} bytes at {offset} in its section {section}")
        self._ffi.buffer(self._ffi.cast("char *", start), size[0])[offset : offset + len(value)] = value

    def _section(self, name: str) -> Any | None:
        """Return the map that libbpf makes of a section: ``OBJECT.rodata`` of the usual ones."""
        for known, map_ in self._object.map_objects.items():
            if self._lib.bpf_map__is_internal(map_) and (known == name or known.endswith(name)):
                return map_
        return None

    def _load(self) -> None:
        try:
            self._object.load()
        except LoadError as failure:
            raise self._not_loaded(failure) from None
        for name, map_ in self._object.map_objects.items():
            if self._lib.bpf_map__is_internal(map_) and not name.endswith(".kconfig"):
                section = name if name.startswith(".") else f".{name.rpartition('.')[2]}"
                pages = -(-self._lib.bpf_map__value_size(map_) // mmap.PAGESIZE)
                access = mmap.PROT_READ if section.startswith(".rodata") else mmap.PROT_READ | mmap.PROT_WRITE
                # libbpf lets those be mapped that have variables of a program's, and not those of literals.
                with contextlib.suppress(OSError):
                    self.memory[section] = mmap.mmap(self._object.maps[name], pages * mmap.PAGESIZE, prot=access)

    def _not_loaded(self, failure: LoadError) -> Refused:
        why = os.strerror(failure.error)
        if match := _NO_MAP.search(failure.log):
            map_ = self._object.map_objects.get(match[1], self._ffi.NULL)
            entries = 0 if map_ == self._ffi.NULL else self._lib.bpf_map__max_entries(map_)
            size = 0 if map_ == self._ffi.NULL else self._lib.bpf_map__value_size(map_)
            text = f"its map {match[1]}, of {entries:,} entries with values of {size:,} bytes, cannot be made ({why})"
            if not entries or not size:
                sizes = {**({} if entries else {"max_entries": 1024}), **({} if size else {"value_size": 1016})}
                text += f'\n  try     maps={{"{match[1]}": {json.dumps(sizes)}}}, or what size it is to have'
            return Refused("open", text, failure.log)
        if match := _REFUSED.search(failure.log):
            # The kernel's own words last: its verdict is at the end.
            verdict = self._ffi.string(self._log).decode(errors="replace")
            text = f"the kernel refused its program {match[1]} ({why})"
            if failure.error == errno.EPERM:
                text += f'\n  try     a kprobe or a tracepoint near it; to do without this one, without=["{match[1]}"]'
            return Refused("verify", text, f"{failure.log.rstrip()}\n{verdict}")
        if match := _NO_TYPE.search(failure.log):
            return Refused("open", _no_function(match[1], match[2]), failure.log)
        return Refused("open", f"libbpf cannot load it ({why})", failure.log)

    def _loaded(self) -> dict[str, Any]:
        return {name: each for name, each in self._object.programs.items() if self._lib.bpf_program__autoload(each)}

    # --- maps and outputs ---

    def _find_maps(self, sizes_of_records: Mapping[str, Any]) -> None:
        for name, map_ in self._object.map_objects.items():
            if name.startswith(_OWN) or self._lib.bpf_map__is_internal(map_):
                continue
            kind = self._kind(map_)
            descriptor, entries = self._object.maps[name], self._lib.bpf_map__max_entries(map_)
            sizes = self._lib.bpf_map__key_size(map_), self._lib.bpf_map__value_size(map_)
            self.maps[name] = Map(name, kind, descriptor, *sizes, entries)
            if kind == "ringbuf":
                self.outputs.add_ring(name, descriptor, entries, int(sizes_of_records.get(name, 0)))
            elif kind == "perf_event_array":
                self.outputs.add_perf(name, descriptor)

    # --- attaching ---

    def _attach(self, request: LoadRequest) -> None:
        places, files = request.packet.body.get("attach", {}), request.packet.descriptors
        for name, program in self._loaded().items():
            of_program = places.get(name, [None])
            for place in of_program:
                self._links.append(attach(program, place, files))

    def missed(self) -> int:
        """Return how often the kernel skipped one of its programs (``recursion_misses``)."""
        counts = (self._lib.pe_program_missed(self._lib.bpf_program__fd(each)) for each in self._loaded().values())
        return sum(counts)

    def detach(self) -> None:
        """Detach it, and wait until no CPU runs it; safe to call again."""
        links, self._links = self._links, []
        for detach in links:
            detach()

    def close(self) -> None:
        """Detach it and free it."""
        super().close()
        for section in self.memory.values():
            section.close()
        self._object.close()
