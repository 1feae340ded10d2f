"""Names as in C++ and Rust source, of the symbols that compilers make of them."""

from __future__ import annotations

import contextlib
import ctypes
import fnmatch
import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["demangle", "looks_like_source", "matcher", "reads_cxx", "shortened"]

_MANGLED = ("_Z", "_R", "__Z")
_LONGEST = 1 << 14
"""Letters of a symbol that is still demangled."""
_HASH = re.compile(r"::h[0-9a-f]{16}$")
"""What rustc ends its names with."""
_ESCAPED = re.compile(r"\$(u[0-9a-f]{1,6}|[A-Z]{1,2})\$")
_BEFORE_ESCAPE = re.compile(r"(?:^|(?<=::))_(?=\$)")
_ESCAPES = {"SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ","}
"""As in rustc's ``symbol_names/legacy.rs``."""
_SPACES = re.compile(r"\s*([,<>()*&:\[\]{}])\s*")
_WORD = re.compile(r"[A-Za-z_]\w*")
_QUALIFIERS = re.compile(r"( const| volatile| &&?| \[clone [^\]]*\])$")
_ABI = re.compile(r"\[abi:\w+\]")
_ABBREVIATED = frozenset(
    [
        "std",
        "allocator",
        "basic_string",
        "string",
        "basic_istream",
        "istream",
        "basic_ostream",
        "ostream",
        "basic_iostream",
        "iostream",
        "char_traits",
        "operator",
        "new",
        "delete",
        "const",
        "volatile",
        "unsigned",
        "signed",
        "char",
        "short",
        "int",
        "long",
        "float",
        "double",
        "bool",
        "void",
        "anonymous",
        "namespace",
        "lambda",
        "clone",
        "abi",
        "as",
        "dyn",
        "mut",
        "for",
        "where",
        "impl",
    ]
)
"""Words of a name that its symbol may not hold."""


@functools.lru_cache(maxsize=1 << 15)
def demangle(symbol: str) -> str | None:
    """Return the name in C++ or Rust source; None for other symbols, and what cannot be read."""
    if not symbol.startswith(_MANGLED) or len(symbol) > _LONGEST:
        return None
    if symbol.startswith("_R"):
        return _rust_v0(symbol)
    name = _cxx(symbol)
    if name is not None and _HASH.search(name):
        # rustc's older scheme is C++'s, with what C++ does not allow escaped.
        name = _BEFORE_ESCAPE.sub("", _HASH.sub("", name)).replace("..", "::")
        return _ESCAPED.sub(_unescaped, name)
    return name


def reads_cxx() -> bool:
    """Whether C++ names can be read here, which takes the C++ library's ABI."""
    return _cxa_demangle() is not None


def _rust_v0(symbol: str) -> str | None:
    import rust_demangler  # noqa: PLC0415 - only where there is Rust

    with contextlib.suppress(Exception):  # it raises whatever a wrong symbol leads it to
        name: str = rust_demangler.demangle(symbol)
        return name
    return None


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code.startswith("u"):
        return chr(int(code[1:], 16))
    return _ESCAPES.get(code, match[0])


@functools.cache
def _cxa_demangle() -> tuple[Callable[..., int | None], Callable[[int], None]] | None:
    """Return ``abi::__cxa_demangle`` of GCC's or LLVM's library, and free(3)."""
    free = ctypes.CDLL(None).free
    free.argtypes = [ctypes.c_void_p]
    free.restype = None
    for name in ("libstdc++.so.6", "libc++abi.so.1"):
        with contextlib.suppress(OSError, AttributeError):
            function = ctypes.CDLL(name)["__cxa_demangle"]
            function.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
            function.restype = ctypes.c_void_p
            return function, free
    return None


def _cxx(symbol: str) -> str | None:
    functions = _cxa_demangle()
    if functions is None:
        return None
    text = functions[0](symbol.encode("utf-8", "surrogateescape"), None, None, None)
    if not text:
        return None
    try:
        return ctypes.string_at(text).decode("utf-8", "backslashreplace")
    finally:
        functions[1](text)


def looks_like_source(wanted: str) -> bool:
    """Whether a name is one in C++ or Rust source, and no symbol."""
    return "::" in wanted or any(each in wanted for each in "(< ")


def matcher(wanted: str) -> Callable[[str], bool]:
    """Return what tells whether a symbol goes by a name in source, or matches a pattern of such names.

    A function is found by its whole name, with or without its arguments' types, what it returns and its
    template's arguments.
    """
    plain = _plain(wanted)
    words = _needed_words(wanted)
    is_pattern = any(each in wanted for each in "*?")
    pattern = re.compile(fnmatch.translate(plain.replace("[", "[[]"))) if is_pattern else None

    def matches(symbol: str) -> bool:
        # Demangling takes long; most symbols do not even hold the words.
        if not symbol.startswith(_MANGLED) or not all(word in symbol for word in words):
            return False
        name = demangle(symbol)
        if name is None:
            return False
        names = spellings(name)
        return plain in names or (pattern is not None and any(map(pattern.match, names)))

    return matches


def _plain(name: str) -> str:
    return _SPACES.sub(r"\1", name.strip())


def _needed_words(wanted: str) -> list[str]:
    """Return the words of a name that each symbol of it holds."""
    path = re.split(r"[(<]", wanted)[0]
    if any(each in path for each in "*?") or wanted.startswith("<"):
        path = re.sub(r"\w*[*?]\w*", " ", path)
    return [word for word in _WORD.findall(path) if word not in _ABBREVIATED and "operator" not in word]


def spellings(name: str) -> set[str]:
    """Return the ways in which a demangled name may be written."""
    bare = _without_arguments(name)
    short = _without_result(bare)
    least = _without_template(_ABI.sub("", short))
    return {_plain(each) for each in (name, _without_result(name), bare, short, least)}


def shortened(name: str) -> str:
    """Return a demangled name without its arguments' types and what it returns."""
    return _without_result(_without_arguments(name))


def _without_arguments(name: str) -> str:
    while match := _QUALIFIERS.search(name):
        name = name[: match.start()]
    if not name.endswith(")"):
        return name
    depth = 0
    for at in range(len(name) - 1, -1, -1):
        depth += (name[at] == ")") - (name[at] == "(")
        if not depth:
            # f()::operator()(int), and (anonymous namespace)
            return name[:at] if at and not name[at:].startswith("(anonymous") else name
    return name


def _without_result(name: str) -> str:
    """Cut off the type that templates' names begin with."""
    depth = 0
    start = 0
    for at, letter in enumerate(name):
        if letter in "<([{":
            if letter == "(" and not depth and not name[at:].startswith("(anonymous"):
                break
            depth += 1
        elif letter in ">)]}":
            depth -= 1
        elif letter == " " and not depth:
            if name[start:at].endswith("operator") or "operator" in name[start:at]:
                break
            start = at + 1
    return name[start:]


def _without_template(name: str) -> str:
    if not name.endswith(">") or "operator" in name[-12:]:
        return name
    depth = 0
    for at in range(len(name) - 1, -1, -1):
        depth += (name[at] == ">") - (name[at] == "<")
        if not depth:
            return name[:at] if at else name
    return name
