"""Arguments that are what another argument says: of open, fcntl, ioctl, mount, mremap, poll, select and the like."""

from __future__ import annotations

import errno
import struct

import pytest
from fake_calls import call, file

from pytest_ebpf._values import Gap
from pytest_ebpf.syscalls import facts, text

AT, THERE = 0x1000, 0x9000
FLOCK = struct.pack("@hhqqi", 1, 0, 5, 10, 41).ljust(32, b"\0")
REG = 0o100644
STAT = struct.pack("@QQQIIIIQqqq", 2049, 77, 1, REG, 1000, 100, 0, 0, 345, 4096, 8).ljust(144, b"\0")


@pytest.mark.parametrize(
    ("name", "args", "result", "line"),
    [
        ("openat", (-100, AT, 0o101, 0o640), 3, 'openat(AT_FDCWD, "x", O_WRONLY|O_CREAT, 0640) = 3'),
        ("openat", (-100, AT, 0o20200000, 0o640), 3, 'openat(AT_FDCWD, "x", O_RDONLY|O_TMPFILE, 0640) = 3'),
        ("openat", (-100, AT, 0, 0o640), 3, 'openat(AT_FDCWD, "x", O_RDONLY) = 3'),
        ("mknod", (AT, 0o20600, 0x103), 0, 'mknod("x", S_IFCHR|0600, makedev(0x1, 0x3)) = 0'),
        ("mknod", (AT, 0o10600, 0x103), 0, 'mknod("x", S_IFIFO|0600) = 0'),
        ("umask", (0o27,), 0o22, "umask(027) = 022"),
        ("chown", (AT, 1, -1), 0, 'chown("x", 1, -1) = 0'),
        ("fcntl", (3, 0, 10), 10, "fcntl(3, F_DUPFD, 10) = 10"),
        ("fcntl", (3, 1, 0), 1, "fcntl(3, F_GETFD) = 0x1 (flags FD_CLOEXEC)"),
        ("fcntl", (3, 1, 0), 0, "fcntl(3, F_GETFD) = 0"),
        ("fcntl", (3, 2, 1), 0, "fcntl(3, F_SETFD, FD_CLOEXEC) = 0"),
        ("fcntl", (3, 3, 0), 0o100002, "fcntl(3, F_GETFL) = 0x8002 (flags O_RDWR|O_LARGEFILE)"),
        ("fcntl", (3, 3, 0), 0, "fcntl(3, F_GETFL) = 0 (flags O_RDONLY)"),
        ("fcntl", (3, 6, THERE), 0, "fcntl(3, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=5, l_len=10}) = 0"),
        ("fcntl", (3, 5, THERE), -9, "fcntl(3, F_GETLK, 0x9000) = -1 EBADF (Bad file descriptor)"),
        ("fcntl", (3, 11, 0), 10, "fcntl(3, F_GETSIG) = 10 (SIGUSR1)"),
        ("fcntl", (3, 1025, 0), 0, "fcntl(3, F_GETLEASE) = 0 (F_RDLCK)"),
        ("fcntl", (3, 7777, 5), -22, "fcntl(3, 0x1e61, 0x5) = -1 EINVAL (Invalid argument)"),
        ("ioctl", (3, 0x5451, 77), 0, "ioctl(3, FIOCLEX) = 0"),
        ("ioctl", (3, 0x5421, AT + 100), 0, "ioctl(3, FIONBIO, [7]) = 0"),
        (
            "ioctl",
            (3, 0x541B, AT + 100),
            -25,
            "ioctl(3, FIONREAD, 0x1064) = -1 ENOTTY (Inappropriate ioctl for device)",
        ),
        (
            "ioctl",
            (3, 0x12345678, 0),
            -25,
            "ioctl(3, _IOC(_IOC_NONE, 0x56, 0x78, 0x1234), 0) = -1 ENOTTY (Inappropriate ioctl for device)",
        ),
        ("mount", (AT, AT, AT, 0x1000, AT), 0, 'mount("x", "x", 0x1000, MS_BIND, 0x1000) = 0'),
        ("mount", (AT, AT, AT, 0, AT), 0, 'mount("x", "x", "x", 0, "x") = 0'),
        ("mremap", (AT, 1, 2, 1, 0), 0x2000, "mremap(0x1000, 1, 2, MREMAP_MAYMOVE) = 0x2000"),
        ("mremap", (AT, 1, 2, 3, 0x3000), 0x3000, "mremap(0x1000, 1, 2, MREMAP_MAYMOVE|MREMAP_FIXED, 0x3000) = 0x3000"),
        (
            "mmap",
            (0, 4096, 3, 0x22, -1, 0),
            0x7F00,
            "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f00",
        ),
        ("brk", (0,), 0x55D0, "brk(NULL) = 0x55d0"),
        ("lseek", (3, -5, 2), 10, "lseek(3, -5, SEEK_END) = 10"),
        ("pwritev2", (3, 0, 0, -1, 77, 2), 0, "pwritev2(3, NULL, 0, -1, RWF_DSYNC) = 0"),
        ("epoll_ctl", (3, 2, 4, AT), 0, "epoll_ctl(3, EPOLL_CTL_DEL, 4, 0x1000) = 0"),
        (
            "quotactl",
            (0x800002 << 8 | 1, AT, 2, AT),
            -2,
            'quotactl(QCMD(Q_QUOTAON, GRPQUOTA), "x", QFMT_VFS_V0, "x") = -1 ENOENT (No such file or directory)',
        ),
        ("quotactl", (0x800001 << 8, AT, 2, AT), 0, 'quotactl(QCMD(Q_SYNC, USRQUOTA), "x") = 0'),
    ],
)
def test_a_call_is_written_as_strace_does(name: str, args: tuple[int, ...], result: int, line: str) -> None:
    memory = {AT: b"x\0", AT + 100: struct.pack("@i", 7), THERE: FLOCK}
    assert text.line(call(name, *args, result=result, memory=memory, files=(file("/"), None))) == line


