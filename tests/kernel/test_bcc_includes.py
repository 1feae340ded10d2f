"""A BCC text is what it includes, too: where that changed, another program is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bcc_here import require_bcc

from pytest_ebpf import ProgramError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ebpf import Trace

TEXT = '#include "outer.h"\nBPF_ARRAY(a, u64, MOST);\nRAW_TRACEPOINT_PROBE(sched_process_exec) { return 0; }\n'


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A text that includes a header, which includes another."""
    require_bcc()
    (tmp_path / "outer.h").write_text('#include "of ours.h"\n')
    (tmp_path / "of ours.h").write_text("#define MOST 7\n")
    tool = tmp_path / "tool.c"
    tool.write_text(TEXT)
    return tool


def test_it_is_compiled_again_when_a_header_changed_and_not_when_none_did(ebpf_trace: Trace, tool: Path) -> None:
    first = ebpf_trace.bcc(tool)
    again = ebpf_trace.bcc(tool)
    tool.with_name("of ours.h").write_text("#define MOST 8\n")
    changed = ebpf_trace.bcc(tool)
    assert [program["a"].max_entries for program in (first, again, changed)] == [7, 7, 8]
    assert again.hosted.number == first.hosted.number


def test_a_header_that_is_gone_is_missed(ebpf_trace: Trace, tool: Path) -> None:
    ebpf_trace.bcc(tool)
    tool.with_name("of ours.h").unlink()
    with pytest.raises(ProgramError, match=r"outer.h:1:10: fatal error: 'of ours.h' file not found"):
        ebpf_trace.bcc(tool)
