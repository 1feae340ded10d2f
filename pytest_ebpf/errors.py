"""Every exception that a user of the plugin can meet."""

from __future__ import annotations

__all__ = [
    "BrokerDied",
    "BrokerError",
    "EbpfError",
    "ProgramError",
    "TraceIncomplete",
    "Unavailable",
    "UsageError",
]


class EbpfError(Exception):
    """Base of every error that pytest-ebpf raises by itself."""


class UsageError(EbpfError, ValueError):
    """The call asks for something that does not exist: an unknown field, a negative count."""


class TraceIncomplete(EbpfError):  # noqa: N818 - reads as the verdict that it is
    """The evidence is not whole, so absence or an exact count cannot be asserted.

    It is no `AssertionError`: the assertion neither held nor failed.
    """


class Unavailable(EbpfError):  # noqa: N818 - a state of the machine, not a fault of the caller
    """Tracing is not possible here; the text says why and what mends it."""


class ProgramError(EbpfError):
    """A BPF program of the test's own does not compile, load or attach."""

    def __init__(self, text: str, *, log: str = "") -> None:
        """Say why.

        Args:
            text: What was asked, what happened, what to do.
            log: See `log`.
        """
        super().__init__(text)
        self.log = log
        """All that the compiler, libbpf or the kernel's verifier said; the report of a failed test has it too."""


class BrokerError(EbpfError):
    """The broker refused a request or answered with what is not understood."""


class BrokerDied(BrokerError):  # noqa: N818 - as in BrokenPipe, the name says what happened
    """The broker is gone; the text carries its last words."""
