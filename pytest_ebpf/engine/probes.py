"""Attaches probes for sessions: the same one once, for all that ask for it. Runs in the broker, with privilege."""

from __future__ import annotations

import os
import resource
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_ebpf.engine.kernel_attaching import (
    attach_function,
    attach_functions,
    attach_raw_tracepoint,
    attach_tracepoint,
    check_kprobes,
)
from pytest_ebpf.engine.native import object_path
from pytest_ebpf.engine.objects import LoadError, Loading
from pytest_ebpf.engine.specs import stamped
from pytest_ebpf.errors import BrokerError
from pytest_ebpf.probes import kallsyms
from pytest_ebpf.probes.spec import MAX_PROBES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ebpf.probes.spec import Place

__all__ = ["Asked", "Probes", "check_room"]

_SHARED = ("members", "slots", "rings", "controls")
"""Maps of the first object that the second one uses too."""
_UPROBES = "probes"
_KERNEL = "kernel_probes"
"""Objects."""
_PROGRAMS = {
    "uprobe": ("probe__enter", "probe__leave"),
    "tracepoint": ("probe__tracepoint",),
    "raw_tracepoint": ("probe__raw",),
    "kprobe": ("probe__kernel_enter", "probe__kernel_leave"),
    "kprobes": ("probe__kernel_enter_many", "probe__kernel_leave_many"),
}
"""By kind of probe: of an entry, and of a return if it has one; those of functions of the kernel at many at once."""
_OF_TASK = ("probe__of_task0", "probe__of_task1", "probe__of_task2", "probe__of_task3")
_TRACEPOINTS = ("tracepoint", "raw_tracepoint")
_RESERVED = 128
"""Descriptors that are left for sessions."""
_UPROBE_MULTI = 48
"""``BPF_TRACE_UPROBE_MULTI`` of ``linux/bpf.h``, kernel 6.6."""

_NEEDS = {
    "uprobe": "kernel 6.0 or later with BTF, CONFIG_UPROBES=y and CONFIG_UPROBE_EVENTS=y",
    "tracepoint": "kernel 5.15 or later with BTF, CONFIG_PERF_EVENTS=y and CONFIG_TRACEPOINTS=y",
    "raw_tracepoint": "kernel 5.15 or later with BTF and CONFIG_TRACEPOINTS=y",
    "kprobe": "kernel 5.15 or later with BTF, CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y",
}


_MANY = {
    "uprobe": "kernel 6.6 or later",
    "kprobe": "kernel 5.19 or later with CONFIG_FPROBE=y, and kernel.kptr_restrict below 2",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A probe that a session asks for, checked."""

    kind: str
    """``uprobe``, ``tracepoint``, ``raw_tracepoint`` or ``kprobe``."""
    spec: bytes
    """Packed, without an id."""
    returns: bool
    places: tuple[Place, ...] = ()
    descriptor: int = -1
    """Of the file, for as long as the call lasts."""
    name: str = ""
    """Of the tracepoint."""
    functions: tuple[str, ...] = ()
    """Of the kernel."""
    root: bool = False
    """Whether confined sessions are told nothing of it."""
    task: int | None = None
    """Which argument of a raw tracepoint is the task that it is about; None: the one that passes it."""
    loading: int = 0
    """Which loading of their modules functions of the kernel's are of: unloading one takes off the probes on it."""

    def key(self) -> tuple[object, ...]:
        """Return what is equal in probes that can be one."""
        status = os.fstat(self.descriptor) if self.descriptor >= 0 else None
        file = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) if status else ()
        return (self.kind, self.name, self.functions, file, self.places, self.spec, self.root, self.task, self.loading)


@dataclass(slots=True)
class _Attached:
    key: tuple[object, ...]
    links: list[Callable[[], object]] = field(default_factory=list)
    """What detaches it."""
    holders: set[int] = field(default_factory=set)
    """Sessions."""


