"""What is said of a BCC program that cannot be used, in whole texts; and that nothing of it stays."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from bcc_here import require_bcc
from tiers import require_command, without_kprobes

from pytest_ebpf import ProgramError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ebpf import Trace

RELEASE = os.uname().release


@pytest.fixture(autouse=True)
def _bcc() -> None:
    require_bcc()


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """Where a text lies that the tests write."""
    return tmp_path / "tool.c"


def refused(trace: Trace, tool: Path, text: str, **asked: dict[str, str | None]) -> str:
    tool.write_text(text)
    with pytest.raises(ProgramError) as caught:
        trace.bcc(tool, **asked)
    return str(caught.value)


def test_clangs_message_has_the_users_own_lines(ebpf_trace: Trace, tool: Path) -> None:
    text = (
        "#include <linux/sched.h>\n"
        "BPF_HASH(counts);\n"
        "static int unused;\n"
        "RAW_TRACEPOINT_PROBE(sched_process_exec)\n"
        "{\n"
        "    counts.increment(zyqqx);\n"
        "    return 0;\n"
        "}\n"
    )
    message = refused(ebpf_trace, tool, text)
    assert re.sub(r"(\d+ warnings? and )?1 error generated", "1 error generated", message) == (
        "pytest-ebpf: tool.c cannot be used: BCC cannot compile it\n"
        "    tool.c:6:22: error: use of undeclared identifier 'zyqqx'\n"
        "        counts.increment(zyqqx);\n"
        "                         ^\n"
        "    1 error generated."
    )


def test_a_text_in_the_test_has_lines_too(ebpf_trace: Trace) -> None:
    with pytest.raises(ProgramError, match=r"(?m)^    <text>:2:1: error: unknown type name 'zyqqx'$"):
        ebpf_trace.bcc("\nzyqqx it;\n")


def test_bccs_own_messages_have_them_too(ebpf_trace: Trace, tool: Path) -> None:
    text = (
        "BPF_ARRAY(a, u64, 1);\n#define OF(map) map.increment(0)\nint f(void *ctx)\n{\n    OF(a);\n    return 0;\n}\n"
    )
    message = refused(ebpf_trace, tool, text, attach={"f": "raw_tracepoint:sched_process_exec"})
    assert "    tool.c:5:8: error: cannot use map function inside a macro\n" in message


def test_a_header_that_is_not_there(ebpf_trace: Trace, tool: Path) -> None:
    message = refused(ebpf_trace, tool, "#include <linux/nope.h>\n")
    assert message.startswith(
        "pytest-ebpf: tool.c cannot be used: BCC cannot compile it\n"
        "    tool.c:1:10: fatal error: 'linux/nope.h' file not found\n"
        "    #include <linux/nope.h>\n"
        "             ^~~~~~~~~~~~~~\n"
    )


def test_a_header_beside_the_text_is_found(ebpf_trace: Trace, tool: Path) -> None:
    (tool.parent / "limits_of_ours.h").write_text("#define MOST 7\n")
    text = '#include "limits_of_ours.h"\nBPF_ARRAY(a, u64, MOST);\n'
    tool.write_text(f"{text}RAW_TRACEPOINT_PROBE(sched_process_exec) {{ return 0; }}\n")
    assert ebpf_trace.bcc(tool)["a"].max_entries == 7


def test_the_verifiers_last_words_are_in_the_message(ebpf_trace: Trace, tool: Path) -> None:
    text = "RAW_TRACEPOINT_PROBE(sched_process_exec)\n{\n    return ((char *)ctx)[(int)bpf_get_prandom_u32()];\n}\n"
    tool.write_text(text)
    with pytest.raises(ProgramError) as caught:
        ebpf_trace.bcc(tool)
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "pytest-ebpf: tool.c cannot be used: the kernel refused its function raw_tracepoint__sched_process_exec:"
        " Invalid argument"
    )
    assert "out of bounds" in lines[-1] or "ctx pointer" in lines[-1] or "unbounded" in lines[-1]
    assert "processed " in caught.value.log


def test_a_function_that_nothing_calls_is_no_silence(ebpf_trace: Trace, tool: Path) -> None:
    # It would tell of nothing, and assert_no_event() would hold.
    message = refused(ebpf_trace, tool, "int on_accept(struct pt_regs *ctx) { return 0; }\n")
    assert message == (
        "pytest-ebpf: tool.c cannot be used: nothing calls its function on_accept: its name is none that BCC attaches"
        " by itself (kprobe__, TRACEPOINT_PROBE, RAW_TRACEPOINT_PROBE, KFUNC_PROBE …)\n"
        '  try     attach={"on_accept": "uprobe:./program:function"}'
        " (or tracepoint:, raw_tracepoint:, kprobe:, usdt:),\n"
        "          or `static` before a function that others of the text call"
    )


def test_a_text_without_functions(ebpf_trace: Trace, tool: Path) -> None:
    message = refused(ebpf_trace, tool, "static int f(void) { return 0; }\n")
    assert message == "pytest-ebpf: tool.c cannot be used: it has no function that could be attached"


def test_a_function_that_attach_names_and_the_text_has_not(ebpf_trace: Trace, tool: Path) -> None:
    text = "int on_accept(struct pt_regs *ctx) { return 0; }\n"
    message = refused(ebpf_trace, tool, text, attach={"on_acept": "raw_tracepoint:sched_process_exec"})
    assert message == (
        "pytest-ebpf: tool.c cannot be used: attach={'on_acept': …}: it has no function 'on_acept';"
        " did you mean on_accept?"
    )


def test_a_tracepoint_that_is_not_there(ebpf_trace: Trace, tool: Path) -> None:
    message = refused(ebpf_trace, tool, "TRACEPOINT_PROBE(sched, nope) { return 0; }\n")
    assert message.startswith(
        "pytest-ebpf: tool.c cannot be used: BCC cannot attach it: Failed to attach BPF program tracepoint__sched__nope"
        " to tracepoint sched:nope\n"
    )
    assert message.endswith("/events/sched/nope/id): No such file or directory")


def test_a_raw_tracepoint_that_is_not_there(ebpf_trace: Trace, tool: Path) -> None:
    assert refused(ebpf_trace, tool, "RAW_TRACEPOINT_PROBE(nope) { return 0; }\n") == (
        "pytest-ebpf: tool.c cannot be used: BCC cannot attach it: Failed to attach BPF to raw tracepoint\n"
        "    bpf_attach_raw_tracepoint (nope): No such file or directory"
    )


@without_kprobes
@pytest.mark.parametrize("name", ["kprobe__do_unlinkat", "on_unlink"])
def test_kprobes_where_the_kernel_has_none(ebpf_trace: Trace, tool: Path, name: str) -> None:
    text = f"int {name}(struct pt_regs *ctx) {{ return 0; }}\n"
    attach: dict[str, str | None] = {} if "__" in name else {name: "kprobe:do_unlinkat"}
    assert refused(ebpf_trace, tool, text, attach=attach) == (
        f"pytest-ebpf: tool.c cannot be used: {name} is for a function of the kernel, and this kernel ({RELEASE}) has"
        " no kprobes\n"
        "  needs   a kernel built with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y\n"
        "  try     a tracepoint: TRACEPOINT_PROBE(syscalls, sys_enter_openat), RAW_TRACEPOINT_PROBE(sched_switch)"
    )


def test_a_place_that_is_none(ebpf_trace: Trace, tool: Path) -> None:
    tool.write_text("int f(struct pt_regs *ctx) { return 0; }\n")
    with pytest.raises(
        UsageError, match=r"^attach=\{'f': 'uprobe:/bin/true:nope_nope'\}: /bin/true: no function 'nope_nope'"
    ):
        ebpf_trace.bcc(tool, attach={"f": "uprobe:/bin/true:nope_nope"})


def test_a_file_that_is_not_there(ebpf_trace: Trace) -> None:
    with pytest.raises(UsageError) as caught:
        ebpf_trace.bcc("nowhere/tool.c")
    assert str(caught.value) == "the program nowhere/tool.c cannot be read: No such file or directory"


def test_a_text_that_is_too_big(ebpf_trace: Trace, tool: Path) -> None:
    message = refused(ebpf_trace, tool, "//" + "x" * (1 << 20))
    assert message == "pytest-ebpf: tool.c cannot be used: it has 1048578 bytes, and a text may have 1048576"


def test_a_map_that_is_too_big(ebpf_trace: Trace, tool: Path) -> None:
    text = "BPF_HASH(big, u64, u64, 4000000000);\nRAW_TRACEPOINT_PROBE(sched_process_exec) { return 0; }\n"
    message = refused(ebpf_trace, tool, text)
    assert message.startswith("pytest-ebpf: tool.c cannot be used: BCC cannot compile it\n")
    assert "    could not open bpf map: big, error: " in message


def test_nothing_of_one_that_was_refused_stays(ebpf_trace: Trace, tool: Path) -> None:
    require_command("bpftool")

    def attached() -> int:
        shown = subprocess.run(["bpftool", "prog"], capture_output=True, text=True, check=True).stdout
        return len(re.findall(r"name stays_not", shown))

    text = "int stays_not(void *ctx) { return 0; }\nRAW_TRACEPOINT_PROBE(nope) { return 0; }\n"
    refused(ebpf_trace, tool, text, attach={"stays_not": "raw_tracepoint:sched_process_exec"})
    assert attached() == 0
