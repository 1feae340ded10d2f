"""The store of system calls, fed with records as the kernel side writes them."""

from __future__ import annotations

import array
import random
import struct
from typing import TYPE_CHECKING, Any

import pytest
from calls_stream import FIRST_NS, PID, START_NS, call, file, number_of, piece, ring_record
from hypothesis import given
from hypothesis import strategies as some

from pytest_ebpf.engine.calls import CallStore, Span
from pytest_ebpf.engine.layout import layouts

if TYPE_CHECKING:
    from collections.abc import Sequence


def stored(data: bytes) -> CallStore:
    store = CallStore()
    assert store.take(data) == b""
    return store


def names(store: CallStore, first: int = 1, last: int = 99, **filters: Any) -> list[int]:
    return [store.call(index).number for index in store.select(first, last, **filters)]


def test_a_call_is_what_its_record_says() -> None:
    store = stored(call("openat", [-100, 0x1000, 0o2000000], -2, tid=4107, window=3, files=[9], duration=250))
    (index,) = store.select(3, 3)
    got = store.call(index)
    assert got == (
        *(3, FIRST_NS, FIRST_NS + 250, START_NS, PID, 4107, 257, "native"),
        *(((1 << 64) - 100, 0x1000, 0o2000000, 0, 0, 0), -2, (9, 0), False, False, False, False),
    )
    assert store.pieces(index) == ()
    with pytest.raises(IndexError):
        store.call(1)


def test_what_is_no_call_is_handed_back_in_its_order() -> None:
    first, second = ring_record(struct.pack("<I", 2) + b"fork"), ring_record(struct.pack("<I", 4) + b"exit!")
    store = CallStore()
    assert store.take(first + call("getpid") + file(1, "/a") + second + piece(b"x")) == first + second
    assert len(store) == 1
    assert store.skipped == 0


def test_pieces_belong_to_the_call_of_their_thread_and_the_later_one_counts() -> None:
    store = CallStore()
    store.take(piece(b"", tid=1, entered_ns=50, unreadable=True) + piece(b"/b", tid=2, entered_ns=50, address=8))
    store.take(call("openat", tid=2, entered_ns=50) + piece(b"/a", tid=1, entered_ns=50, at_exit=True, cut=True))
    store.take(call("openat", tid=1, entered_ns=50) + call("openat", tid=1, entered_ns=60))
    by_thread = {store.call(index).host_tid: index for index in store.select(1, 1)[:2]}
    (other,) = store.pieces(by_thread[2])
    assert other == (0, 0, 8, b"/b", False, False, False)
    (one,) = store.pieces(by_thread[1])
    assert (one.data, one.cut, one.unreadable, one.at_exit) == (b"/a", True, False, True)
    assert store.pieces(store.select(1, 1)[2]) == ()


def test_what_was_read_at_the_end_of_a_call_counts_however_it_came() -> None:
    store = CallStore()
    late = layouts().enums["data_flag"]["DATA_AT_EXIT"]
    long = piece(b"late", capture=2, entered_ns=10, at_exit=True) + piece(b"early", capture=3, entered_ns=10)
    store.take(long + call("read", entered_ns=10, pieces=[(3, 0, b"late", late), (2, b"early")]))
    (index,) = store.select(1, 1)
    assert [(each.data, each.at_exit) for each in store.pieces(index)] == [(b"late", True), (b"late", True)]


def test_pieces_of_a_call_whose_record_was_lost_go_to_no_other() -> None:
    store = stored(piece(b"/lost", entered_ns=10) + call("openat", entered_ns=20, pieces=[(0, b"/next")]))
    store.take(piece(b"/lost too", entered_ns=30) + call("close", entered_ns=40))
    first, second = store.select(1, 1)
    assert [each.data for each in store.pieces(first)] == [b"/next"]
    assert store.pieces(second) == ()


def test_calls_come_in_the_order_in_which_they_were_entered() -> None:
    long = call("wait4", entered_ns=100, duration=5000)
    store = stored(call("openat", tid=5, entered_ns=200) + call("close", tid=5, entered_ns=2000) + long)
    assert names(store) == [number_of(name) for name in ("wait4", "openat", "close")]


@given(some.lists(some.integers(0, 2**63), max_size=300))
def test_any_times_are_sorted(times: list[int]) -> None:
    store = stored(b"".join(call("getpid", [place], entered_ns=time) for place, time in enumerate(times)))
    entered = [store.call(index) for index in store.select(1, 1)]
    assert [(each.entered_ns, each.args[0]) for each in entered] == sorted(
        (time, place) for place, time in enumerate(times)
    )


def test_a_call_is_found_by_window_number_abi_and_process() -> None:
    store = stored(
        call("openat", window=1)
        + call("close", window=2)
        + call("openat", window=2, pid=77, start_ns=5)
        + call("openat", window=2, pid=77, start_ns=6)
        + call("open", window=2, abi="compat")
        + call(999_999, window=2)
    )
    assert len(names(store, 1, 1)) == 1
    assert len(names(store, 2, 2)) == 5
    assert names(store, 1, 2, wanted=[("native", 257)]) == [257, 257, 257]
    assert names(store, 1, 2, wanted=[("compat", 5)]) == [5]
    assert names(store, 1, 2, wanted=[("native", 5)]) == []
    assert names(store, 1, 2, wanted=[]) == []
    assert len(names(store, 1, 2, spans=[Span(77, 6), Span(PID, START_NS)])) == 5
    assert names(store, 1, 2, spans=[Span(77, 7)]) == []
    assert names(store, 1, 2, spans=[]) == []


