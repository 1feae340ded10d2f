"""Loads and attaches the kernel programs and makes sessions. Runs in the broker, with privilege."""

from __future__ import annotations

import errno
import os
import struct
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ebpf.engine.control import Control
from pytest_ebpf.engine.layout import load as load_layouts
from pytest_ebpf.engine.native import library, object_path
from pytest_ebpf.engine.objects import OBJECT, LoadError, Loading, begun
from pytest_ebpf.engine.ring import Ring
from pytest_ebpf.errors import BrokerError, Unavailable

if TYPE_CHECKING:
    from pytest_ebpf.engine.probes import Asked, Probes

__all__ = ["DEFAULT_ARGV_LIMIT", "SLOTS", "Engine", "EngineSession"]

DEFAULT_ARGV_LIMIT = 128 * 1024
"""Bytes: what one argument can be long (``MAX_ARG_STRLEN``, ``execve(2)``)."""

_KERNEL_BTF = Path("/sys/kernel/btf/vmlinux")
SLOTS = 1024
"""MAX_SESSIONS of ``bpf/session.h``."""
_WAKE_FRACTION = 4
"""A reader is woken when this part of its ring is full."""
_ENTRY = "syscall__sys_enter"
"""Not attached before a session wants system calls: all programs of the machine pay for it."""
_MAX_PASSES = 1000
_FORMAT_MOST = 3500
"""Letters; a message of the broker's has 4096 bytes."""
_SHARED = ("members", "slots", "rings", "controls")
"""Maps by which ``include/pytest_ebpf.bpf.h`` finds who is traced, and where their records go."""


@dataclass(slots=True)
class EngineSession:
    """One client's ring and control page."""

    id: int
    pid: int
    ring_fd: int
    control_fd: int
    ring: Ring
    control: Control

    def close(self) -> None:
        """Give back the memory; the kernel keeps a map as long as a client has it mapped."""
        self.ring.close()
        self.control.close()
        os.close(self.ring_fd)
        os.close(self.control_fd)


