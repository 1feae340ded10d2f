"""``where=``: what must hold for a call to be told, compared by the kernel."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NoReturn

from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.spec import MAX_FILTERS, Filter, Op
from pytest_ebpf.probes.types import (
    Array,
    Boolean,
    Bytes,
    Character,
    Chars,
    Enumeration,
    Float,
    Integer,
    PointerTo,
    Slice,
    Structure,
    Type,
    spelled,
)

if TYPE_CHECKING:
    from pytest_ebpf.probes.planner import Planner

__all__ = ["filters_of"]

_OPERATORS: dict[type[ast.cmpop], Op] = {
    ast.Eq: Op.EQUAL,
    ast.NotEq: Op.NOT_EQUAL,
    ast.Is: Op.EQUAL,
    ast.IsNot: Op.NOT_EQUAL,
    ast.Lt: Op.LESS,
    ast.LtE: Op.LESS_EQUAL,
    ast.Gt: Op.GREATER,
    ast.GtE: Op.GREATER_EQUAL,
}
_MIRRORED = {
    Op.EQUAL: Op.EQUAL,
    Op.NOT_EQUAL: Op.NOT_EQUAL,
    Op.LESS: Op.GREATER,
    Op.LESS_EQUAL: Op.GREATER_EQUAL,
    Op.GREATER: Op.LESS,
    Op.GREATER_EQUAL: Op.LESS_EQUAL,
}
_TRY = "  try     comparisons of values with numbers, joined by 'and': 'size > 1_000_000 and t.kind == 2 and flags & 4'"


def filters_of(where: str, planner: Planner) -> tuple[Filter, ...]:
    """Return the filters that `where` asks for.

    Args:
        where: Comparisons, joined by ``and``.
        planner: Knows the values, and fetches those that are compared.

    Raises:
        UsageError: It is none, or compares what the kernel cannot.
    """
    if not where.strip():
        return ()
    try:
        tree = ast.parse(where.strip(), mode="eval").body
    except SyntaxError as error:
        raise UsageError(f"where={where!r}: {error.msg}\n{_TRY}") from error
    filters = _Conditions(where, planner).of(tree)
    if len(filters) > MAX_FILTERS:
        raise UsageError(f"where={where!r}: the kernel compares {MAX_FILTERS} values at most, not {len(filters)}")
    return tuple(filters)


class _Conditions:
    def __init__(self, where: str, planner: Planner) -> None:
        self._where = where
        self._planner = planner

    def _fail(self, why: str) -> NoReturn:
        raise UsageError(f"where={self._where!r}: {why}\n{_TRY}")

    def of(self, node: ast.expr) -> list[Filter]:
        """Return the filters of a condition."""
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            return [each for part in node.values for each in self.of(part)]
        if isinstance(node, ast.BoolOp):
            self._fail("'or' is not compared by the kernel: ask for two probes")
        if isinstance(node, ast.Compare):
            return self._chained(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return [self._filter(node.operand, Op.EQUAL, 0)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
            return [self._bits(node)]
        return [self._filter(node, Op.NOT_EQUAL, 0)]

    def _chained(self, node: ast.Compare) -> list[Filter]:
        """Return the filters of ``a < b < c``: one for each pair."""
        sides = [node.left, *node.comparators]
        return [self._pair(left, op, right) for left, op, right in zip(sides, node.ops, sides[1:], strict=False)]

    def _pair(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Filter:
        op = _OPERATORS.get(type(operator))
        if op is None:
            self._fail(f"the kernel does not compare by {ast.unparse(operator) or type(operator).__name__.lower()!r}")
        if _path(left) is None and _path(right) is not None and not _is_masked(left):
            left, right, op = right, left, _MIRRORED[op]
        if isinstance(left, ast.BinOp) and _is_masked(left):
            if op is Op.NOT_EQUAL and self._number(right, None) == 0:
                return self._bits(left)
            self._fail("of bits, the kernel tells whether one of them is set: 'flags & 4'")
        path = _path(left)
        kind = None if path is None else self._planner.locate(path)[0]
        return self._filter(left, op, self._number(right, kind))

    def _bits(self, node: ast.BinOp) -> Filter:
        left, right = (node.right, node.left) if _path(node.left) is None else (node.left, node.right)
        path = _path(left)
        kind = None if path is None else self._planner.locate(path)[0]
        return self._filter(left, Op.BITS, self._number(right, kind))

    def _number(self, node: ast.expr, kind: Type | None) -> int:  # noqa: RET503 - _fail does not return
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, node = -1, node.operand
        if isinstance(node, ast.Constant) and node.value is None:
            return 0
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return sign * int(node.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            self._fail("the kernel compares no strings: compare them in the assertion")
        if isinstance(node, ast.Name) and isinstance(kind, Enumeration) and node.id in kind.names():
            return kind.names()[node.id]
        self._fail(f"{ast.unparse(node)!r} is no number")

    def _filter(self, node: ast.expr, op: Op, number: int) -> Filter:
        path = _path(node)
        if path is None:
            self._fail(f"{ast.unparse(node)!r} is no name of a value")
        name = ".".join(path)
        kind, cell = self._planner.locate(path)
        self._check(name, kind)
        fetch = cell.value(kind.size)
        if fetch is None:
            self._fail(f"{name} begins within a register: the kernel compares whole ones")
        if fetch.at_return:
            self._fail(f"{name} is known when the function returns, and it is decided when it is entered")
        signed = getattr(kind, "signed", False)
        low, high = (-(1 << kind.size * 8 - 1), 1 << kind.size * 8 - 1) if signed else (0, 1 << kind.size * 8)
        if not low <= number < high:
            self._fail(f"{name} is {spelled(kind)}, which is never {number}")
        if isinstance(kind, Integer) and kind.big:
            if op in {Op.EQUAL, Op.NOT_EQUAL, Op.BITS}:
                number = int.from_bytes(number.to_bytes(kind.size, "big", signed=signed), "little", signed=signed)
            else:
                self._fail(f"{name} is {spelled(kind)}, of which the kernel tells only whether it is equal")
        return Filter(self._planner.add(fetch), op, number, kind.size, signed)

    def _check(self, name: str, kind: Type) -> None:
        if isinstance(kind, Chars | Bytes | Array | Slice) or _is_string(kind):
            self._fail(f"{name} is a string or an array: the kernel compares no strings, the assertion can")
        if isinstance(kind, Float):
            self._fail(f"{name} is {spelled(kind)}: BPF programs cannot compute with a point")
        if isinstance(kind, Structure):
            self._fail(f"{name} is {spelled(kind)}: compare one of its fields")
        if not isinstance(kind, Integer | Boolean | Enumeration | Character | PointerTo) or kind.size > 8:  # noqa: PLR2004 - a register
            self._fail(f"{name} is {spelled(kind)}, which the kernel cannot compare")


def _is_string(kind: Type) -> bool:
    return isinstance(kind, PointerTo) and isinstance(kind.target(), Chars)


def _is_masked(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd)


def _path(node: ast.expr) -> list[str] | None:
    """Return the names of ``a.b.c``; None: it is something else."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        before = _path(node.value)
        return None if before is None else [*before, node.attr]
    return None
