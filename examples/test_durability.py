"""What reaches the disk, and in which order: SQLite (in Python's library) and ``git``, by their system calls."""

import sqlite3
import subprocess
from pathlib import Path

from pytest_ebpf import Trace, call, family


def test_a_commit_is_on_the_disk_before_its_journal_goes(ebpf_trace: Trace, tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "shop.db")
    with ebpf_trace.section("commit") as commit, database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    database.close()

    # What is there already is kept in a journal until the new contents are safe (https://sqlite.org/atomiccommit.html).
    commit.assert_sequence(
        [
            call(family.write, path="shop.db-journal"),
            call(family.fsync, path="shop.db-journal"),
            call(family.write, path="shop.db"),
            call(family.fsync, path="shop.db"),
            call(family.unlink, path="shop.db-journal"),
        ]
    )


def test_a_database_that_is_only_read_is_not_written(ebpf_trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    database.close()

    with ebpf_trace.section("read") as read:
        reader = sqlite3.connect(path)
        assert reader.execute("SELECT count(*) FROM orders").fetchone() == (0,)
        reader.close()

    read.assert_syscall(family.read, path=path)
    read.assert_no_syscall(family.write, path=path)
    read.assert_no_syscall(family.open, path="shop.db-journal", flags={"O_CREAT"})


def test_a_local_commit_of_git_talks_to_nobody(ebpf_trace: Trace, tmp_path: Path) -> None:
    identity = ["-c", "user.name=A. Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    with ebpf_trace.section("commit") as commit:
        command = ["git", "-C", str(tmp_path), *identity, "commit", "--quiet", "--allow-empty", "--message", "first"]
        subprocess.run(command, check=True)

    git = commit.assert_spawned("git")
    for side in ("AF_INET", "AF_INET6"):
        commit.assert_no_syscall("connect", family=side)
    # The branch points to the commit from one moment to the next: by a rename of what was written under another name.
    renamed = commit.assert_syscall(family.rename, newpath=lambda path: "/refs/heads/" in path, process=git)
    assert renamed.args.oldpath == f"{renamed.args.newpath}.lock"
