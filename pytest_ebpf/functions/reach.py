"""Whether a probe on a file could fire at all: somebody has to run the file, or have it mapped."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf._values import Gap
from pytest_ebpf.engine.calls import Span
from pytest_ebpf.syscalls.numbers import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ebpf.functions.arming import Arming
    from pytest_ebpf.images import Image
    from pytest_ebpf.lives import Key, Life
    from pytest_ebpf.window import Window

__all__ = ["Mapped", "executable_maps", "gaps"]

_PROT_EXEC = 4  # asm-generic/mman-common.h
_MAX_ERRNO = 4095  # linux/err.h
_SHOWN = 3


class Mapped(NamedTuple):
    """A file that a process ran, or had mapped to be executed."""

    inode: int
    device: int
    path: str
    pid: object
    """Whose: as the test sees it."""


def gaps(arming: Arming, window: Window) -> Iterator[Gap]:
    """Say why the probe could not fire, if nothing shows that it could."""
    if any(True for _ in arming.calls()):
        return  # it did
    definition, others = arming.definition, {}
    for mapped in _mapped(arming):
        if _is_it(mapped, arming):
            return
        if _stem(mapped.path) == _stem(definition.path):
            others[mapped.path] = mapped.pid
    found = [f"{path} (by {pid})" for path, pid in others.items()][:_SHOWN]
    instead = f"; another file of that name was: {', '.join(found)}" if found else ""
    unseen = (
        "" if _records_mappings(window) else " (mmap is not recorded, so of processes that have ended it is not known)"
    )
    remedy = (
        f"probe {next(iter(others))}"
        if others
        else "name the file that the program uses, or let it run while the probe is on"
        if not unseen
        else 'record mmap: @pytest.mark.ebpf(syscalls="mmap")'
    )
    yield Gap(
        f"nothing shows that a process had {definition.shown} mapped, so its probe could not fire{instead}{unseen}",
        f"{remedy}; or allow_unmapped=True, if it need not be",
    )


def _is_it(mapped: Mapped, arming: Arming) -> bool:
    identity = arming.definition.identity
    if identity is None or mapped.inode != identity.inode:
        return False
    # On btrfs and overlays the kernel's device is another than the one that stat(2) shows.
    return mapped.device == identity.device or mapped.path == os.path.realpath(arming.definition.path)


def _stem(path: str) -> str:
    name = path.rpartition("/")[2]
    return re.split(r"\.so|-\d", name)[0]


def _mapped(arming: Arming) -> Iterator[Mapped]:
    """Return what processes ran or had mapped while the probe was on; the cheapest to learn first."""
    history = arming.window.history
    lives = [life for life in list(history.lives.values()) if _lived(life, arming)]
    for life in lives:
        for image in _images(life, arming):
            inode, device, path = (image.get(name) for name in ("exe_inode", "exe_device", "exe"))
            if isinstance(inode, int) and isinstance(device, int):
                yield Mapped(inode, device, path if isinstance(path, str) else "", _who(life))
    yield from _by_calls(arming)
    for life in sorted(lives, key=lambda life: life is not history.root):
        if life.exit is None:
            yield from _in_proc(life, history.pid_in_proc(life))


def _lived(life: Life, arming: Arming) -> bool:
    if life.exit is not None and life.exit["time_ns"] <= arming.since_ns:
        return False
    return arming.until_ns is None or life.birth_ns <= arming.until_ns


def _images(life: Life, arming: Arming) -> Iterator[Image]:
    images = [life.start(), *life.executed]
    ends = [*(image.time_ns for image in life.executed), None]
    for image, end in zip(images, ends, strict=True):
        if (end is None or end >= arming.since_ns) and (arming.until_ns is None or image.time_ns <= arming.until_ns):
            yield image


def _records_mappings(window: Window) -> bool:
    if window.syscalls.none or not window.history.has_calls:
        return False
    return "mmap" in window.recorded.names


class _Mapping(NamedTuple):
    """What a call of mmap(2) mapped to be executed."""

    start: int
    length: int
    offset: int
    """In the file."""
    process: Key
    inode: int
    device: int
    path: str


def executable_maps(window: Window, of: Key | None = None) -> Iterator[_Mapping]:
    """Return what was mapped in a window by calls that were recorded.

    Args:
        window: In which time.
        of: Of which process; None: of all.
    """
    number = number_of("native", "mmap")
    if number is None or not _records_mappings(window):
        return
    store = window.history.calls
    for place in store.select(window.first, window.last, [("native", number)], of and [Span(*of)]):
        call = store.call(place)
        if not call.args[2] & _PROT_EXEC or -_MAX_ERRNO <= call.result < 0:
            continue
        file = next((found for each in call.files if each and (found := store.file(each)) is not None), None)
        if file is not None:
            yield _Mapping(
                call.result & (1 << 64) - 1,
                call.args[1],
                call.args[5],
                (call.host_pid, call.start_ns),
                file.inode,
                file.device,
                os.fsdecode(file.path),
            )


def _by_calls(arming: Arming) -> Iterator[Mapped]:
    for each in executable_maps(arming.window):
        yield Mapped(each.inode, each.device, each.path, _who(arming.window.history.life_of(each.process)))


_LINE = re.compile(rb"^\S+ ..x. \S+ ([0-9a-f]+):([0-9a-f]+) (\d+) +(/.*)$", re.MULTILINE)


def _in_proc(life: Life, pid: int) -> Iterator[Mapped]:
    if not pid:
        return
    try:
        text = Path(f"/proc/{pid}/maps").read_bytes()
    except OSError:
        return
    for major, minor, inode, path in _LINE.findall(text):
        yield Mapped(int(inode), os.makedev(int(major, 16), int(minor, 16)), os.fsdecode(path), _who(life))


def _who(life: Life) -> str:
    pid = life.pid_in("pid")
    return f"pid {pid}" if pid else f"host pid {life.key[0]}"
