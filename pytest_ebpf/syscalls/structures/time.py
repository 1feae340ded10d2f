"""Times."""

from __future__ import annotations

from pytest_ebpf.syscalls.buffers import Member, Structure, structure

__all__ = ["TIMESPEC"]

TIMESPEC = structure("timespec", Structure(Member("tv_sec", "q"), Member("tv_nsec", "Q")))  # linux/time_types.h
