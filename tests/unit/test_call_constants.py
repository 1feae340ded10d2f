"""The kernel's constants, from its headers: how they are taken, and how they are looked up."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import resource
import select
import shlex
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ebpf.errors import Unavailable, UsageError
from pytest_ebpf.syscalls import constants, constants_build

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def headers(tmp_path: Path) -> Path:
    """A folder of headers of the test's own."""
    folder = tmp_path / "include"
    (folder / "it").mkdir(parents=True)
    return folder


def taken(folder: Path, entry: str, **files: str) -> dict[str, int]:
    """What is taken from headers with these texts."""
    for name, text in files.items():
        (folder / "it" / f"{name}.h").write_text(text)
    return {each.name: each.value for each in constants_build.constants_of(["cc", f"-I{folder}"], entry)}


def test_macros_and_enumerators_are_taken_in_the_order_of_their_definition(headers: Path) -> None:
    text = """
    #define FIRST 1
    enum {
        SECOND = 1 << 1, /* a comment, with a comma */
        THIRD,
    #define THIRD THIRD
    #define FOURTH 4
        FIFTH = (int)sizeof(int[5]) / sizeof(int),
    };
    enum tag { SIXTH = sizeof(struct { char it[6]; }) };
    #define SEVENTH (FIRST + \\
        6)
    """
    assert list(taken(headers, "it/some.h", some=text).items()) == [
        ("FIRST", 1),
        ("SECOND", 2),
        ("THIRD", 3),
        ("FIFTH", 5),
        ("FOURTH", 4),
        ("SIXTH", 6),
        ("SEVENTH", 7),
    ]


def test_what_is_no_integer_constant_is_left_out_and_spoils_nothing(headers: Path) -> None:
    text = """
    extern int variable;
    #define TEXT "text"
    #define TWO_TEXTS TEXT TEXT
    #define ADDRESS TEXT
    #define ADDRESS_TOO ((long)&variable)
    #define UNKNOWN (nobody + 1)
    #define UNKNOWN_TOO (nobody + 2)
    #define EMPTY
    #define TYPE unsigned long
    #define OF(x) (x)
    #define CALL OF
    #define BLOCK do { } while (0)
    #define BROKEN (1
    #define HALF )
    #define GOOD 3
    """
    assert taken(headers, "it/some.h", some=text) == {"GOOD": 3}


def test_what_the_compiler_advises_to_include_costs_no_other_name(headers: Path) -> None:
    # gcc's advice is to the first line, on which the first name stands.
    text = "#define FIRST 1\n#define SIZE sizeof(FILE)\n#define OTHER (int)NULL\n"
    assert taken(headers, "it/some.h", some=text) == {"FIRST": 1, "OTHER": 0}


def test_values_keep_their_sign_and_all_their_bits(headers: Path) -> None:
    text = """
    #define MINUS (-100)
    #define TOP_AS_C_HAS_IT (1 << 31)
    #define UNSIGNED_TOP 0x80000000
    #define ALL (~0ULL)
    #define POINTER ((void (*)(int))-1)
    """
    assert taken(headers, "it/some.h", some=text) == {
        "MINUS": -100,
        "TOP_AS_C_HAS_IT": -(1 << 31),
        "UNSIGNED_TOP": 1 << 31,
        "ALL": (1 << 64) - 1,
        "POINTER": (1 << 64) - 1,
    }


def test_a_headers_names_are_those_of_files_that_are_called_alike(headers: Path) -> None:
    files = {
        "mman": '#include "other.h"\n#include "mman_common.h"\n#define OWN 1\n',
        "mman_common": "#define COMMON 2\n",
        "other": "#define OTHER 3\n",
    }
    assert list(taken(headers, "it/mman.h", **files)) == ["COMMON", "OWN"]


def test_a_header_can_name_others_that_its_values_need(headers: Path) -> None:
    files = {"some": "#define SIZE sizeof(struct needed)\n", "needed": "struct needed { char it[9]; };\n"}
    assert taken(headers, "it/some.h", **files) == {}
    assert taken(headers, "it/some.h it/needed.h", **files) == {"SIZE": 9}


