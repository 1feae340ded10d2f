"""What there is in executables and libraries: functions, lines, debug files, USDT probes."""

from pytest_ebpf.binaries.binary import Binary
from pytest_ebpf.binaries.errors import (
    ChosenAtRunTime,
    Corrupt,
    Imported,
    NoSuchFile,
    NoSuchFunction,
    NotABinary,
    OnlyInlined,
    OtherMachine,
)
from pytest_ebpf.binaries.function import Function
from pytest_ebpf.binaries.locate import locate
from pytest_ebpf.binaries.usdt import Usdt
from pytest_ebpf.binaries.usdt_arguments import UsdtArgument

__all__ = [
    "Binary",
    "ChosenAtRunTime",
    "Corrupt",
    "Function",
    "Imported",
    "NoSuchFile",
    "NoSuchFunction",
    "NotABinary",
    "OnlyInlined",
    "OtherMachine",
    "Usdt",
    "UsdtArgument",
    "locate",
]
