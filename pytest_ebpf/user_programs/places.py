"""Where the programs of an object are to be attached: found by the client, in files that it may read."""

from __future__ import annotations

import contextlib
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions import wanted as asking
from pytest_ebpf.functions.finding import open_binary
from pytest_ebpf.functions.finding_usdt import usdt_probes
from pytest_ebpf.user_programs.sampling import is_sampling, sampling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_ebpf.functions.wanted import Wanted

__all__ = ["Places", "placed"]

_NONE: Mapping[str, str] = MappingProxyType({})


class Places:
    """Places by program, and the files that they are in."""

    def __init__(self) -> None:
        self.by_program: dict[str, list[dict[str, Any]]] = {}
        """As the host wants them."""
        self.files: list[int] = []
        """Descriptors, which places name by their index."""
        self.samples: list[str] = []
        """Of the places those that are samples."""

    def add(self, program: str, text: str, said: str) -> None:
        """Find a place.

        Args:
            program: What is to be attached there.
            said: How that was said, for messages.
            text: The place: ``uprobe:./exp:accept_exp``, ``kprobe:do_unlinkat``, ``tracepoint:sched:sched_switch``,
                ``profile:hz:99``.

        Raises:
            UsageError: There is no such place, or it is no place.
        """
        try:
            if is_sampling(text):
                found = [sampling(text)]
                self.samples.append(text)
            else:
                found = list(self._found(asking.parse(text)))
        except UsageError as error:
            raise UsageError(f"{said}: {error}") from None
        self.by_program.setdefault(program, []).extend(found)

    def _found(self, wanted: Wanted) -> Iterator[dict[str, Any]]:
        returns = wanted.returns is not None
        if wanted.kind == "uprobe":
            binary, _ = open_binary(wanted.target)
            file = self._file(binary.path)
            for function in binary.functions(wanted.function):
                yield {
                    "kind": "uprobe",
                    "name": function.name,
                    "file": file,
                    "offset": function.offset,
                    "returns": returns,
                }
        elif wanted.kind == "usdt":
            binary, shown = open_binary(wanted.target)
            file = self._file(binary.path)
            found = {(each.provider, each.name) for each in usdt_probes(wanted, binary, shown)}
            for provider, name in sorted(found):
                yield {"kind": "usdt", "name": name, "file": file, "provider": provider, "probe": name}
        elif wanted.kind == "tracepoint":
            yield {"kind": "tracepoint", "name": f"{wanted.provider}:{wanted.function}"}
        else:
            yield {"kind": wanted.kind, "name": wanted.function, "returns": returns}

    def _file(self, path: str) -> int:
        self.files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        return len(self.files) - 1


@contextlib.contextmanager
def placed(attach: Mapping[str, str | None], sections: Mapping[str, str] = _NONE) -> Iterator[Places]:
    """Find the places of programs.

    Args:
        attach: By program, what the test says; None: nowhere.
        sections: What the object's sections say of those that the test does not name.

    Raises:
        UsageError: There is no such place, or it is no place.
    """
    places = Places()
    try:
        for program, section in sections.items():
            if program not in attach:
                places.add(program, section, f"the program {program} is for {section}")
        for program, text in attach.items():
            if text is None:
                places.by_program[program] = []
            else:
                places.add(program, text, f"attach={{{program!r}: {text!r}}}")
        yield places
    finally:
        for descriptor in places.files:
            os.close(descriptor)
