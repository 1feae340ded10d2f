"""A world (`model_stream`) whose programs make system calls."""

from __future__ import annotations

from typing import Any

import calls_stream
from model_stream import Actor, World


def tell(world: World, actor: Actor, name: str | int, args: tuple[int, ...] = (), result: int = 0, **how: Any) -> None:
    """Let a thread make a system call; `how` is as of `calls_stream.call`, `more` as of several pieces."""
    at = how.pop("entered_ns", None) or world.tick()
    for piece in how.pop("more", ()):
        world.session.calls += calls_stream.piece(tid=actor.identity["host_tid"], entered_ns=at, **piece)
    world.session.calls += calls_stream.call(
        *(name, args, result),
        pid=actor.key[0],
        tid=actor.identity["host_tid"],
        start_ns=actor.key[1],
        window=world.session.window,
        entered_ns=at,
        **how,
    )


class Calling(World):
    """A test's process that opened a trace, and has forked to run a command."""

    def __init__(self) -> None:
        super().__init__(calls=True)
        self.opened = self.trace()
        self.forked = self.fork(self.root)

    def start(self) -> Actor:
        """Let the command begin."""
        return self.exec(self.forked, "cat")

    def call(self, actor: Actor, name: str | int, args: tuple[int, ...] = (), result: int = 0, **how: Any) -> None:
        """See `tell`."""
        tell(self, actor, name, args, result, **how)


def started() -> tuple[Calling, Actor]:
    """Return such a world, and the command that runs in it."""
    world = Calling()
    return world, world.start()
