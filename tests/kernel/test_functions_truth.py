"""What a probe tells of a call is what the program says that it passed: in every build of it, typed in every way."""

from __future__ import annotations

import ast
import ctypes
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from once import made_once
from tiers import require_command

from pytest_ebpf import Pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf import Trace

pytestmark = pytest.mark.once

SOURCE = Path(__file__).parents[1] / "truth" / "values.c"
MAIN = """
#include <dlfcn.h>
int main(int argc, char **argv)
{
	void *library = dlopen(LIBRARY, RTLD_NOW);
	int (*values)(int, char **) = library ? (int (*)(int, char **))dlsym(library, "values_main") : 0;

	return values ? values(argc, argv) : 3;
}
"""


class Small(ctypes.Structure):
    _fields_ = (("first", ctypes.c_int32), ("second", ctypes.c_int32), ("third", ctypes.c_int64))


class Flags(ctypes.Structure):
    _fields_ = (
        ("low", ctypes.c_uint, 3),
        ("middle", ctypes.c_int, 7),
        ("high", ctypes.c_uint, 22),
        ("wide", ctypes.c_uint, 29),
    )


class Either(ctypes.Union):
    _fields_ = (("number", ctypes.c_uint32), ("bytes", ctypes.c_uint8 * 4))


class Leaf(ctypes.Structure):
    _fields_ = (("value", ctypes.c_int64), ("name", ctypes.c_char * 12))


class Branch(ctypes.Structure):
    _fields_ = (("leaf", ctypes.POINTER(Leaf)), ("label", ctypes.c_char_p))


class Tree(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_uint8),
        ("branch", ctypes.POINTER(Branch)),
        ("inside", Small),
        ("either", Either),
        ("numbers", ctypes.c_int16 * 4),
        ("ratio", ctypes.c_float),
        ("exact", ctypes.c_double),
    )


TEXTS: Mapping[str, Mapping[str, Any]] = {
    "narrow": {
        "a": "s8(arg0)",
        "b": "u8(arg1)",
        "c": "s16(arg2)",
        "d": "u16(arg3)",
        "e": "bool(arg4)",
        "f": "char(arg5)",
    },
    "wide": {
        "a": "s32(arg0)",
        "b": "u32(arg1)",
        "c": "s64(arg2)",
        "d": "u64(arg3)",
        "e": "ptr(arg4)",
        "f": "s32(arg5)",
    },
    "many": {
        **{name: f"s32(arg{place})" for place, name in enumerate("abcdefg")},
        "h": "s64(arg7)",
        "i": "s8(arg8)",
        "j": "str@arg9",
    },
    "buffer": {"data": "buf@arg0:arg1", "size": "u64(arg1)"},
    "factorial": {"n": "s32(arg0)"},
    "named": {"n": "s32(arg0)"},
    "made": {"n": "s32(arg0)"},
}
"""What a compact text can say: of the structures, a value for each field."""
CHAINS: Mapping[str, Any] = {
    "kind": "u8@arg0",
    "value": "s64@arg0+8->0->0",
    "name": "str@arg0+8->0->8",
    "label": "str@arg0+8->8->0",
    "second": "s32@arg0+20",
    "exact": "f64@arg0+48",
}
RETURNS = {"factorial": "s64", "named": "str", "made": Small}
CTYPES: Mapping[str, Mapping[str, Any]] = {
    "narrow": {
        "a": ctypes.c_int8,
        "b": ctypes.c_uint8,
        "c": ctypes.c_int16,
        "d": ctypes.c_uint16,
        "e": ctypes.c_bool,
        "f": ctypes.c_char,
    },
    "wide": {
        "a": ctypes.c_int32,
        "b": ctypes.c_uint32,
        "c": ctypes.c_int64,
        "d": ctypes.c_uint64,
        "e": ctypes.c_void_p,
        "f": ctypes.c_int32,
    },
    "many": {
        **dict.fromkeys("abcdefg", ctypes.c_int),
        "h": ctypes.c_long,
        "i": ctypes.c_int8,
        "j": ctypes.c_char_p,
    },
    "by_value": {"before": ctypes.c_int, "small": Small, "after": ctypes.c_int},
    "fields": {"flags": Pointer(Flags)},
    "nested": {"tree": Pointer(Tree)},
}
FUNCTIONS = ("narrow", "wide", "many", "by_value", "fields", "nested", "buffer", "factorial", "named", "made")

BUILDS: Mapping[str, list[str]] = {
    "-O0": ["-O0"],
    "-O1, not PIE": ["-O1", "-no-pie"],
    "-O2": ["-O2"],
    "-O3, static": ["-O3", "-static"],
    "-O2, static PIE": ["-O2", "-static-pie"],
    "-O2, stripped": ["-O2", "-rdynamic", "-s"],
}


def _gcc(*arguments: str | Path) -> None:
    subprocess.run(["gcc", "-Wall", "-Werror", *map(str, arguments)], check=True)