def test_a_call_is_found_by_when_its_process_made_it() -> None:
    store = stored(b"".join(call("openat", [at], entered_ns=at, pid=77, start_ns=5) for at in range(10)))

    def times(*spans: Span) -> list[int]:
        return [store.call(index).args[0] for index in store.select(1, 1, spans=spans)]

    assert times(Span(77, 5)) == list(range(10))
    assert times(Span(77, 5, 3, 5)) == [3, 4]
    assert times(Span(77, 5, 8), Span(77, 5, 0, 2), Span(77, 5, 4, 5), Span(76, 5), Span(77, 4)) == [0, 1, 4, 8, 9]
    assert times(Span(77, 5, 4, 4)) == []


def test_places_are_narrowed_in_their_order_whatever_has_come_since() -> None:
    store = stored(
        call("read", tid=8, entered_ns=10, in_progress=True)
        + call("openat", entered_ns=20)
        + call("close", entered_ns=30)
        + call(999_999, entered_ns=40)
    )
    places = store.select(1, 1)
    store.take(call("read", tid=8, entered_ns=10) + call("openat", entered_ns=50))

    def numbers(found: Sequence[int]) -> list[int]:
        return [store.call(index).number for index in found]

    assert numbers(store.narrow(places)) == [0, 257, 3, 999_999]
    assert numbers(store.narrow(places, [("native", 257), ("native", 0)])) == [0, 257]
    assert numbers(store.narrow(places, [("native", 257), ("native", 0)], unwanted=True)) == [3, 999_999]
    assert numbers(store.narrow(places, spans=[Span(PID, START_NS, 25, 45)])) == [3, 999_999]
    assert numbers(store.narrow(store.narrow(places, []), [("native", 3)])) == []
    assert store.call(store.narrow(places, [("native", 0)])[0]).in_progress
    assert sorted(each[:3] for each in store.count_places(places)) == [
        ("native", 0, 1),
        ("native", 3, 1),
        ("native", 257, 1),
        ("native", 999_999, 1),
    ]
    assert store.count_places(array.array("I")) == []


def test_a_snapshot_gives_way_to_what_is_known_later() -> None:
    store = stored(piece(b"a", tid=8, entered_ns=10) + call("read", [1], tid=8, entered_ns=10, in_progress=True))
    store.take(call("read", [2], tid=8, entered_ns=10, in_progress=True) + call("read", [3], tid=9, entered_ns=10))
    found = [store.call(index) for index in store.select(1, 1)]
    assert {(each.args[0], each.in_progress) for each in found} == {(2, True), (3, False)}
    store.take(call("read", [4], tid=8, entered_ns=10, pieces=[(1, b"b")]))
    (index,) = (index for index in store.select(1, 1) if store.call(index).host_tid == 8)
    assert store.call(index).args[0] == 4
    assert [each.data for each in store.pieces(index)] == [b"a", b"b"]
    # One that raced with the return, and came behind it, tells nothing new.
    store.take(call("close", tid=9, entered_ns=2000))
    store.take(call("read", [5], tid=8, entered_ns=10, in_progress=True, duration=900))
    assert {store.call(index).args[0] for index in store.select(1, 1)} == {4, 3, 0}


def test_calls_are_counted_with_their_errors_and_times() -> None:
    store = stored(
        call("openat", duration=5)
        + call("openat", result=-2, duration=7)
        + call("mmap", result=-(1 << 40))
        + call("read", entered_ns=1, in_progress=True)
        + call("read", entered_ns=2, unfinished=True)
        + call("openat", window=2)
    )
    assert sorted(store.count(1, 1)) == [
        ("native", 0, 2, 0, 0),
        ("native", 9, 1, 0, 1000),
        ("native", 257, 2, 1, 12),
    ]
    assert store.count(1, 1, wanted=[("native", 9)]) == [("native", 9, 1, 0, 1000)]
    many = stored(b"".join(call(number) for number in range(600)))
    assert len(many.count(1, 1)) == 600


def test_a_file_is_what_its_record_says() -> None:
    local, remote = b"\x02\x00\x1f\x90\x7f\x00\x00\x01" + bytes(8), b"\x01\x00\0abstract"
    store = stored(
        file(5, "/srv/a b", inode=12, mode=0o100600, flags=2, device=(8, 17), deleted=True)
        + file(6, "/deep/er", cut=True)
        + file(7, socket=(1, 6), local=local, remote=remote)
    )
    one = store.file(5)
    assert one is not None
    assert (one.path, one.inode, one.mode, one.flags, one.deleted) == (b"/srv/a b", 12, 0o100600, 2, True)
    assert (one.device, one.magic, one.is_socket, one.local) == (0x811, 0xEF53, False, None)
    two = store.file(6)
    assert two is not None
    assert (two.path, two.cut) == ("…/deep/er".encode(), True)
    three = store.file(7)
    assert three is not None
    assert (three.is_socket, three.socket_type, three.socket_protocol) == (True, 1, 6)
    assert (three.local, three.remote, three.path) == (local, remote, b"")
    assert store.file(8) is None
    assert store.file(0) is None


