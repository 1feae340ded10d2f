"""Where headers out of the kernel's types cannot be made, one sentence says why; and the cache they are kept in."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import pytest

from pytest_ebpf import cache
from pytest_ebpf.errors import Unavailable
from pytest_ebpf.headers import kernel, tree, vmlinux


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_cache_is_where_the_user_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.directory() == tmp_path / "cache/pytest-ebpf"
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.directory() == Path("/home/somebody/.cache/pytest-ebpf")


def test_a_cache_that_is_named_relatively_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert cache.directory() == Path("/home/somebody/.cache/pytest-ebpf")


def test_what_is_in_the_cache_is_not_made_again() -> None:
    def make(folder: Path) -> None:
        (folder / "file").write_text("made once")

    first = cache.made("thing", make)
    assert cache.made("thing", lambda _: pytest.fail("it is made again")) == first
    assert (first / "file").read_text() == "made once"
    assert [path.name for path in cache.directory().iterdir()] == ["thing"]


def test_of_several_that_make_the_same_one_is_first_and_all_get_it_whole() -> None:
    both = threading.Barrier(2, timeout=30)
    found: list[tuple[Path, str]] = []

    def make(folder: Path) -> None:
        both.wait()
        (folder / "file").write_text("whole")

    def use() -> None:
        folder = cache.made("thing", make)
        found.append((folder, (folder / "file").read_text()))

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(cache.directory() / "thing", "whole")] * 2
    assert [path.name for path in cache.directory().iterdir()] == ["thing"]


def test_of_what_could_not_be_made_nothing_is_kept() -> None:
    def fail(folder: Path) -> None:
        (folder / "file").write_text("half")
        raise KeyError(folder)

    with pytest.raises(KeyError):
        cache.made("thing", fail)
    assert list(cache.directory().iterdir()) == []


def test_a_cache_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(Unavailable) as caught:
        cache.made("thing", lambda _: None)
    assert str(caught.value) == (
        f"pytest-ebpf: its cache cannot be written to: {tmp_path}/cache/pytest-ebpf: Not a directory\n"
        "  needs   a directory of its own for what is made once: headers out of the kernel's types, objects\n"
        "  try     XDG_CACHE_HOME=/var/tmp/cache pytest …"
    )


def test_a_full_disk_is_named_too(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        raise OSError(28, os.strerror(28), str(folder))

    with pytest.raises(Unavailable) as caught:
        cache.made("thing", fill)
    assert str(caught.value).splitlines()[0] == (
        f"pytest-ebpf: its cache cannot be written to: {tmp_path}/cache/pytest-ebpf: No space left on device"
    )
    assert list(cache.directory().iterdir()) == []


@pytest.mark.parametrize("order", ["the build id alone", "others before it"])
def test_the_build_id_is_found_among_the_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    mine = bytes.fromhex("040000000300000003000000") + b"GNU\0" + bytes.fromhex("abcdef00")
    # Of another owner, whose name and data are padded; and another kind of the same owner.
    others = bytes.fromhex("060000000100000003000000") + b"Linux\0\0\0" + b"1\0\0\0"
    others += bytes.fromhex("040000000400000005000000") + b"GNU\0" + b"2222"
    notes = tmp_path / "notes"
    notes.write_bytes(mine if order == "the build id alone" else others + mine + others)
    monkeypatch.setattr(kernel, "NOTES", notes)
    assert kernel.build_id() == "abcdef"


def test_a_kernel_without_a_build_id_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setattr(kernel, "NOTES", notes)
    with pytest.raises(Unavailable) as caught:
        kernel.build_id()
    assert str(caught.value) == (
        f"pytest-ebpf: the kernel's build id cannot be read: {notes}: No such file or directory\n"
        "  needs   /sys mounted: headers made from the kernel's types are kept by its build id"
    )
    notes.write_bytes(b"\4\0\0\0")
    with pytest.raises(Unavailable) as caught:
        kernel.build_id()
    assert str(caught.value) == (
        f"pytest-ebpf: the kernel has no build id in {notes}\n"
        "  needs   a kernel linked with --build-id: headers made from its types are kept by it"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), (b"\x9f\xeb\1" + bytes(99), "Invalid argument")],
    ids=["none", "damaged"],
)
def test_a_kernel_without_types_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, reason: str
) -> None:
    btf = tmp_path / "vmlinux"
    if content is not None:
        btf.write_bytes(content)
    monkeypatch.setattr(vmlinux, "build_id", lambda: "0123")
    monkeypatch.setattr(vmlinux, "BTF", btf)
    with pytest.raises(Unavailable) as caught:
        vmlinux.vmlinux_directory.__wrapped__()
    assert str(caught.value) == (
        f"pytest-ebpf: the types of the kernel cannot be written as C: {btf}: {reason}\n"
        "  needs   a kernel built with CONFIG_DEBUG_INFO_BTF, and /sys mounted"
    )
    assert list(cache.directory().iterdir()) == []


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is taken for /proc, with an own process's memory in which there is a vDSO."""
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    (folder / "self/maps").write_text("1000-1100 rw-p 0 00:00 0\n1100-1200 r-xp 0 00:00 0  [vdso]\n")
    note = bytes.fromhex("060000000400000000000000") + b"Linux\0\0\0" + (0x06123C).to_bytes(4, "little")
    (folder / "self/mem").write_bytes(bytes(0x1000) + b"\1" * 0x120 + note + bytes(0x200))
    monkeypatch.setattr(kernel, "PROC", folder)
    monkeypatch.setattr(kernel, "MODULES", tmp_path / "modules")
    monkeypatch.setattr(kernel, "BOOT", tmp_path / "boot")
    return folder