def _compile(folder: Path) -> None:
    for build, flags in BUILDS.items():
        for debug in ([], ["-g"]):
            if "-s" not in flags or not debug:
                _gcc(*flags, *debug, "-o", folder / f"{build}{' -g' if debug else ''}", SOURCE)
    # The library's main has another name.
    for debug in ([], ["-g"]):
        library = folder / f"libvalues{'-g' if debug else ''}.so"
        _gcc("-O2", *debug, "-fPIC", "-shared", "-Dmain=values_main", "-o", library, SOURCE)
        (folder / "main.c").write_text(MAIN, encoding="utf-8")
        _gcc(f'-DLIBRARY="{library}"', "-o", folder / f"dlopen{'-g' if debug else ''}", folder / "main.c", "-ldl")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the program in all ways, once."""
    require_command("gcc")
    return made_once(tmp_path_factory, "truth", _compile)


def run(command: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Run it, and return what it says that it passed, by function, in the order of its calls."""
    told: dict[str, list[dict[str, Any]]] = {}
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    for line in output.splitlines():
        function, _, values = line.partition(" ")
        told.setdefault(function, []).append(ast.literal_eval(values))
    return told


def plain(value: Any) -> Any:
    """Bring a value into the form in which the program says it."""
    if hasattr(value, "keys"):
        return {name: plain(value[name]) for name in value}
    if isinstance(value, tuple | list):
        return tuple(map(plain, value))
    if isinstance(value, float):
        return value
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def by_end(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort what is said when a call ends: what recursion entered last, ends first."""
    return sorted(told, key=repr)


def check(probe: Any, said: list[dict[str, Any]]) -> None:
    """Compare all calls with what the program said of them."""
    found = []
    for call in probe:
        values = {name: plain(getattr(call.args, name)) for name in call.group.types}
        if call.group.result is not None:
            values["result"] = plain(call.result)
        found.append(values)
    assert by_end(found) == by_end(said)


def shallow(said: dict[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the fields, wherever they are, that have these names."""
    found: dict[str, Any] = {}
    for name, value in said.items():
        if isinstance(value, dict):
            found |= shallow(value, names)
        elif name in names:
            found[name] = value
    return found


def floats(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Have the single-precision number as the eight bytes that C writes of it say."""
    for each in said:
        each["tree"]["ratio"] = ctypes.c_float(each["tree"]["ratio"]).value
    return said


@pytest.mark.parametrize("build", BUILDS, ids=str)
def test_by_text(ebpf_trace: Trace, built: Path, build: str) -> None:
    path = str(built / build)
    probes = {
        name: ebpf_trace.uprobe(path, name, returns=RETURNS.get(name), **values) for name, values in TEXTS.items()
    }
    chains = ebpf_trace.uprobe(path, "nested", **CHAINS)
    said = run([path])
    for name, probe in probes.items():
        check(probe, said[name])
    check(chains, [shallow(each, CHAINS) for each in said["nested"]])


@pytest.mark.parametrize("build", BUILDS, ids=str)
def test_by_ctypes(ebpf_trace: Trace, built: Path, build: str) -> None:
    path = str(built / build)
    probes = {name: ebpf_trace.uprobe(path, name, **values) for name, values in CTYPES.items()}
    said = run([path])
    floats(said["nested"])
    for name, probe in probes.items():
        check(probe, said[name])


@pytest.mark.parametrize("build", [each for each in BUILDS if "stripped" not in each], ids=str)
def test_by_debug_information(ebpf_trace: Trace, built: Path, build: str) -> None:
    path = str(built / f"{build} -g")
    names = [name for name in FUNCTIONS if name != "buffer"]  # whose type does not say how long it is
    probes = {name: ebpf_trace.uprobe(path, name, returns=name in RETURNS or None) for name in names}
    said = run([path])
    floats(said["nested"])
    for name, probe in probes.items():
        check(probe, said[name])


@pytest.mark.parametrize("debug", ["", "-g"])
def test_of_a_library_that_is_loaded_while_the_program_runs(ebpf_trace: Trace, built: Path, debug: str) -> None:
    probes = {name: ebpf_trace.uprobe(built / f"libvalues{debug}.so", name, **TEXTS[name]) for name in ("many", "wide")}
    said = run([str(built / f"dlopen{debug}")])
    for name, probe in probes.items():
        check(probe, said[name])


def test_of_a_library_in_this_very_process(ebpf_trace: Trace, built: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = built / "libvalues-g.so"
    probe = ebpf_trace.uprobe(path, "many")
    library = ctypes.CDLL(str(path))
    library.many(1, 2, 3, 4, 5, 6, 7, ctypes.c_long(-8), 9, b"from Python")
    assert [call.args.j for call in probe] == [b"from Python"]
    ebpf_trace.assert_called("many", a=1, h=-8, i=9, j="from Python", process=ebpf_trace.root)
    capfd.readouterr()


def test_a_traced_program_says_and_does_the_same_as_without(ebpf_trace: Trace, built: Path) -> None:
    path = str(built / "-O2 -g")
    before = subprocess.run([path, "7"], capture_output=True, check=False)
    for name in FUNCTIONS:
        ebpf_trace.uprobe(path, name, returns=True, stack=True)
    after = subprocess.run([path, "7"], capture_output=True, check=False)
    # But for the address of nothing: all its addresses are numbers that it made up.
    assert (before.returncode, before.stdout, before.stderr) == (after.returncode, after.stdout, after.stderr)
