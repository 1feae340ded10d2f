"""BCC's part of the host: `ebpf_trace.bcc()`. One instance of a text for all clients, to the end of the run."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ebpf.engine.layout import load as load_layouts
from pytest_ebpf.engine.loader import SLOTS
from pytest_ebpf.engine.native import library
from pytest_ebpf.engine.objects import OBJECT
from pytest_ebpf.errors import Unavailable, UsageError
from pytest_ebpf.headers.tree import kernel_source
from pytest_ebpf.host import bcc_module
from pytest_ebpf.host.bcc_headers import Headers
from pytest_ebpf.host.bcc_module import Source, Table
from pytest_ebpf.host.instance import Instance
from pytest_ebpf.host.maps import Map
from pytest_ebpf.host.refusal import Refused
from pytest_ebpf.probes.btf_types import Btf

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from pytest_ebpf.host.instance import Holder, LoadRequest

__all__ = ["BccInstance", "load"]

_HEADER = Path(__file__).parents[1] / "include/pytest_ebpf.bcc.h"
_TEXT_LIMIT = 1 << 20
"""Bytes."""
_PERF_ARRAY, _RING = 4, 27  # BPF_MAP_TYPE_*, linux/bpf.h
_SUBMIT = "perf_submit"
"""A member of the structure that BCC's ``BPF_PERF_OUTPUT`` makes, and ``BPF_PERF_ARRAY`` does not."""

_instances: dict[Hashable, BccInstance] = {}


def load(request: LoadRequest) -> BccInstance:
    """Return what a text is in the kernel: compiled, loaded and attached now, or for somebody before.

    Raises:
        Refused: It cannot be; nothing of it stays.
    """
    source = _source(request)
    key = source.text, source.cflags, json.dumps(_places(source), sort_keys=True)
    known = _instances.get(key)
    if known is None or not known.headers.are_as_they_were():
        known = _instances[key] = BccInstance(source, request.shared)
    return known


def _source(request: LoadRequest) -> Source:
    body, data = request.packet.body, request.packet.payload
    if len(data) > _TEXT_LIMIT:
        raise Refused("usage", f"it has {len(data)} bytes, and a text may have {_TEXT_LIMIT}")
    return Source(
        name=str(body["name"]),
        text=data.decode("utf-8", "surrogateescape"),
        cflags=tuple(str(flag) for flag in body.get("cflags", ())),
        attach=body.get("attach", {}),
        files=request.packet.descriptors,
    )


def _places(source: Source) -> Mapping[str, Any]:
    """Return where its functions are attached: the files as they are now, for another of the same path is another."""
    return {function: [_place(place, source.files) for place in places] for function, places in source.attach.items()}


def _place(place: Mapping[str, Any], files: Sequence[int]) -> dict[str, Any]:
    if "file" not in place:
        return dict(place)
    status = os.fstat(files[place["file"]])
    return {**place, "file": (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)}


