"""What clang says of a text that does not compile: the errors, without what hides them."""

from __future__ import annotations

import re

__all__ = ["errors"]

_HEAD = re.compile(r"(?P<place>.+?:\d+:\d+: )?(?P<kind>fatal error|error|warning|note|remark): ")
_INCLUDED = re.compile(r"(In file included from |\s+from )")
_COUNT = re.compile(r"\d+ (error|warning)s?( and \d+ errors?)? generated\.|too many errors emitted")
_LINES = 40


def errors(said: str) -> str:
    """Return the errors and the notes to them, as they stand; all of it where none can be told.

    Args:
        said: What the compiler wrote.
    """
    kept: list[str] = []
    waiting: list[str] = []
    wanted = False
    for line in said.splitlines():
        if _INCLUDED.match(line):
            waiting.append(line)
            continue
        head = _HEAD.match(line)
        if head is not None and head["kind"] != "note":
            wanted = head["kind"].endswith("error")
        if wanted and not _COUNT.match(line):
            kept += [*waiting, line]
        waiting = []
    lines = kept or said.splitlines()
    if len(lines) > _LINES:
        lines[_LINES:] = [f"… and {len(lines) - _LINES} lines more"]
    return "\n".join(lines)
