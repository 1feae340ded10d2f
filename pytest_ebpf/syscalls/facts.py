"""What is known of one system call, for comparing: values, gaps, and what it does not have at all."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.syscalls.kinds import FileDescriptor, Kind, Path
from pytest_ebpf.syscalls.prototype import prototypes
from pytest_ebpf.syscalls.scalars import named
from pytest_ebpf.syscalls.sockets import Address
from pytest_ebpf.syscalls.values import Descriptor, Fields, Pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_ebpf.syscalls.call import Syscall
    from pytest_ebpf.syscalls.values import File
    from pytest_ebpf.syscalls.view import View

__all__ = [
    "ABSENT",
    "addresses",
    "argument",
    "descriptors",
    "errno",
    "has_address",
    "is_descriptor",
    "kinds",
    "kinds_of",
    "make_descriptors",
    "path_arguments",
    "paths",
    "result",
    "seconds",
    "tid",
]


class _Absent:
    """Stands for what a call does not have."""

    def __repr__(self) -> str:
        return "not there"


ABSENT: Final = _Absent()

_IN_PROGRESS = Gap("the call has not returned yet", "wait until it has", pending=True)
_PORTABLE = Gap("what the pointers of 32-bit calls lead to is not followed where it has another layout there")
_UNKNOWN_CALL = Gap("what the arguments of this call mean is not known")
_CUT = Gap("the file lies deeper than the folders that are copied")
_ENOSYS = 38
_AF_UNIX = 1


class _CreatFlags(Kind):
    """What creat(2) stands for: open(2) with these flags."""

    flagset = "open_flags"

    def value(self, view: View) -> Any:
        """Return O_CREAT|O_WRONLY|O_TRUNC."""
        del view
        return named(self.flagset)(_CREAT_FLAGS)


_CREAT_FLAGS = 0o1101
_IMPLIED: Mapping[str, Mapping[str, Kind]] = {"creat": {"flags": _CreatFlags(0, (), ())}}


def kinds_of(name: str) -> Iterator[Mapping[str, Kind]]:
    """Return the arguments that calls of this name can have: all of them, and those of each variant."""
    prototype = prototypes().get(name)
    if prototype is not None:
        yield {**prototype.arguments, **_IMPLIED.get(name, {})}
        for variant in prototype.variants:
            yield variant.arguments


def kinds(call: Syscall) -> Mapping[str, Kind]:
    """Return the arguments that a call has."""
    return {**call.kinds, **_IMPLIED[call.name]} if call.name in _IMPLIED else call.kinds


def _every_kind(name: str) -> Iterator[tuple[str, Kind]]:
    for kinds in kinds_of(name):
        yield from kinds.items()


def make_descriptors(names: Iterable[str]) -> bool:
    """Whether some calls of these names make a descriptor."""
    found = (prototypes().get(name) for name in names)
    return any(each.result.descriptor or any(v.result.descriptor for v in each.variants) for each in found if each)


def argument(call: Syscall, name: str) -> Any:
    """Return an argument; a field of a structure that an argument points to, if no argument has that name."""
    if call.prototype is None:
        return ABSENT if call.errno == _ENOSYS else _UNKNOWN_CALL
    own = kinds(call)
    if name in own:
        return _raw(call, name)
    for holder, kind in _every_kind(call.name):
        if name in kind.fields and holder in own:
            return _field(_raw(call, holder), name)
    return ABSENT


def _field(value: Any, name: str) -> Any:
    if isinstance(value, Cut):
        return value.gap
    if isinstance(value, Fields):
        return value.raw(name) if name in value else ABSENT
    return value if isinstance(value, Gap) else ABSENT


def _raw(call: Syscall, name: str) -> Any:
    kind = kinds(call)[name]
    value = kind.value(call.view)
    if isinstance(value, Pointer):
        if call.abi != "native" and any(not kind.portable for each, kind in _every_kind(call.name) if each == name):
            return _PORTABLE
        if call.in_progress and any(capture.at_exit for capture in kind.captures()):
            # The kernel has not filled it in.
            return _IN_PROGRESS
    return value


def is_descriptor(kind: Kind) -> bool:
    """Whether an argument is a descriptor, and not the directory that a path starts from."""
    return isinstance(kind, FileDescriptor) and kind.slot() is not None


def _files(call: Syscall) -> Iterator[tuple[Any, File | None]]:
    """Return the descriptors that a call was passed, and the files; gaps for those that are not known."""
    for name, kind in call.kinds.items():
        if is_descriptor(kind):
            value = call.raw(name)
            if isinstance(value, Descriptor) and value.file is None and call.view.file_lost(kind.slot_at):
                yield Gap(f"the record of the file behind {name} was lost"), None
            else:
                yield value, getattr(value, "file", None)


def descriptors(call: Syscall) -> Iterator[Any]:
    """Return the descriptors that a call was passed, other than the directories that its paths start from."""
    yield from (value for value, _ in _files(call))
    yield from _unknown(call)


def _unknown(call: Syscall) -> Iterator[Gap]:
    # Of what no kernel has, the kernel did nothing.
    if call.prototype is None and call.errno != _ENOSYS:
        yield _UNKNOWN_CALL


def made(call: Syscall) -> Any:
    """Return the descriptor that a call made; a gap if it is not known; None: it made none."""
    if not call.result_kind.descriptor:
        return None
    if call.in_progress:
        return _IN_PROGRESS
    if not call.view.succeeded:
        return None
    if call.view.file_lost(call.result_kind.slot_at):
        return Gap("the record of the file that it opened was lost")
    return call.result


def path_arguments(call: Syscall) -> Iterator[Any]:
    """Return the paths that a call was passed, made absolute."""
    for name, kind in call.kinds.items():
        if isinstance(kind, Path):
            value = _raw(call, name)
            if isinstance(value, str | Gap | Cut):
                yield value


def paths(call: Syscall) -> Iterator[Any]:
    """Return a call's paths: its arguments, made absolute; of the files behind its descriptors; of Unix sockets."""
    yield from path_arguments(call)
    for value, file in _files(call):
        if isinstance(value, Gap):
            yield value
        elif file is not None:
            yield from _paths_of(file)
    yield from (
        Gap(f"what the descriptors behind {name} stand for is not known")
        for name, kind in call.kinds.items()
        if kind.hides_files and call.view.word(kind.at)
    )
    new = made(call)
    if isinstance(new, Gap):
        yield new
    elif isinstance(new, Descriptor) and new.file is not None:
        yield from _paths_of(new.file)
    for address in _own_addresses(call):
        if not isinstance(address, Gap):
            yield from _socket_path(address)
        elif all(_may_have_path(file) for _, file in _files(call)):
            yield address
    yield from _unknown(call)