def test_the_version_is_that_of_the_kernels_own_code(proc: Path) -> None:
    assert kernel.version_code() == 0x06123C
    (proc / "self/maps").write_text("1000-1100 rw-p 0 00:00 0\n")
    with pytest.raises(Unavailable) as caught:
        kernel.version_code()
    assert str(caught.value) == (
        "pytest-ebpf: the kernel does not tell its version (LINUX_VERSION_CODE)\n"
        "  needs   its vDSO, which the kernel parameter vdso=0 turns off"
    )


def test_the_configuration_is_where_a_kernel_or_a_distribution_has_it(proc: Path) -> None:
    text = b'# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=m\nCONFIG_D="d"\nCONFIG_HZ=250\n'
    values = {"CONFIG_B": "y", "CONFIG_C": "m", "CONFIG_D": '"d"', "CONFIG_HZ": "250"}
    (proc / "config.gz").write_bytes(gzip.compress(text))
    assert kernel.configuration() == values
    assert tree.macros(values) == (
        '#define CONFIG_B 1\n#define CONFIG_C_MODULE 1\n#define CONFIG_D "d"\n#define CONFIG_HZ 250\n'
    )
    (proc / "config.gz").unlink()
    kernel.MODULES.mkdir()
    (kernel.MODULES / "config").write_bytes(text)
    assert kernel.configuration() == values


@pytest.mark.usefixtures("proc")
def test_a_kernel_that_does_not_tell_its_configuration_has_what_all_have() -> None:
    assert kernel.configuration()["CONFIG_BPF_SYSCALL"] == "y"


@pytest.mark.parametrize("installed", ["build", "source"])
@pytest.mark.usefixtures("proc")
def test_where_headers_are_installed_none_are_made(installed: str) -> None:
    (kernel.MODULES / installed / "include/linux").mkdir(parents=True)
    assert tree.kernel_source() is None


def test_of_a_header_the_lines_of_the_preprocessor_are_taken_whole() -> None:
    text = """\
/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _LINUX_IT_H
  #define _LINUX_IT_H
#include <linux/types.h>
#include <sys/socket.h>
/* #define NOT 1
#define NEITHER 2 */
#define LONG(x) \\
\t((x) + \\
\t 1)
struct it { int field; };  /* # no line of the preprocessor's */
# define LAST /* why
not */ 3
#endif
"""
    assert tree.skeleton(text) == (
        "#ifndef _LINUX_IT_H\n  #define _LINUX_IT_H\n#include <linux/types.h>\n"
        "#define LONG(x) \\\n\t((x) + \\\n\t 1)\n# define LAST   3\n#endif\n"
    )
