"""What a call that has not returned was passed is known; what it will return is not."""

from __future__ import annotations

from typing import Any

import pytest
from call_world import ADDRESS, CallWorld, shell

from pytest_ebpf import TraceIncomplete
from pytest_ebpf.matching import show


def test_a_call_that_has_not_returned_is_there() -> None:
    world, trace, sh = shell()
    world.block(sh, "read", fd=world.file(5, "pipe:[7]"), count=4096)
    blocked = trace.assert_syscall("read", fd=5, in_progress=True)
    assert (blocked.result, blocked.errno, blocked.duration) == (None, None, None)
    trace.assert_syscall("read", count=1)
    with pytest.raises(AssertionError):
        trace.assert_no_syscall("read")
    with pytest.raises(AssertionError):
        trace.assert_budget({"read": 0})
    with pytest.raises(AssertionError):
        trace.assert_only(["write"])


@pytest.mark.parametrize(
    "criteria",
    [{"result": 5}, {"errno": "EIO"}, {"errno": None}, {"duration": lambda d: d > 1}, {"result": None}, {"buf": b"x"}],
    ids=show,
)
def test_what_a_call_will_return_is_not_known_before(criteria: dict[str, Any]) -> None:
    world, trace, sh = shell()
    world.block(sh, "read", fd=3, buf=ADDRESS, count=1)
    with pytest.raises(TraceIncomplete, match="the call has not returned yet"):
        trace.assert_no_syscall("read", **criteria)
    # By waiting it can be told: so far it is not so.
    with pytest.raises(AssertionError):
        trace.assert_syscall("read", **criteria)


def test_the_file_that_a_call_will_open_is_not_known_before() -> None:
    world, trace, sh = shell()
    world.block(sh, "openat", dirfd=-100, path="/link", flags=0)
    with pytest.raises(TraceIncomplete, match="the call has not returned yet"):
        trace.assert_no_syscall("openat", path="/etc/passwd")
    trace.assert_syscall("openat", path="/link")


def test_who_is_alone_needs_no_snapshot_and_who_has_company_does() -> None:
    world = CallWorld()
    trace = world.trace()
    trace.assert_no_syscall("connect")
    assert world.session.snapshots == 0
    thread = world.thread(world.root)
    trace.assert_no_syscall("connect")
    assert world.session.snapshots == 1
    world.exit(thread, live=1)
    trace.assert_no_syscall("connect")
    assert world.session.snapshots == 1
    child = world.fork(world.root)
    trace.assert_no_syscall("connect")
    assert world.session.snapshots == 2
    world.exit(child)
    trace.assert_no_syscall("connect")
    assert world.session.snapshots == 2
