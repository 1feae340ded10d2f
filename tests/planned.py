"""A chain of structures, what a test asks to read of it, and what becomes of that."""

from __future__ import annotations

import ctypes
import enum
from typing import Any

from fetch_emulator import Task

from pytest_ebpf.probes.arguments import places
from pytest_ebpf.probes.ctypes_types import from_ctypes
from pytest_ebpf.probes.machines import X86_64
from pytest_ebpf.probes.plan import Plan, plan
from pytest_ebpf.probes.planner import Argument

__all__ = ["RDI", "RDX", "RSI", "Color", "Inode", "Task4", "deep_task", "planned"]

RDI, RSI, RDX = X86_64.arguments[:3]


class Color(enum.IntEnum):
    RED = 1
    GREEN = 2


class Inode(ctypes.Structure):
    _fields_ = [("pad", ctypes.c_long), ("i_ino", ctypes.c_ulong)]


class File(ctypes.Structure):
    _fields_ = [("pad", ctypes.c_int), ("f_inode", ctypes.POINTER(Inode)), ("f_name", ctypes.c_char_p)]


class Mm(ctypes.Structure):
    _fields_ = [("exe_file", ctypes.POINTER(File))]


class Task4(ctypes.Structure):
    _fields_ = [
        *(("pid", ctypes.c_int), ("mm", ctypes.POINTER(Mm)), ("x", ctypes.c_float), ("bits", ctypes.c_int, 3)),
        *(("color", ctypes.c_int), ("port", ctypes.c_uint16.__ctype_be__), ("comm", ctypes.c_char * 16)),
    ]


def planned(**given: Any) -> Plan:
    """Return what is read for arguments of these types, by name, and for the options that are given among them."""
    options = {name: given.pop(name) for name in ("where", "follow", "returns") if name in given}
    kinds = [from_ctypes(each) for each in given.values()]
    where = places(kinds, X86_64)
    asked = {name: Argument(kind, where[at]) for at, (name, kind) in enumerate(zip(given, kinds, strict=True))}
    return plan(asked, on=X86_64, **options)


def deep_task() -> Task:
    """Return one whose arg0 leads to a task, that to its mm, that to a file, that to an inode; arg1 is 300, arg2 2."""
    task = Task()
    inode = task.put(bytes(Inode(0, 4711)))
    name = task.put(b"/bin/true\0")
    file = task.put(bytes(8) + inode.to_bytes(8, "little") + name.to_bytes(8, "little"))
    mm = task.put(file.to_bytes(8, "little"))
    first = Task4(pid=7, bits=-2, color=2, port=443, comm=b"true", x=0.5)
    data = bytearray(bytes(first))
    data[8:16] = mm.to_bytes(8, "little")
    task.registers = {RDI: task.put(bytes(data)), RSI: 300, RDX: 2}
    return task