class BccInstance(Instance):
    """A text, in the kernel."""

    kept = True

    def __init__(self, source: Source, shared: Mapping[str, int]) -> None:
        """Compile, load and attach it.

        Args:
            source: The text.
            shared: Descriptors of the engine's maps by name.

        Raises:
            Refused: It cannot be; nothing of it stays.
        """
        super().__init__()
        self._ffi, self._lib = library()
        self._module: bcc_module.Module | None = None
        self.headers = Headers()
        self._wanted = self._new_map()
        """By the slot of a session, which session has it now: of the others' processes it tells nothing."""
        try:
            macros = [f"-D{name}={value}" for name, value in self._macros(shared).items()]
            cflags = (*macros, "-include", str(_HEADER), *source.cflags, *self.headers.flags)
            self._module = bcc_module.load(dataclasses.replace(source, cflags=cflags), kernel_source())
            self.headers.note()
            self._describe(self._module)
        except Unavailable as error:
            self.close()
            raise Refused("unavailable", str(error)) from None
        except BaseException:
            self.close()
            raise

    def _new_map(self) -> int:
        lib = self._lib
        made = lib.bpf_map_create(lib.BPF_MAP_TYPE_ARRAY, b"ebpf_wanted", 4, 4, SLOTS, self._ffi.NULL)
        if made < 0:
            raise Refused("open", f"the kernel gives no map: {os.strerror(self._ffi.errno)}")
        return int(made)

    def _macros(self, shared: Mapping[str, int]) -> dict[str, int]:
        """Return what the header needs: descriptors, numbers, and offsets in the engine's structures."""
        names = {
            "member": ("session", "tid", "start_ns", "host_pid", "host_tid"),
            "session_slot": ("session", "wake_at"),
            "control": ("window", "wake", "muted", "lost_records", "lost_bytes"),
        }
        known = load_layouts(OBJECT, tuple(names), ("record_type",))
        offsets = {
            f"EBPF_{struct.rpartition('_')[2]}_{field}".upper(): known.structs[struct].offsets[field]
            for struct, fields in names.items()
            for field in fields
        }
        descriptors = {f"EBPF_{name}".upper(): shared[name] for name in ("members", "slots", "rings", "controls")}
        return {
            **offsets,
            **descriptors,
            "EBPF_WANTED": self._wanted,
            "EBPF_SESSIONS": SLOTS,
            "EBPF_MUTED_THREADS": int(known.structs["control"].codes["muted"].rstrip("s")) // 4,
            "EBPF_RECORD": known.enums["record_type"]["RECORD_PROGRAM"],
            "EBPF_PROGRAM": self.number,
        }

    def _describe(self, module: bcc_module.Module) -> None:
        btf = self._types(module)
        types = Btf(btf)
        tables = list(module.tables())
        outputs = [table for table in tables if table.type == _RING or _is_perf_output(table, types)]
        self.maps = {table.name: self._map(table) for table in tables if table not in outputs}
        self.description = {
            "attached": len(module.functions),
            "btf": base64.b64encode(btf).decode(),
            "emits": [{"name": output.name, "number": output.id, "fields": output.fields} for output in outputs],
        }

    def _types(self, module: bcc_module.Module) -> bytes:
        """Return the BTF that BCC gave to the kernel: all functions of a text have the same."""
        ffi, lib = self._ffi, self._lib
        program = next(iter(module.functions.values()))
        size = lib.pe_program_types(program, ffi.NULL, 0)
        if size < 0:
            raise Refused("open", f"the kernel has no types of it: {os.strerror(-size)}")
        data = ffi.new("char[]", size)
        lib.pe_program_types(program, data, size)
        return bytes(ffi.buffer(data, size))

    def _map(self, table: Table) -> Map:
        kind = self._ffi.string(self._lib.libbpf_bpf_map_type_str(table.type)).decode()
        return Map(table.name, kind, table.descriptor, table.key_size, table.value_size, table.max_entries)

    def hold(self, client: Holder, waker: int) -> None:
        """Tell a client's session what its processes do, from now on."""
        super().hold(client, waker)
        self._want(client.session, client.session)

    def release(self, client: Holder) -> bool:
        """Tell it no more."""
        self._want(client.session, 0)
        return super().release(client)

    def _want(self, session: int, value: int) -> None:
        key, wanted = self._ffi.new("uint32_t *", session % SLOTS), self._ffi.new("uint32_t *", value)
        self._lib.bpf_map_update_elem(self._wanted, key, wanted, 0)

    def missed(self) -> int:
        """Return how often the kernel skipped one of its programs."""
        functions = {} if self._module is None else self._module.functions
        return sum(self._lib.pe_program_missed(program) for program in functions.values())

    def detach(self) -> None:
        """Do nothing: others use it too. It goes with the host."""

    def close(self) -> None:
        """Detach it and free it; safe to call again."""
        if self._module is not None:
            self._module.close()
            self._module = None
        self.headers.close()
        if self._wanted >= 0:
            os.close(self._wanted)
            self._wanted = -1
        super().close()


def _is_perf_output(table: Table, types: Btf) -> bool:
    if table.type != _PERF_ARRAY:
        return False
    try:
        declared = types.structure(f"{table.name}_table_t")
    except UsageError:
        return False  # the text never uses it
    return any(field.name == _SUBMIT for field in declared.fields)
