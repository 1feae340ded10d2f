"""A `World` whose processes make system calls, told as the kernel side tells them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import calls_stream
from model_stream import STEP_NS, World

from pytest_ebpf.settings import Syscalls
from pytest_ebpf.syscalls.prototype import prototypes

if TYPE_CHECKING:
    from model_stream import Actor

    from pytest_ebpf.trace import Trace

__all__ = ["CallWorld", "Opened", "quiet_shell", "shell"]

ADDRESS = 0x7F0000001000


@dataclass(frozen=True)
class Opened:
    """A descriptor and the file behind it."""

    fd: int
    path: str
    id: int
    inode: int
    mode: int = 0o100644
    deleted: bool = False
    cut: bool = False

    def moved(self, path: str) -> Opened:
        """Return the same, as it is told of under another name."""
        return Opened(self.fd, path, self.id + 1000, self.inode, self.mode)


class CallWorld(World):
    """A world with system calls."""

    def __init__(self, *, recorded: str = "all", source: str = "", **options: Any) -> None:
        """Begin a session.

        Args:
            recorded: The setting `syscalls`.
            source: Where it is set.
            **options: As of `World`.
        """
        super().__init__(calls=True, **options)
        self.history.syscalls = Syscalls(recorded, source)
        self.session.lost["urings"] = 0
        self._files = 0

    def file(self, fd: int, path: str, *, inode: int = 0, **options: Any) -> Opened:
        """Make a descriptor; the file's inode is its own unless given."""
        self._files += 1
        return Opened(fd, path, self._files, inode or 7000 + self._files, **options)

    def directory(self, fd: int, path: str) -> Opened:
        """Make a descriptor of a directory."""
        return self.file(fd, path, mode=0o040755)

    def call(
        self,
        actor: Actor,
        name: str | int,
        result: int | Opened = 0,
        *,
        gone: tuple[str, ...] = (),
        told: bool = True,
        steps: int = 1,
        options: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> bytes:
        """Let a process make a system call.

        Args:
            actor: Who.
            name: Of the call.
            result: As the kernel returns it, or the descriptor that it made.
            gone: Arguments whose memory could not be read, or whose file's record was lost.
            told: Whether the record arrives by itself; if not, it is only returned.
            steps: How long it takes, in half steps.
            options: For `calls_stream.call`.
            **arguments: By name: a number, a text or bytes, a descriptor.
        """
        entered = self.tick()
        prototype = prototypes().get(str(name))
        words, files, pieces = [0] * 6, [0, 0], []
        data = b""
        for argument, value in arguments.items():
            assert prototype is not None
            kind = prototype.arguments[argument]
            if isinstance(value, Opened):
                words[kind.at] = value.fd
                # The directory that a path starts from is looked at for the path.
                uses = [kind, *(each for each in prototype.arguments.values() if argument in each.parameters)]
                slot = next((each.slot_at for each in uses if each.slot_at is not None), None)
                if slot is not None:
                    files[slot] = value.id
                    data += b"" if argument in gone else self._told(value)
            elif isinstance(value, int):
                words[kind.at] = value
            else:
                words[kind.at] = ADDRESS
                if argument not in gone:
                    pieces.append((kind.first, os.fsencode(value)))
        if isinstance(result, Opened):
            assert prototype is not None
            assert prototype.result.slot_at is not None
            files[prototype.result.slot_at] = result.id
            data += b"" if "result" in gone else self._told(result)
            result = result.fd
        data += calls_stream.call(
            name,
            words,
            result,
            **{
                "pid": actor.key[0],
                "tid": actor.identity["host_tid"],
                "start_ns": actor.key[1],
                "window": self.session.window,
                "entered_ns": entered,
                "duration": steps * STEP_NS // 2,
                "files": files,
                "pieces": pieces,
                **(options or {}),
            },
        )
        if told:
            self.session.calls += data
        if name == "io_uring_setup" and result >= 0:
            self.session.lost["urings"] += 1
        return data

    def _told(self, file: Opened) -> bytes:
        return calls_stream.file(
            file.id,
            file.path,
            window=self.session.window,
            inode=file.inode,
            mode=file.mode,
            deleted=file.deleted,
            cut=file.cut,
        )

    def block(self, actor: Actor, name: str, **arguments: Any) -> None:
        """Let a process enter a call that does not return: only a snapshot tells of it."""
        self.session.inside += self.call(actor, name, told=False, options={"in_progress": True}, **arguments)

    def open(self, actor: Actor, path: str, file: Opened | int, flags: int = 0, **options: Any) -> None:
        """Let a process open a file."""
        self.call(actor, "openat", file, **{"dirfd": -100, "path": path, "flags": flags, **options})


def shell(**options: Any) -> tuple[CallWorld, Trace, Actor]:
    """Return a world with a shell, ready to call."""
    world = CallWorld(**options)
    trace = world.trace()
    return world, trace, world.exec(world.fork(world.root), "sh", "-c", "x")


def quiet_shell(**options: Any) -> tuple[CallWorld, Trace, Actor]:
    """Return a world with a shell that has called getpid, and nothing else."""
    world, trace, sh = shell(**options)
    world.call(sh, "getpid", sh.pid)
    return world, trace, sh
