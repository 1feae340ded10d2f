"""Many processes, more than the ring holds, and what leaves the session."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from brokers import eventually
from tiers import unable

from pytest_ebpf import Exec, Left, Trace, TraceIncomplete
from pytest_ebpf.engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE_ARGV = ["/bin/true", *["x" * (128 << 10 >> 1)] * 24]
"""1.5 MiB of arguments: far more than a ring of 64 KiB takes, however fast it is emptied meanwhile."""


def test_of_5000_short_lived_processes_none_is_lost_in_the_default_ring(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    subprocess.run([program("many"), "5000", "/bin/true"], check=True)
    assert not ebpf_trace.losses.any
    ebpf_trace.assert_exited("true", exit_code=0, parent="many", count=5000)
    with pytest.raises(AssertionError, match=r"^expected 4999 processes exited: .*\(5000 of "):
        ebpf_trace.assert_exited("true", count=4999)


def test_the_children_of_a_fork_bomb_are_counted_exactly(ebpf_trace: Trace, program: Callable[[str], str]) -> None:
    subprocess.run([program("many"), "500"], check=True)
    parent = ebpf_trace.assert_exited("many", executed=True, exit_code=0)
    children = ebpf_trace.assert_exited(parent=parent, executed=False, exit_code=7, count=500)
    assert len({child.pid for child in children}) == 500
    assert len(parent.descendants) == 500
    assert not ebpf_trace.leftovers


@pytest.mark.ebpf(ring_size="64K", argv_limit="2M")
def test_a_ring_that_overflows_lets_no_negative_pass_and_says_how_to_enlarge_it(ebpf_trace: Trace) -> None:
    subprocess.run(LARGE_ARGV, check=True)
    lost = ebpf_trace.losses
    assert lost.lost_records > 0
    assert lost.lost_bytes > 1 << 20
    with pytest.raises(TraceIncomplete) as refused:
        ebpf_trace.assert_not_spawned("git")
    said = str(refused.value)
    assert said.startswith("cannot tell whether a process spawned: name='git'")
    assert re.search(rf"because +{lost.lost_records:,} records? \(.* [KM]iB\) did not fit in the ring of 64 KiB", said)
    assert re.search(r'try +a larger ring: @pytest\.mark\.ebpf\(ring_size="\d+M"\) or --ebpf-ring-size=\d+M', said)
    with pytest.raises(TraceIncomplete):
        len(ebpf_trace.processes)
    with pytest.raises(TraceIncomplete):
        ebpf_trace.assert_spawned("true", count=1)


@pytest.mark.ebpf(argv_limit="2M")
def test_what_overflows_a_small_ring_fits_in_the_default_one(ebpf_trace: Trace) -> None:
    subprocess.run(LARGE_ARGV, check=True)
    assert not ebpf_trace.losses.any
    ebpf_trace.assert_not_spawned("git")
    assert ebpf_trace.assert_spawned("true").argv == tuple(LARGE_ARGV)
    with pytest.raises(AssertionError, match=r"^expected no process spawned: name='true'"):
        ebpf_trace.assert_not_spawned("true")


@pytest.mark.ebpf(ring_size="64K", argv_limit="2M", syscalls="none")
def test_a_loss_counts_against_its_own_window_only(ebpf_trace: Trace) -> None:
    subprocess.run(LARGE_ARGV, check=True)
    assert ebpf_trace.losses.any  # and the ring is empty, whatever the broker did meanwhile
    with ebpf_trace.section("later") as later:
        subprocess.run(["/bin/true"], check=True)
    assert not later.losses.any
    later.assert_not_spawned("git")
    later.assert_spawned("true", count=1)
    with pytest.raises(TraceIncomplete):
        ebpf_trace.assert_not_spawned("git")


@pytest.mark.ebpf(ring_size="64K", syscalls="none")
def test_the_broker_empties_a_ring_that_fills_up_and_nothing_is_lost(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    session = ebpf_trace.window.history.session
    assert isinstance(session, Session)
    # In batches that fit above what the broker leaves in the ring, so that its speed does not matter.
    for _ in range(40):
        subprocess.run([program("many"), "10", "/bin/true"], check=True)
        assert eventually(lambda: session._ring.filled < 0.25)
    assert os.fstat(session._spill_fd).st_size > 4 * session.ring_size
    ebpf_trace.assert_exited("true", exit_code=0, count=400)
    ebpf_trace.assert_not_spawned("git")
    # What was asked for is in the history, and no longer there.
    assert os.fstat(session._spill_fd).st_size == 0


def set_uid_program() -> str:
    candidates = [Path("/usr/bin") / name for name in ("su", "passwd", "chfn")]
    found = [path for path in candidates if path.exists() and path.stat().st_mode & stat.S_ISUID]
    if not found:
        unable("needs a set-uid program: apt-get install passwd")
    return str(found[0])


def test_a_set_uid_program_of_an_unprivileged_test_leaves_the_session_and_says_so(ebpf_trace: Trace) -> None:
    if os.geteuid() == 0:
        pytest.skip("root's session is not confined to one user; the suite as a user runs this")
    path = set_uid_program()
    subprocess.run([path, "--help"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    left = ebpf_trace.events.where(Left).first.process
    assert ebpf_trace.losses.left_members == 1
    with pytest.raises(TraceIncomplete, match="1 thread left the session by a change of user") as refused:
        ebpf_trace.assert_not_spawned("git")
    assert "try       run the tests as root to follow set-uid programs" in str(refused.value)
    assert f" {Path(path).name} (" in str(refused.value)
    assert "left the session)" in str(refused.value)
    assert left in ebpf_trace.processes.seen()


def test_a_program_that_is_not_set_uid_stays_in_the_session(ebpf_trace: Trace) -> None:
    subprocess.run(["/bin/true"], check=True)
    assert ebpf_trace.losses.left_members == 0
    assert not ebpf_trace.events.where(Left)
    ebpf_trace.assert_not_spawned("git")


def test_root_follows_set_uid_programs(ebpf_trace: Trace) -> None:
    if os.geteuid() != 0:
        pytest.skip("a user's session is confined to the user; the suite as root runs this")
    path = set_uid_program()
    subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", path, "--help"], capture_output=True, check=False)
    process = ebpf_trace.assert_exited(Path(path).name, uid=65534, euid=0)
    assert ebpf_trace.events.where(Exec, secure=True).one().process == process
    assert not ebpf_trace.losses.any
    ebpf_trace.assert_not_spawned("git")