def test_requests_of_ioctl_are_listed_once_more_by_themselves(headers: Path) -> None:
    (headers / "it/one.h").write_text("#include <linux/ioctl.h>\n#define ONE _IO('x', 1)\n#define OTHER 5\n")
    (headers / "it/two.h").write_text("#include <linux/ioctl.h>\n#define TWO _IOWR ('x', 2, int)\n")
    text = constants_build.constants_text(["cc", f"-I{headers}"], ("it/one.h", "it/two.h"))
    assert text == ("# it/one.h\nONE 30721\nOTHER 5\n# it/two.h\nTWO 3221518338\n# ioctl\nONE 30721\nTWO 3221518338\n")


def test_a_header_of_another_architecture_defines_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    text = constants_build.constants_text(["cc"], ("asm/prctl.h", "linux/close_range.h"))
    assert text == "# asm/prctl.h\n# linux/close_range.h\nCLOSE_RANGE_UNSHARE 2\nCLOSE_RANGE_CLOEXEC 4\n# ioctl\n"


@pytest.mark.parametrize(
    ("header", "package"),
    [("linux/no-such.h", "linux-libc-dev"), ("asm/no-such.h", "linux-libc-dev"), ("no-such.h", "libc6-dev")],
)
def test_a_header_that_is_missing_gives_one_sentence_that_names_its_package(header: str, package: str) -> None:
    with pytest.raises(SystemExit) as refusal:
        constants_build.constants_text(["cc"], ("linux/fcntl.h", header))
    assert str(refusal.value) == (
        f"pytest-ebpf cannot be built: the header {header} was not found (tried cc);"
        f" on Debian: apt-get install {package}"
    )


def test_a_header_that_does_not_compile_is_named_with_the_compilers_own_words(headers: Path) -> None:
    (headers / "it/some.h").write_text("#define GOOD 1\nint it = ;\n")
    compiler = ["cc", f"-I{headers}", "-fno-diagnostics-show-caret"]
    with pytest.raises(SystemExit) as refusal:
        constants_build.constants_text(compiler, ("it/some.h",))
    assert str(refusal.value) == (
        "pytest-ebpf cannot be built: cc refused\n"
        "#include <stddef.h>\n#include <linux/ioctl.h>\n#include <it/some.h>\n"
        "In file included from <stdin>:3:\n"
        f"{headers}/it/some.h:2:10: error: expected expression before ';' token\n"
    )


def test_the_compilers_messages_are_read_in_any_locale(headers: Path, tmp_path: Path) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text(f'#!/bin/sh\n[ "$LC_ALL" = C ] && exec cc {shlex.quote(f"-I{headers}")} "$@"\n')
    compiler.chmod(0o755)
    (headers / "it/some.h").write_text("#define BAD nobody\n#define GOOD 1\n")
    text = constants_build.constants_text([str(compiler)], ("it/some.h",))
    assert text == "# it/some.h\nGOOD 1\n# ioctl\n"


# Python's own constants were compiled from the C library's headers: another way to the same numbers.
@pytest.mark.parametrize(
    ("prefix", "header", "module", "but"),
    [
        # The C library has 0 for O_LARGEFILE, since its own programs need not say it.
        ("O_", "linux/fcntl.h", os, {"O_LARGEFILE"}),
        ("F_", "linux/fcntl.h", fcntl, set()),
        ("LOCK_", "linux/fcntl.h", fcntl, set()),
        ("SEEK_", "linux/fs.h", os, set()),
        ("SPLICE_F_", "fcntl.h", os, set()),
        ("RWF_", "linux/fs.h", os, set()),
        ("MFD_", "linux/memfd.h", os, set()),
        ("P_", "linux/wait.h", os, set()),
        ("POSIX_FADV_", "linux/fadvise.h", os, set()),
        ("SCHED_", "linux/sched.h", os, set()),
        ("GRND_", "linux/random.h", os, set()),
        ("PRIO_", "linux/resource.h", os, set()),
        ("RLIMIT_", "asm/resource.h", resource, set()),
        ("RUSAGE_", "linux/resource.h", resource, set()),
        # The C library keeps the first two real-time signals to itself.
        ("SIG", "linux/signal.h", signal, {"SIGRTMIN"}),
        ("AF_", "sys/socket.h", socket, set()),
        ("SOCK_", "sys/socket.h", socket, set()),
        ("MSG_", "sys/socket.h", socket, set()),
        ("SO_", "sys/socket.h", socket, set()),
        ("SHUT_", "sys/socket.h", socket, set()),
        ("IPPROTO_", "linux/in.h", socket, set()),
        ("IP_", "linux/in.h", socket, set()),
        ("IPV6_", "linux/in6.h", socket, set()),
        ("TCP_", "linux/tcp.h", socket, set()),
        ("EPOLL", "linux/eventpoll.h", select, set()),
        ("POLL", "asm/poll.h", select, set()),
    ],
)
def test_a_constant_has_the_value_that_python_has_for_it(prefix: str, header: str, module: Any, but: set[str]) -> None:
    found = constants.prefixed(prefix, header)
    known = {name: int(getattr(module, name)) for name in found if hasattr(module, name)}
    different = {name for name, value in known.items() if value & 0xFFFFFFFF != found[name] & 0xFFFFFFFF}
    assert different == but & known.keys()
    assert len(known) > 1


