"""A daemon that forks twice, and what is left of it: ``start-stop-daemon`` (dpkg, on every Debian)."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_ebpf import Trace


@pytest.fixture
def pidfile(ebpf_trace: Trace, tmp_path: Path) -> Iterator[Path]:
    """Return where the daemon's pid is to be, and leave no daemon behind."""
    yield tmp_path / "daemon.pid"
    for process in ebpf_trace.leftovers:
        os.kill(process.pid, signal.SIGKILL)


def start(pidfile: Path) -> None:
    starter = ["/sbin/start-stop-daemon", "--start", "--background", "--make-pidfile", "--pidfile"]
    subprocess.run([*starter, pidfile, "--exec", "/bin/sleep", "--", "60"], check=True)


def test_the_daemon_was_forked_twice(ebpf_trace: Trace, pidfile: Path) -> None:
    start(pidfile)

    # The starter has returned, which says nothing about the daemon: wait until it runs.
    daemon = ebpf_trace.wait_for("sleep")
    assert daemon.pid == int(pidfile.read_text())

    # The one between the two forks has ended, and init has adopted the daemon. Who forked it stays known.
    between = daemon.parent
    assert between is not None
    assert not between.alive
    assert between.parent == ebpf_trace.assert_exited("start-stop-daemon", executed=True, exit_code=0)


def test_it_is_the_only_one_left_over_until_it_is_ended(ebpf_trace: Trace, pidfile: Path) -> None:
    start(pidfile)
    daemon = ebpf_trace.wait_for("sleep")
    assert ebpf_trace.leftovers == [daemon]

    os.kill(daemon.pid, signal.SIGTERM)

    # It is no child of this test, which cannot wait(2) for it. The kernel tells all the same.
    ebpf_trace.wait_for(daemon, signal=signal.SIGTERM)
    assert not ebpf_trace.leftovers


def test_a_second_start_finds_it_running(ebpf_trace: Trace, pidfile: Path) -> None:
    start(pidfile)
    ebpf_trace.wait_for("sleep")

    with ebpf_trace.section("second start") as second:
        with pytest.raises(subprocess.CalledProcessError):
            start(pidfile)
        second.assert_exited("start-stop-daemon", exit_code=1)
        second.assert_not_spawned("sleep")
