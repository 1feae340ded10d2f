"""A pytest in a process of its own, as a user runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def command(*arguments: str | Path) -> list[str]:
    """The command; of two options that contradict the last one wins, as anywhere in pytest."""
    return [
        # Not "python -m pytest": in the clone that would import the package from there, where nothing is compiled.
        str(Path(sys.executable).with_name("pytest")),
        *("--ebpf=require", "-p", "no:cacheprovider"),
        # At the end of a run it imports all of Hypothesis, which takes longer than all else together.
        *("-p", "no:hypothesispytest"),
        *map(str, arguments),
    ]


def run(*arguments: str | Path) -> str:
    """Run tests without any configuration; return what pytest printed."""
    done = subprocess.run(
        command("-c", "/dev/null", *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        # What the suite is asked to show is not asked of this run.
        env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
    )
    return done.stdout


def ended_with(outcome: str, output: str) -> bool:
    """Whether that is what a run's last line counts, such as ``1 failed, 2 passed``."""
    return re.search(rf"^=+ {outcome} in ", output, re.MULTILINE) is not None