class Probes:
    """The probes of one broker. The programs are loaded with the first of them."""

    def __init__(self, library: tuple[Any, Any], maps: Mapping[str, int]) -> None:
        """Load nothing yet.

        Args:
            library: cffi's ``(ffi, lib)``.
            maps: Descriptors of the first object's.
        """
        self._library = library
        self._ffi, self._lib = library
        self._shared = {name: maps[name] for name in _SHARED}
        self._objects: dict[str | int, tuple[tuple[str, ...], Loading]] = {}
        """Which programs are loaded, and in what: by kind of probe; of tracepoints by id. Each of those has its own:
        the kernel takes no program twice at one tracepoint, and gives it at a raw one no cookie before 6.10."""
        self._many = False
        """Whether the kernel attaches a uprobe at many places at once; known when its programs are loaded."""
        self._attached: dict[int, _Attached] = {}
        """By id. Those without a holder are being detached."""
        self._last = 0
        self._detaching: list[threading.Thread] = []

    def attach(self, session: int, asked: Asked) -> tuple[int, bool]:
        """Attach a probe for a session, or share one that is the same.

        Returns:
            Its id, and whether it is shared.

        Raises:
            BrokerError: The kernel refused, or there are too many.
        """
        key = asked.key()
        for number, each in list(self._attached.items()):  # other threads take from it
            if each.holders and each.key == key:
                each.holders.add(session)
                return number, True
        number = self._free_number()
        addresses = self._addresses(asked)
        object_ = self._loaded(asked, number, many=bool(addresses))
        if (asked.kind == "uprobe" and not self._many) or (len(asked.functions) > 1 and not addresses):
            places, used = len(asked.places or asked.functions), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names
            check_room(places, used, returns=asked.returns, kind=asked.kind)
        self._update_spec(number, stamped(asked.spec, number, root=asked.root))
        attached = _Attached(key, holders={session})
        self._attached[number] = attached
        try:
            # Of programs first the return, so that an entry is told with its return or not at all. In the kernel's list
            # what was attached to a function last comes first: an entry sees whether its return is followed.
            order = (False, True) if asked.kind == "kprobe" else (True, False)
            for returns in order if asked.returns else (False,):
                self._attach(object_, attached, number, asked, addresses, returns=returns)
        except BaseException:
            self.detach(session, number)
            raise
        return number, False

    def detach(self, session: int, number: int) -> bool:
        """Let go of a probe; when nobody else holds it, it is detached soon after. False: it was not held."""
        attached = self._attached.get(number)
        if attached is None or session not in attached.holders:
            return False
        attached.holders.discard(session)
        if not attached.holders:
            self._drop(number, attached)
        return True

    def release(self, session: int) -> None:
        """Let go of all that a session holds."""
        for number in [number for number, each in list(self._attached.items()) if session in each.holders]:
            self.detach(session, number)

    def _drop(self, number: int, attached: _Attached) -> None:
        """Detach, meanwhile: the kernel takes a tenth of a second for it, and for many at once no longer."""
        links, attached.links = attached.links, []
        thread = threading.Thread(target=self._detach_links, args=(number, links))
        self._detaching = [each for each in self._detaching if each.is_alive()]
        self._detaching.append(thread)
        thread.start()

    def _detach_links(self, number: int, links: list[Callable[[], object]]) -> None:
        for link in links:
            link()
        if number in self._objects:
            self._objects.pop(number)[1].close()
        # Only now may its place in the table be another's.
        self._attached.pop(number, None)

    def close(self) -> None:
        """Detach all and give the programs back."""
        for session in {holder for each in list(self._attached.values()) for holder in each.holders}:
            self.release(session)
        for thread in self._detaching:
            thread.join()
        for _, object_ in self._objects.values():
            object_.close()
        self._objects.clear()
        if "specs" in self._shared:
            os.close(self._shared.pop("specs"))

    def programs(self) -> list[str]:
        """Return the names of the programs that are loaded."""
        return [name for name, _ in self._loaded_programs()]

    def missed(self) -> int:
        """Return how often the kernel skipped one of the programs (``recursion_misses``)."""
        lib = self._lib
        return sum(lib.pe_program_missed(lib.bpf_program__fd(program)) for _, program in self._loaded_programs())

    def _loaded_programs(self) -> list[tuple[str, Any]]:
        loaded = list(self._objects.values())
        return [(name, object_.programs[name]) for names, object_ in loaded for name in names]

    def _names(self, asked: Asked, *, many: bool) -> tuple[str, ...]:
        """Return the programs of a probe: of an entry, and of a return if it has one."""
        if asked.task is not None:
            return (_OF_TASK[asked.task],)
        return _PROGRAMS[f"{asked.kind}s" if many else asked.kind]

    def _addresses(self, asked: Asked) -> list[int]:
        """Return where functions of the kernel are, if it can attach to several at once."""
        if len(asked.functions) < 2 or not self._lib.pe_has_kprobe_multi():  # noqa: PLR2004 - several
            return []
        known = kallsyms.addresses()
        return [known[name] for name in asked.functions] if known.keys() >= set(asked.functions) else []

    def _loaded(self, asked: Asked, number: int, *, many: bool) -> Loading:
        kind, own = asked.kind, asked.kind in _TRACEPOINTS
        key = number if own else f"{kind}s" if many else kind
        if key in self._objects:
            return self._objects[key][1]
        if kind == "uprobe":
            self._many = bool(self._lib.pe_has_uprobe_multi())
        path, names = str(object_path(_UPROBES if kind == "uprobe" else _KERNEL)), self._names(asked, many=many)
        object_ = Loading(self._library, path, partial(self._prepare, names, asked, number if own else 0))
        try:
            object_.wait()
        except LoadError as failure:
            object_.close()
            raise _not_loaded(asked, failure) from None
        self._objects[key] = (names, object_)
        if "specs" not in self._shared:
            self._shared["specs"] = os.dup(object_.maps["specs"])
        return object_

    def _prepare(self, names: tuple[str, ...], asked: Asked, cookie: int, object_: Loading) -> None:
        if cookie:
            (constants,) = (each for name, each in object_.map_objects.items() if name.endswith(".rodata"))
            value = cookie.to_bytes(8, sys.byteorder)  # const volatile __u64 cfg_cookie, and nothing else
            self._lib.bpf_map__set_initial_value(constants, self._ffi.from_buffer(value), len(value))
        for name, descriptor in self._shared.items():
            self._lib.bpf_map__reuse_fd(object_.map_objects[name], descriptor)
        for name, program in object_.programs.items():
            self._lib.bpf_program__set_autoload(program, name in names)
            if self._many and asked.kind == "uprobe":
                self._lib.bpf_program__set_expected_attach_type(program, _UPROBE_MULTI)
        if asked.task is not None:
            self._lib.bpf_program__set_attach_target(object_.programs[names[0]], 0, asked.name.encode())

    def _free_number(self) -> int:
        taken = {number % MAX_PROBES for number in list(self._attached)}
        free = next((slot for slot in range(MAX_PROBES) if slot not in taken), None)
        if free is None:
            message = f"the broker has {MAX_PROBES} probes attached, as many as it can hold: let go of some of them"
            raise BrokerError(message)
        self._last += 1
        return self._last * MAX_PROBES + free

    def _update_spec(self, number: int, spec: bytes) -> None:
        key = self._ffi.new("uint32_t *", number % MAX_PROBES)
        if self._lib.bpf_map_update_elem(self._shared["specs"], key, self._ffi.from_buffer(spec), 0):
            raise BrokerError(f"bpf_map_update_elem(specs): {os.strerror(self._ffi.errno)}")

    def _attach(  # noqa: PLR0913 - the last by its name
        self,
        object_: Loading,
        attached: _Attached,
        number: int,
        asked: Asked,
        addresses: list[int],
        *,
        returns: bool,
    ) -> None:
        program = object_.programs[self._names(asked, many=bool(addresses))[returns]]
        if asked.kind == "tracepoint":
            attached.links.append(attach_tracepoint(self._library, program, asked.name))
        elif asked.kind == "raw_tracepoint":
            of_task = asked.task is not None
            attached.links.append(attach_raw_tracepoint(self._library, program, asked.name, of_task=of_task))
        elif asked.kind == "kprobe":
            check_kprobes(asked.functions[0])
            cookies = [number | index << 32 for index in range(len(asked.functions))]
            if addresses:
                attached.links.append(attach_functions(self._library, program, addresses, cookies, returns=returns))
                return
            for name, cookie in zip(asked.functions, cookies, strict=True):
                attached.links.append(attach_function(self._library, program, name, cookie, returns=returns))
        else:
            self._attach_uprobe(program, attached, number, asked, returns=returns)

    def _attach_uprobe(self, program: Any, attached: _Attached, number: int, asked: Asked, *, returns: bool) -> None:
        path = f"/proc/self/fd/{asked.descriptor}".encode()
        if self._many:
            self._attach_many(program, path, attached, number, asked.places, returns=returns)
            return
        for index, place in enumerate(asked.places):
            options = self._ffi.new("struct bpf_uprobe_opts *")
            options.sz = self._ffi.sizeof("struct bpf_uprobe_opts")
            options.ref_ctr_offset = place.semaphore
            options.bpf_cookie = number | index << 32
            options.retprobe = returns
            link = self._lib.bpf_program__attach_uprobe_opts(program, -1, path, place.offset, options)
            if link == self._ffi.NULL:
                raise _refused(self._ffi.errno, f"offset {place.offset:#x}")
            attached.links.append(partial(self._lib.bpf_link__destroy, link))

    def _attach_many(  # noqa: PLR0913 - what the kernel wants
        self, program: Any, path: bytes, attached: _Attached, number: int, places: tuple[Place, ...], *, returns: bool
    ) -> None:
        offsets = self._ffi.new("uint64_t[]", [place.offset for place in places])
        cookies = self._ffi.new("uint64_t[]", [number | index << 32 for index in range(len(places))])
        semaphores = self._ffi.NULL
        if any(place.semaphore for place in places):
            semaphores = self._ffi.new("uint64_t[]", [place.semaphore for place in places])
        link = self._lib.pe_attach_uprobes(
            self._lib.bpf_program__fd(program), path, len(places), offsets, semaphores, cookies, returns
        )
        if link < 0:
            many = f"one of {len(places)} offsets, the first of them {places[0].offset:#x}"
            raise _refused(-link, many if len(places) > 1 else f"offset {places[0].offset:#x}")
        attached.links.append(partial(os.close, link))


