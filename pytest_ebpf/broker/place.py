"""Where a broker's socket lies: made, checked and removed. Runs in the broker.

The directory belongs to the user who is served, and the broker may be root. So root never follows a name
in there: the directory is opened once and checked, and every change in it is made with the user's own
rights.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ADMINISTRATORS", "Place"]

ADMINISTRATORS = Path("/run/pytest-ebpf")
"""Has one directory for each uid that an administrator's broker serves."""

_SOCKET = "socket"
_RUN_FILES = (_SOCKET, "log", "lock")
_NOBODY = 65534
_BACKLOG = 128


class Place:
    """A listening socket and what must go when the broker ends."""

    def __init__(self, path: Path, directory: int, uid: int, *, as_user: bool) -> None:
        """Bind and listen.

        Args:
            path: Of the socket.
            directory: Descriptor of the directory that it lies in; taken over.
            uid: Who may connect.
            as_user: Whether the directory is that user's, so that names in it are used with the user's
                rights; if not, it is the broker's own.
        """
        self.path = path
        self._directory = directory
        self._uid = uid
        self._as_user = as_user
        self._files: tuple[str, ...] = (path.name,)
        self._remove_directory: Callable[[], contextlib.AbstractContextManager[None]] | None = None
        self._pid = os.getpid()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._bind()
            self.listener.listen(_BACKLOG)
        except BaseException:
            self.listener.close()
            os.close(directory)
            raise

    @classmethod
    def in_run_directory(cls, run_directory: Path, uid: int) -> Place:
        """Listen in the directory that the user's side made for this run.

        Raises:
            BrokerError: It is not the user's own, or others may look into it.
        """
        place = cls(run_directory / _SOCKET, _open_private(run_directory, uid), uid, as_user=True)
        place._files = _RUN_FILES
        place._remove_directory = place._rights
        return place

    @classmethod
    def of_administrator(cls, uid: int) -> Place:
        """Listen in ``/run/pytest-ebpf/UID``, made if need be.

        Raises:
            BrokerError: The directory is somebody else's.
            OSError: It cannot be made.
        """
        with contextlib.suppress(FileExistsError):
            ADMINISTRATORS.mkdir()
            ADMINISTRATORS.chmod(0o755)  # whatever the umask
        _check_own(ADMINISTRATORS, ADMINISTRATORS.lstat())
        directory = ADMINISTRATORS / str(uid)
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
            os.chown(directory, uid, -1, follow_symlinks=False)
        place = cls(directory / _SOCKET, _open_private(directory, uid), uid, as_user=True)
        # It lies in a directory of our own.
        place._remove_directory = contextlib.nullcontext
        return place

    @classmethod
    def at(cls, path: Path, uid: int) -> Place:
        """Listen at a path of the administrator's choice; its directory must exist.

        Raises:
            BrokerError: Others than the user and the broker may change the directory.
            OSError: It cannot be opened.
        """
        path = path.absolute()
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            status = os.fstat(directory)
            as_user = status.st_uid == uid != os.geteuid()
            if not as_user:
                _check_own(path.parent, status)
        except BaseException:
            os.close(directory)
            raise
        return cls(path, directory, uid, as_user=as_user)

    def _bind(self) -> None:
        # Not by the directory's path, which the user can point elsewhere at any moment.
        address = f"/proc/self/fd/{self._directory}/{self.path.name}"
        with self._rights():
            before = os.umask(0o177)
            try:
                self._bind_fresh(address)
            finally:
                os.umask(before)
            if not self._as_user and self._uid != os.geteuid():
                os.chown(self.path.name, self._uid, -1, dir_fd=self._directory, follow_symlinks=False)

    def _bind_fresh(self, address: str) -> None:
        try:
            self.listener.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if not stat.S_ISSOCK(os.stat(self.path.name, dir_fd=self._directory, follow_symlinks=False).st_mode):
                raise BrokerError(f"{self.path} is there and is no socket") from error
            if _answers(address):
                raise BrokerError(f"a broker listens at {self.path} already") from error
            # Left by a broker that was killed.
            os.unlink(self.path.name, dir_fd=self._directory)
            self.listener.bind(address)

    def remove(self) -> None:
        """Take away the socket and what the run directory held; safe to call again."""
        if self._directory < 0 or self._pid != os.getpid():
            return
        with self._rights():
            for name in self._files:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self._directory)
        if self._remove_directory:
            with self._remove_directory(), contextlib.suppress(OSError):
                self._rmdir()
        os.close(self._directory)
        self._directory = -1

    def _rmdir(self) -> None:
        """Remove the directory if it is still the one that was opened."""
        path = self.path.parent
        found, opened = path.lstat(), os.fstat(self._directory)
        if (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino):
            path.rmdir()

    @contextlib.contextmanager
    def _rights(self) -> Iterator[None]:
        """Use names in the directory with the rights of whom it belongs to."""
        if not self._as_user or os.geteuid() == self._uid:
            yield
            return
        group = os.getegid()
        os.setegid(_NOBODY)
        os.seteuid(self._uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(group)


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.connect(address)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
    return True


def _open_private(path: Path, uid: int) -> int:
    """Open a directory that must be the user's alone."""
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise BrokerError(f"{path} is no directory that a broker can use: {error.strerror}") from error
    status = os.fstat(directory)
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid == uid and mode == stat.S_IRWXU:
        return directory
    os.close(directory)
    raise BrokerError(
        f"{path} belongs to uid {status.st_uid} and has mode {mode:04o}; "
        f"a broker for uid {uid} needs it to belong to uid {uid} and to have mode 0700"
    )


def _check_own(path: Path, status: os.stat_result) -> None:
    """Refuse a directory in which others could swap the socket for something else."""
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not mode & (stat.S_IWGRP | stat.S_IWOTH):
        return
    raise BrokerError(
        f"{path} belongs to uid {status.st_uid} and has mode {mode:04o}; a socket is safe only in a directory "
        f"that nobody but uid {os.geteuid()} may write to"
    )
