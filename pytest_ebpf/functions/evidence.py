"""What the evidence lacks for a question about function calls: none seen does not yet mean none made."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf._values import Gap
from pytest_ebpf.functions import filtered, reach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ebpf.functions.arming import Arming
    from pytest_ebpf.functions.query import FunctionQuery
    from pytest_ebpf.window import Window

__all__ = ["Scope"]


class Scope(NamedTuple):
    """What was asked so far, one question within the other."""

    armings: tuple[Arming, ...]
    queries: tuple[FunctionQuery, ...] = ()
    by_name: bool = False
    """Whether the probes are meant by the functions' names, and not one by itself."""
    allow_unmapped: bool = False
    allow_inlined: bool = False
    proved: bool = False
    """Whether an assertion has found that there are no more."""

    @property
    def of(self) -> str:
        """Which functions, for messages."""
        names = list(dict.fromkeys(arming.definition.name for arming in self.armings))
        return f" of {names[0]}" if len(names) == 1 else ""

    def narrowed(self, query: FunctionQuery, *, allow_unmapped: bool = False, allow_inlined: bool = False) -> Scope:
        """Return the scope of a further question."""
        return self._replace(
            queries=(*self.queries, query),
            allow_unmapped=self.allow_unmapped or allow_unmapped,
            allow_inlined=self.allow_inlined or allow_inlined,
        )

    def gaps(self, window: Window) -> tuple[Gap, ...]:
        """Say what is missing."""
        if self.proved:
            return ()
        found = [*window.gaps(), *(gap for query in self.queries if query.who for gap in query.who.gaps)]
        asked = [arming for arming in self.armings if all(query.is_about(arming) for query in self.queries)]
        lacks = {arming: tuple(self._of(arming, window)) for arming in asked}
        whole = [arming for arming, gaps in lacks.items() if not gaps]
        for arming, gaps in lacks.items():
            if not any(_sees_the_same(other, arming) for other in whole):
                found += gaps
        return tuple(dict.fromkeys(found))

    def _of(self, arming: Arming, window: Window) -> Iterator[Gap]:
        name = arming.definition.name
        if not arming.covers(window):
            yield Gap(f"the probe on {name} was not on in all of this window", "ask for it before the window opens")
        if self.by_name and arming.definition.wanted.filtered:
            yield Gap(
                f"the probe on {name} tells only of calls where {arming.definition.wanted.where}",
                "assert on the probe that was returned, or ask for one without where=",
            )
        yield from _missed(arming)
        yield from filtered.gaps(arming)
        if arming.definition.kind == "kprobe" or not self.allow_inlined:
            yield from self._unprobed(arming)
        if not self.allow_inlined:
            yield from _elsewhere(arming)
        if not arming.definition.path:
            yield from _in_the_kernel(arming)
            return
        if arming.replaced:
            yield Gap(
                f"{arming.definition.shown} is no longer the file that the probe is on: another one took its place",
                "ask for the probe when the file is made",
            )
        if not self.allow_unmapped:
            yield from reach.gaps(arming, window)

    def _unprobed(self, arming: Arming) -> Iterator[Gap]:
        """Name the functions that are meant, and that its pattern could not put a probe on."""
        definition = arming.definition
        names = [name for name in definition.left_out if all(query.goes_by(name) for query in self.queries)]
        if names:
            what = (
                "functions of the kernel that have no probe, as it has several of that name or lets none be traced"
                if definition.kind == "kprobe"
                else "functions that are chosen at run time and have no probe"
            )
            yield Gap(
                f"{definition.wanted.function} matches {what}: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}",  # noqa: PLR2004 - as `[:5]`
                "name the functions that are meant",
            )


def _in_the_kernel(arming: Arming) -> Iterator[Gap]:
    """Say why a probe in the kernel could not fire."""
    name = arming.definition.name
    if arming.replaced:
        yield Gap(
            f"modules of the kernel were loaded or unloaded since the probe on {name} was attached",
            "ask for it when they are loaded",
        )
    if arming.definition.kind != "kprobe":
        return
    from pytest_ebpf.engine.kernel_attaching import FTRACE, is_switched_off  # noqa: PLC0415 - only of who asks

    if is_switched_off():
        yield Gap(f"the kernel traces no functions now ({FTRACE} is 0)", f"sysctl {FTRACE}=1")


def _missed(arming: Arming) -> Iterator[Gap]:
    wanted, (left_out, lost) = arming.definition.wanted, arming.missed()
    name = arming.definition.name
    if left_out:
        options = [f"every={wanted.every}"] if wanted.every > 1 else []
        options += [f"limit={wanted.limit}"] if wanted.limit is not None else []
        yield Gap(f"{_calls(left_out)} of {name} were left out by {' and '.join(options)}", "ask for the probe without")
    if lost:
        yield Gap(
            f"{lost:,} records of {name} did not come",
            'a larger ring: @pytest.mark.ebpf(ring_size="64M"), or where= so that fewer calls count',
        )


def _calls(count: int) -> str:
    return f"{count:,} {'call' if count == 1 else 'calls'}"


def _elsewhere(arming: Arming) -> Iterator[Gap]:
    """Say where the function's code is beside the places that are probed."""
    for name, count in arming.definition.inlined.items():
        yield Gap(
            f"the compiler put the code of {name} into {count} other {'place' if count == 1 else 'places'}, where no"
            " probe sees it",
            "compile it with -fno-inline, or allow_inlined=True if those calls are of no matter",
        )
    undecoded = arming.definition.find_undecoded()
    if undecoded is not None:
        yield Gap(
            f"whether the compiler put the code of {arming.definition.name} into others is not known: {undecoded.why}",
            f"{undecoded.remedy}, or allow_inlined=True if those calls are of no matter",
        )
    for name, clones in arming.definition.clones.items():
        wider = f"ask for {name}*, or " if arming.definition.path else ""
        yield Gap(
            f"the compiler made copies of {name}, which may be called in its stead: {', '.join(clones)}",
            f"{wider}allow_inlined=True if those calls are of no matter",
        )


def _sees_the_same(other: Arming, arming: Arming) -> bool:
    one, two = other.definition, arming.definition
    where = (one.path, one.kind, one.task) == (two.path, two.kind, two.task)
    return where and set(one.functions) >= {*two.functions, *two.left_out}
