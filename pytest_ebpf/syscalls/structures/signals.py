"""Signals: sets of them, what is done about one, and what came with one."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Structure, structure
from pytest_ebpf.syscalls.kinds import Memory, register
from pytest_ebpf.syscalls.scalars import named, pointer, signal
from pytest_ebpf.syscalls.structures.timers import Ticks
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Fields, Hex, Pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__ = ["SIGINFO", "Siginfo", "SignalSet"]

_SIGNALS = 64  # _NSIG
_CLD_EXITED = 1
_SIGCHLD, _SIGIO, _SIGSYS = 17, 29, 31
_FAULTS = {4: "ill", 5: "trap", 7: "bus", 8: "fpe", 11: "segv"}
_CODES = {**_FAULTS, _SIGCHLD: "chld", _SIGIO: "poll", _SIGSYS: "sys"}


class SignalSet(frozenset[Any]):
    """A set of signals, which are numbers that know their names."""

    flagset = "signals"

    @classmethod
    def of(cls, mask: bytes) -> SignalSet:
        """Return the set that a mask (``sigset_t``) stands for, which may be shorter than the kernel's."""
        bits = int.from_bytes(mask, "little")
        return cls(signal(number) for number in range(1, _SIGNALS + 1) if bits >> (number - 1) & 1)

    def __repr__(self) -> str:
        # As strace: where two thirds are in the set, those that are not are fewer to read.
        if len(self) >= _SIGNALS * 2 // 3:
            return "~" + _listed(signal(number) for number in range(1, _SIGNALS + 1) if number not in self)
        return _listed(sorted(self))

    __str__ = __repr__


def _listed(signals: Iterable[int]) -> str:
    return "[" + " ".join(str(signal).removeprefix("SIG") for signal in signals) + "]"


