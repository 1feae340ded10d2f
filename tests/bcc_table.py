"""The table of BCC's tools in docs/bcc-tools.md.

    python tests/bcc_table.py 6.1 6.12

runs them all in virtual machines, one boot for each kernel, and writes the table. What stands there of kernels that are
not named, stays.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import bcc_tools
from vm import guest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE = Path(__file__).parents[1] / "docs/bcc-tools.md"
TABLE = re.compile(r"^\| tool \|.*\n\|[-|]+\n(?:\|.*\n)*", re.MULTILINE)
GUEST = """
export XDG_CACHE_HOME=/tmp/cache
BCC_KERNEL_SOURCE=$(python -c 'from pytest_ebpf.headers.tree import bcc_tree; print(bcc_tree())')
export BCC_KERNEL_SOURCE
exec python tests/bcc_tools.py attach "$@"
"""


def told_by(kernel: str, tools: Sequence[str]) -> dict[str, bcc_tools.Told]:
    """Run tools under a kernel of Debian's."""
    done = guest.run(kernel, ["sh", "-ec", GUEST, "sh", *tools])
    assert done.status == 0, done
    told = [bcc_tools.Told(**json.loads(line)) for line in done.output.splitlines()]
    return {each.tool: each for each in told}


def word(told: bcc_tools.Told) -> str:
    """What became of a tool, as the table has it."""
    if told.stopped:
        return f"not in {told.stopped:.0f} s"
    if told.attaches:
        return "attaches"
    return "loads" if told.loaded and not told.not_loaded else "no"


def rows() -> dict[str, dict[str, str]]:
    """The table as it stands: by tool, its columns."""
    found = TABLE.search(PAGE.read_text())
    assert found
    heading, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in found[0].splitlines())
    return {cells[0].strip("`"): dict(zip(heading[1:], cells[1:], strict=True)) for cells in lines}


def write(told: Mapping[str, Mapping[str, bcc_tools.Told]]) -> None:
    """Write what became of the tools under each kernel. The reasons stay; one that is wanted is given as "?"."""
    before = rows()
    columns = list(dict.fromkeys([*_columns(before), *(f"Linux {kernel}" for kernel in told)]))
    words = {f"Linux {kernel}": {tool: word(one) for tool, one in each.items()} for kernel, each in told.items()}
    lines = [f"| tool | {' | '.join(columns)} | why not |", f"|---|{'---|' * len(columns)}---|"]
    for tool in bcc_tools.tools():
        row = before.get(tool, {})
        cells = [words[column][tool] if column in words else row.get(column, "not run") for column in columns]
        known = row.get("why not") or "?"
        lines.append(f"| `{tool}` | {' | '.join(cells)} | {'' if set(cells) == {'attaches'} else known} |")
    PAGE.write_text(TABLE.sub("\n".join(lines).replace("\\", r"\\") + "\n", PAGE.read_text()))


def _columns(table: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [name for name in next(iter(table.values())) if name != "why not"]


def main() -> None:
    """Run all under the kernels that are named."""
    told = {kernel: told_by(kernel, bcc_tools.tools()) for kernel in sys.argv[1:]}
    for kernel, each in told.items():
        for one in each.values():
            if not one.attaches:
                sys.stdout.write(f"{kernel} {one}{os.linesep}")
    write(told)


if __name__ == "__main__":
    main()
