"""What can be wrong with a file, or with what is asked for in it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_ebpf.errors import EbpfError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ChosenAtRunTime",
    "Corrupt",
    "Imported",
    "NoSuchFile",
    "NoSuchFunction",
    "NotABinary",
    "OnlyInlined",
    "OtherMachine",
    "Undecoded",
    "reading",
]


class NoSuchFile(UsageError):  # noqa: N818 - says what is wrong
    """There is no such file, library or process here, or this user may not read it."""


class NotABinary(UsageError):  # noqa: N818 - says what is wrong
    """The file is no program and no library."""


class Corrupt(UsageError):  # noqa: N818 - says what is wrong
    """The file is damaged where it had to be read."""


class Undecoded(UsageError):  # noqa: N818 - says what is wrong
    """There is debug information, in a form that is not read."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(f"{why}: {remedy}")
        self.why = why
        self.remedy = remedy


class OtherMachine(UsageError):  # noqa: N818 - says what is wrong
    """The program is for machines of another kind than this one."""


class NoSuchFunction(UsageError):  # noqa: N818 - says what is wrong
    """Nothing in the file goes by what was asked for."""


class OnlyInlined(NoSuchFunction):
    """The compiler put the function's code into its callers, and left none that could be called."""


class Imported(NoSuchFunction):
    """The program calls the function; a library has it."""


class ChosenAtRunTime(NoSuchFunction):
    """The symbol is that of the code which chooses the function (``STT_GNU_IFUNC``), not of the function."""


@contextlib.contextmanager
def reading(path: str, what: str) -> Iterator[None]:
    """Turn whatever a damaged file leads the reader to into `Corrupt`.

    A reader of ELF and DWARF can meet anything in such a file: sizes beyond its end, loops, texts in no
    encoding. There is no list of what it then raises.
    """
    try:
        yield
    except EbpfError:
        raise
    except Exception as error:
        detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise Corrupt(f"{path}: its {what} cannot be read ({detail}): build or install the file again") from error