def test_errors_have_the_numbers_that_python_has_for_them() -> None:
    found = constants.prefixed("E", "asm/errno.h")
    assert {name: getattr(errno, name) for name in found if hasattr(errno, name)}.items() <= found.items()
    assert found["EOPNOTSUPP"] == 95
    assert "ENOTSUP" not in found


def test_one_prefix_means_two_things_in_two_headers() -> None:
    assert list(constants.prefixed("MS_", "linux/mman.h")) == ["MS_ASYNC", "MS_INVALIDATE", "MS_SYNC"]
    assert constants.prefixed("MS_", "linux/mount.h")["MS_RDONLY"] == 1


def test_a_value_is_found_in_any_header_or_in_the_one_that_is_named() -> None:
    assert constants.value("O_CLOEXEC") == os.O_CLOEXEC
    assert constants.value("SOCK_STREAM") == socket.SOCK_STREAM
    assert constants.value("MS_SYNC", "linux/mman.h") == 4
    assert constants.value("FICLONE") == constants.value("FICLONE", "ioctl") == 0x40049409


def test_arch_prctl_is_known_where_the_machine_has_it() -> None:
    expected = {"ARCH_SET_FS"} if platform.machine() == "x86_64" else set()
    assert {"ARCH_SET_FS"} & set(constants.prefixed("ARCH_", "asm/prctl.h")) == expected


def test_an_unknown_constant_offers_the_nearest() -> None:
    with pytest.raises(UsageError) as error:
        constants.value("O_CLOEXC")
    assert str(error.value) == ("'O_CLOEXC' is not defined in the headers of the kernel; did you mean 'O_CLOEXEC'?")


def test_an_unknown_constant_that_is_near_to_nothing_is_said_to_be_unknown() -> None:
    with pytest.raises(UsageError) as error:
        constants.value("?")
    assert str(error.value) == "'?' is not defined in the headers of the kernel"


def test_a_constant_of_another_header_is_not_found_in_the_one_that_is_named() -> None:
    with pytest.raises(UsageError) as error:
        constants.value("MS_RDONLY", "linux/mman.h")
    assert str(error.value) == "'MS_RDONLY' is not defined in linux/mman.h"


def test_a_header_that_was_not_read_is_an_error() -> None:
    with pytest.raises(UsageError) as error:
        constants.prefixed("O_", "fcntl2.h")
    assert str(error.value) == "no constants were taken from the header 'fcntl2.h'"


def test_an_installation_without_the_table_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "_path", str(tmp_path / "constants.txt"))
    constants._sections.cache_clear()
    try:
        with pytest.raises(Unavailable) as error:
            constants.headers()
    finally:
        constants._sections.cache_clear()
    assert str(error.value) == (
        "pytest-ebpf: its table of constants cannot be read: "
        f"[Errno 2] No such file or directory: '{tmp_path}/constants.txt'\n"
        "  try     pip install --force-reinstall pytest-ebpf"
    )