class Engine:
    """The attached kernel programs, one set for any number of sessions.

    Everything goes with the process: nothing is pinned.
    """

    def __init__(self) -> None:
        self._ffi, self._lib = library()
        self._object: Loading | None = None
        self._links: dict[str, Any] = {}
        self._programs: dict[str, Any] = {}
        self._maps: dict[str, int] = {}
        self._sessions: dict[int, EngineSession] = {}
        self._last_number = 0
        self._probes: Probes | None = None

    @classmethod
    def load(cls) -> Engine:
        """Load and attach everything.

        Raises:
            Unavailable: With what this kernel or this process lacks.
        """
        engine = cls()
        engine._object = begun((engine._ffi, engine._lib))
        try:
            engine._check_features()
            engine._take(engine._object)
            for name in engine._programs:
                if name != _ENTRY:
                    engine._attach(name)
        except BaseException:
            engine.close()
            raise
        return engine

    def _check_features(self) -> None:
        """Name what the kernel has not, before the verifier says it in its own words."""
        if not _KERNEL_BTF.exists():
            message = (
                f"pytest-ebpf: this kernel ({os.uname().release}) does not describe its types: "
                f"{_KERNEL_BTF} is not there\n"
                "  needs   a kernel built with CONFIG_DEBUG_INFO_BTF=y, 5.15 or later\n"
                "  try     a distribution's stock kernel: Debian 12, Ubuntu 22.04, Fedora, RHEL 9 and later have it"
            )
            raise Unavailable(message)
        maps = {
            "BPF ring buffers (kernel 5.8)": self._lib.BPF_MAP_TYPE_RINGBUF,
            "BPF task storage (kernel 5.11)": self._lib.BPF_MAP_TYPE_TASK_STORAGE,
            "maps of maps (kernel 4.12)": self._lib.BPF_MAP_TYPE_HASH_OF_MAPS,
        }
        if not self._may_use_bpf():
            raise Unavailable(self._refused("bpf(BPF_MAP_CREATE)", errno.EPERM))
        missing = [
            name for name, kind in maps.items() if self._lib.libbpf_probe_bpf_map_type(kind, self._ffi.NULL) != 1
        ]
        if missing:
            raise Unavailable(self._too_old(", ".join(missing)))

    def _may_use_bpf(self) -> bool:
        fd = self._lib.bpf_map_create(self._lib.BPF_MAP_TYPE_ARRAY, b"pytest_ebpf", 4, 4, 1, self._ffi.NULL)
        if fd < 0:
            return self._ffi.errno not in {errno.EPERM, errno.EACCES}
        os.close(fd)
        return True

    @staticmethod
    def _too_old(lacks: str) -> str:
        return (
            f"pytest-ebpf: this kernel ({os.uname().release}) cannot run the tracing programs\n"
            f"  lacks   {lacks}\n"
            "  needs   kernel 5.15 or later with BTF"
        )

    @staticmethod
    def _refused(what: str, error: int) -> str:
        return (
            f"pytest-ebpf: the kernel refused to load the tracing programs: {what}: "
            f"{errno.errorcode.get(error, str(error))}\n"
            f"  needs   CAP_BPF and CAP_PERFMON in the initial user namespace (uid {os.geteuid()} here)\n"
            "  try     sudo -v && pytest …      or   sudo pytest-ebpf serve --uid UID"
        )

    def _log(self) -> str:
        buffer = self._ffi.new("char[]", 1 << 16)
        size = self._lib.pe_log_take(buffer, 1 << 16)
        return bytes(self._ffi.buffer(buffer, size)).decode(errors="replace")

    def _take(self, loading: Loading) -> None:
        """Wait until the object is loaded; nothing of it is attached yet."""
        path = object_path(OBJECT)
        try:
            loading.wait()
        except LoadError as failure:
            if failure.step == "open":
                message = f"pytest-ebpf: {path} is no object that libbpf can read:\n{failure.log}"
                raise Unavailable(message) from None
            if failure.error in {errno.EPERM, errno.EACCES} and "processed" not in failure.log:
                raise Unavailable(self._refused("bpf(BPF_PROG_LOAD)", failure.error)) from None
            verdict = [line for line in failure.log.splitlines() if line.strip() and "processed" not in line][-12:]
            raise Unavailable(self._too_old("what the verifier says:") + "\n" + "\n".join(verdict)) from None
        self._maps, self._programs = loading.maps, loading.programs

    def _attach(self, name: str) -> None:
        link = self._lib.bpf_program__attach(self._programs[name])
        if link == self._ffi.NULL:
            log = self._log().strip().splitlines()[-1:]
            reason = f"the hook of {name}: {os.strerror(self._ffi.errno)} {' '.join(log)}"
            raise Unavailable(self._too_old(reason))
        self._links[name] = link

    def _attach_calls(self) -> None:
        """Have system calls recorded, for whoever asks for it in the control page, to the end of the run."""
        if _ENTRY not in self._links:
            self._attach(_ENTRY)

    def programs(self) -> list[str]:
        """Return the names of the loaded programs, as ``bpftool prog`` shows them (cut at 15 letters there)."""
        return [*self._programs, *(self._probes.programs() if self._probes else ())]

    def missed(self) -> int:
        """Return how often the kernel skipped one of the programs (``recursion_misses``, kernel 5.12)."""
        lib = self._lib
        own: int = sum(lib.pe_program_missed(lib.bpf_program__fd(program)) for program in self._programs.values())
        return own + (self._probes.missed() if self._probes else 0)

    def shared_maps(self) -> dict[str, int]:
        """Return the descriptors of the maps that programs of users' own may use, by name; they stay the engine's."""
        return {name: self._maps[name] for name in _SHARED}

    def attach(self, session_id: int, asked: Asked) -> tuple[int, bool]:
        """Attach a probe for a session; return its id, and whether others have it too.

        Raises:
            BrokerError: The kernel refused.
        """
        if self._probes is None:
            from pytest_ebpf.engine.probes import Probes  # noqa: PLC0415 - a run without probes pays nothing for them

            self._probes = Probes((self._ffi, self._lib), self._maps)
        return self._probes.attach(session_id, asked)

    def detach(self, session_id: int, probe: int) -> bool:
        """Let go of a probe; return False if the session does not hold it."""
        return self._probes is not None and self._probes.detach(session_id, probe)

    def format(self, tracepoint: str) -> str:
        """Return the lines that describe the fields of a tracepoint.

        Raises:
            BrokerError: There is none of that name, or the kernel does not say.
        """
        from pytest_ebpf.engine.tracefs import fields_of  # noqa: PLC0415 - a run without probes pays nothing

        return fields_of(self._lib, tracepoint)[:_FORMAT_MOST]

    def traceable(self) -> bytes:
        """Return the functions of the kernel that can be traced, one a line; raises `BrokerError`."""
        from pytest_ebpf.engine.tracefs import traceable  # noqa: PLC0415 - likewise

        return traceable(self._lib)

    def open_session(self, pid: int, uid: int, *, confined: bool, ring_size: int, calls: bool = False) -> EngineSession:
        """Make a ring and a control page, and enter a process with all that descends from it.

        Args:
            pid: The client, as this process's pid namespace counts.
            uid: Of the client; a confined session holds only processes of that uid.
            confined: Whether the rule holds (clients that are not root).
            ring_size: Bytes, a power of two and a multiple of the page size.
            calls: Whether system calls may be recorded.

        Raises:
            BrokerError: No such process, or the kernel refused the memory.
        """
        taken = {session_id % SLOTS for session_id in self._sessions}
        free = next((slot for slot in range(SLOTS) if slot not in taken), None)
        if free is None:
            message = f"the broker has {SLOTS} sessions open, as many as it can hold: end some of them"
            raise BrokerError(message)
        if calls:
            self._attach_calls()
        control_size = load_layouts(OBJECT, ("control",), ()).structs["control"].size
        ring_fd = self._new_map(self._lib.BPF_MAP_TYPE_RINGBUF, "pytest_ring", 0, 0, ring_size)
        try:
            control_fd = self._new_map(self._lib.BPF_MAP_TYPE_ARRAY, "pytest_control", 4, control_size, 1)
        except BaseException:
            os.close(ring_fd)
            raise
        self._last_number += 1
        session_id = self._last_number * SLOTS + free
        session = EngineSession(session_id, pid, ring_fd, control_fd, Ring(ring_fd, ring_size), Control(control_fd))
        self._sessions[session.id] = session
        try:
            session.control.argv_limit = DEFAULT_ARGV_LIMIT
            self._enter_maps(free, ring_fd, control_fd)
            # Last: from here on records of this session can be written.
            self._own_slot(free, session.id, ring_size // _WAKE_FRACTION)
            self._adopt(session, pid, uid, confined=confined)
        except BaseException:
            self.close_session(session.id)
            raise
        return session

    def _new_map(self, kind: int, name: str, key: int, value: int, entries: int) -> int:
        flags = self._lib.BPF_F_MMAPABLE if kind == self._lib.BPF_MAP_TYPE_ARRAY else 0
        options = self._ffi.new("struct bpf_map_create_opts *")
        options.sz = self._ffi.sizeof("struct bpf_map_create_opts")
        options.map_flags = flags
        fd = self._lib.bpf_map_create(kind, name.encode(), key, value, entries, options)
        if fd < 0:
            message = (
                f"the kernel did not give a map of {entries * max(value, 1)} bytes: {os.strerror(self._ffi.errno)}"
            )
            raise BrokerError(message)
        return int(fd)

    def _own_slot(self, slot: int, session_id: int, wake_at: int) -> None:
        layout = load_layouts(OBJECT, ("session_slot",), ()).structs["session_slot"]
        values = {"session": session_id, "wake_at": wake_at}
        self._update("slots", slot, layout.unpacker.pack(*(values[name] for name in layout.names)))

    def _enter_maps(self, slot: int, ring_fd: int, control_fd: int) -> None:
        """Enter a session's ring and page.

        For each the kernel waits until all programs that run have ended (``maybe_wait_bpf_programs()``), some ten
        milliseconds: here for the same ones.
        """
        failures = []

        def enter_ring() -> None:
            try:
                self._update("rings", slot, struct.pack("=I", ring_fd))
            except BrokerError as error:
                failures.append(error)

        thread = threading.Thread(target=enter_ring)
        thread.start()
        try:
            self._update("controls", slot, struct.pack("=I", control_fd))
        finally:
            thread.join()
        if failures:
            raise failures[0]

    def _update(self, name: str, key: int, value: bytes) -> None:
        keys = self._ffi.new("uint32_t *", key)
        if self._lib.bpf_map_update_elem(self._maps[name], keys, self._ffi.from_buffer(value), 0):
            message = f"bpf_map_update_elem({name}): {os.strerror(self._ffi.errno)}"
            raise BrokerError(message)

    def _adopt(self, session: EngineSession, pid: int, uid: int, *, confined: bool) -> None:
        """Run the iterator until a pass finds nobody new.

        A thread born between two passes of a thread already entered is entered at its birth; one of a
        thread not yet entered is there for the next pass.
        """
        former = [each.id for each in self._sessions.values() if each.pid == pid and each is not session]
        wanted = {
            "session": session.id,
            "pid": pid,
            "uid": uid,
            "confined": int(confined),
            "previous": max(former, default=0),
        }
        entered = 0
        for _ in range(_MAX_PASSES):
            adopted, refused = self._adoption_pass(wanted)
            entered += adopted
            if not adopted:
                break
        else:
            raise BrokerError(f"the client's process {pid} makes threads faster than they can be entered")
        if not entered:
            raise BrokerError(f"there is no process {pid} of uid {uid} to trace")
        session.control.add("left_members", refused)

    def _adoption_pass(self, wanted: dict[str, int]) -> tuple[int, int]:
        layout = load_layouts(OBJECT, ("adoption",), ()).structs["adoption"]
        buffer = bytearray(layout.size)
        for name, value in wanted.items():
            struct.pack_into("=I", buffer, layout.offsets[name], value)
        key = self._ffi.new("uint32_t *", 0)
        cdata = self._ffi.from_buffer(buffer)
        self._lib.bpf_map_update_elem(self._maps["adoptions"], key, cdata, 0)
        self._iterate("adopt__task")
        self._lib.bpf_map_lookup_elem(self._maps["adoptions"], key, cdata)
        values = dict(zip(layout.names, layout.unpacker.unpack(buffer), strict=True))
        if values["failed"]:
            raise BrokerError("the kernel has no memory to mark the threads of the client's process")
        return values["adopted"], values["refused"]

    def snapshot(self, session_id: int) -> None:
        """Write the calls of a session that have not returned to its ring.

        Raises:
            BrokerError: No session has asked for calls yet.
        """
        if _ENTRY not in self._links:
            raise BrokerError("no session of this broker records system calls: open one that does")
        self._update("snapshots", 0, struct.pack("=I", session_id))
        self._iterate("syscall__in_progress")

    def _iterate(self, program: str) -> None:
        """Run a program over all tasks of the machine."""
        fd = self._lib.bpf_iter_create(self._lib.bpf_link__fd(self._links[program]))
        if fd < 0:
            message = f"bpf_iter_create: {os.strerror(self._ffi.errno)}"
            raise BrokerError(message)
        try:
            while os.read(fd, 4096):
                pass
        finally:
            os.close(fd)

    def close_session(self, session_id: int) -> None:
        """End a session: its members stay marked, but lead nowhere; unknown ids are ignored."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return
        if self._probes is not None:
            self._probes.release(session_id)
        key = self._ffi.new("uint32_t *", session_id % SLOTS)
        # Before the maps go: see bpf/session.h.
        self._own_slot(session_id % SLOTS, 0, 0)
        self._lib.bpf_map_delete_elem(self._maps["controls"], key)
        self._lib.bpf_map_delete_elem(self._maps["rings"], key)
        session.close()

    def close(self) -> None:
        """Detach everything and free it."""
        for session_id in list(self._sessions):
            self.close_session(session_id)
        if self._probes is not None:
            self._probes.close()
        for link in self._links.values():
            self._lib.bpf_link__destroy(link)
        self._links.clear()
        if self._object is not None:
            self._object.close()
