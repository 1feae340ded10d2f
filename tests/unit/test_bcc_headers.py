"""Which files a BCC text included, and whether they are as they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_ebpf.host.bcc_headers import Headers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def header(tmp_path: Path) -> Path:
    path = tmp_path / "a header.h"
    path.write_text("#define MOST 7\n")
    return path


@pytest.fixture
def headers(header: Path) -> Iterator[Headers]:
    """Those of a text that is being compiled."""
    assert header.exists(), "since before"
    headers = Headers()
    yield headers
    headers.close()


def compiled(headers: Headers, header: Path) -> None:
    """What clang and BCC do."""
    *_, rule = headers.flags
    name = str(header).replace(" ", "\\ ")
    Path(rule).write_text(f"main.o: /virtual/main.c include/linux/kconfig.h \\\n  {name}\n")
    headers.note()


def test_they_are_as_they_were(headers: Headers, header: Path) -> None:
    compiled(headers, header)
    assert headers.are_as_they_were()
    assert headers.are_as_they_were()


def test_one_that_changed_is_another(headers: Headers, header: Path) -> None:
    compiled(headers, header)
    header.write_text("#define MOST 8\n")
    assert not headers.are_as_they_were()


def test_one_that_is_gone_is_another(headers: Headers, header: Path) -> None:
    compiled(headers, header)
    header.unlink()
    assert not headers.are_as_they_were()


def test_of_one_that_changed_meanwhile_nobody_knows(headers: Headers, header: Path) -> None:
    while header.stat().st_ctime_ns < headers._started_ns:  # a file's clock is a few milliseconds behind
        header.write_text("#define MOST 8\n")
    compiled(headers, header)
    assert not headers.are_as_they_were()


def test_nor_where_clang_wrote_of_none(headers: Headers) -> None:
    headers.note()
    assert not headers.are_as_they_were()
