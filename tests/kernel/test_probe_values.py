"""What probes read of a function's arguments: equal to what the program passed."""

from __future__ import annotations

import os
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
from probe_stream import ARGUMENTS, Probing, memory, number, probing, text, value

from pytest_ebpf.probes.spec import Base, Fetch, FetchKind, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_ebpf.probes.spec import Piece

PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture
def probes(call_broker: Path) -> Iterator[Probing]:
    with probing(call_broker) as session:
        yield session


@pytest.fixture
def probed(program: Callable[[str], str]) -> str:
    return program("probed")


def failure(piece: Piece) -> int | None:
    """The step that failed."""
    assert not piece.unreadable or piece.data == b""
    return piece.step if piece.unreadable else None


def test_integers_of_every_width_are_those_that_were_passed(probes: Probing, probed: str) -> None:
    stack = [Fetch(FetchKind.VALUE, Base.STACK, offsets=(8 + 8 * place, 0)) for place in range(2)]
    probes.attach(Spec(fetches=(*map(value, range(6)), *stack)), probed, "take_numbers")
    subprocess.run([probed, "all", "3"], check=True)
    widths = (8, 4, 1, 2, 8, 8, 8, 4)  # of what is passed: above that the registers hold anything
    seen = [[number(hit, index, width) for index, width in enumerate(widths)] for hit in probes.hits()]
    assert seen == [[-1, turn, 200 - 256, -300, 5, 6, 7, -8] for turn in range(3)]


def test_strings_structures_and_buffers_are_what_they_point_to(probes: Probing, probed: str) -> None:
    buffer = Fetch(FetchKind.BUFFER, Base.REGISTER, ARGUMENTS[0], size=2, limit=5, length_fetch=3)
    probes.attach(Spec(fetches=(text(0, 64), memory(1, 24), text(1, 6, 6), value(2), buffer)), probed, "take_text")
    subprocess.run([probed, "all", "4"], check=True)
    hits = probes.hits()
    assert len(hits) == 4
    for turn, hit in enumerate(hits):
        literal, point, name, length, first = (hit.pieces[index] for index in range(5))
        assert literal.data == b"a literal"
        assert struct.unpack("<ih16s2x", point.data) == (-7, 3, b"origin".ljust(16, b"\0"))
        assert (name.data, name.address, name.cut) == (b"origin", point.address + 6, False)
        assert length.data == struct.pack("<q", turn)
        assert (first.data, first.cut, first.address) == (b"a literal"[: min(2 * turn, 5)], turn > 2, literal.address)


@pytest.mark.parametrize(("size", "cut"), [(5, True), (8, True), (9, False), (10, False), (16382, False)])
def test_a_string_that_is_longer_than_it_may_be_is_cut_and_says_so(
    *, size: int, cut: bool, probes: Probing, probed: str
) -> None:
    probes.attach(Spec(fetches=(text(0, size),)), probed, "take_text")
    subprocess.run([probed, "all"], check=True)
    (hit,) = probes.hits()
    assert (hit.pieces[0].data, hit.pieces[0].cut) == (b"a literal"[:size], cut)


def test_an_empty_string_is_empty(probes: Probing, probed: str, tmp_path: Path) -> None:
    # Behind the letters: at once, and on a page that nobody has read.
    (tmp_path / "file").write_bytes(bytes(2 * PAGE))
    behind = len("a literal")
    probe = probes.attach(Spec(fetches=(text(0, 64, behind), text(0, 1, behind))), probed, "take_text")
    subprocess.run([probed, "all"], check=True)
    probe.wanted = False
    probes.attach(Spec(fetches=(text(1, 64),)), probed, "take_text")
    subprocess.run([probed, "cold", str(tmp_path / "file")], check=True)
    pieces = [piece for hit in probes.hits() for piece in hit.pieces.values()]
    assert [(piece.data, piece.cut, piece.unreadable) for piece in pieces] == [(b"", False, False)] * 5


def test_what_lies_on_pages_that_nobody_has_read_is_read(probes: Probing, probed: str, tmp_path: Path) -> None:
    # Around the first page's end a string and a number, before the second one's neither ends.
    content = bytearray(2 * PAGE)
    content[:16] = b"cold\0\0\0\0" + struct.pack("<q", -5)
    content[PAGE - 4 : PAGE + 5] = b"crossing\0"
    content[2 * PAGE - 24 :] = b"the last bytes of a page"
    (tmp_path / "file").write_bytes(content)
    buffer = Fetch(FetchKind.BUFFER, Base.REGISTER, ARGUMENTS[1], size=1, limit=100, length_fetch=2)
    probes.attach(Spec(fetches=(text(0, 8), memory(1, 8), value(2), buffer, text(0, 64))), probed, "take_text")
    subprocess.run([probed, "cold", str(tmp_path / "file")], check=True)
    cold, crossing, last = (hit.pieces for hit in probes.hits())
    assert [cold[index].data for index in (0, 1, 3)] == [b"cold", *[struct.pack("<q", -5)] * 2]
    assert [crossing[index].data for index in (0, 1, 3)] == [b"crossing", b"crossing", b"crossing".ljust(24, b"\0")]
    assert crossing[4].data == b"crossing"
    # As many bytes as it may have are there; whether there are more is not known.
    assert (last[0].data, last[0].cut, last[0].unreadable) == (b"f a page", True, False)
    assert last[3].data == b"the last bytes of a page"
    # It goes on where nothing is.
    assert failure(last[4]) == 0


@pytest.mark.parametrize("steps", [(0,), (0, 0)])
def test_a_number_on_a_page_that_nobody_has_read_is_read(
    steps: tuple[int, ...], probes: Probing, probed: str, tmp_path: Path
) -> None:
    # Where the pointer leads that is read first, there is nothing.
    (tmp_path / "file").write_bytes(b"\x10" * 2 * PAGE)
    probes.attach(Spec(fetches=(memory(0, 8, *steps),)), probed, "take_text")
    subprocess.run([probed, "cold", str(tmp_path / "file")], check=True)
    seen = [(failure(hit.pieces[0]), hit.pieces[0].data) for hit in probes.hits()]
    assert seen == [(None, b"\x10" * 8) if len(steps) == 1 else (1, b"")] * 3


def test_a_pointer_that_leads_nowhere_says_at_which_step(probes: Probing, probed: str) -> None:
    # number; inner->number; next->number; next->inner->number
    chains = [(16,), (8, 0), (0, 16), (0, 8, 0)]
    probes.attach(Spec(fetches=tuple(memory(0, 4, *chain) for chain in chains)), probed, "take_link")
    subprocess.run([probed, "wild"], check=True)
    seen = [
        [(failure(piece), int.from_bytes(piece.data, "little")) for piece in hit.pieces.values()]
        for hit in probes.hits()
    ]
    # The list ends after three links, or at one that points to two wild places, or begins at none.
    assert seen == [
        [(None, 1), (1, 0), (None, 3), (None, 77)],
        [(None, 1), (1, 0), (None, 2), (2, 0)],
        [(None, 3), (None, 77), (1, 0), (1, 0)],
        [(0, 0), (0, 0), (0, 0), (0, 0)],
        [(0, 0), (0, 0), (0, 0), (0, 0)],
    ]
