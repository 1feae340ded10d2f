"""What functions are passed: a structure in a program of one's own, and the text of statements in SQLite's library."""

import ctypes
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pytest_ebpf import Pointer, Trace, glob

SOURCE = """
#include <stdio.h>

struct exp {
    int num;
    char name[35];
};

__attribute__((noinline)) int accept_exp(struct exp *t)
{
    return printf("%d %s\\n", t->num, t->name);
}

int main(void)
{
    for (int i = 1; i <= 3; i++) {
        struct exp exp = { i, "keqing" };

        accept_exp(&exp);
    }
}
"""


class Exp(ctypes.Structure):
    """The same structure, as this test describes it."""

    _fields_ = (("num", ctypes.c_int), ("name", ctypes.c_char * 35))


@pytest.fixture(scope="module")
def exp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program, compiled."""
    program = tmp_path_factory.mktemp("exp") / "exp"
    subprocess.run(["gcc", "-g", "-O2", "-x", "c", "-", "-o", program], input=SOURCE, text=True, check=True)
    return program


def test_the_structure_that_reaches_the_function(ebpf_trace: Trace, exp: Path) -> None:
    calls = ebpf_trace.uprobe(exp, "accept_exp", Pointer(Exp))
    subprocess.run([exp], check=True)

    assert [call.t.name for call in calls] == [b"keqing"] * 3
    ebpf_trace.assert_called("accept_exp", num=2, name="keqing", count=1)
    ebpf_trace.assert_not_called("accept_exp", num=4)


def test_the_same_by_offsets_and_with_what_it_returned(ebpf_trace: Trace, exp: Path) -> None:
    calls = ebpf_trace.uprobe(f"{exp}:accept_exp", num="s32@arg0", name="str@arg0+4", returns="s32")
    printed = subprocess.run([exp], check=True, capture_output=True, text=True).stdout

    lines = printed.splitlines(keepends=True)
    assert [(f"{call.num} {call.name.decode()}\n", call.result) for call in calls] == [
        (line, len(line)) for line in lines
    ]


@pytest.fixture
def database(ebpf_trace: Trace) -> Iterator[sqlite3.Connection]:
    """Return a database whose statements are recorded: this process has SQLite's library itself."""
    ebpf_trace.uprobe("libsqlite3.so.0", "sqlite3_prepare_v2", db="ptr", sql="str")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")
        yield connection


def find(database: sqlite3.Connection, name: str) -> list[tuple[str]]:
    return database.execute("SELECT name FROM users WHERE name = ?", [name]).fetchall()


def test_what_a_user_types_never_becomes_part_of_a_statement(ebpf_trace: Trace, database: sqlite3.Connection) -> None:
    assert find(database, "x' OR '1'='1") == []

    ebpf_trace.assert_called("sqlite3_prepare_v2", sql="SELECT name FROM users WHERE name = ?", count=1)
    ebpf_trace.assert_not_called("sqlite3_prepare_v2", sql=glob("*OR '1'*"))
