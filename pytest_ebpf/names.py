"""What a program goes by: the path asked for, the file that runs, its first argument, its thread's name."""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.matching import Glob, compare, glob, is_wildcard
from pytest_ebpf.processes import Process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.images import Image

__all__ = ["compare_name", "compare_parent", "names_of", "nearest_name", "similarity_of"]


def names_of(image: Image, *, with_folders: bool = False) -> tuple[dict[str, str], list[Gap]]:
    """Return what a program goes by, by field, and what of it is not known."""
    names: dict[str, str] = {f"comm {comm}": comm for comm in sorted(image.comms)}
    gaps = []
    argv = image.get("argv")
    if isinstance(argv, Cut) and len(argv.value) > 1:
        argv = tuple(argv.value)
    if isinstance(argv, tuple) and argv:
        names["argv[0]"] = argv[0]
    elif isinstance(argv, Gap | Cut):
        gaps.append(argv if isinstance(argv, Gap) else argv.gap)
    for each in ("filename", "exe"):
        value = image.get(each)
        if isinstance(value, str):
            names[each] = value
        elif isinstance(value, Cut) and value.start_missing and "/" in str(value.value):
            # The folders are not known, the name is.
            names[each] = _last(str(value.value))
            if with_folders:
                gaps.append(value.gap)
        elif isinstance(value, Gap | Cut):
            gaps.append(value.gap if isinstance(value, Cut) else value)
    return names, gaps


def compare_name(expected: Any, image: Image) -> Verdict:
    """Compare a name with all that a program goes by.

    One with a slash is compared with whole paths, any other with their last parts and with `comm`.
    """
    pattern = expected
    if isinstance(expected, bytes | os.PathLike):
        pattern = os.fsdecode(expected)
    if isinstance(pattern, str) and is_wildcard(pattern):
        pattern = glob(pattern)
    text = pattern
    if isinstance(pattern, Glob | re.Pattern):
        text = os.fsdecode(pattern.pattern)
    with_folders = isinstance(text, str) and "/" in text
    names, gaps = names_of(image, with_folders=with_folders)
    if with_folders:
        candidates = {names[each] for each in ("filename", "exe", "argv[0]") if each in names}
    else:
        candidates = {_last(name) or name for name in names.values()}
    verdict = max((compare(pattern, name) for name in candidates), default=Verdict.NO)
    return max(verdict, Verdict.UNKNOWN) if gaps else verdict


def compare_parent(expected: Any, parent: Process) -> Verdict:
    """Compare a process, a pid, a name or a predicate with a process."""
    if isinstance(expected, Process):
        return Verdict.YES if expected == parent else Verdict.NO
    if isinstance(expected, int) and not isinstance(expected, bool):
        return compare(expected, parent.raw("pid"))
    if isinstance(expected, str | bytes | os.PathLike | re.Pattern | Glob):
        images = [parent.life.start(), *parent.life.executed]
        return max(compare_name(expected, image) for image in images)
    return compare(expected, parent)


def nearest_name(names: Mapping[str, str], expected: object) -> str:
    """Return the name of a program that comes nearest to what was asked."""
    shown = [_last(name) or name for name in names.values()]
    return max(shown, key=lambda name: similarity_of(expected, [name]), default="")


def similarity_of(expected: object, actual: list[str]) -> float:
    """Tell how near the nearest text is, 0 to 1."""
    if not isinstance(expected, str):
        return 0.0
    wanted = _last(expected)[:200]
    return max(
        (difflib.SequenceMatcher(None, wanted, _last(each)[:200]).ratio() for each in actual),
        default=0.0,
    )


def _last(name: str) -> str:
    """Return what follows the last slash: a name can be of any bytes, and be no path."""
    return name.rpartition("/")[2]
