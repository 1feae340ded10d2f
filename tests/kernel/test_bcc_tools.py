"""BCC's own tools, unchanged, compile and load with headers that are made from the kernel's types alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bcc_tools
import pytest
from tiers import require_root

from pytest_ebpf.headers.tree import bcc_tree

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once

TYPES_OF_MODULES = {"nfsslower": "struct nfs_commit_data"}
"""What a text needs and the kernel's own BTF lacks, where it is not built in."""
REFUSED = {"inject": "program of this type cannot use helper bpf_override_return"}
"""What a kernel may be configured without."""
AT_LEAST = 40


def test_every_tool_whose_text_includes_kernel_headers_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    require_root()
    bcc_tools.require()
    monkeypatch.setenv("BCC_KERNEL_SOURCE", str(bcc_tree()))
    told = list(bcc_tools.run_all(bcc_tools.tools(), "load"))

    failed = [each for each in told if not each.compiles and TYPES_OF_MODULES.get(each.tool, "?") not in each.output]
    failed += [each for each in told if each.not_loaded and REFUSED.get(each.tool, "?") not in each.output]
    assert failed == []
    assert len([each for each in told if each.loads]) >= AT_LEAST


def test_without_headers_of_any_kind_none_would(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    require_root()
    bcc_tools.require()
    monkeypatch.setenv("BCC_KERNEL_SOURCE", str(tmp_path))
    without = bcc_tools.run("syncsnoop", "load")
    assert (without.texts, without.compiles, without.loads) == (1, False, False), without
    monkeypatch.setenv("BCC_KERNEL_SOURCE", str(bcc_tree()))
    assert bcc_tools.run("syncsnoop", "load").loaded == ["syscall__sync"]