def test_an_argument_that_the_call_does_not_have_is_none() -> None:
    opened = call("open", AT, 0, 0o777, memory={AT: b"/x\0"}, result=3)
    assert opened.raw("mode") is None
    assert list(opened.args) == ["path", "flags"]
    with pytest.raises(AttributeError, match=r"^open has no argument 'mode', only path, flags$"):
        _ = opened.args.mode


def test_a_structure_has_all_its_fields_though_few_are_written() -> None:
    found = call("fstat", 3, THERE, after={THERE: STAT})
    assert (found.args.statbuf.st_size, found.args.statbuf.st_ino, found.args.statbuf.st_uid) == (345, 77, 1000)
    assert text.arguments(found) == "3, {st_mode=S_IFREG|0644, st_size=345, ...}"
    device = STAT[:24] + struct.pack("@I", 0o20666) + STAT[28:40] + struct.pack("@Q", 0x103) + STAT[48:]
    assert text.arguments(call("fstat", 3, THERE, after={THERE: device})) == (
        "3, {st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}"
    )


def test_what_poll_waits_for_and_what_came() -> None:
    before = struct.pack("@ihhihhihh", 3, 1, 0, 4, 4, 0, -1, 7, 0)
    after = struct.pack("@ihhihhihh", 3, 1, 0, 4, 4, 4, -1, 7, 0)
    came = call("poll", THERE, 3, 10, memory={THERE: before}, after={THERE: after}, result=1)
    assert [each.revents for each in came.args.fds] == [0, 4, 0]
    assert text.line(came) == (
        "poll([{fd=3, events=POLLIN}, {fd=4, events=POLLOUT}, {fd=-1}], 3, 10) = 1 ([{fd=4, revents=POLLOUT}])"
    )
    none = call("poll", THERE, 1, 10, memory={THERE: before}, after={THERE: before}, result=0)
    assert text.line(none) == "poll([{fd=3, events=POLLIN}], 1, 10) = 0 (Timeout)"
    failed = call("poll", 0xDEAD, 1, 10, result=-errno.EFAULT)
    assert text.line(failed) == "poll(0xdead, 1, 10) = -1 EFAULT (Bad address)"


