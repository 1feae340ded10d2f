"""BCC's own tools load and attach where there are kprobes, with headers made from the kernel's types."""

from __future__ import annotations

import bcc_table
import bcc_tools
import pytest

CHOICE = [
    *("bashreadline", "capable", "execsnoop", "hardirqs", "offcputime", "opensnoop", "profile", "tcpconnect"),
    *("tcpstates", "vfsstat"),
]
"""Of all kinds of programs. All of them take half an hour on an emulated processor: tests/bcc_table.py runs those."""


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_tools_of_all_kinds_attach(kernel: str) -> None:
    bcc_tools.require()
    told = bcc_table.told_by(kernel, CHOICE)
    assert {tool: bcc_table.word(each) for tool, each in told.items()} == dict.fromkeys(CHOICE, "attaches"), told


def test_the_documents_say_so_of_each() -> None:
    bcc_tools.require()
    table = bcc_table.rows()
    assert list(table) == bcc_tools.tools()
    assert {table[tool]["Linux 6.1"] for tool in CHOICE} == {"attaches"}
    unexplained = [tool for tool, row in table.items() if (row["Linux 6.1"] == "attaches") != (row["why not"] == "")]
    assert unexplained == []
