"""Why the host does not do what it was asked for."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """A request is not granted; the client hears why."""

    def __init__(self, kind: str, text: str, log: str = "") -> None:
        """Say why.

        Args:
            kind: ``compile``, ``open``, ``verify``, ``attach``, ``usage``: at what.
            text: For the user: what happened, and what to do.
            log: All that the compiler, libbpf or the verifier said.
        """
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.log = log
