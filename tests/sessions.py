"""Real sessions in a test's own hands, read below the fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.engine.records import Decoder
from pytest_ebpf.engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.broker.client import Client


def session_of(client: Client, ring_size: int = 1 << 20) -> Session:
    """A session with a window open."""
    opened = client.open(ring_size)
    session = Session(opened.ring_fd, opened.control_fd, opened.spill_fd, ring_size, client)
    session.window = 1
    return session


def records(session: Session) -> list[tuple[str, Mapping[str, Any]]]:
    """Names and fields of what came since it was asked last."""
    decoder = Decoder()
    return [record for piece in session.pieces() for record in decoder.decode(piece)]


def executed(session: Session) -> list[bytes]:
    """Paths of the programs that were executed."""
    return [fields["filename"] for name, fields in records(session) if name == "exec"]