def _not_loaded(asked: Asked, failure: LoadError) -> BrokerError:
    if asked.task is not None and "processed" not in failure.log:
        return BrokerError(f"this kernel ({os.uname().release}) has no raw tracepoint {asked.name}")
    if asked.task is not None:
        return BrokerError(f"argument {asked.task} of the raw tracepoint {asked.name} is no struct task_struct *")
    verdict = [line for line in failure.log.splitlines() if line.strip() and "processed" not in line][-12:]
    return BrokerError(
        f"this kernel ({os.uname().release}) cannot run the programs of a {asked.kind}\n"
        f"  needs   {_NEEDS[asked.kind]}\n"
        f"  lacks   what libbpf and the verifier say ({failure}):\n" + "\n".join(verdict)
    )


def check_room(places: int, used: int, *, returns: bool, kind: str = "uprobe") -> None:
    """Make sure that there are descriptors for a kernel that attaches to one place at a time: an event and a link.

    Args:
        places: That are asked for.
        used: Descriptors that are open.
        returns: Whether the return is probed as well.
        kind: Of places, or functions of the kernel.

    Raises:
        BrokerError: There are not. Half of them attached would have to be detached again, a tenth of a second each.
    """
    each = 2 * (1 + returns)
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    fit = max(limit - used - _RESERVED, 0) // each
    if places <= fit:
        return
    raise BrokerError(
        f"{places:,} places need {places * each:,} descriptors on this kernel ({os.uname().release}), which attaches to"
        f" one place at a time, and the broker may have {limit:,} open\n"
        f"  needs   {_MANY[kind]}, which attaches to all of them at once\n"
        f"  try     a pattern that names {fit:,} functions at most; or a higher hard limit where the broker is started:"
        f" ulimit -Hn {1 << (places * each + used + _RESERVED).bit_length()}"
    )


def _refused(error: int, where: str) -> BrokerError:
    return BrokerError(f"the kernel refused to attach a probe at {where}: {os.strerror(error)}")
