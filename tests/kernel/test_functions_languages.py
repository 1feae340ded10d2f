"""Functions of C++ and of Rust, by the names that their authors gave them: what the programs say that they passed."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from once import made_once
from tiers import require_command

from pytest_ebpf import TraceIncomplete

if TYPE_CHECKING:
    from pytest_ebpf import Trace

pytestmark = pytest.mark.once

TRUTH = Path(__file__).parents[1] / "truth"
SCALE = "geometry::Shape::scale(int, geometry::Point const&)"


def _cpp(folder: Path) -> None:
    for level in ("-O0", "-O2"):
        command = [
            "g++",
            "-Wall",
            "-Werror",
            "-g",
            level,
            "-o",
            str(folder / f"shapes{level}"),
            str(TRUTH / "shapes.cc"),
        ]
        subprocess.run(command, check=True)


def _rust(folder: Path) -> None:
    for level, options in (("-O0", []), ("-O2", ["-O"])):
        command = ["rustc", "-g", *options, "-o", str(folder / f"names{level}"), str(TRUTH / "names.rs")]
        subprocess.run(command, check=True)


@pytest.fixture(scope="session")
def cpp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the program."""
    require_command("g++")
    return made_once(tmp_path_factory, "cpp", _cpp)


@pytest.fixture(scope="session")
def rust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the program."""
    require_command("rustc")
    return made_once(tmp_path_factory, "rust", _rust)


def run(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Run it, and return what it says that it passed, by function."""
    said: dict[str, list[dict[str, Any]]] = {}
    for line in subprocess.run([path], capture_output=True, text=True, check=True, timeout=60).stdout.splitlines():
        function, _, values = line.partition(" {")
        said.setdefault(function, []).append(ast.literal_eval("{" + values))
    return said


@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_a_method_with_its_object_and_a_reference(ebpf_trace: Trace, cpp: Path, level: str) -> None:
    path = cpp / f"shapes{level}"
    probe = ebpf_trace.uprobe(path, SCALE, returns=True)
    said = run(path)[SCALE]
    assert [
        {
            "factor": call.args.factor,
            "edges": call.args.this.edges,
            "kind": call.args.this.kind,
            "x": call.args[2].x,
            "y": call.args[2].y,
            "result": call.result,
        }
        for call in probe
    ] == said
    ebpf_trace.assert_called(probe, factor=3, count=1)


@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_all_overloads_of_a_name(ebpf_trace: Trace, cpp: Path, level: str) -> None:
    path = cpp / f"shapes{level}"
    probe = ebpf_trace.uprobe(path, "geometry::Shape::scale")
    said = run(path)
    assert len(probe) == len(said[SCALE]) + len(said["geometry::Shape::scale(double)"]) == 10
    # BPF has no floating point registers, and says so rather than anything else.
    for call in probe:
        if call.args.this.edges == 1:
            with pytest.raises(TraceIncomplete, match="floating"):
                _ = call.args.factor


@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_the_instances_of_a_template(ebpf_trace: Trace, cpp: Path, level: str) -> None:
    path = cpp / f"shapes{level}"
    probe = ebpf_trace.uprobe(path, "*larger*", returns=True)
    said = run(path)["larger"]
    assert [{"one": call.args.one, "other": call.args.other, "result": call.result} for call in probe] == said


@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_a_function_of_rust_that_has_its_own_name(ebpf_trace: Trace, rust: Path, level: str) -> None:
    path = rust / f"names{level}"
    probe = ebpf_trace.uprobe(path, "plain", returns=True)
    said = run(path)["plain"]
    told = [{"number": call.number, "size": call.size, "yes": call.yes, "result": call.result} for call in probe]
    assert told == said


def test_a_function_of_a_module_of_rust_with_a_reference_and_a_str(ebpf_trace: Trace, rust: Path) -> None:
    path = rust / "names-O0"
    probe = ebpf_trace.uprobe(path, "names::bank::pay", returns=True)
    said = run(path)["pay"]
    assert [
        {"id": call.account.id, "balance": call.account.balance, "amount": call.amount, "to": call.to} for call in probe
    ] == said
    assert [call.result for call in probe] == [each["balance"] - each["amount"] for each in said]
    ebpf_trace.assert_called(probe, to="another", amount=26)


def test_a_function_whose_arguments_the_optimiser_may_move_tells_the_right_ones_or_none(
    ebpf_trace: Trace, rust: Path
) -> None:
    path = rust / "names-O2"
    probe = ebpf_trace.uprobe(path, "names::bank::pay")
    said = run(path)["pay"]
    assert len(said) == len(probe) == 4
    for call, each in zip(probe, said, strict=True):
        # Which they are, the compiler decides: it says so by DW_CC_nocall.
        if "amount" in call.group.types:
            assert (call.amount, call.account.balance) == (each["amount"], each["balance"])
        else:
            assert tuple(call.group.types) == ()
