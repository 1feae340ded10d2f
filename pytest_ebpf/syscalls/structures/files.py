"""What is said of files and file systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Structure, abbreviated, structure
from pytest_ebpf.syscalls.scalars import named
from pytest_ebpf.syscalls.values import Device

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__: list[str] = []


def _size_or_device(fields: Mapping[str, Any]) -> str:
    return "st_rdev" if {"S_IFCHR", "S_IFBLK"} & set(fields["st_mode"].names) else "st_size"


structure(
    "stat",  # asm/stat.h of x86-64
    Structure(
        Member("st_dev", "Q", Device),
        Member("st_ino", "Q"),
        Member("st_nlink", "Q"),
        Member("st_mode", "I", named("file_mode")),
        Member("st_uid", "I"),
        Member("st_gid", "I"),
        Member("_pad", "I"),
        Member("st_rdev", "Q", Device),
        Member("st_size", "q"),
        Member("st_blksize", "q"),
        Member("st_blocks", "q"),
        *(Member(f"st_{which}time{part}", "q") for which in "amc" for part in ("", "_nsec")),
        Member("_unused", "3q"),
        text=abbreviated("st_mode", _size_or_device),
    ),
)