def _may_have_path(file: File | None) -> bool:
    """Whether the addresses that a file sends to, or receives from, may have a path."""
    return file is None or file.local is None or file.local.family == _AF_UNIX


def _paths_of(file: File) -> Iterator[Any]:
    yield Cut(file.path, _CUT, start_missing=True) if file.cut else file.path
    for address in (file.local, file.remote):
        yield from _socket_path(address)


def _socket_path(address: Any) -> Iterator[Any]:
    path = address.path if isinstance(address, Address) else None
    if path and not path.startswith(("/", "@")):
        # It starts from wherever the process was: nobody looked.
        yield Cut(f"…/{path}", Gap("the directory that a socket's path starts from is not known"), start_missing=True)
    elif path:
        yield path


class _Family(NamedTuple):
    """What socket(2) says of the addresses to come."""

    family: int
    address: None = None
    port: None = None

    def __str__(self) -> str:
        return str(self.family)


def has_address(name: str) -> bool:
    """Whether calls of this name can have an address."""
    return any(
        kind.has_address or kind.flagset == "address_families" or is_descriptor(kind) for _, kind in _every_kind(name)
    )


def addresses(call: Syscall) -> Iterator[Any]:
    """Return the addresses of a call: among its arguments, and the peers of the sockets that it was passed."""
    yield from _own_addresses(call)
    for name, kind in call.kinds.items():
        if kind.flagset == "address_families":
            yield _Family(_raw(call, name))
    for value, file in _files(call):
        if isinstance(value, Gap):
            yield value
        elif file is not None and file.remote is not None:
            yield file.remote
    new = made(call)
    if isinstance(new, Gap):
        yield new
    elif isinstance(new, Descriptor) and new.file is not None and new.file.remote is not None:
        yield new.file.remote
    yield from _unknown(call)


def _own_addresses(call: Syscall) -> Iterator[Any]:
    for name in _with_address(call.name) & call.kinds.keys():
        yield from _addresses_in(_raw(call, name))


@functools.cache
def _with_address(name: str) -> frozenset[str]:
    """Return the arguments that have an address, in a call of any ABI."""
    return frozenset(argument for argument, kind in _every_kind(name) if kind.has_address)


def _addresses_in(value: Any) -> Iterator[Any]:
    """Return the addresses in a value, which may be a message or a list of them."""
    if isinstance(value, Cut):
        yield value.gap
        value = value.value
    if isinstance(value, Address | Gap):
        yield value
    elif isinstance(value, Fields):
        for name in ("msg_hdr", "msg_name"):
            if name in value:
                yield from _addresses_in(value.raw(name))
    elif isinstance(value, tuple):
        for each in value:
            yield from _addresses_in(each)


def result(call: Syscall) -> Any:
    """Return what a call returned; None if it never did."""
    return _IN_PROGRESS if call.in_progress else call.result


def errno(call: Syscall) -> Any:
    """Return the number of a call's error, None if it succeeded."""
    if call.in_progress:
        return _IN_PROGRESS
    return call.errno if call.view.returned else ABSENT


def seconds(call: Syscall) -> Any:
    """Return how long a call took."""
    if call.in_progress:
        return _IN_PROGRESS
    return call.duration if call.view.returned else ABSENT


def tid(call: Syscall) -> Any:
    """Return the thread as the test's pid namespace counts it."""
    found = call.tid
    return Gap("the record of the thread's birth was lost") if found is None else found
