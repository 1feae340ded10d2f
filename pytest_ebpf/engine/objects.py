"""Loads the compiled programs into the kernel. Runs in the broker.

A test waits for that, most of the time in libbpf and in the kernel's verifier. So it begins as soon as there is an
interpreter, in a thread, while the rest of the broker is imported; and this module imports next to nothing itself.
"""

from __future__ import annotations

import _thread
import os
import sys

TYPE_CHECKING = False  # as typing's, the import of which takes milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["OBJECT", "LoadError", "Loading", "Object", "begin", "begun", "path_of"]

OBJECT = "tracing"

_USUAL_INTERVAL = sys.getswitchinterval()
_SWITCH_INTERVAL = 0.0002
"""Seconds. With Python's own 5 ms a thread that has a line to run between two calls of libbpf waits for an import."""


def path_of(name: str) -> str:
    """Return where a compiled object lies."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - see above
    return os.path.join(package, "objects", f"{name}.bpf.o")  # noqa: PTH118 - likewise


class LoadError(Exception):
    """An object does not load."""

    def __init__(self, step: str, error: int, log: str) -> None:
        super().__init__(f"{step}: {os.strerror(error)}")
        self.step = step
        """``open`` or ``load``."""
        self.error = error
        """Number of the error."""
        self.log = log
        """What libbpf said, and the verifier."""


class Object:
    """An object of libbpf's. Nothing of it is attached."""

    def __init__(self, library: tuple[Any, Any]) -> None:
        """Prepare.

        Args:
            library: cffi's ``(ffi, lib)``.
        """
        self._ffi, self._lib = library
        self.opened: Any = None
        """libbpf's own, while it is open."""
        self.maps: dict[str, int] = {}
        """Descriptors by name, once it is loaded."""
        self.programs: dict[str, Any] = {}
        """By name, once it is open."""
        self.map_objects: dict[str, Any] = {}
        """Maps by name, likewise."""

    def take(self, opened: Any) -> None:
        """Take over what libbpf opened, and look at it.

        Args:
            opened: As ``bpf_object__open_*`` returns it, after `pe_log_start`.

        Raises:
            LoadError: It is NULL.
        """
        ffi, lib = self._ffi, self._lib
        if opened == ffi.NULL:
            raise LoadError("open", ffi.errno, self._log())
        self.opened = opened
        for map_ in self._each(lib.bpf_object__next_map):
            self.map_objects[ffi.string(lib.bpf_map__name(map_)).decode()] = map_
        for program in self._each(lib.bpf_object__next_program):
            self.programs[ffi.string(lib.bpf_program__name(program)).decode()] = program

    def load(self) -> None:
        """Load it into the kernel.

        Raises:
            LoadError: It does not load.
        """
        if error := self._lib.bpf_object__load(self.opened):
            raise LoadError("load", -error, self._log())
        self.maps = {name: self._lib.bpf_map__fd(map_) for name, map_ in self.map_objects.items()}

    def close(self) -> None:
        """Give it back to the kernel; safe to call again."""
        if self.opened is not None:
            self._lib.bpf_object__close(self.opened)
            self.opened = None

    def _each(self, following: Any) -> list[Any]:
        found = []
        item = following(self.opened, self._ffi.NULL)
        while item != self._ffi.NULL:
            found.append(item)
            item = following(self.opened, item)
        return found

    def _log(self) -> str:
        buffer = self._ffi.new("char[]", 1 << 16)
        size = self._lib.pe_log_take(buffer, 1 << 16)
        return bytes(self._ffi.buffer(buffer, size)).decode(errors="replace")


class Loading(Object):
    """An object of our own, loaded by a thread."""

    def __init__(self, library: tuple[Any, Any], path: str, prepare: Callable[[Loading], None] | None = None) -> None:
        """Begin.

        Args:
            library: cffi's ``(ffi, lib)``.
            path: Of the object.
            prepare: Called with this between opening and loading, when `programs` and `map_objects` are known.
        """
        super().__init__(library)
        self._path = path
        self._prepare = prepare
        self._error: BaseException | None = None
        self._running = _thread.allocate_lock()
        self._running.acquire()
        _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        try:
            self._lib.pe_log_start()
            self.take(self._lib.bpf_object__open_file(self._path.encode(), self._ffi.NULL))
            if self._prepare is not None:
                self._prepare(self)
            self.load()
        except BaseException as error:  # noqa: BLE001 - it is raised by wait()
            self._error = error
        finally:
            self._running.release()

    def wait(self) -> None:
        """Wait for the end.

        Raises:
            LoadError: It does not load.
        """
        with self._running:
            if self._error is not None:
                raise self._error

    def close(self) -> None:
        """Give it back to the kernel; safe to call again."""
        with self._running:
            super().close()


_begun: list[Loading] = []


def begin() -> None:
    """Begin to load `OBJECT`, for whoever asks for `begun`; what goes wrong is said there.

    Until then the interpreter changes between threads more often than it does by itself.
    """
    try:
        from pytest_ebpf.engine import _native  # noqa: PLC0415 - heavy
    except ImportError:
        return
    sys.setswitchinterval(_SWITCH_INTERVAL)
    _begun.append(Loading((_native.ffi, _native.lib), path_of(OBJECT)))


def begun(library: tuple[Any, Any]) -> Loading:
    """Return what `begin` began; if it was not called, begin."""
    sys.setswitchinterval(_USUAL_INTERVAL)
    return _begun.pop() if _begun else Loading(library, path_of(OBJECT))
