"""What a user's programs write to perf buffers and rings: taken into a file that their clients read."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from pytest_ebpf.engine.native import library
from pytest_ebpf.host.refusal import Refused

__all__ = ["Outputs"]

_LIMIT = 64 << 20
"""Bytes that one program's events may take at most, to the end of its life."""
_PAGES = 64
"""Of each CPU's perf buffer, unless another number is asked for."""
_PENDING_TIMEOUT = 1.0
"""Seconds to wait for a record that is being written, which takes a microsecond."""


class Outputs:
    """The outputs of one instance of a program."""

    def __init__(self, limit: int = _LIMIT) -> None:
        """Make the file.

        Args:
            limit: Bytes that it may have; what comes then is counted, and dropped.
        """
        self._ffi, self._lib = library()
        self.names: list[str] = []
        """By number, as the records have it."""
        self._file = os.memfd_create("pytest-ebpf-events", os.MFD_CLOEXEC)
        self._native: Any = self._lib.pe_outputs_new(self._file, limit)
        self._lock = threading.Lock()

    def add_ring(self, name: str, descriptor: int, size: int, largest: int = 0) -> None:
        """Take what a BPF ring buffer gets.

        Args:
            name: Of the map.
            descriptor: Of the map; stays the caller's, and open.
            size: Bytes.
            largest: Bytes of the largest record that is expected, if that is known.

        Raises:
            Refused: It cannot be mapped.
        """
        self._added(name, self._lib.pe_outputs_add_ring(self._native, len(self.names), descriptor, size, largest))

    def add_perf(self, name: str, descriptor: int, pages: int = _PAGES) -> None:
        """Take what a perf event array gets.

        Args:
            name: Of the map.
            descriptor: Of the map; stays the caller's, and open.
            pages: Of each CPU's buffer, a power of two.

        Raises:
            Refused: The kernel does not give the buffers.
        """
        self._added(name, self._lib.pe_outputs_add_perf(self._native, len(self.names), descriptor, pages))

    def _added(self, name: str, error: int) -> None:
        if error:
            raise Refused("open", f"its output {name} cannot be read: {os.strerror(-error)}")
        self.names.append(name)

    def client_file(self) -> int:
        """Return a new descriptor of the file, for reading only."""
        return os.open(f"/proc/self/fd/{self._file}", os.O_RDONLY | os.O_CLOEXEC)

    def descriptors(self) -> list[int]:
        """Return what is readable when there is something to take, in the order in which they were added."""
        return [self._counts(number)[0] for number in range(len(self.names))]

    def _counts(self, number: int) -> tuple[int, Any]:
        counts = self._ffi.new("struct pe_output_counts *")
        return int(self._lib.pe_outputs_counts(self._native, number, counts)), counts

    def take(self) -> bool:
        """Take all that is there; return whether there was anything."""
        with self._lock:
            return self._native is not None and self._lib.pe_outputs_drain(self._native) != 0

    def drain(self) -> tuple[bool, dict[str, Any]]:
        """Take all that was written before this was called.

        Returns:
            Whether there was anything, and what an answer to ``drain`` says: ``bytes`` of whole records in the file;
            by output in ``outputs`` what may be missing; in ``failed`` why nothing can be kept any more.
        """
        came, deadline = False, time.monotonic() + _PENDING_TIMEOUT
        while True:
            with self._lock:
                size = int(self._lib.pe_outputs_drain(self._native))
                whole = os.fstat(self._file).st_size
                outputs = {name: self._ledger_of(number) for number, name in enumerate(self.names)}
            came = came or size > 0
            if not any(each["pending"] for each in outputs.values()) or time.monotonic() > deadline:
                failed = os.strerror(-size) if size < 0 else ""
                return came, {"bytes": whole, "outputs": outputs, "failed": failed}
            time.sleep(0.0002)

    def _ledger_of(self, number: int) -> dict[str, Any]:
        counts = self._counts(number)[1]
        names = ("lost", "dropped", "size", "largest", "tight", "pending")
        return {name: int(getattr(counts, name)) for name in names}

    def close(self) -> None:
        """Let go of all; safe to call again. The clients keep the file."""
        with self._lock:
            if self._native is not None:
                self._lib.pe_outputs_free(self._native)
                self._native = None
                os.close(self._file)
