"""Which programs a ``git`` command starts: what its documentation calls plumbing."""

import subprocess
from pathlib import Path

import pytest

from pytest_ebpf import Trace


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make git ask nobody for a name, and read no settings but its own."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A. Tester")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "tester@example.org")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository with one commit."""
    path = tmp_path / "origin"
    git("init", "--quiet", path)
    git("-C", path, "commit", "--quiet", "--allow-empty", "--message", "first")
    return path


def git(*arguments: str | Path) -> None:
    subprocess.run(["git", *arguments], check=True)


def test_a_clone_by_url_has_the_other_side_make_a_pack(ebpf_trace: Trace, repository: Path, tmp_path: Path) -> None:
    with ebpf_trace.section("clone") as clone:
        git("clone", "--quiet", repository.as_uri(), tmp_path / "copy")

    client = clone.assert_spawned("git", argv=["git", "clone", ...])
    # The other side is a program of its own, started through a shell as it would be through ssh.
    server = clone.assert_spawned("git-upload-pack")
    assert server.parent is not None
    assert server.parent.comm == "sh"
    # One makes the pack, the other one indexes what arrives.
    clone.assert_spawned("git", argv=[..., "pack-objects", ...], parent=server, exit_code=0)
    clone.assert_spawned("git", argv=[..., "index-pack", ...], parent=client, exit_code=0)


def test_a_clone_by_path_copies_the_files_and_makes_no_pack(
    ebpf_trace: Trace, repository: Path, tmp_path: Path
) -> None:
    with ebpf_trace.section("clone") as clone:
        git("clone", "--quiet", repository, tmp_path / "copy")

    clone.assert_spawned("git-upload-pack")  # it is still asked for its branches
    clone.assert_not_spawned(argv=[..., "pack-objects", ...])
    clone.assert_not_spawned(argv=[..., "index-pack", ...])


def test_a_commit_runs_the_hook_and_goes_without_if_told_to(ebpf_trace: Trace, repository: Path) -> None:
    hook = repository / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    commit: list[str | Path] = ["-C", repository, "commit", "--quiet", "--allow-empty", "--message", "next"]

    with ebpf_trace.section("with the hook") as part:
        git(*commit)
    script = part.assert_spawned("pre-commit", parent="git", cwd=str(repository), exit_code=0)
    assert script.interpreter == "/bin/sh"

    with ebpf_trace.section("without") as part:
        git(*commit, "--no-verify")
    part.assert_not_spawned("pre-commit")
