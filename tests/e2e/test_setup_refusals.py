"""A test that is refused before its fixtures are set up is refused in pytest's own order: nothing else breaks."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def _run(folder: Path, marker: str) -> str:
    (folder / "test_refused.py").write_text(
        f"import pytest\n\n\n@pytest.mark.ebpf({marker})\ndef test_refused(ebpf_trace):\n    pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--ebpf=off", "-rs", "-p", "no:cacheprovider", "-c", "/dev/null", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=folder,
    )
    return done.stdout


def test_a_skip_with_a_window_as_wide_as_the_test_is_a_skip_alone(tmp_path: Path) -> None:
    output = _run(tmp_path, "window='test'")
    assert "pytest-ebpf is switched off (--ebpf=off)" in output
    assert re.search(r"^=+ 1 skipped in ", output, re.MULTILINE), output


def test_a_bad_marker_is_one_error_that_says_what_is_good(tmp_path: Path) -> None:
    output = _run(tmp_path, "ring_size='4096'")
    assert (
        "@pytest.mark.ebpf(ring_size=...): a ring has a power of two of bytes, from 64K to 1G, not 4096; try 8M"
    ) in output
    assert "ERROR at teardown" not in output
    assert re.search(r"^=+ 1 error in ", output, re.MULTILINE), output
