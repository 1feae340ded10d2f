"""BCC's own view of maps, in the system's Python: a script, not imported by any test.

stdin: JSON with a program's text, and by map the bytes of a key and of a value. stdout: JSON with what BCC makes of
them, by its ctypes classes.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

from bcc import BPF, lib  # the system's


def plain(value: Any) -> Any:
    """Return a value of ctypes as JSON has it."""
    if isinstance(value, (ctypes.Structure, ctypes.Union)):
        found = {}
        for name, *_ in value._fields_:
            if name in getattr(value, "_anonymous_", ()):
                found.update(plain(getattr(value, name)))
            elif not name.startswith("__pad_"):
                found[name] = plain(getattr(value, name))
        return found
    if isinstance(value, ctypes.Array):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return plain(value.value) if isinstance(value, ctypes._SimpleCData) else value


def main() -> None:
    """Answer."""
    asked = json.load(sys.stdin)
    program = BPF(text=asked["text"])
    told = {}
    for name, (key, value) in asked["entries"].items():
        table = program[name.encode()]
        data = bytes.fromhex(key), bytes.fromhex(value)
        assert lib.bpf_update_elem(table.map_fd, *data, 0) == 0, name
        ((found, leaf),) = [item for item in table.items() if bytes(item[0]) == data[0]]
        told[name] = [plain(found), plain(leaf)]
    sys.stdout.write(json.dumps(told))


main()
