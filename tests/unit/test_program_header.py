"""What ``pytest_ebpf.bpf.h`` says of the tracer's own structures is what these are."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import setup_script
from setup_script import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once

HEADER = PROJECT / "pytest_ebpf/include/pytest_ebpf.bpf.h"
THEIRS = {
    "ebpf_member": "member",
    "ebpf_slot": "session_slot",
    "ebpf_control": "control",
    "ebpf_record": "program_record",
}
OTHER_NAMES = {"kind": "type"}
CONSTANTS = {"EBPF_SESSIONS": "MAX_SESSIONS", "EBPF_MUTED_THREADS": "MUTED_THREADS", "EBPF_RECORD": "RECORD_PROGRAM"}


def structures() -> dict[str, list[str]]:
    """The structures of the header, and their fields."""
    found = re.findall(r"^struct (\w+) \{\n((?:\t__u\d+ [^;]+;\n)+)\};", HEADER.read_text(), re.MULTILINE)
    return {name: re.findall(r"(\w+)(?:\[\w+\])?;", body) for name, body in found}


def check(name: str, field: str) -> str:
    """An assertion that a field is where the tracer has it, and as large."""
    other = OTHER_NAMES.get(field, field)
    path = f"header.{other}" if name == "ebpf_record" and field in HEAD else other
    ours, theirs = f"((struct {name} *)0)->{field}", f"((struct {THEIRS[name]} *)0)->{path}"
    places = (f"__builtin_offsetof(struct {of}, {at})" for of, at in ((name, field), (THEIRS[name], path)))
    return f'_Static_assert({" == ".join(places)} && sizeof({ours}) == sizeof({theirs}), "{name}.{field}");\n'


HEAD = {"kind", "window", "time_ns", "start_ns", "host_pid", "host_tid"}


def compiled(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Compile a text that sees the tracer's own structures and the header."""
    script = setup_script.loaded()
    source = folder / "check.c"
    source.write_text(f'#include "session.h"\n#include "{HEADER}"\n{text}')
    command = [
        script.clang(),
        *script.bpf_flags(),
        f"-I{PROJECT}/bpf",
        "-c",
        str(source),
        "-o",
        str(folder / "check.o"),
    ]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_each_field_of_the_header_is_where_the_tracer_has_it(tmp_path: Path) -> None:
    known = structures()
    assert known.keys() == THEIRS.keys()
    text = "".join(check(name, field) for name, fields in known.items() for field in fields)
    text += '_Static_assert(sizeof(struct ebpf_record) == sizeof(struct program_record), "record");\n'
    text += "".join(f'_Static_assert({ours} == {theirs}, "{ours}");\n' for ours, theirs in CONSTANTS.items())
    done = compiled(tmp_path, text)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("field", ["window", "muted"])
def test_a_field_that_is_elsewhere_would_be_found(field: str, tmp_path: Path) -> None:
    moved = check("ebpf_control", field).replace(f"control, {field})", "control, wanted)")
    assert f"ebpf_control.{field}" in compiled(tmp_path, moved).stderr


def test_an_event_that_is_too_large_is_refused_by_the_compiler(tmp_path: Path) -> None:
    text = "struct large { char bytes[65537]; };\nbool emit(struct large *event) { return ebpf_emit(event); }\n"
    assert "the event is too large" in compiled(tmp_path, text).stderr
