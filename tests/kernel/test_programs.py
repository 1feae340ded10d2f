"""Compiled BPF programs of a user's own: loaded, attached, their maps and variables read and set."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiers import require_root

from pytest_ebpf import ProgramError, Trace, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

CPUS = len(os.sched_getaffinity(0))


@pytest.fixture(autouse=True)
def _as_root() -> None:
    require_root()


def run_true() -> int:
    """The pid of a process that executed a program and has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def refusal(act: Callable[[], object]) -> str:
    """What is said when it is refused as a mistake of the test."""
    with pytest.raises(UsageError) as caught:
        act()
    return str(caught.value)


# --- maps ---


def test_a_hash_is_a_mapping_of_values_of_its_own_types(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    pid = run_true()

    counts = program["counts"]
    assert counts[pid] == 1
    assert (pid, 1) in counts.items()
    assert pid in counts
    assert pid in list(counts)
    assert pid in counts.keys()  # noqa: SIM118 - what is asked
    assert 1 in counts.values()
    assert (counts.get(1 << 31), counts.get(1 << 31, "none")) == (None, "none")
    with pytest.raises(KeyError):
        counts[1 << 31]
    counts[pid] = 5
    counts[7] = 2**64 - 1
    assert (counts[pid], counts[7]) == (5, 2**64 - 1)
    del counts[7]
    assert 7 not in counts
    with pytest.raises(KeyError):
        del counts[7]
    program.detach()  # or others on this machine are counted meanwhile
    assert len(counts) == len(counts.items()) > 0
    assert (counts.kind, counts.max_entries, repr(counts)) == ("hash", 1024, "<map counts, hash>")


def test_structures_are_keys_and_values(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    pid = run_true()

    program.detach()  # or others on this machine are counted meanwhile
    places = program["places"]
    seen = places[{"pid": pid, "parity": pid % 2}]
    assert (seen.count, seen.color, seen.low, seen.high, seen.comm) == (1, 3, 5, 17, b"true")
    key = next(key for key in places if key.pid == pid)
    assert places[key].count == 1
    assert places[pid, pid % 2].count == 1
    places[1, 2] = {"count": 9, "color": "GREEN", "low": 7, "high": 31, "comm": "abc"}
    written = places[1, 2]
    assert (written.count, written.color, written.low, written.high, written.comm) == (9, 4, 7, 31, b"abc")
    places[3, 4] = written
    assert places[3, 4] == written
    places.clear()
    assert places.items() == []


def test_an_array_has_all_its_keys_and_clearing_it_sets_zeros(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    numbers = ebpf_trace.program(bpf("outputs"))["numbers"]
    numbers[2] = -5
    assert numbers.items() == [(0, 0), (1, 0), (2, -5), (3, 0)]
    numbers.clear()
    assert numbers.values() == [0, 0, 0, 0]
    with pytest.raises(ProgramError) as caught:
        del numbers[2]
    assert str(caught.value) == "the map numbers cannot be deleted from: Invalid argument"


def test_a_map_of_each_cpu_has_a_tuple_of_values(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    pid = run_true()
    program.detach()  # or others on this machine are counted meanwhile

    assert sum(program["each_cpu"][0]) == program.variables["execs"] >= 1
    assert len(program["each_cpu"][1]) == len(program["hash_each_cpu"][0])
    assert set(program["hash_each_cpu"][0]) <= {0, 1}
    several = tuple(range(len(program["each_cpu"][1])))
    program["each_cpu"][1] = several
    program["hash_each_cpu"][5] = several
    assert (program["each_cpu"][1], program["hash_each_cpu"][5]) == (several, several)
    assert refusal(lambda: program["each_cpu"].__setitem__(1, 3)) == (
        f"a value of the map each_cpu is a tuple of {len(several)} values, one a CPU, not 3"
    )
    assert pid in program["counts"]


def test_a_queue_gives_what_was_put_into_it(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    queue = ebpf_trace.program(bpf("outputs"))["waiting"]
    queue.push(4)
    queue.push(5)
    assert [queue.pop(), queue.pop(), queue.pop()] == [4, 5, None]
    with pytest.raises(ProgramError) as caught:
        queue.items()
    assert str(caught.value) == "waiting is a map of kind queue: that cannot be asked of it"


def test_a_map_without_types_takes_and_gives_bytes(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    untyped = ebpf_trace.program(bpf("outputs"))["untyped"]
    untyped[b"\1\2\3\4"] = b"xy"
    assert untyped.items() == [(b"\1\2\3\4", b"xy")]
    assert refusal(lambda: untyped[5]) == (
        "a key of the map untyped has no type that is known: give its 4 bytes, not 5"
    )
    assert refusal(lambda: untyped[b"12345"]) == "a key of the map untyped has 4 bytes, and not 5"
    for number in range(3):
        untyped[bytes([number] * 4)] = b"zz"
    with pytest.raises(ProgramError) as caught:
        untyped[b"more"] = b"zz"
    assert str(caught.value) == "the map untyped cannot be set: it has 4 entries, as many as it can"


@pytest.mark.parametrize(
    ("name", "key", "value", "text"),
    [
        ("counts", "x", 1, "a key of the map counts is of the type u32, and 'x' is none"),
        ("counts", -1, 1, "a key of the map counts is of the type u32, which -1 does not fit in"),
        ("counts", 1, 1.5, "a value of the map counts is of the type u64, and 1.5 is none"),
        (
            "places",
            {"pid": 1, "party": 2},
            None,
            "a key of the map places is of the type struct place, which has no field 'party'; it has pid, parity",
        ),
        (
            "places",
            5,
            None,
            "a key of the map places is of the type struct place, and 5 is none: give a dict of its fields",
        ),
        (
            "places",
            (1, 2),
            {"comm": b"x" * 17},
            "a value of the map places.comm has 16 bytes, and not 17",
        ),
        ("places", (1, 2), {"low": 8}, "a value of the map places.low has 3 bits, which 8 does not fit in"),
    ],
)
def test_what_no_map_can_hold_is_refused(
    ebpf_trace: Trace, bpf: Callable[[str], str], name: str, key: object, value: object, text: str
) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    assert refusal(lambda: program[name].__setitem__(key, value)) == text


def test_many_entries_come_at_once(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    counts = ebpf_trace.program(bpf("outputs"), variables={"only": 1})["counts"]
    for number in range(1000):
        counts[number] = number * number
    assert dict(counts.items()) == {number: number * number for number in range(1000)}


# --- variables ---


def test_variables_are_read_and_set_by_name(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"), variables={"from": {"pid": 3}, "level": -2, "greeting": "moin"})
    run_true()

    variables = program.variables
    assert variables["execs"] >= 1
    assert (variables["level"], variables["greeting"], variables["color"]) == (-2, b"moin", 4)
    assert variables["from"].pid == 3
    variables["level"] = 12
    variables["color"] = "RED"
    assert (variables["level"], variables["color"]) == (12, 3)
    assert set(variables) == {"anchor", "only", "from", "execs", "level", "color", "greeting"}
    assert ("level" in variables, "lever" in variables, len(variables)) == (True, False, 7)


def test_what_a_test_sets_the_running_program_sees(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"), variables={"execs": 1 << 40})
    run_true()
    assert program.variables["execs"] > 1 << 40
    program.variables["execs"] = 0
    assert program.variables["execs"] < 1 << 39


def test_a_constant_chooses_before_the_program_is_loaded(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"), variables={"only": os.getpid()})
    run_true()
    assert program["counts"].items() == []
    assert refusal(lambda: program.variables.__setitem__("only", 0)) == (
        "outputs.bpf.o: the variable only is constant while the program runs: give its value when it is loaded,"
        " variables={'only': 0}"
    )


# --- where it is attached ---


@pytest.fixture(scope="session")
def exp(program: Callable[[str], str]) -> str:
    return program("exp")


def test_a_program_without_a_place_is_attached_where_the_test_says(
    ebpf_trace: Trace, bpf: Callable[[str], str], exp: str
) -> None:
    attach = {"on_entry": f"uprobe:{exp}:accept_exp", "on_return": f"uretprobe:{exp}:accept_exp"}
    program = ebpf_trace.program(bpf("probes"), attach=attach)
    subprocess.run([exp], check=True, capture_output=True)
    calls = len(ebpf_trace.probe(f"uprobe:{exp}:accept_exp").functions)
    assert calls == 1
    program.detach()  # or others' calls are counted between the two
    entries, returns = program.variables["entries"], program.variables["returns"]
    assert entries == returns > 0
    assert program.variables["execs"] >= 1


def test_a_section_names_a_file_as_the_test_sees_it(
    ebpf_trace: Trace, bpf: Callable[[str], str], exp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(exp).parent)
    program = ebpf_trace.program(bpf("placed"))
    subprocess.run([exp], check=True, capture_output=True)
    assert program.variables["entries"] > 0


def test_static_probes_are_attached_where_section_and_test_say(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    if b"gc__start" not in Path("/usr/bin/python3").read_bytes():
        pytest.skip("needs a python3 with static probes, as Debian's")
    program = ebpf_trace.program(bpf("usdt"), attach={"on_end": "usdt:/usr/bin/python3:python:gc__done"})
    subprocess.run(["/usr/bin/python3", "-I", "-S", "-c", "import gc; gc.collect(1)"], check=True)
    assert program.variables["starts"] >= 1
    assert program.variables["ends"] >= 1
    assert program.variables["generation"] in {0, 1, 2}


def test_a_program_that_needs_no_place_is_not_attached(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("probes"), attach={"on_entry": None, "on_return": None, "on_exec": None})
    run_true()
    assert dict(program.variables) == {"entries": 0, "returns": 0, "execs": 0, "unlinks": 0}


def test_two_tests_of_one_program_have_maps_of_their_own(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    first, second = (ebpf_trace.program(bpf("outputs"), variables={"only": 1}) for _ in range(2))
    first["counts"][1] = 5
    first.variables["level"] = 9
    assert (second["counts"].items(), second.variables["level"]) == ([], 7)


# --- its life ---


def test_a_program_that_was_detached_can_still_be_asked(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    with ebpf_trace.program(bpf("outputs")) as program:
        before = run_true()
        assert repr(program) == "<Program outputs.bpf.o, running>"
    after = run_true()
    assert before in program["counts"]
    assert after not in program["counts"]
    program.detach()
    assert repr(program) == "<Program outputs.bpf.o, detached>"


def test_a_program_ends_with_the_window_that_it_was_asked_for_in(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    with ebpf_trace.section("inner") as inner:
        program = inner.program(bpf("outputs"))
        pid = run_true()
    assert repr(program) == "<Program outputs.bpf.o, gone>"
    program.assert_event("perf", pid=pid)
    gone = "outputs.bpf.o is gone: it was let go of when its window closed, and its maps with it; ask them earlier"
    assert refusal(lambda: program["counts"]) == gone
    assert refusal(lambda: program.variables) == gone
    assert refusal(lambda: inner.program(bpf("outputs"))) == (
        f"the window is closed: a program runs in an open one, and {bpf('outputs')} came too late"
    )


# --- names that are not there ---


def test_names_that_are_not_there_are_told_with_the_nearest(
    ebpf_trace: Trace, bpf: Callable[[str], str], exp: str
) -> None:
    path = bpf("outputs")
    program = ebpf_trace.program(path)
    assert refusal(lambda: program["count"]) == "outputs.bpf.o has no map 'count'; did you mean counts?"
    assert refusal(lambda: program["x"]) == (
        "outputs.bpf.o has no map 'x'; there are counts, each_cpu, hash_each_cpu, numbers, perf, places, ring,"
        " untyped, waiting"
    )
    assert refusal(lambda: program.variables["levle"]) == ("outputs.bpf.o has no variable 'levle'; did you mean level?")
    assert refusal(lambda: ebpf_trace.program(path, variables={"olny": 1})) == (
        "outputs.bpf.o has no variable 'olny'; did you mean only?"
    )
    assert refusal(lambda: ebpf_trace.program(path, variables={"only": "x"})) == (
        "the variable only is of the type u32, and 'x' is none"
    )
    assert refusal(lambda: ebpf_trace.program(path, attach={"on_exe": None})) == (
        "attach={'on_exe': …}: outputs.bpf.o has no program 'on_exe'; did you mean on_exec?"
    )
    assert refusal(lambda: ebpf_trace.program(path, types={"rings": "event"})) == (
        "types={'rings': 'event'}: outputs.bpf.o has no output 'rings'; did you mean ring?"
    )
    assert refusal(lambda: ebpf_trace.program(path, types={"ring": "evnt"})) == (
        "types={'ring': 'evnt'}: outputs.bpf.o has no structure 'evnt'; did you mean event?"
    )
    assert refusal(lambda: ebpf_trace.program(bpf("probes"), attach={"on_entry": "uprob:x"})) == (
        "attach={'on_entry': 'uprob:x'}: 'uprob:x' is no probe; did you mean uprobe:…? (such as"
        " uprobe:./program:function, usdt:/usr/bin/python3:python:gc__start)"
    )
    assert refusal(lambda: ebpf_trace.program(bpf("probes"), attach={"on_entry": f"uprobe:{exp}:acept_exp"})) == (
        f"attach={{'on_entry': 'uprobe:{exp}:acept_exp'}}: {exp}: no function 'acept_exp'; nearest: accept_exp"
    )
