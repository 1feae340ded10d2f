"""The names and numbers of system calls, by ABI."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pytest_ebpf.errors import Unavailable
from pytest_ebpf.syscalls import numbers


@pytest.mark.parametrize(
    ("machine", "abi", "number", "name"),
    [
        ("x86_64", "native", 257, "openat"),
        ("x86_64", "native", 0, "read"),
        ("x86_64", "native", 435, "clone3"),
        ("x86_64", "compat", 5, "open"),
        ("x86_64", "compat", 295, "openat"),
        ("x86_64", "compat", 102, "socketcall"),
        ("x86_64", "x32", 0, "read"),
        ("x86_64", "x32", 520, "execve"),
        ("aarch64", "native", 56, "openat"),
        ("aarch64", "native", 221, "execve"),
        ("aarch64", "compat", 322, "openat"),
        ("aarch64", "compat", 983045, "set_tls"),
    ],
)
def test_a_call_goes_by_the_name_that_its_abi_gives_its_number(machine: str, abi: str, number: int, name: str) -> None:
    assert numbers.name_of(abi, number, machine) == name
    assert numbers.number_of(abi, name, machine) == number


def test_a_number_or_a_name_that_an_abi_does_not_have_is_none() -> None:
    assert numbers.name_of("native", 511, "x86_64") is None
    assert numbers.name_of("x32", 257 | 0x40000000, "x86_64") is None
    assert numbers.number_of("native", "socketcall", "x86_64") is None
    assert numbers.number_of("native", "open", "aarch64") is None
    assert numbers.names("x32", "aarch64") == {}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("abi", ["native", "compat", "x32"])
def test_no_name_of_an_abi_is_lost_to_another_with_its_number(machine: str, abi: str) -> None:
    found = numbers.names(abi, machine)
    assert [numbers.number_of(abi, name, machine) for name in found.values()] == list(found)


def test_all_names_are_those_of_every_abi() -> None:
    found = numbers.all_names("x86_64")
    assert {"openat", "socketcall", "clone3", "execve"} <= found
    assert "set_tls" not in found
    assert {"openat", "set_tls"} <= numbers.all_names("aarch64")
    assert "open" in numbers.all_names("aarch64")


def test_this_machine_is_meant_where_none_is_named() -> None:
    machine = os.uname().machine
    assert numbers.names("native") == numbers.names("native", machine)
    assert numbers.all_names() == numbers.all_names(machine)


def test_the_kernels_header_has_the_same_numbers() -> None:
    header = next(Path("/usr/include").glob(f"{os.uname().machine}-*/asm/unistd_64.h"), None)
    text = (header or Path("/usr/include/asm-generic/unistd.h")).read_text()
    defined = {name: int(number) for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.MULTILINE)}
    known = numbers.names("native")
    assert {number: name for name, number in defined.items() if number in known and name in known.values()}.items() <= (
        known.items()
    )
    assert len(defined) > 300


def test_a_machine_that_is_not_known_is_refused() -> None:
    with pytest.raises(Unavailable) as error:
        numbers.names("native", "riscv64")
    assert str(error.value) == (
        "pytest-ebpf: the system calls of riscv64 are not known, those of aarch64 and x86_64 are"
    )
