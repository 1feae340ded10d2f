"""What the documents show is true: their tests pass, their failures fail with the messages shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bcc_here import require_bcc
from e2e import inner
from tiers import require_command

import pytest_ebpf
from pytest_ebpf import hookspecs, settings
from pytest_ebpf.criteria import EVENT_FIELDS, PROCESS_FIELDS

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
FAILURES = (PROJECT / "docs" / "failures.md").read_text()
REFERENCE = (PROJECT / "docs" / "reference.md").read_text()

_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
_FAILURE = re.compile(r"^```python\n(.*?)^```\n+```text\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _tests_of(text: str) -> list[str]:
    return [code for code in _PYTHON.findall(text) if re.search(r"^def test_", code, re.MULTILINE)]


PAGES_WITH_TESTS = [page for page in PAGES if page.name != "failures.md" and _tests_of(page.read_text())]


def test_the_pages_with_tests_are_found() -> None:
    assert {page.stem for page in PAGES_WITH_TESTS} >= {"README", "index", "tutorial", "howto", "functions"}


@pytest.mark.parametrize("page", [pytest.param(page, id=page.stem) for page in PAGES_WITH_TESTS])
def test_every_test_on_a_page_passes_as_it_stands(page: Path, tmp_path: Path) -> None:
    codes = _tests_of(page.read_text())
    if os.geteuid() != 0:
        # Under an administrator's broker what the kernel shows is for root.
        # And so are programs of one's own.
        codes = [code for code in codes if not re.search(r"ebpf_trace\.(tracepoint|program|bcc)\(", code)]
        if not codes:
            pytest.skip("all tests on this page need root, and this is the suite as an unprivileged user")
    if "ebpf_trace.bcc(" in "".join(codes):
        require_bcc()
    require_command(
        *(command for command in ("bwrap", "gcc", "gzip", "tar", "unshare") if f'"{command}' in "".join(codes))
    )
    if ".bpf.c" in "".join(codes):
        require_command("clang")
    for number, code in enumerate(codes):
        (tmp_path / f"test_{page.stem}_{number}.py").write_text(code)
    expected = sum(len(re.findall(r"^def test_", code, re.MULTILINE)) for code in codes)
    output = inner.run(tmp_path)
    assert inner.ended_with(f"{expected} passed", output), output


def test_the_hooks_on_the_how_to_page_do_what_it_says(tmp_path: Path) -> None:
    howto = (PROJECT / "docs" / "howto.md").read_text()
    hooks = [code for code in _PYTHON.findall(howto) if code.startswith("def pytest_ebpf_")]
    assert len(hooks) == 2
    (tmp_path / "conftest.py").write_text("\n\n".join(hooks))
    (tmp_path / "test_hooks.py").write_text(
        "import subprocess\n\n\n"
        "def test_leaves(ebpf_trace):\n    subprocess.Popen(['sleep', '9'])\n\n\n"
        "def test_fails(ebpf_trace):\n    ebpf_trace.assert_spawned('cc1')\n"
    )
    output = inner.run(tmp_path)
    assert "AssertionError: test_leaves left processes behind" in output
    assert "compilers 0" in output
    assert inner.ended_with("1 failed, 1 passed, 1 error", output), output


def _same_everywhere(text: str, folder: Path) -> list[str]:
    """Replace the numbers and the place, which differ from run to run, and the width that depends on them."""
    text = text.replace(str(folder), "/tmp")
    text = re.sub(r"0x[0-9a-f]+", "ADDRESS", text)
    return [" ".join(line.split()) for line in re.sub(r"\d+(\.\d+)?", "N", text).splitlines()]


@pytest.mark.parametrize("name", ["tutorial", "howto", "functions"])
def test_every_command_shown_prints_what_is_shown(name: str, tmp_path: Path) -> None:
    blocks = _CONSOLE.findall((PROJECT / "docs" / f"{name}.md").read_text())
    assert blocks
    own = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for block in blocks:
        for command, shown in _COMMAND.findall(block):
            done = subprocess.run(
                ["sh", "-c", command],
                cwd=tmp_path,
                env={**os.environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=60,
            )
            assert _same_everywhere(done.stdout, tmp_path) == _same_everywhere(shown, tmp_path), command


def normal(text: str) -> str:
    """Replace what differs from run to run: times, pids, and pytest's own command line."""
    text = re.sub(r"\+?\b\d+\.\d{3} m?s\b", "TIME", text)
    text = re.sub(r"\b\d+ \S.*\(the test\)", "PID pytest (the test)", text)
    # How many there are depends on the interpreter and on pytest.
    text = re.sub(r"\b[\d,]+ calls\b", "N calls", text)
    # How far apart the columns stand depends on the length of a time.
    return re.sub(r"(TIME +|─ )\d+ ", lambda found: f"{found[1].split()[0]} PID ", text)


@pytest.mark.parametrize(("code", "message"), _FAILURE.findall(FAILURES))
def test_every_failure_shown_fails_with_the_message_shown(code: str, message: str, tmp_path: Path) -> None:
    require_command("unshare")
    (tmp_path / "test_failure.py").write_text(code)
    output = inner.run("--tb=short", tmp_path)
    raised = "\n".join(line[4:] for line in output.splitlines() if line.startswith("E   "))
    assert normal(raised).splitlines() == normal(message).splitlines(), output
    assert inner.ended_with("1 failed", output), output


def test_six_failures_are_shown() -> None:
    assert len(_FAILURE.findall(FAILURES)) == len(_tests_of(FAILURES)) == 6


def test_all_code_about_reading_fields_is_that_of_the_examples() -> None:
    page = (PROJECT / "docs" / "reading-fields.md").read_text()
    assert set(re.findall(r"^```([^\s`]+)", page, re.MULTILINE)) == {"{literalinclude}", "console"}
    shown = set(re.findall(r"^```\{literalinclude\} \.\./examples/fields/(\S+)$", page, re.MULTILINE))
    assert {path.name for path in (PROJECT / "examples" / "fields").glob("*.c")} <= shown


@pytest.mark.parametrize("name", sorted({*pytest_ebpf.__all__, *PROCESS_FIELDS, *EVENT_FIELDS, *hookspecs.__all__}))
def test_the_reference_names_all_that_is_public(name: str) -> None:
    assert re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", REFERENCE)


@pytest.mark.parametrize("name", settings.Settings._fields)
def test_the_reference_has_every_setting(name: str) -> None:
    suffix = "" if name == "mode" else f"_{name}"
    assert f"| `--ebpf{suffix.replace('_', '-')}` | `ebpf{suffix}` |" in REFERENCE
