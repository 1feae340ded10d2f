"""What values are asked for, and where they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from pytest_ebpf.probes.spec import Fetch, FetchKind
from pytest_ebpf.probes.text_types import Text, is_text, parse_text
from pytest_ebpf.probes.types import WORD, Bytes, PointerTo, Type

if TYPE_CHECKING:
    from pytest_ebpf.probes.arguments import Placement
    from pytest_ebpf.probes.chains import Chain

__all__ = ["Argument", "Asked", "Cell", "is_late", "length_of"]


@dataclass(frozen=True, slots=True)
class Argument:
    """A value of a function, and where its calling convention puts it."""

    type: Type
    placement: Placement
    at_return: bool = False
    """Whether what it points to is read when the function returns."""


Asked: TypeAlias = Argument | Text
"""What a value is read from."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a value is: in memory, or in registers."""

    name: str
    """What it is called in messages."""
    address: Chain | None = None
    words: tuple[Chain | None, ...] = ()
    """What has the value, eight bytes each. None: a register that no probe can read."""
    offset: int = 0
    """Bytes from there."""
    inner: str = "."
    """What follows the name before the name of a field."""
    hint: str = ""
    """What else may have been meant, where nothing can be read."""

    def there(self) -> Chain:
        """Return its address, of what is known to be in memory."""
        if self.address is None:
            raise LookupError(f"{self.name} is in registers")
        return self.address

    def part(self, name: str, offset: int) -> Cell:
        """Return where a part of it is."""
        return replace(self, name=name, offset=self.offset + offset, inner=".")

    def pointee(self) -> Chain | None:
        """Return what this, a pointer, leads to; None: it cannot be followed."""
        if self.address is not None:
            return self.address.plus(self.offset).through(self.name)
        at, rest = divmod(self.offset, WORD)
        return None if rest or at >= len(self.words) else self.words[at]

    def value(self, size: int) -> Fetch | None:
        """Return what fetches this, a number of so many bytes; None: it cannot be fetched."""
        if self.address is not None:
            return self.address.plus(self.offset).fetch(FetchKind.BYTES, size)
        word = self.pointee()
        return None if word is None else word.fetch(FetchKind.VALUE)


def is_late(asked: Asked) -> bool:
    """Whether a value is read when the function returns."""
    if asked.at_return or isinstance(asked, Text):
        return asked.at_return
    length = length_of(asked)
    return is_text(length) and parse_text(str(length)).at_return


def length_of(asked: Asked) -> int | str | None:
    """Return what tells the length of a buffer; None: it is no buffer, or a text, which has that itself."""
    target = asked.type.target() if isinstance(asked.type, PointerTo) else None
    return target.length if isinstance(target, Bytes) else None
