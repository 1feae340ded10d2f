"""What a process and each of its executions have in common: the fields of a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.errors import TraceIncomplete, UsageError
from pytest_ebpf.namespaces import OWN_KINDS, Namespaces
from pytest_ebpf.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.credentials import Capabilities, Credentials
    from pytest_ebpf.images import Image
    from pytest_ebpf.lives import Life
    from pytest_ebpf.window import Window

__all__ = ["Program"]


@quiet("scope.history.session")
class Program:
    """What a process and each of its executions have in common.

    A field that is not known, or not whole, raises `TraceIncomplete` when it is read: half an argument
    list would make `"--force" not in process.argv` pass for the wrong reason. `seen` gives what is there.
    """

    __slots__ = ("life", "scope")

    def __init__(self, life: Life, window: Window) -> None:
        self.life = life
        self.scope = window

    def image(self) -> Image:
        """Return the program; for this package's own."""
        raise NotImplementedError

    def raw(self, field: str) -> object:
        """Return a field: its value, a `Gap` or a `Cut`. Asks the kernel nothing."""
        image = self.image()
        return self.new_namespaces_of(image) if field == "new_namespaces" else image.get(field)

    def new_namespaces_of(self, image: Image, *, of_children: bool = False) -> object:
        """Return the kinds in which a program's namespaces differ from the test's own.

        Args:
            image: The program.
            of_children: Include what its children are born into.
        """
        namespaces, baseline = image.get("namespaces"), self.scope.baseline()
        if baseline is None:
            return Gap("the namespaces of the test's own process are not known")
        if not isinstance(namespaces, Namespaces):
            return namespaces
        changed = namespaces.changed_from(baseline)
        return changed if of_children else changed & frozenset(OWN_KINDS)

    def _get(self, field: str) -> Any:
        self.scope.history.update()
        value = self.raw(field)
        if isinstance(value, Gap | Cut):
            gap = value.gap if isinstance(value, Cut) else value
            text = f"{field} of {self!r} is not known: {gap.why}"
            if isinstance(value, Cut):
                text += f"\n  seen    process.seen({field!r}) gives what is there"
            raise TraceIncomplete(text + (f"\n  try     {gap.remedy}" if gap.remedy else ""))
        return value

    def seen(self, field: str) -> Any:
        """Return a field as far as it was seen: cut where it was cut, None if nothing is known."""
        if field.startswith("_") or not hasattr(type(self), field):
            raise UsageError(f"{type(self).__name__} has no field {field!r}")
        self.scope.history.update()
        value = self.raw(field)
        if isinstance(value, Cut):
            return value.value
        return None if isinstance(value, Gap) else value

    @property
    def comm(self) -> str:
        """The thread name of the leader as last seen, at most 15 bytes (C: ``char comm[16]``)."""
        return cast("str", self._get("comm"))

    @property
    def filename(self) -> str:
        """The path that execve(2) was given: of a script, the script's own."""
        return cast("str", self._get("filename"))

    @property
    def interpreter(self) -> str | None:
        """The path of the interpreter that a script names; None if it is no script."""
        return cast("str | None", self._get("interpreter"))

    @property
    def exe(self) -> str:
        """The absolute path of the file that runs: of a script, its interpreter's."""
        return cast("str", self._get("exe"))

    @property
    def exe_inode(self) -> int:
        """Inode number of `exe`, as in ``os.stat(exe).st_ino``."""
        return cast("int", self._get("exe_inode"))

    @property
    def exe_device(self) -> int:
        """Device of its file system, as in ``os.stat(exe).st_dev`` (but for btrfs and overlays)."""
        return cast("int", self._get("exe_device"))

    @property
    def argv(self) -> tuple[str, ...]:
        """All arguments; of a script, those that the interpreter got."""
        return cast("tuple[str, ...]", self._get("argv"))

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment at exec, if it was asked for (``@pytest.mark.ebpf(environ=True)``)."""
        return cast("Mapping[str, str]", self._get("environ"))

    @property
    def cwd(self) -> str:
        """The working directory at exec."""
        return cast("str", self._get("cwd"))

    @property
    def truncated(self) -> frozenset[str]:
        """Names of the texts that were cut."""
        return cast("frozenset[str]", self._get("truncated"))

    @property
    def namespaces(self) -> Namespaces:
        """The namespaces of the leader as last seen while the program ran."""
        return cast("Namespaces", self._get("namespaces"))

    @property
    def new_namespaces(self) -> frozenset[str]:
        """The kinds that differ from those of the test's own process when the window opened."""
        return cast("frozenset[str]", self._get("new_namespaces"))

    @property
    def credentials(self) -> Credentials:
        """All ids and capabilities of the leader as last seen while the program ran."""
        return cast("Credentials", self._get("credentials"))

    @property
    def capabilities(self) -> Capabilities:
        """The capability sets."""
        return cast("Capabilities", self._get("capabilities"))

    @property
    def uid(self) -> int:
        """The real user id, as the initial user namespace counts."""
        return cast("int", self._get("uid"))

    @property
    def gid(self) -> int:
        """The real group id, as the initial user namespace counts."""
        return cast("int", self._get("gid"))

    @property
    def euid(self) -> int:
        """The effective user id, as the initial user namespace counts."""
        return cast("int", self._get("euid"))

    @property
    def egid(self) -> int:
        """The effective group id, as the initial user namespace counts."""
        return cast("int", self._get("egid"))

    @property
    def cgroup_id(self) -> int:
        """The id of its cgroup (v2): the inode number of the cgroup's directory."""
        return cast("int", self._get("cgroup_id"))
