"""Takes the constants that system calls are made with from the kernel's headers. Run by ``setup.py``.

What the kernel does not export (``include/linux/socket.h``, ``include/linux/net.h``) is taken from the
headers of the C library, where the numbers have to be the same.

The preprocessor names the macros and enumerators of a header, in the order of their definition; the compiler
gives the values. A name that is no integer constant is left out. Each header is compiled by itself, since
the kernel's and the C library's clash.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Each with the headers, if any, that its values need and that it does not include.
# The order counts: of two ioctl requests with one number, the first names it.
HEADERS = (
    # Files
    *("linux/fcntl.h", "fcntl.h", "linux/stat.h", "linux/openat2.h", "linux/close_range.h", "linux/falloc.h"),
    *("linux/fadvise.h", "linux/xattr.h", "linux/memfd.h", "linux/mount.h linux/fcntl.h", "sys/mount.h"),
    *(
        "linux/fs.h linux/blktrace_api.h linux/fiemap.h",
        "linux/quota.h",
        "linux/dqblk_xfs.h",
        "sys/swap.h",
        "sys/statvfs.h",
    ),
    *("linux/magic.h", "linux/nsfs.h", "linux/inotify.h", "linux/fanotify.h", "linux/io_uring.h", "linux/aio_abi.h"),
    # Memory, processes, signals, time
    *("linux/mman.h", "linux/mempolicy.h", "linux/userfaultfd.h", "linux/sched.h", "linux/wait.h"),
    *("linux/signal.h", "asm/siginfo.h", "linux/signalfd.h", "linux/eventpoll.h linux/fcntl.h", "asm/poll.h"),
    *("sys/eventfd.h", "linux/timerfd.h linux/fcntl.h", "linux/time.h", "linux/timex.h", "asm/resource.h"),
    *("linux/resource.h", "linux/prctl.h", "linux/futex.h", "linux/ptrace.h", "linux/securebits.h"),
    *("linux/personality.h", "linux/capability.h", "linux/keyctl.h", "linux/seccomp.h", "linux/landlock.h"),
    *(
        "linux/membarrier.h",
        "linux/rseq.h",
        "linux/audit.h",
        "linux/pidfd.h",
        "linux/kcmp.h",
        "linux/ioprio.h",
        "linux/ipc.h",
    ),
    *("linux/shm.h", "linux/sem.h", "linux/msg.h", "linux/random.h", "linux/bpf.h"),
    *("linux/perf_event.h", "linux/reboot.h", "linux/module.h", "linux/kexec.h", "asm/errno.h"),
    # Sockets
    *("sys/socket.h", "linux/net.h", "linux/in.h", "netinet/in.h", "linux/in6.h", "linux/ip.h", "linux/tcp.h"),
    *("netinet/tcp.h", "linux/udp.h", "netinet/udp.h", "linux/netlink.h", "linux/if_packet.h"),
    *(
        "linux/if.h",
        "linux/if_ether.h",
        "linux/if_arp.h",
        "linux/vm_sockets.h",
        "linux/if_xdp.h",
        "linux/tls.h",
        "linux/mptcp.h",
    ),
    *("linux/can.h", "linux/icmp.h", "linux/icmpv6.h", "linux/net_tstamp.h", "linux/netfilter_ipv4.h"),
    # Requests of ioctl(2)
    *("asm/ioctls.h asm/termbits.h linux/serial.h", "linux/sockios.h", "linux/if_tun.h linux/filter.h"),
    *("linux/loop.h", "linux/fiemap.h", "linux/fsmap.h", "linux/fscrypt.h", "linux/fsverity.h", "linux/btrfs.h"),
    *("linux/msdos_fs.h", "linux/blkzoned.h", "linux/vt.h", "linux/kd.h", "linux/rtc.h", "linux/watchdog.h"),
    *("linux/cdrom.h", "linux/hdreg.h", "linux/mtio.h", "scsi/sg.h", "linux/nbd.h", "linux/dm-ioctl.h"),
    *("linux/raid/md_u.h linux/major.h", "linux/fuse.h", "linux/input.h", "linux/uinput.h", "linux/kvm.h"),
    *("linux/vfio.h", "linux/vhost.h", "linux/dma-buf.h", "linux/sync_file.h", "linux/usbdevice_fs.h"),
    *("linux/hidraw.h linux/hid.h", "linux/gpio.h", "linux/i2c-dev.h", "linux/ppp-ioctl.h linux/ppp_defs.h"),
    *("linux/fb.h", "linux/rfkill.h", "linux/videodev2.h", "sound/asound.h"),
)
# Headers that one architecture alone has; on the others they define nothing.
OF_MACHINE = {"asm/prctl.h": "x86_64"}
IOCTLS = "ioctl"
"""Stands for a header in the text: the names of all headers that are made with ``_IO`` and its like."""

_NAMES = re.compile(
    r'^# \d+ "(?P<file>[^"]*)"'
    r"|^#define (?P<macro>\w+)[ \t]+(?P<body>\S.*)$"
    r"|\benum\b\s*\w*\s*\{(?P<enumerators>[^}]*)\}",
    re.MULTILINE,
)
# A body with anything else is no constant, and may spoil the lines that follow.
_CONSTANT = re.compile(r"[\w\s()|&~^<>=!?:+\-*/%,.']*")
# gcc's error names the line of a macro's definition, if the header is not the system's; ours is in a note then.
_REFUSED = re.compile(r"^constant:(\d+):\d+: (?:error|note: in expansion)", re.MULTILINE)
_IOCTL = re.compile(r"\b_IO(R|W|WR|C)?(_BAD)?\s*\(")


class Constant(NamedTuple):
    """A name with its value."""

    name: str
    value: int
    is_ioctl: bool


def constants_of(compiler: Sequence[str], entry: str) -> list[Constant]:
    """Return the constants of one of `HEADERS`.

    Raises:
        SystemExit: The compiler does not find it.
    """
    header, *others = entry.split()
    macros = _run(compiler, ["-E", "-dD", "-D_GNU_SOURCE"], f"#include <{header}>\n")
    if macros.returncode:
        package = "linux-libc-dev" if header.startswith(("linux/", "asm/", "sound/")) else "libc6-dev"
        raise SystemExit(
            f"pytest-ebpf cannot be built: the header {header} was not found (tried {compiler[0]});"
            f" on Debian: apt-get install {package}"
        )
    bodies = _bodies(macros.stdout, Path(header).stem)
    includes = "".join(f"#include <{each}>\n" for each in ("stddef.h", "linux/ioctl.h", *others, header))
    return [
        Constant(name, value, bool(_IOCTL.search(bodies[name])))
        for name, value in _values(compiler, includes, list(bodies))
    ]


def _run(compiler: Sequence[str], arguments: Sequence[str], text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*compiler, *arguments, "-x", "c", "-"],
        check=False,
        input=text,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )


def _bodies(macros: str, stem: str) -> dict[str, str]:
    """Return what each name of a header stands for; of enumerators, nothing.

    The header's are those in files called alike: ``asm-generic/fcntl.h`` for ``linux/fcntl.h``,
    ``bits/socket_type.h`` for ``sys/socket.h``.
    """
    bodies: dict[str, str] = {}
    own = False
    for found in _NAMES.finditer(macros):
        if found["file"] is not None:
            own = Path(found["file"]).name.startswith(stem)
        elif own and found["macro"]:
            bodies[found["macro"]] = found["body"]
        elif own:
            code = re.sub(r"^#.*$", "", found["enumerators"], flags=re.MULTILINE)
            bodies |= dict.fromkeys(re.findall(r"(?:^|,)\s*([A-Za-z_]\w*)", code), "")
            bodies |= dict(re.findall(r"^#define (\w+)[ \t]+(\S.*)$", found["enumerators"], re.MULTILINE))
    return {name: body for name, body in bodies.items() if _CONSTANT.fullmatch(body)}


def _values(compiler: Sequence[str], includes: str, names: list[str]) -> Iterable[tuple[str, int]]:
    """Return the value of each that has one: what the compiler refuses is taken out until it accepts the rest."""
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/program"
        while names:
            done = _run(compiler, ["-w", "-D_GNU_SOURCE", "-o", program], _program(includes, names))
            if done.returncode == 0:
                break
            refused = {int(line) for line in _REFUSED.findall(done.stderr)}
            if not refused:
                raise SystemExit(f"pytest-ebpf cannot be built: {compiler[0]} refused\n{includes}{done.stderr}")
            names = [name for line, name in enumerate(names, 1) if line not in refused]
        printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout if names else ""
    return [(name, int(value)) for name, value in map(str.split, printed.splitlines())]


def _program(includes: str, names: list[str]) -> str:
    # Each in a function of its own: gcc reports an unknown identifier once a function. A case has to be
    # an integer constant; the address of a text, which is one to a linker, is refused.
    functions = "".join(
        f'#line {line} "constant"\n'
        f"static void print_{line}(void) {{ switch (0LL) {{ case (long long)({name}): default:"
        f' printf(({name}) < 0 ? "{name} %lld\\n" : "{name} %llu\\n", (long long)({name})); }} }}\n'
        for line, name in enumerate(names, 1)
    )
    calls = "".join(f"print_{line}();" for line in range(1, len(names) + 1))
    return f"{includes}int printf(const char *, ...);\n{functions}int main(void) {{ {calls} return 0; }}\n"


def constants_text(compiler: Sequence[str], headers: Sequence[str] = (*HEADERS, *OF_MACHINE)) -> str:
    """Return what `pytest_ebpf.syscalls.constants` reads: ``# header``, then ``name value`` lines.

    Raises:
        SystemExit: A header is missing.
    """

    def found_in(entry: str) -> list[Constant]:
        return constants_of(compiler, entry) if OF_MACHINE.get(entry, machine) == machine else []

    machine = platform.machine()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = list(pool.map(found_in, headers))
    lines = []
    for entry, constants in zip(headers, found, strict=True):
        lines += [f"# {entry.split()[0]}", *(f"{each.name} {each.value}" for each in constants)]
    ioctls = {each.name: each.value for constants in found for each in constants if each.is_ioctl}
    lines += [f"# {IOCTLS}", *(f"{name} {value}" for name, value in ioctls.items())]
    return "\n".join(lines) + "\n"
