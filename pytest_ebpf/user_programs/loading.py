"""From a file to a program that runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import ProgramError, UsageError
from pytest_ebpf.probes.encode import encoded
from pytest_ebpf.user_programs.hosting import Hosted
from pytest_ebpf.user_programs.maps import variable_of
from pytest_ebpf.user_programs.object_types import ObjectTypes, nearest
from pytest_ebpf.user_programs.places import placed
from pytest_ebpf.user_programs.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_ebpf.history import History
    from pytest_ebpf.user_programs.types import ObjectRequest, Variable
    from pytest_ebpf.window import Window

__all__ = ["load_object"]

_OBJECT = b"\x7fELF"
_SAID = 12
"""Lines of what libbpf or the verifier said that are part of a message."""


def load_object(history: History, asked: ObjectRequest, window: Window) -> Program:
    """Load and attach an object; see `UserPrograms.object`."""
    data, shown = _object_of(asked.path), asked.path.name
    types = ObjectTypes(data, shown, asked.types)
    variables = [
        _initial(variable_of(types.variables(), name, shown), name, value) for name, value in asked.variables.items()
    ]
    _check_names(asked.attach, types.programs(), shown)
    with placed({**types.places(), **asked.attach}) as places:
        host = history.session.host()
        body = {"name": shown.partition(".")[0], "attach": places.by_program, "variables": variables}
        try:
            answer = host.ask("load_object", data, places.files, **body)
        except ProgramError as error:
            raise _refused(shown, error) from None
    return Program(history, Hosted(host, answer), types, window, shown)


def _initial(found: Variable, name: str, value: Any) -> tuple[str, int, str]:
    return found.section, found.offset, encoded(found.type, value, found.size, f"the variable {name}").hex()


def _object_of(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the program {os.fspath(path)} cannot be read: {error.strerror}") from None
    if data.startswith(_OBJECT) or path.suffix == ".o":
        return data
    from pytest_ebpf.user_programs.compiling import compiled  # noqa: PLC0415 - the object may be there already

    return compiled(path)


def _check_names(attach: Mapping[str, object], programs: list[str], shown: str) -> None:
    for name in attach:
        if name not in programs:
            raise UsageError(f"attach={{{name!r}: …}}: {shown} has no program {name!r}{nearest(name, programs)}")


def _refused(shown: str, error: ProgramError) -> ProgramError:
    lines = [line for line in error.log.splitlines() if line.strip()]
    said = [f"  says    {line}" if not at else f"          {line}" for at, line in enumerate(lines[-_SAID:])]
    return ProgramError("\n".join([f"pytest-ebpf: {shown} cannot be used: {error}", *said]), log=error.log)
