"""What can be asked of the broker when a probe is asked for, and what is refused."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from probe_stream import Probing, offset_of, probing, value

from pytest_ebpf import sealed
from pytest_ebpf.engine.attached import ProbeRequest
from pytest_ebpf.engine.specs import pack, pack_places, probe_layouts
from pytest_ebpf.errors import BrokerError
from pytest_ebpf.probes.spec import MAX_PROBES, Base, Fetch, FetchKind, Filter, Op, Place, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SPEC = Spec(fetches=(value(0), value(1)))
REFUSED = "pytest-ebpf: the broker refused: "
MALFORMED = REFUSED + "the table of this probe is malformed: "


@pytest.fixture
def probes(call_broker: Path) -> Iterator[Probing]:
    with probing(call_broker) as session:
        yield session


@pytest.fixture
def probed(program: Callable[[str], str]) -> str:
    return program("probed")


def ask(probes: Probing, target: int, table: bytes, kind: str = "uprobe", more: Sequence[int] = ()) -> str:
    """The refusal."""
    with sealed.written("table", table) as memfd, pytest.raises(BrokerError) as caught:
        probes.session._connection.attach(kind, "", [target, memfd, *more])
    return str(caught.value)


@pytest.fixture
def target(probed: str) -> Iterator[int]:
    descriptor = os.open(probed, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def thousand(tmp_path: Path) -> tuple[Path, ProbeRequest]:
    """A program that calls a thousand functions, each with its number, and what asks for them all."""
    functions = "".join(f"long function_{i}(long x) {{ return x + {i}; }}\n" for i in range(1000))
    calls = "".join(f"function_{i}({i});\n" for i in range(1000))
    source, path = tmp_path / "many.c", tmp_path / "many"
    source.write_text(f"#pragma GCC optimize(0)\n{functions}int main(void) {{\n{calls}return 0;\n}}\n")
    subprocess.run(["gcc", "-o", path, source], check=True)
    places = tuple(Place(offset_of(path, f"function_{i}")) for i in range(1000))
    return path, ProbeRequest(spec=SPEC, target=path, places=places)


def test_a_thousand_places_in_one_request_are_told_apart(probes: Probing, thousand: tuple[Path, ProbeRequest]) -> None:
    program, request = thousand
    probes.session.attach(request).wanted = True
    subprocess.run([program], check=True)
    assert [(hit.place, int.from_bytes(hit.pieces[0].data, "little")) for hit in probes.hits()] == [
        (i, i) for i in range(1000)
    ]


def test_a_thousand_places_in_one_request_are_attached_within_a_second(
    probes: Probing, thousand: tuple[Path, ProbeRequest]
) -> None:
    _, request = thousand
    probes.session.attach(replace(request, places=request.places[:1]))  # loads the programs
    start = time.perf_counter()
    probes.session.attach(request)
    assert time.perf_counter() - start <= 1


def test_what_is_let_go_of_is_detached_soon_and_tells_nothing(probes: Probing, probed: str) -> None:
    took = []
    for _ in range(5):
        probe = probes.attach(SPEC, probed, "take_numbers")
        start = time.perf_counter()
        probes.session.detach(probe)
        took.append(time.perf_counter() - start)
        probes.session.detach(probe)
    assert min(took) < 0.05  # the kernel takes twice as long, and nobody waits for it
    subprocess.run([probed, "all"], check=True)
    assert probes.hits() == []
    assert not probe.wanted
    again = probes.attach(SPEC, probed, "take_numbers")
    assert again.id != probe.id
    assert not again.shared
    subprocess.run([probed, "all"], check=True)
    assert [hit.spec for hit in probes.hits()] == [again.id]
    assert again.hits == 1


def test_the_probes_of_a_session_go_with_it(call_broker: Path, probed: str) -> None:
    with probing(call_broker) as first:
        old = first.attach(SPEC, probed, "take_count")
    with probing(call_broker) as second:
        probe = second.attach(SPEC, probed, "take_count")
        assert not probe.shared
        assert probe.id != old.id


def test_a_broker_holds_as_many_probes_as_its_table_and_says_so(call_broker: Path, probed: str) -> None:
    place = (Place(offset_of(probed, "take_link")),)
    with probing(call_broker) as probes:
        held = 0

        def fill() -> NoReturn:
            nonlocal held
            while True:
                probes.session.attach(ProbeRequest(spec=Spec(cap=held + 1), target=probed, places=place))
                held += 1

        with pytest.raises(BrokerError) as caught:
            fill()
        assert str(caught.value) == (
            f"{REFUSED}the broker has {MAX_PROBES} probes attached, as many as it can hold: let go of some of them"
        )
        assert MAX_PROBES - 10 < held <= MAX_PROBES  # some of the module's other tests may just be going


def test_an_offset_beyond_the_end_of_the_file_is_refused(probes: Probing, target: int) -> None:
    size = os.fstat(target).st_size
    for place in (Place(size), Place(0, size)):
        assert ask(probes, target, pack(SPEC) + pack_places([place])) == (
            f"{REFUSED}offset {size} is beyond the end of the file, which has {size} bytes"
        )


def test_malformed_places_are_refused(probes: Probing, target: int) -> None:
    spec = pack(SPEC)
    assert ask(probes, target, spec) == f"{REFUSED}the places of this probe are malformed: their count is missing"
    for count in (0, 100_001):
        assert ask(probes, target, spec + struct.pack("=I", count)) == (
            f"{REFUSED}a probe is attached at 1 to 100000 places, and this one at {count}"
        )
    short = struct.pack("=I", 2) + struct.pack("=QQ", 64, 0)
    assert ask(probes, target, spec + short) == (
        f"{REFUSED}the places of this probe are malformed: 2 of them have not 20 bytes"
    )


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (b"", "'' is no name of a kprobe: do_unlinkat is one"),
        (b"vfs_read\nvfs_write+8", "'vfs_write+8' is no name of a kprobe: do_unlinkat is one"),
        (b"\n".join([b"a"] * 10_001), "a probe is on 10000 functions of the kernel at most, and this one on 10001"),
    ],
)
def test_functions_of_the_kernel_that_are_none_are_refused(probes: Probing, names: bytes, sentence: str) -> None:
    with sealed.written("table", pack(SPEC), names) as memfd, pytest.raises(BrokerError) as caught:
        probes.session._connection.attach("kprobe", "", [memfd])
    assert str(caught.value) == REFUSED + sentence


def test_a_table_of_another_size_is_refused(probes: Probing, target: int) -> None:
    size = len(pack(SPEC))
    assert ask(probes, target, b"x" * 10) == f"{REFUSED}the table of a probe has {size} bytes, and this one 10"
    assert ask(probes, target, bytes(3 << 20)) == (
        f"{REFUSED}the table of a probe has 2097152 bytes at most, and this one 3145728"
    )


def changed(name: str, value: int, size: int = 1, fetch: int | None = None) -> bytes:
    """The spec, with something of it, or of one of its fetches, overwritten."""
    structs = probe_layouts().structs
    at = structs["probe_spec"].offsets[name] if fetch is None else structs["fetch"].offsets[name]
    if fetch is not None:
        at += structs["probe_spec"].offsets["fetches"] + fetch * structs["fetch"].size
    spec = Spec(fetches=(*SPEC.fetches, Fetch(FetchKind.BUFFER, Base.REGISTER, 13, limit=8, length_fetch=0)))
    data = bytearray(pack(spec))
    data[at : at + size] = value.to_bytes(size, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (changed("flags", 4, 4), "its flags are unknown"),
        (changed("id", 1, 4), "its id is for the broker to give"),
        (changed("every", 0, 4), "it tells one hit in none"),
        (changed("fetch_count", 25, 4), "it reads more than 24 values"),
        (changed("filter_count", 5, 4), "it has more than 4 filters"),
        (changed("filter_count", 1, 4), "filter 0 compares in no known way"),
        (changed("stack", 128, 4), "its stack has too many frames"),
        (changed("kind", 4, fetch=0), "value 0 is of no known kind"),
        (changed("base", 5, fetch=1), "value 1 is of no known kind"),
        (changed("base", 4, fetch=1), "value 1 is of a tracepoint, and this is none"),
        (changed("base", 3, fetch=1), "value 1 is the result, which is there at the return only"),
        (changed("flags", 32, fetch=1), "value 1 has unknown flags"),
        (changed("flags", 1, fetch=1), "value 1 is read at the return, which is not told"),
        (changed("steps", 6, fetch=0), "value 0 has too many steps"),
        (changed("reg", 34, fetch=0), "value 0 is in no register"),
        (changed("index", 34, fetch=0), "value 0 has no such register for an index"),
        (changed("size", 0, 4, fetch=2), "value 2 has none or more than 16384 bytes"),
        (changed("size", 16385, 4, fetch=2), "value 2 has none or more than 16384 bytes"),
        (changed("limit", 0, 4, fetch=2), "value 2 is cut at none or at more than 16384 bytes"),
        (changed("limit", 16385, 4, fetch=2), "value 2 is cut at none or at more than 16384 bytes"),
        (changed("length_fetch", 2, fetch=2), "value 2 has a length that is not read before it"),
        (changed("length_width", 9, fetch=2), "value 2 has a length of no width"),
    ],
)
def test_a_malformed_table_is_refused_with_the_reason(spec: bytes, sentence: str, probes: Probing, target: int) -> None:
    assert ask(probes, target, spec + pack_places([Place(0)])) == MALFORMED + sentence


def test_what_is_known_at_the_return_alone_is_refused_where_it_is_needed_before(probes: Probing, target: int) -> None:
    late = Fetch(FetchKind.VALUE, Base.RESULT, at_return=True)
    compares = Spec(fetches=(late,), filters=(Filter(0, Op.EQUAL, 0),), returns=True)
    buffer = Fetch(FetchKind.BUFFER, Base.REGISTER, 13, limit=8, length_fetch=0)
    measures = Spec(fetches=(late, buffer), returns=True)
    indexed = Spec(fetches=(Fetch(FetchKind.VALUE, Base.RESULT, index=3, at_return=True),), returns=True)
    places = pack_places([Place(0)])
    assert [ask(probes, target, pack(each) + places) for each in (compares, measures, indexed)] == [
        MALFORMED + "value 0 is compared by a filter, and known at the return only",
        MALFORMED + "value 1 has a length of another time",
        MALFORMED + "value 0 has an index that is not kept for the return",
    ]


def test_a_table_that_its_sender_can_still_change_is_refused(probes: Probing, target: int, tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(pack(SPEC) + pack_places([Place(0)]))
    with (tmp_path / "table").open("rb") as file:
        for descriptor in (file.fileno(), os.memfd_create("table"), os.pipe()[0]):
            with pytest.raises(BrokerError) as caught:
                probes.session._connection.attach("uprobe", "", [target, descriptor])
            assert str(caught.value) == (
                f"{REFUSED}the table of a probe comes in a memfd that is sealed against writing"
            )


def test_a_file_that_the_client_has_not_open_for_reading_is_refused(probes: Probing, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for flags in (os.O_PATH, os.O_WRONLY):
        descriptor = os.open(tmp_path / "file", flags)
        assert ask(probes, descriptor, pack(SPEC) + pack_places([Place(0)])) == (
            f"{REFUSED}a probe is attached to a file that you have open for reading, and this one is not"
        )
        os.close(descriptor)


def test_what_is_no_regular_file_is_refused(probes: Probing) -> None:
    directory = os.open("/", os.O_RDONLY)
    assert ask(probes, directory, pack(SPEC) + pack_places([Place(0)])) == (
        f"{REFUSED}a probe is attached to a regular file, and this is none"
    )
    os.close(directory)


def test_a_request_without_its_descriptors_or_with_others_is_refused(probes: Probing, target: int) -> None:
    connection = probes.session._connection
    with pytest.raises(BrokerError) as caught:
        connection.attach("uprobe", "", [target])
    assert str(caught.value) == f"{REFUSED}a uprobe comes with 2 descriptors, and this one with 1"
    assert ask(probes, target, b"", more=[target]) == (
        f"{REFUSED}a uprobe comes with 2 descriptors, and this one with 3"
    )
    assert ask(probes, target, b"", kind="watchpoint") == (
        f"{REFUSED}the broker knows no probe of kind 'watchpoint'; it knows uprobe, tracepoint, raw_tracepoint, kprobe"
    )


def test_descriptors_that_were_sent_are_closed_whatever_comes_of_the_request(probes: Probing, target: int) -> None:
    folder = Path(f"/proc/{probes.session._connection.status().pid}/fd")  # type: ignore[attr-defined]
    before = len(list(folder.iterdir()))
    ask(probes, target, b"")
    ask(probes, target, b"", kind="watchpoint")
    assert len(list(folder.iterdir())) == before


def test_a_probe_is_for_who_has_a_session_and_is_let_go_of_by_who_holds_it(
    call_broker: Path, probes: Probing, probed: str, target: int
) -> None:
    probe = probes.attach(SPEC, probed, "take_numbers")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as raw, sealed.written("table") as table:
        raw.connect(str(call_broker / "socket"))
        socket.send_fds(raw, [b'{"op": "probe", "kind": "uprobe"}'], [target, table])
        assert b"this connection has no session for which a probe could be attached" in raw.recv(4096)
        for number in (str(probe.id), "[]", '"x"'):
            raw.send(b'{"op": "unprobe", "probe": %s}' % number.encode())
            assert b"this connection's session holds no probe" in raw.recv(4096)
    subprocess.run([probed, "all"], check=True)
    assert len(probes.hits()) == 1