def test_sets_of_descriptors_and_those_that_are_ready() -> None:
    memory = {THERE: struct.pack("@Q", 0b101000), AT: struct.pack("@qq", 1, 0)}
    after = {THERE: struct.pack("@Q", 0b001000), AT: struct.pack("@qq", 0, 5)}
    came = call("select", 6, THERE, 0, 0, AT, memory=memory, after=after, result=1)
    assert came.args.readfds == (3, 5)
    assert came.args.readfds.ready == (3,)
    assert text.line(came) == (
        "select(6, [3 5], NULL, NULL, {tv_sec=1, tv_usec=0}) = 1 (in [3], left {tv_sec=0, tv_usec=5})"
    )
    assert text.arguments(call("select", -1, THERE, 0, 0, 0, memory=memory, result=-errno.EINVAL)).startswith(
        "-1, 0x9000,"
    )


def test_a_set_that_is_longer_than_what_is_copied_is_not_known() -> None:
    waited = call("select", 50000, THERE, 0, 0, 0, memory={THERE: b"\xff" * 9000}, after={}, result=0)
    assert waited.raw("readfds").why == "readfds is longer than what is copied"


def test_a_structure_that_has_grown_is_not_known_whole() -> None:
    how = struct.pack("@QQQ", 0, 0, 0)
    args = (-100, AT, THERE)
    known = call("openat2", *args, 32, memory={AT: b"/x\0", THERE: how + bytes(8)}, result=3)
    assert known.args.how == {"flags": 0, "mode": 0, "resolve": 0}
    grown = call("openat2", *args, 32, memory={AT: b"/x\0", THERE: how + b"\1" + bytes(7)}, result=-errno.E2BIG)
    assert grown.seen("how") == {"flags": 0, "mode": 0, "resolve": 0}
    assert text.arguments(grown) == (
        r'AT_FDCWD, "/x", {flags=O_RDONLY, resolve=0, /* bytes 24..31 */ "\x01\x00\x00\x00\x00\x00\x00\x00"}, 32'
    )
    small = call("openat2", *args, 8, memory={AT: b"/x\0", THERE: how}, result=-errno.EINVAL)
    assert small.args.how == THERE


def test_a_call_whose_descriptors_nobody_looks_at_may_concern_any_path() -> None:
    write = struct.pack("@QQHhiQQq2Q", 7, 0, 1, 0, 3, 0x5000, 4, 9, 0, 0)
    submitted = call("io_submit", 5, 1, AT, memory={AT: struct.pack("@Q", THERE), THERE: write}, result=1)
    assert text.line(submitted) == (
        "io_submit(0x5, 1, [{aio_data=0x7, aio_lio_opcode=IOCB_CMD_PWRITE, aio_fildes=3, "
        "aio_buf=0x5000, aio_nbytes=4, aio_offset=9}]) = 1"
    )
    assert list(facts.paths(submitted)) == [Gap("what the descriptors behind iocbpp stand for is not known")]
    unread = call("io_submit", 5, 1, 0xDEAD, result=-errno.EFAULT)
    assert text.arguments(unread) == "0x5, 1, 0xdead"
    shared = call("ioctl", 3, 0x4020940D, AT, memory={AT: bytes(32)}, files=(file("/x", "file"), None))
    assert list(facts.paths(shared)) == ["/x", Gap("what the descriptors behind arg stand for is not known")]
    assert list(facts.paths(call("io_submit", 5, 0, 0))) == []
