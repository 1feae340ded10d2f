"""Which hits of a probe are told, and to whom; what is not told is counted."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from probe_stream import Probing, memory, number, probing, text, value

from pytest_ebpf.engine.layout import layouts
from pytest_ebpf.probes.spec import Filter, Op, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNT = Spec(fetches=(value(0), value(1)))
OTHER = """\
import subprocess, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
import probe_stream
from test_probe_gates import COUNT
with probe_stream.probing(Path(sys.argv[1])) as probes:
    probe = probes.attach(COUNT, sys.argv[2], "take_numbers")
    print(probe.shared, flush=True)
    input()
    subprocess.run([sys.argv[2], "all", "5"], check=True)
    print(len(probes.hits()), probe.hits)
"""


@pytest.fixture
def probes(call_broker: Path) -> Iterator[Probing]:
    with probing(call_broker) as session:
        yield session


@pytest.fixture
def probed(program: Callable[[str], str]) -> str:
    return program("probed")


def turns(probes: Probing) -> list[int]:
    return [number(hit, 1, 4) for hit in probes.hits()]


@pytest.mark.parametrize(
    ("operation", "compared", "told"),
    [
        (Op.EQUAL, 3, [3]),
        (Op.NOT_EQUAL, 3, [0, 1, 2, 4, 5]),
        (Op.LESS, 2, [0, 1]),
        (Op.LESS_EQUAL, 2, [0, 1, 2]),
        (Op.GREATER, 4, [5]),
        (Op.GREATER_EQUAL, 4, [4, 5]),
        (Op.BITS, 5, [1, 3, 4, 5]),
    ],
)
def test_a_filter_lets_through_what_it_says(
    operation: Op, compared: int, told: list[int], probes: Probing, probed: str
) -> None:
    spec = Spec(fetches=(value(0), value(1)), filters=(Filter(1, operation, compared, width=4),))
    probe = probes.attach(spec, probed, "take_numbers")
    subprocess.run([probed, "all", "6"], check=True)
    assert turns(probes) == told
    assert (probe.hits, probe.told) == (len(told), len(told))


@pytest.mark.parametrize(
    ("width", "signed", "operation", "compared", "holds"),
    [
        (8, True, Op.LESS, 0, True),  # -1
        (8, False, Op.LESS, 1 << 63, False),
        (1, False, Op.EQUAL, 0xFF, True),
        (1, True, Op.EQUAL, -1, True),
        (4, True, Op.GREATER_EQUAL, -1, True),
        (4, True, Op.GREATER, -1, False),
        (2, False, Op.GREATER, 0xFFFE, True),
    ],
)
def test_a_filter_compares_as_many_bytes_with_the_sign_that_they_have(
    *, width: int, signed: bool, operation: Op, compared: int, holds: bool, probes: Probing, probed: str
) -> None:
    filters = (Filter(0, operation, compared, width=width, signed=signed),)
    probes.attach(Spec(fetches=(value(0), value(1)), filters=filters), probed, "take_numbers")
    subprocess.run([probed, "all"], check=True)
    assert len(turns(probes)) == holds


def test_all_filters_must_hold_also_those_of_what_is_not_told(probes: Probing, probed: str) -> None:
    fetches = (value(0, quiet=True), value(1))
    filters = (Filter(0, Op.NOT_EQUAL, 0, width=4), Filter(1, Op.GREATER, 1, width=4), Filter(1, Op.LESS, 4, width=4))
    probes.attach(Spec(fetches=fetches, filters=filters), probed, "take_count")
    subprocess.run([probed, "threads", "6"], check=True)
    hits = probes.hits()
    assert Counter(number(hit, 1, 4) for hit in hits) == {2: 7, 3: 7}
    assert {*hits[0].pieces} == {1}


def test_what_cannot_be_read_passes_a_filter(probes: Probing, probed: str) -> None:
    spec = Spec(fetches=(memory(0, 4, 16),), filters=(Filter(0, Op.EQUAL, 1, width=4),))
    probe = probes.attach(spec, probed, "take_link")
    subprocess.run([probed, "wild"], check=True)
    assert [hit.pieces[0].unreadable for hit in probes.hits()] == [False, False, True, True]
    assert probe.hits == 4


def test_one_hit_in_so_many_is_told_and_all_are_counted(probes: Probing, probed: str) -> None:
    probe = probes.attach(Spec(fetches=COUNT.fetches, every=10), probed, "take_numbers")
    subprocess.run([probed, "all", "95"], check=True)
    assert turns(probes) == list(range(0, 95, 10))
    assert (probe.hits, probe.told) == (95, 10)


def test_a_window_tells_as_many_as_its_cap_and_the_next_window_again(probes: Probing, probed: str) -> None:
    probe = probes.attach(Spec(fetches=COUNT.fetches, cap=7), probed, "take_numbers")
    for window in (1, 2):
        probes.session.window = window
        subprocess.run([probed, "all", "20"], check=True)
        records = probes.records()
        assert [record["window"] for record in records] == [window] * 7
    assert (probe.hits, probe.told) == (40, 14)


def test_nothing_is_told_or_counted_outside_a_window_or_while_it_is_not_wanted(probes: Probing, probed: str) -> None:
    probe = probes.attach(COUNT, probed, "take_numbers", wanted=False)
    assert not probe.wanted
    subprocess.run([probed, "all", "3"], check=True)
    probe.wanted = True
    probes.session.window = 0
    subprocess.run([probed, "all", "3"], check=True)
    assert (probe.hits, probe.told, probes.hits()) == (0, 0, [])
    probes.session.window = 2
    subprocess.run([probed, "all", "3"], check=True)
    probe.wanted = False
    subprocess.run([probed, "all", "3"], check=True)
    assert (probe.hits, probe.told, turns(probes)) == (3, 3, [0, 1, 2])


def test_each_session_is_told_of_its_own_processes_alone(call_broker: Path, probed: str, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(OTHER)
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    # No descendant of ours: the session that is opened here would take it over.
    python = ["setsid", "-f", sys.executable, str(tmp_path / "other.py"), str(call_broker), probed, *folders]
    with subprocess.Popen(python, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "False\n"
        with probing(call_broker) as probes:
            probe = probes.attach(COUNT, probed, "take_numbers")
            assert probe.shared
            subprocess.run([probed, "all", "3"], check=True)
            assert other.communicate("\n")[0] == "5 5\n"
            assert (len(probes.hits()), probe.hits) == (3, 3)


def test_eight_threads_tell_each_call_once_and_in_their_own_order(call_broker: Path, probed: str) -> None:
    # The string is nowhere: each hit looks for its page, and sleeps where another thread changes the memory. So a hit
    # comes in the middle of another on the same CPU.
    with probing(call_broker, ring=1 << 24) as probes:
        probe = probes.attach(Spec(fetches=(value(0), value(1), text(0, 8))), probed, "take_count")
        subprocess.run([probed, "threads", "5000"], check=True)
        seen: dict[int, list[int]] = {}
        tids = set()
        for hit in probes.hits():
            seen.setdefault(number(hit, 0, 4), []).append(number(hit, 1, 4))
            tids.add(hit.host_tid)
        assert seen == {thread: list(range(5000)) for thread in range(8)}
        assert (probe.hits, probe.told, len(tids)) == (40000, 40000, 8)


def test_a_child_that_is_forked_later_is_told_too(probes: Probing, probed: str) -> None:
    probes.attach(COUNT, probed, "take_count")
    child = subprocess.run([probed, "forks", "3"], check=True)
    assert child.returncode == 0
    records = probes.records()
    assert [number(record.hit(), 0, 4) for record in records] == [record["host_pid"] for record in records]
    assert len({record["host_pid"] for record in records}) == 4
    for record in records:
        head, hit = record.head(), record.hit()
        assert head[:5] == (hit.spec, hit.place, hit.host_tid, hit.time_ns, hit.entered_ns)
        assert head[5:8] == tuple(record[name] for name in ("window", "host_pid", "start_ns"))
        assert head[8:] == (hit.is_return, hit.no_frame)
    assert [number(record.hit(), 1, 4) for record in records] == [0, 0, 1, 1, 2, 2]


def test_a_program_that_runs_already_is_told_from_now_on(probes: Probing, probed: str) -> None:
    with subprocess.Popen([probed, "waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdin
        assert waiting.stdout

        def call() -> None:
            assert waiting.stdin
            assert waiting.stdout
            waiting.stdin.write("\n")
            waiting.stdin.flush()
            assert waiting.stdout.readline() == "called\n"

        call()
        probes.attach(COUNT, probed, "take_count")
        call()
        assert turns(probes) == [1]


def test_each_record_that_does_not_fit_is_counted(call_broker: Path, probed: str) -> None:
    with probing(call_broker, ring=1 << 16) as probes:
        probe = probes.attach(COUNT, probed, "take_numbers")
        with probes.session._draining():  # nobody else does: the broker waits
            subprocess.run([probed, "all", "5000"], check=True)
        told, lost = len(probes.hits()), probes.session.counters()
        assert (probe.hits, probe.told) == (5000, 5000)
    structs = layouts().structs
    size = structs["probe_record"].size + 2 * (structs["probe_piece"].size + 8)
    assert 0 < told < 5000
    # What else was lost is the process's end.
    assert lost["lost_records"] - (5000 - told) in {0, 1}
    assert lost["lost_bytes"] - (5000 - told) * size in {0, structs["exit_record"].size}


def test_the_same_probe_is_attached_once_for_as_many_as_ask(call_broker: Path, probes: Probing, probed: str) -> None:
    broker = probes.session._connection.status().pid  # type: ignore[attr-defined]

    def links() -> int:
        found = 0
        for each in Path(f"/proc/{broker}/fdinfo").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found += "link_type" in each.read_text()
        return found

    before = links()
    first = probes.attach(COUNT, probed, "take_numbers")
    assert links() == before + 1
    assert all(probes.attach(COUNT, probed, "take_numbers") is first for _ in range(200))
    with probing(call_broker) as other:
        again = other.attach(COUNT, probed, "take_numbers")
        assert (again.id, again.shared, links()) == (first.id, True, before + 1)
    # The other session took over this process; it is gone, and the probe stays for the first.
    assert links() == before + 1