@register("sigset")
class SignalSetKind(Memory):
    """A set of signals: sigset(size argument); with ``out`` the kernel fills it in.

    With ``short`` it may be shorter than the kernel's own.
    """

    noun = "a set of signals"
    example = SignalSet()

    def __init__(self, at: int, names: Sequence[str], parameters: Sequence[str]) -> None:
        """Prepare it; see `Kind`."""
        super().__init__(at, names, parameters)
        self._shortest = 1 if "short" in parameters else _SIGNALS // 8
        self._size_at = self.argument(parameters[0])

    def captures(self) -> tuple[Capture, ...]:
        """Copy it."""
        return (Capture("bytes", self.at, _SIGNALS // 8, at_exit="out" in self.parameters),)

    def value(self, view: View) -> Any:
        """Return it; the kernel refuses one of another size."""
        size = view.word(self._size_at)
        if view.word(self.at) and not self._shortest <= size <= _SIGNALS // 8:
            return Pointer(view.word(self.at))
        return super().value(view)

    def decode(self, view: View, piece: Piece) -> SignalSet:
        """Return the set."""
        return SignalSet.of(piece.data[: view.word(self._size_at)])


class _Handler(named):
    """Makes what is done about a signal: an address, if it has no name."""

    def __call__(self, number: int) -> Any:
        """Return it."""
        name = super().__call__(number if number < 1 << 63 else number - (1 << 64))
        return Pointer(number) if name.name is None else name


def _without_restorer(fields: dict[str, Any]) -> Mapping[str, Any]:
    if "SA_RESTORER" not in fields["sa_flags"].names:
        del fields["sa_restorer"]
    mask = fields.pop("sa_mask")
    handler = fields.pop("sa_handler")
    return {"sa_handler": handler, "sa_mask": mask, **fields}


structure(
    "sigaction",  # as the kernel has it, not the C library
    Structure(
        Member("sa_handler", "Q", _Handler("signal_handlers")),
        Member("sa_flags", "Q", named("sigaction_flags")),
        Member("sa_restorer", "Q", pointer),
        Member("sa_mask", "8s", SignalSet.of),
        pick=_without_restorer,
    ),
)
structure(
    "stack",
    Structure(
        Member("ss_sp", "Q", pointer),
        Member("ss_flags", "I", named("sigaltstack_flags")),
        Member("ss_size", "Q"),
    ),
)


class Siginfo:
    """``siginfo_t``, a structure whose fields depend on the signal and on who sent it (sigaction(2))."""

    size = 128
    fields = (
        *(
            "si_signo",
            "si_code",
            "si_errno",
            "si_pid",
            "si_uid",
            "si_int",
            "si_ptr",
            "si_status",
            "si_utime",
            "si_stime",
        ),
        *("si_addr", "si_timerid", "si_overrun", "si_band", "si_fd", "si_call_addr", "si_syscall", "si_arch"),
    )

    def read(self, data: bytes, at: int = 0) -> Fields:
        """Return the fields that mean something."""
        data = data[at : at + self.size].ljust(self.size, b"\0")
        number, error, code = struct.unpack_from("@3i", data)
        if not number:
            return Fields({})
        fields: dict[str, Any] = {"si_signo": signal(number), "si_code": _code(number, code)}
        if error:
            fields["si_errno"] = named("errors")(error)
        return Fields({**fields, **_rest(data, number, code)})


SIGINFO = Siginfo()
structure("siginfo", SIGINFO)


def _code(number: int, code: int) -> Any:
    name = named("signal_codes")(code)
    if name.name is None and number in _CODES:
        return named(f"sig{_CODES[number]}_codes")(code)
    return name


def _rest(data: bytes, number: int, code: int) -> dict[str, Any]:
    name = _code(number, code).name
    if name == "SI_TIMER":
        timer, overrun = struct.unpack_from("@2i", data, 16)
        return {"si_timerid": Hex(timer), "si_overrun": overrun, **_value(data)}
    if name == "SI_SIGIO" or (code > 0 and number == _SIGIO):
        band, fd = struct.unpack_from("@qi", data, 16)
        return {"si_band": band, "si_fd": fd}
    if code > 0 and number == _SIGCHLD:
        status, utime, stime = struct.unpack_from("@i4x2q", data, 24)
        ended = status if code == _CLD_EXITED else signal(status)
        return {**_sender(data), "si_status": ended, "si_utime": Ticks(utime), "si_stime": Ticks(stime)}
    if code > 0 and number in _FAULTS:
        return {"si_addr": pointer(struct.unpack_from("@Q", data, 16)[0])}
    if code > 0 and number == _SIGSYS:
        call, syscall, arch = struct.unpack_from("@QiI", data, 16)
        return {"si_call_addr": pointer(call), "si_syscall": syscall, "si_arch": named("audit_architectures")(arch)}
    value = _value(data) if name not in {"SI_USER", "SI_TKILL"} else {}
    return {**_sender(data), **(value if value.get("si_ptr") else {})}


def _sender(data: bytes) -> dict[str, Any]:
    pid, uid = struct.unpack_from("@iI", data, 16)
    return {"si_pid": pid, "si_uid": uid}


def _value(data: bytes) -> dict[str, Any]:
    number, address = *struct.unpack_from("@i", data, 24), *struct.unpack_from("@Q", data, 24)
    return {"si_int": number, "si_ptr": pointer(address)}


def _notification(fields: dict[str, Any]) -> Mapping[str, Any]:
    shown = {name: fields[name] for name in ("sigev_signo", "sigev_notify")}
    how = str(fields["sigev_notify"])
    if how == "SIGEV_NONE":
        shown["sigev_signo"] = int(shown["sigev_signo"])
    function, attributes = fields["union"]
    if how == "SIGEV_THREAD_ID":
        shown["sigev_notify_thread_id"] = function & 0xFFFFFFFF
    elif how == "SIGEV_THREAD":
        shown["sigev_notify_function"], shown["sigev_notify_attributes"] = pointer(function), pointer(attributes)
    return {"sigev_value": fields["sigev_value"], **shown} if fields["sigev_value"]["sival_ptr"] else shown


def _either(number: int) -> Fields:
    return Fields({"sival_int": struct.unpack("@i", struct.pack("@Q", number)[:4])[0], "sival_ptr": pointer(number)})


structure(
    "sigevent",
    Structure(
        Member("sigev_value", "Q", _either),
        Member("sigev_signo", "I", signal),
        Member("sigev_notify", "I", named("sigevent_notify")),
        Member("union", "2Q"),
        pick=_notification,
    ),
)
