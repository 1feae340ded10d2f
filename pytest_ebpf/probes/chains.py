"""Where memory is, as a probe reaches it: from a register through pointers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.spec import NO_REGISTER, Base, Fetch, FetchKind
from pytest_ebpf.probes.types import WORD

if TYPE_CHECKING:
    from pytest_ebpf.probes.machines import Machine
    from pytest_ebpf.probes.text_types import Anchor, Text

__all__ = ["Chain", "chain_of"]


@dataclass(frozen=True, slots=True)
class Chain:
    """An address: a base and what is added, then for each further offset the pointer there and what is added."""

    base: Base
    register: int = NO_REGISTER
    offsets: tuple[int, ...] = (0,)
    constant: int = 0
    index: int = NO_REGISTER
    """Register that is added, times `scale`."""
    scale: int = 1
    labels: tuple[str, ...] = ()
    """What is read on the way, as C would write it: one for each pointer."""
    late: bool = False
    """Whether it is read when the function returns."""
    kernel: bool = False
    """Whether it is in the kernel's memory."""
    in_record: bool = False
    """Whether the only pointer is a tracepoint's ``__data_loc``."""

    @property
    def steps(self) -> int:
        """Pointers that are read on the way."""
        return len(self.offsets) - 1

    def plus(self, offset: int) -> Chain:
        """Return the address so many bytes on."""
        return replace(self, offsets=(*self.offsets[:-1], self.offsets[-1] + offset))

    def through(self, label: str, offset: int = 0) -> Chain:
        """Return the address so many bytes after what the pointer here leads to."""
        return replace(self, offsets=(*self.offsets, offset), labels=(*self.labels, label))

    def fetch(self, kind: FetchKind, size: int = 8, **more: Any) -> Fetch:
        """Return what reads there."""
        return Fetch(
            kind=kind,
            base=self.base,
            register=self.register,
            constant=self.constant,
            index=self.index,
            scale=self.scale,
            offsets=self.offsets,
            size=size,
            at_return=self.late,
            kernel=self.kernel,
            in_record=self.in_record,
            **more,
        )


def chain_of(text: Text, machine: Machine, *, kernel: bool) -> Chain:
    """Return the address that a text gives.

    Args:
        text: What is asked.
        machine: Whose registers.
        kernel: Whether memory is the kernel's, if the text does not say.

    Raises:
        UsageError: The machine has no such register.
    """
    start = replace(
        _start(text.anchor, machine),
        late=text.at_return,
        kernel=kernel if text.user is None else not text.user,
        in_record=text.in_record,
    )
    chain = start.plus(text.offsets[0])
    shown = text.text.partition("@")[2].split("->")
    for at, offset in enumerate(text.offsets[1:]):
        chain = chain.through("->".join(shown[: at + 1]), offset)
    return chain


def _start(anchor: Anchor, machine: Machine) -> Chain:
    if anchor.kind == "argument":
        if anchor.number < len(machine.arguments):
            return Chain(Base.REGISTER, machine.arguments[anchor.number])
        on_stack = machine.stack + WORD * (anchor.number - len(machine.arguments))
        return Chain(Base.STACK, offsets=(on_stack,)).through(f"arg{anchor.number}")
    if anchor.kind == "register":
        index = _register(anchor.index, machine) if anchor.index else NO_REGISTER
        return Chain(Base.REGISTER, _register(anchor.name, machine), index=index, scale=anchor.scale)
    if anchor.kind == "result":
        return Chain(Base.RESULT, machine.results[0])
    if anchor.kind == "constant":
        return Chain(Base.CONSTANT, constant=anchor.number)
    return Chain(Base.STACK if anchor.kind == "stack" else Base.CONTEXT)


def _register(name: str, machine: Machine) -> int:
    if name not in machine.registers:
        raise UsageError(f"{name} is no register of {machine.name}; these are: {', '.join(machine.registers)}")
    return machine.registers[name]
