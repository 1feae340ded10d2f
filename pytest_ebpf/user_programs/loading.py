"""From a file to a program that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import ProgramError, UsageError
from pytest_ebpf.probes.encode import encoded
from pytest_ebpf.user_programs.compiling import object_of
from pytest_ebpf.user_programs.hosting import Hosted
from pytest_ebpf.user_programs.maps import variable_of
from pytest_ebpf.user_programs.object_types import ObjectTypes, nearest
from pytest_ebpf.user_programs.places import placed
from pytest_ebpf.user_programs.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.history import History
    from pytest_ebpf.user_programs.types import ObjectRequest, Variable
    from pytest_ebpf.window import Window

__all__ = ["load_object"]

_SAID = 12
"""Lines of what libbpf or the verifier said that are part of a message."""


def load_object(history: History, asked: ObjectRequest, window: Window) -> Program:
    """Load and attach an object; see `Programs.load_object`."""
    host = history.session.host()  # first: if it has to be started, it does so while the text is compiled
    path, shown = object_of(asked.path, asked.defines, apart=history.session.apart), asked.path.name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the BPF program {path} cannot be read: {error.strerror}") from None
    types = ObjectTypes(data, shown, asked.types)
    variables = [
        _initial(variable_of(types.variables(), name, shown), name, value) for name, value in asked.variables.items()
    ]
    _check_names(asked.attach, types.programs(), shown)
    with placed({**types.places(), **asked.attach}) as places:
        body = {"name": shown.partition(".")[0], "attach": places.by_program, "variables": variables}
        body["records"] = types.record_sizes()
        try:
            answer = host.ask("load_object", data, places.files, **body)
        except ProgramError as error:
            raise _refused(shown, error) from None
    return Program(history, Hosted(host, answer), types, window, shown)


def _initial(found: Variable, name: str, value: Any) -> tuple[str, int, str]:
    return found.section, found.offset, encoded(found.type, value, found.size, f"the variable {name}").hex()


def _check_names(attach: Mapping[str, object], programs: list[str], shown: str) -> None:
    for name in attach:
        if name not in programs:
            raise UsageError(f"attach={{{name!r}: …}}: {shown} has no program {name!r}{nearest(name, programs)}")


def _refused(shown: str, error: ProgramError) -> ProgramError:
    lines = [line for line in error.log.splitlines() if line.strip()]
    said = [f"  says    {line}" if not at else f"          {line}" for at, line in enumerate(lines[-_SAID:])]
    if len(lines) > _SAID:
        said.append(f"  log     these are the last of {len(lines):,} lines; the failed test's report has all of them")
    return ProgramError("\n".join([f"pytest-ebpf: {shown} cannot be used: {error}", *said]), log=error.log)
