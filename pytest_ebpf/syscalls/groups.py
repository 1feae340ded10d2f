"""Sets of system calls by one name: families, and groups as strace(1) has them; and what stands for calls in general.

A family holds the calls that stand for each other in a test: a C library uses one of them today and another
tomorrow. A group holds what has to do with one subject. Both are by name, and hold the calls of all ABIs.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pytest_ebpf.errors import UsageError
from pytest_ebpf.matching import Glob, is_wildcard, show
from pytest_ebpf.syscalls.numbers import all_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["GROUPS", "Family", "expand", "family", "members"]


class Family(NamedTuple):
    """Calls that stand for each other in a test."""

    name: str
    members: frozenset[str]

    def __repr__(self) -> str:
        return f"family.{self.name}"


def _family(name: str, members: str) -> Family:
    return Family(name, frozenset(members.split()))


class _Families:
    """The families. Members with a suffix are what 32-bit ABIs have for the same."""

    accept = _family("accept", "accept accept4")
    access = _family("access", "access faccessat faccessat2")
    chdir = _family("chdir", "chdir fchdir")
    chmod = _family("chmod", "chmod fchmod fchmodat fchmodat2")
    chown = _family("chown", "chown lchown fchown fchownat chown32 lchown32 fchown32")
    clock_gettime = _family("clock_gettime", "clock_gettime clock_gettime64 gettimeofday time")
    clock_settime = _family("clock_settime", "clock_settime clock_settime64 settimeofday stime")
    dup = _family("dup", "dup dup2 dup3")
    epoll_create = _family("epoll_create", "epoll_create epoll_create1")
    epoll_wait = _family("epoll_wait", "epoll_wait epoll_pwait epoll_pwait2")
    eventfd = _family("eventfd", "eventfd eventfd2")
    exec = _family("exec", "execve execveat")
    exit = _family("exit", "exit exit_group")
    fadvise = _family("fadvise", "fadvise64 fadvise64_64 arm_fadvise64_64")
    fcntl = _family("fcntl", "fcntl fcntl64")
    fork = _family("fork", "fork vfork clone clone3")
    fsync = _family("fsync", "fsync fdatasync")
    futex = _family("futex", "futex futex_time64 futex_wait futex_waitv futex_wake futex_requeue")
    getdents = _family("getdents", "getdents getdents64 readdir")
    getgid = _family("getgid", "getgid getegid getresgid getgid32 getegid32 getresgid32")
    getrlimit = _family("getrlimit", "getrlimit ugetrlimit prlimit64")
    getuid = _family("getuid", "getuid geteuid getresuid getuid32 geteuid32 getresuid32")
    getxattr = _family("getxattr", "getxattr lgetxattr fgetxattr getxattrat")
    inotify_init = _family("inotify_init", "inotify_init inotify_init1")
    kill = _family("kill", "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal")
    link = _family("link", "link linkat")
    listxattr = _family("listxattr", "listxattr llistxattr flistxattr listxattrat")
    lseek = _family("lseek", "lseek _llseek")
    mkdir = _family("mkdir", "mkdir mkdirat")
    mknod = _family("mknod", "mknod mknodat")
    mmap = _family("mmap", "mmap mmap2")
    mount = _family("mount", "mount move_mount fsopen fsconfig fsmount fspick open_tree open_tree_attr mount_setattr")
    open = _family("open", "open openat openat2 creat")
    pipe = _family("pipe", "pipe pipe2")
    poll = _family("poll", "poll ppoll ppoll_time64")
    read = _family("read", "read pread64 readv preadv preadv2")
    readlink = _family("readlink", "readlink readlinkat")
    recv = _family("recv", "recv recvfrom recvmsg recvmmsg recvmmsg_time64")
    removexattr = _family("removexattr", "removexattr lremovexattr fremovexattr removexattrat")
    rename = _family("rename", "rename renameat renameat2")
    rmdir = _family("rmdir", "rmdir unlinkat")
    select = _family("select", "select _newselect pselect6 pselect6_time64")
    send = _family("send", "send sendto sendmsg sendmmsg")
    sendfile = _family("sendfile", "sendfile sendfile64")
    setgid = _family("setgid", "setgid setregid setresgid setfsgid setgid32 setregid32 setresgid32 setfsgid32")
    setgroups = _family("setgroups", "setgroups setgroups32")
    setrlimit = _family("setrlimit", "setrlimit prlimit64")
    setuid = _family("setuid", "setuid setreuid setresuid setfsuid setuid32 setreuid32 setresuid32 setfsuid32")
    setxattr = _family("setxattr", "setxattr lsetxattr fsetxattr setxattrat")
    sigaction = _family("sigaction", "rt_sigaction sigaction signal")
    signalfd = _family("signalfd", "signalfd signalfd4")
    sigprocmask = _family("sigprocmask", "rt_sigprocmask sigprocmask sgetmask ssetmask")
    sleep = _family("sleep", "nanosleep clock_nanosleep clock_nanosleep_time64")
    stat = _family(
        "stat",
        "stat lstat fstat newfstatat statx stat64 lstat64 fstat64 fstatat64 oldstat oldlstat oldfstat",
    )
    statfs = _family("statfs", "statfs fstatfs statfs64 fstatfs64 ustat")
    symlink = _family("symlink", "symlink symlinkat")
    sync = _family("sync", "sync syncfs fsync fdatasync sync_file_range sync_file_range2")
    truncate = _family("truncate", "truncate ftruncate truncate64 ftruncate64")
    umount = _family("umount", "umount umount2")
    unlink = _family("unlink", "unlink unlinkat")
    utime = _family("utime", "utime utimes futimesat utimensat utimensat_time64")
    wait = _family("wait", "wait4 waitid waitpid")
    write = _family("write", "write pwrite64 writev pwritev pwritev2")
    uid = Family("uid", getuid.members | setuid.members)
    gid = Family("gid", getgid.members | setgid.members)
    xattr = Family("xattr", getxattr.members | setxattr.members | listxattr.members | removexattr.members)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"there is no family {name!r} of system calls{_hint(name, dir(self))}")

    def __dir__(self) -> Iterable[str]:
        return [name for name, each in vars(type(self)).items() if isinstance(each, Family)]


family = _Families()
"""The families: ``family.open``."""

# As strace(1) has them; also what the ABIs that it does not know on this machine call the same.
_GROUPS = {
    "%clock": "adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64"
    " clock_settime clock_settime64 gettimeofday settimeofday stime time",
    "%creds": "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid"
    " getresgid32 getresuid getresuid32 getuid getuid32 prctl setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32"
    " setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid"
    " setuid32",
    "%ipc": "ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt"
    " shmget",
    "%memory": "brk get_mempolicy io_destroy io_setup io_uring_register madvise map_shadow_stack mbind migrate_pages"
    " mincore mlock mlock2 mlockall mmap mmap2 move_pages mprotect mremap mseal msync munlock munlockall munmap"
    " pkey_mprotect remap_file_pages set_mempolicy set_mempolicy_home_node shmat shmdt",
    "%network": "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg"
    " recvmmsg_time64 recvmsg send sendfile sendfile64 sendmmsg sendmsg sendto setsockopt shutdown socket socketcall"
    " socketpair",
    "%process": "clone clone3 execve execveat exit exit_group fork kill pidfd_send_signal rt_sigqueueinfo"
    " rt_tgsigqueueinfo tgkill tkill vfork wait4 waitid waitpid",
    "%signal": "io_uring_enter kill pause pidfd_send_signal rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo"
    " rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sgetmask sigaction"
    " sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigreturn sigsuspend ssetmask tgkill tkill",
}


def _with_slots(*kinds: str) -> frozenset[str]:
    """Return the calls whose prototypes have one of these file slots."""
    # A test that names calls by their names alone does without.
    from pytest_ebpf.syscalls.prototype import prototypes  # noqa: PLC0415

    return frozenset(
        name for name, prototype in prototypes().items() if any(slot.kind in kinds for slot in prototype.slots)
    )


# What takes a path; getcwd(2) gives one. What takes or gives a descriptor, in its arguments or behind them.
_DERIVED: Mapping[str, Callable[[], frozenset[str]]] = {
    "%all": lambda: all_names(),  # noqa: PLW0108 - looked up when it is called
    "%desc": lambda: frozenset().union(
        _with_slots("fd", "base", "result"),
        *(each.members for each in (family.pipe, family.poll, family.select)),
        {"socketpair"},
    ),
    "%file": lambda: _with_slots("cwd", "base") | {"getcwd"},
}
GROUPS = tuple(sorted({*_GROUPS, *_DERIVED}))
"""The names of the groups."""


def members(group: str) -> frozenset[str]:
    """Return the calls of a group, ``%file``; those that this machine has, by any ABI.

    Raises:
        UsageError: There is no such group; with the nearest, and all.
    """
    if group in _DERIVED:
        return _DERIVED[group]() & all_names()
    if group in _GROUPS:
        return frozenset(_GROUPS[group].split()) & all_names()
    raise UsageError(
        f"there is no group {group!r} of system calls{_hint(group, GROUPS)} (there are {', '.join(GROUPS)})"
    )


def expand(what: Any) -> frozenset[str]:
    """Return the names of the system calls that are meant; those that this machine has, by any ABI.

    Args:
        what: A name; a shell pattern (``open*``); a group (``%network``); a family; a regular expression, which
            is searched for; a `glob`; or several of these, in a list, tuple or set, or in a text with commas.
            One with ``!`` before it is taken out, of all if nothing else is named. ``all`` and ``none`` are
            what they say; calls that have no name are not in ``all``.

    Raises:
        UsageError: One of them is no system call's; with the nearest. Or nothing is left.
    """
    words = list(_words(what))
    if not words:
        raise UsageError("an empty list of system calls means none at all: name some, or leave it out")
    if words == ["none"]:
        return frozenset()
    if "none" in words:
        raise UsageError("'none' stands alone, or not at all")
    less = [word[1:].strip() for word in words if isinstance(word, str) and word.startswith("!")]
    more = [word for word in words if not (isinstance(word, str) and word.startswith("!"))]
    names = frozenset().union(*map(_named, more or ["all"])) - frozenset().union(*map(_named, less))
    if not names:
        raise UsageError(f"{', '.join(map(show, words))}: nothing is left of these system calls")
    return names


def _words(what: Any) -> Iterable[Any]:
    if isinstance(what, str):
        yield from (word.strip() for word in what.split(","))
    elif isinstance(what, list | tuple | set | frozenset) and not isinstance(what, Family):
        for each in what:
            yield from _words(each)
    else:
        yield what


def _named(what: Any) -> frozenset[str]:
    if isinstance(what, Family):
        return what.members & all_names()
    if isinstance(what, re.Pattern | Glob):
        find = what.search if isinstance(what, re.Pattern) else what.matches
        return _some(what, (name for name in all_names() if find(name)))
    if not isinstance(what, str):
        raise UsageError(f"a system call is asked for by its name, a pattern, a group or a family, not by {what!r}")
    if what == "all":
        return all_names()
    if what.startswith("%"):
        return members(what)
    if is_wildcard(what):
        return _some(what, fnmatch.filter(all_names(), what))
    if what in all_names():
        return frozenset({what})
    raise UsageError(f"there is no system call {what!r} on this machine{_hint(what, all_names())}")


def _some(what: object, found: Iterable[str]) -> frozenset[str]:
    names = frozenset(found)
    if not names:
        raise UsageError(f"no system call on this machine has a name like {show(what)}")
    return names


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=2)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
