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

_SIZES = ("key_size", "max_entries", "value_size")
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
    _check_programs(asked, types.programs(), shown)
    _check_maps(asked.maps, types.maps(), shown)
    sections = {name: place for name, place in types.places().items() if name not in asked.without}
    load = {name: True for name, place in asked.attach.items() if place is not None} | dict.fromkeys(
        asked.without, False
    )
    with placed(asked.attach, sections) as places:
        body = {"name": shown.partition(".")[0], "attach": places.by_program, "variables": variables}
        body |= {"records": types.record_sizes(), "maps": asked.maps, "load": load}
        try:
            answer = host.ask("load_object", data, places.files, **body)
        except ProgramError as error:
            raise _refused(shown, error) from None
    return Program(history, Hosted(host, answer), types, window, shown, samples=places.samples)


def _initial(found: Variable, name: str, value: Any) -> tuple[str, int, str]:
    return found.section, found.offset, encoded(found.type, value, found.size, f"the variable {name}").hex()


def _check_programs(asked: ObjectRequest, programs: list[str], shown: str) -> None:
    for name in asked.attach:
        if name not in programs:
            raise UsageError(f"attach={{{name!r}: …}}: {shown} has no program {name!r}{nearest(name, programs)}")
    if isinstance(asked.without, str):
        raise UsageError(f"without={asked.without!r}: it is a list of programs: without=[{asked.without!r}]")
    for name in asked.without:
        if name not in programs:
            raise UsageError(f"without=[{name!r}]: {shown} has no program {name!r}{nearest(name, programs)}")
        if name in asked.attach:
            raise UsageError(f"the program {name} of {shown} is both in attach= and in without=: say one of them")


def _check_maps(asked: Mapping[str, Mapping[str, Any]], maps: list[str], shown: str) -> None:
    for name, sizes in asked.items():
        if name not in maps:
            raise UsageError(f"maps={{{name!r}: …}}: {shown} has no map {name!r}{nearest(name, maps)}")
        for size, number in sizes.items():
            if size not in _SIZES:
                raise UsageError(f"maps={{{name!r}: {{{size!r}: …}}}}: a map has no such size{nearest(size, _SIZES)}")
            if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 1 << 32:
                raise UsageError(f"maps={{{name!r}: {{{size!r}: {number!r}}}}}: it is a number from 1 to 4,294,967,295")


def _refused(shown: str, error: ProgramError) -> ProgramError:
    lines = [line for line in error.log.splitlines() if line.strip()]
    said = [f"  says    {line}" if not at else f"          {line}" for at, line in enumerate(lines[-_SAID:])]
    if len(lines) > _SAID:
        said.append(f"  log     these are the last of {len(lines):,} lines; the failed test's report has all of them")
    return ProgramError("\n".join([f"pytest-ebpf: {shown} cannot be used: {error}", *said]), log=error.log)