def test_what_belongs_to_earlier_windows_is_forgotten_and_no_more() -> None:
    store = stored(
        file(1, "/old", window=1)
        + call("openat", window=1, pieces=[(0, b"/old")], files=[1])
        + file(2, "/new", window=2)
        + call("read", tid=8, window=1, entered_ns=60, in_progress=True)
        + call("openat", window=2, entered_ns=70, pieces=[(0, b"/new"), (1, b"x")], files=[2])
        + piece(b"still", tid=9, entered_ns=80)
        + call("poll", tid=10, window=2, entered_ns=90, in_progress=True)
    )
    store.forget(2)
    assert len(store) == 2
    assert store.file(1) is None
    assert store.file(2) is not None
    new, poll = store.select(0, 99)
    assert [each.data for each in store.pieces(new)] == [b"/new", b"x"]
    # What had not returned then is still recognised when it does.
    store.take(call("poll", [7], tid=10, window=2, entered_ns=90) + call("openat", tid=9, window=2, entered_ns=80))
    assert [store.call(index).args[0] for index in store.select(2, 2)] == [0, 0, 7]
    by_thread = {store.call(index).host_tid: index for index in store.select(2, 2)}
    assert [each.data for each in store.pieces(by_thread[9])] == [b"still"]
    assert poll in range(len(store))
    before = store.memory
    store.forget(99)
    assert len(store) == 0
    assert store.memory < before


@given(some.data())
def test_any_interleaving_and_any_pulls_tell_the_same(data: some.DataObject) -> None:
    threads = data.draw(some.integers(1, 4))
    streams: list[list[tuple[bytes, tuple[int, int] | None, list[bytes]]]] = []
    for tid in range(1, threads + 1):
        count = data.draw(some.integers(0, 5))
        records: list[tuple[bytes, tuple[int, int] | None, list[bytes]]] = []
        for turn in range(count):
            time = 1000 * turn + tid
            texts = data.draw(some.lists(some.binary(max_size=90), max_size=4))
            travelling = data.draw(some.sets(some.integers(0, 3)))
            for place, text in enumerate(texts):
                if place not in travelling:
                    records.append((piece(text, capture=place, tid=tid, entered_ns=time), None, []))
            pieces = [(place, text) for place, text in enumerate(texts) if place in travelling]
            records.append((call("openat", tid=tid, entered_ns=time, pieces=pieces), (tid, time), texts))
        streams.append(records)
    expected: dict[tuple[int, int], list[bytes]] = {}
    merged = []
    while any(streams):
        stream = data.draw(some.sampled_from([each for each in streams if each]))
        record, key, texts = stream.pop(0)
        if key is not None:
            expected[key] = texts
        merged.append(record)
    store = CallStore()
    while merged:
        size = data.draw(some.integers(1, len(merged)))
        assert store.take(b"".join(merged[:size])) == b""
        del merged[:size]
    found = {}
    for index in store.select(1, 1):
        got = store.call(index)
        found[got.host_tid, got.entered_ns] = [each.data for each in store.pieces(index)]
    assert found == expected


@given(some.binary(max_size=400), some.integers(0, 200))
def test_no_bytes_break_it(noise: bytes, place: int) -> None:
    good = call("openat", pieces=[(0, b"/etc/passwd")]) + file(1, "/a")
    store = CallStore()
    store.take(good[:place] + noise + good[place:])
    store.take(good)
    store.take(bytes(memoryview(good)[: len(good) // 2]))
    for index in store.select(0, 2**32 - 1):
        store.call(index)
        store.pieces(index)
    store.forget(1)


def test_records_that_are_too_short_are_counted_and_left_out() -> None:
    types = layouts().enums["record_type"]
    store = CallStore()
    for name in ("RECORD_CALL", "RECORD_CALL_DATA", "RECORD_FILE"):
        store.take(ring_record(struct.pack("<I", types[name]) + bytes(20)))
    whole = call("getpid")
    store.take(whole[:-8])
    assert (store.skipped, len(store)) == (4, 0)


def test_a_million_calls_are_held_in_little_memory() -> None:
    one = b"".join(call("getppid", entered_ns=FIRST_NS + turn) for turn in range(1000))
    store = CallStore()
    for _ in range(20):
        store.take(one)
    assert store.memory / len(store) < 200
    shuffled = list(range(1000))
    random.Random(7).shuffle(shuffled)
    mixed = stored(b"".join(call("getppid", [turn], entered_ns=FIRST_NS + turn) for turn in shuffled))
    assert [mixed.call(index).args[0] for index in mixed.select(1, 1)] == list(range(1000))
