"""Which file each system call is about, through opens, renames and links.

A file goes by its inode, which descriptors show, and by its names, which change. So the calls are followed in
their order, and what is known of a file grows: the inode of what is opened under a name, the name after a rename.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.syscalls import facts
from pytest_ebpf.syscalls.groups import family
from pytest_ebpf.syscalls.values import Descriptor, File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ebpf.syscalls.call import Syscall

__all__ = ["BINDING", "MOVING", "Files", "Followed"]

_UNLINKING = family.unlink.members | family.rmdir.members
MOVING = family.rename.members | family.link.members | _UNLINKING
"""Calls that change which file a name means."""

BINDING = MOVING | family.open.members
"""Those, and calls that show which file a name means."""

_RENAME_EXCHANGE = 2  # linux/fs.h


class Followed:
    """One file, and the calls that are about it."""

    __slots__ = ("about", "gone", "ids", "in_directory", "last_directory", "names")

    def __init__(self) -> None:
        self.ids: set[tuple[int, int]] = set()
        """Device and inode."""
        self.names: dict[str, None] = {}
        """Those that it has now, as far as is known."""
        self.gone = False
        """Whether its last name was taken from it."""
        self.last_directory = ""
        """That had the name which it lost last."""
        self.about: list[int] = []
        """Numbers of the calls that are about it."""
        self.in_directory: list[int] = []
        """Of the calls that are about the directory that has it."""

    def __str__(self) -> str:
        return next(reversed(self.names), "a file without a name")


class Files:
    """Follows the files of calls, which come in their order."""

    def __init__(self) -> None:
        self.all: list[Followed] = []
        self._by_id: dict[tuple[int, int], Followed] = {}
        self._by_name: dict[str, Followed] = {}
        self._directories: dict[str, dict[Followed, None]] = {}
        self.unknown: list[int] = []
        """Numbers of the calls that may be about any file."""

    def take(self, number: int, call: Syscall) -> None:
        """Find out which files a call is about, and what it changes."""
        files: dict[Followed, None] = {}
        doubtful = False
        for descriptor in _descriptors(call):
            if isinstance(descriptor, Gap):
                doubtful = True
            elif descriptor.file is not None:
                files[self._of_file(descriptor.file)] = None
                self._note_directory(number, descriptor.file)
        moving = call.name in MOVING and call.view.succeeded
        for path in _paths(call):
            if isinstance(path, str):
                files[self._of_name(path)] = None
                if moving and call.name not in _UNLINKING and not _exchanges(call):
                    break  # what loses the other name is another file
            else:
                doubtful = True
        if doubtful:
            self.unknown.append(number)
        for file in files:
            file.about.append(number)
        if moving:
            self._move(call)

    def _note_directory(self, number: int, file: File) -> None:
        if file.kind == "directory":
            for each in self._directories.get(file.path, ()):
                each.in_directory.append(number)

    def _of_file(self, file: File) -> Followed:
        key = (file.device, file.inode)
        path = file.path if file.path.startswith("/") and not file.cut and not file.deleted else None
        found = self._by_id.get(key)
        if found is not None and found.gone and path is not None:
            # The inode was given to another file.
            found.ids.discard(key)
            found = None
        if found is None:
            named = self._by_name.get(path) if path is not None else None
            found = named if named is not None and not named.ids else self._new()
            found.ids.add(key)
            self._by_id[key] = found
        if path is not None:
            self._name(path, found)
        return found

    def _of_name(self, path: str) -> Followed:
        found = self._by_name.get(path)
        if found is None:
            found = self._new()
            self._name(path, found)
        return found

    def _new(self) -> Followed:
        made = Followed()
        self.all.append(made)
        return made

    def _name(self, path: str, file: Followed) -> None:
        former = self._by_name.get(path)
        if former is file:
            return
        if former is not None:
            self._unname(path)
        self._by_name[path] = file
        if file.gone:
            self._directories[file.last_directory].pop(file, None)
        file.names[path], file.gone = None, False
        self._directories.setdefault(_directory_of(path), {})[file] = None

    def _unname(self, path: str) -> None:
        file = self._by_name.pop(path)
        del file.names[path]
        where = _directory_of(path)
        file.gone, file.last_directory = not file.names, where
        # Of one that is gone, the directory that had it last is still the one whose change counts.
        if not file.gone and where not in {_directory_of(name) for name in file.names}:
            self._directories[where].pop(file, None)

    def _move(self, call: Syscall) -> None:
        paths = [path for path in _paths(call) if isinstance(path, str)]
        if call.name in _UNLINKING:
            if paths and paths[0] in self._by_name:
                self._unname(paths[0])
            return
        if len(paths) != 2:  # noqa: PLR2004 - from, and to
            return
        old, new = paths
        file, other = self._of_name(old), self._by_name.get(new)
        if call.name in family.link.members:
            self._name(new, file)
        elif _exchanges(call):
            self._name(new, file)
            if other is not None:
                self._name(old, other)
        elif file is not other:  # two names of one file: rename(2) does nothing
            self._rename(file, old, new)
            self._move_below(old, new)

    def _rename(self, file: Followed, old: str, new: str) -> None:
        self._name(new, file)
        if self._by_name.get(old) is file:
            self._unname(old)

    def _move_below(self, old: str, new: str) -> None:
        """Give what lies in a directory its new names."""
        inside = old + "/"
        for where in [each for each in self._directories if each == old or each.startswith(inside)]:
            for file in list(self._directories[where]):
                for name in [each for each in file.names if _directory_of(each) == where]:
                    self._rename(file, name, new + name[len(old) :])


def _directory_of(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _exchanges(call: Syscall) -> bool:
    flags = facts.argument(call, "flags")
    return call.name == "renameat2" and isinstance(flags, int) and bool(flags & _RENAME_EXCHANGE)


def _descriptors(call: Syscall) -> Iterator[Descriptor | Gap]:
    """Return all descriptors of a call, also the one that it made."""
    for each in facts.descriptors(call):
        if isinstance(each, Descriptor | Gap):
            yield each
    if call.view.succeeded and isinstance(call.result, Descriptor):
        yield call.result


def _paths(call: Syscall) -> Iterator[str | Gap]:
    """Return a call's path arguments, in their order; without those that led to a descriptor."""
    if call.view.succeeded and isinstance(call.result, Descriptor) and call.result.file is not None:
        return
    for value in facts.path_arguments(call):
        yield value.gap if isinstance(value, Cut) else value
