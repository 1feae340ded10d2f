"""System V's and POSIX's messages, semaphores and shared memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Structure, cut, not_asked, structure
from pytest_ebpf.syscalls.kinds import Memory, register
from pytest_ebpf.syscalls.scalars import identifier, named
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Fields, Hex, Permissions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

_TO_SET = ("uid", "gid", "mode")


def _permissions(fields: dict[str, Any]) -> Mapping[str, Any]:
    return {name: fields[name] for name in (*_TO_SET, "key", "cuid", "cgid")}


_PERM = (  # struct ipc64_perm
    Member("key", "I"),
    *(Member(name, "I", identifier) for name in ("uid", "gid", "cuid", "cgid")),
    Member("mode", "I", Permissions),
    Member("_seq", "2H"),
    Member("_unused", "2Q"),
)
_PERMISSIONS = Structure(*_PERM, pick=_permissions)
_PERMISSIONS_TO_SET = Structure(*_PERM, pick=lambda fields: {name: fields[name] for name in _TO_SET})


def _described(
    name: str, first: str, *members: Member, to_set: tuple[str, ...] = (), last: tuple[str, ...] = ()
) -> None:
    """Enter what IPC_STAT returns, and what IPC_SET takes of it; `last`: fields that are written last."""
    perm = f"0q{_PERMISSIONS.size}s"
    structure(
        name,
        Structure(
            Member(first, perm, _PERMISSIONS.read),
            *members,
            pick=lambda fields: {
                **{each: fields[each] for each in fields if each not in last},
                **{each: fields[each] for each in last},
            },
        ),
    )
    structure(
        f"{name}_to_set",
        Structure(
            Member(first, perm, _PERMISSIONS_TO_SET.read),
            *members,
            pick=lambda fields: {each: fields[each] for each in (first, *to_set)},
        ),
    )


_described(
    "msqid_ds",
    "msg_perm",
    *(Member(f"msg_{name}", "Q") for name in ("stime", "rtime", "ctime")),
    Member("_cbytes", "Q"),
    Member("msg_qnum", "Q"),
    Member("msg_qbytes", "Q"),
    Member("msg_lspid", "i"),
    Member("msg_lrpid", "i"),
    Member("_unused", "2Q"),
    to_set=("msg_qbytes",),
)
# x86 has room after each of its times, for the high half that 32 bits lack.
_TIME = "2Q" if os.uname().machine == "x86_64" else "Q"


def _first(times: tuple[int, ...] | int) -> int:
    return times if isinstance(times, int) else times[0]


_described(
    "semid_ds",
    "sem_perm",
    *(Member(f"sem_{name}", _TIME, _first) for name in ("otime", "ctime")),
    Member("sem_nsems", "Q"),
    Member("_unused", "2Q"),
)
_described(
    "shmid_ds",
    "shm_perm",
    Member("shm_segsz", "Q"),
    *(Member(f"shm_{name}", "Q") for name in ("atime", "dtime", "ctime")),
    Member("shm_cpid", "i"),
    Member("shm_lpid", "i"),
    Member("shm_nattch", "Q"),
    Member("_unused", "2Q"),
    last=("shm_atime", "shm_dtime", "shm_ctime"),
)
_MSGINFO = ("msgpool", "msgmap", "msgmax", "msgmnb", "msgmni", "msgssz", "msgtql")
_SEMINFO = ("semmap", "semmni", "semmns", "semmnu", "semmsl", "semopm", "semume", "semusz", "semvmx", "semaem")
structure("msginfo", Structure(*(Member(name, "i") for name in _MSGINFO), Member("msgseg", "H")))
structure("seminfo", Structure(*(Member(name, "i") for name in _SEMINFO)))
structure(
    "shminfo",
    Structure(*(Member(name, "Q") for name in ("shmmax", "shmmin", "shmmni", "shmseg", "shmall")), Member("_", "4Q")),
)
structure(
    "shm_info",
    Structure(
        Member("used_ids", "i"),
        *(Member(name, "Q") for name in ("shm_tot", "shm_rss", "shm_swp", "swap_attempts", "swap_successes")),
    ),
)
structure(
    "sembuf", Structure(Member("sem_num", "H"), Member("sem_op", "h"), Member("sem_flg", "H", named("semop_flags")))
)


@register("msgbuf")
class MessageBuffer(Memory):
    """A message with its type: msgbuf(size argument), or what the kernel returns: msgbuf(result, out)."""

    portable = False
    noun = "a message"
    fields = ("mtype", "mtext")
    example = Fields({"mtype": 0, "mtext": b""})

    def captures(self) -> tuple[Capture, ...]:
        """Copy the type, and as much of the text as the test asks for."""
        out = "out" in self.parameters
        kind = Capture("bytes", self.at, _TYPE, at_exit=out)
        if self.parameters[0] == "result":
            return kind, Capture("bytes", self.at, 1, at_exit=out, data=True, length="result", skip=_TYPE)
        size = self.argument(self.parameters[0])
        return kind, Capture("bytes", self.at, 1, data=True, length="arg", length_arg=size, skip=_TYPE)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return type and text."""
        text = view.piece(self.first + 1)
        if text is None:
            data: Any = not_asked(self.names[self.at], piece.address + _TYPE)
        elif text.unreadable:
            data = view.unread(text.address, "mtext")
        else:
            data = cut(self, text, text.data)
        return Fields({"mtype": int.from_bytes(piece.data, "little", signed=True), "mtext": data})


_TYPE = 8  # sizeof(long)
_SIZES = (*(Member(name, "q") for name in ("mq_maxmsg", "mq_msgsize", "mq_curmsgs")), Member("_reserved", "4q"))
structure("mq_attr", Structure(Member("mq_flags", "Q", named("mq_flags")), *_SIZES))
# When a queue is made, the flags are those of mq_open(3).
structure("mq_new_attr", Structure(Member("mq_flags", "Q", Hex), *_SIZES))
