/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The contract with Python: every record that leaves the kernel, and the page
 * that client and kernel share. Written once, here; the Python side reads the
 * layouts from the BTF of the compiled object (pytest_ebpf/engine/layout.py).
 */
#ifndef PYTEST_EBPF_EVENTS_H
#define PYTEST_EBPF_EVENTS_H

enum record_type {
	RECORD_TEXT = 1,
	RECORD_FORK,
	RECORD_EXEC,
	RECORD_EXIT,
	RECORD_IDENTITY,
	RECORD_ADOPTED,
	RECORD_LEFT,
	RECORD_CALL,
	RECORD_CALL_DATA,
	RECORD_FILE,
	RECORD_PROBE,
	RECORD_PROGRAM,
};

/* Which text of an exec a text_record carries; 1 << field is its bit in
 * exec_record.truncated and .unreadable. */
enum text_field {
	TEXT_FILENAME,
	TEXT_INTERP,
	TEXT_EXE,
	TEXT_CWD,
	TEXT_ARGV,
	TEXT_ENVIRON,
};

enum control_flag {
	CONTROL_ENVIRON = 1, /* copy the environment at exec */
	CONTROL_CHILDREN_ONLY = 2, /* no system calls of the client's own process */
};

/* By which door a system call came in; its number means nothing without. */
enum call_abi {
	CALL_NATIVE, /* x86-64, arm64 */
	CALL_COMPAT, /* ia32 (int 0x80, sysenter), AArch32 */
	CALL_X32,
	CALL_ABIS,
};

enum call_flag {
	CALL_UNFINISHED = 1, /* the thread ended inside: nobody saw a result */
	CALL_IN_PROGRESS = 2, /* a snapshot on request: it has not returned yet */
	CALL_DENIED = 4, /* a seccomp filter or a tracer answered it: it never began */
	CALL_TRAPPED = 8, /* likewise, by a signal: the result is what the register held */
};

enum data_flag {
	DATA_CUT = 1, /* there was more; of a list's last part: the list had more parts */
	DATA_UNREADABLE = 2, /* could not be read; if it can at exit, another piece follows */
	DATA_AT_EXIT = 4, /* read when the call returned */
};

enum file_bit {
	FILE_CUT = 1, /* the path is cut at its start */
	FILE_DELETED = 2, /* unlinked */
	FILE_SOCKET = 4, /* struct socket_names follows, and no names */
};

/* Who acted, when. start_ns and host_pid together name the process for good:
 * a pid alone is reused. */
struct record_header {
	__u32 type; /* enum record_type */
	__u32 window; /* the client's window, 0: none open */
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 start_ns; /* CLOCK_MONOTONIC start of the process */
	__u32 host_pid; /* initial pid namespace */
	__u32 host_tid;
};

/* Everything the kernel says of who and where a thread is. */
struct identity {
	__u64 start_ns;
	__u64 cgroup_id;
	__u64 cap_inheritable;
	__u64 cap_permitted;
	__u64 cap_effective;
	__u64 cap_bounding;
	__u64 cap_ambient;
	/* as the session's pid namespace counts; 0: not visible there */
	__u32 pid, tid, ppid;
	/* as the initial pid namespace counts */
	__u32 host_pid, host_tid, host_ppid;
	/* as the thread's own pid namespace counts */
	__u32 namespace_pid, namespace_tid, namespace_ppid;
	__u32 pid_level; /* depth of its own pid namespace, 0: initial */
	/* inode numbers, as in /proc/PID/ns */
	__u32 ns_mnt, ns_pid, ns_pid_for_children, ns_net, ns_user, ns_uts;
	__u32 ns_ipc, ns_cgroup, ns_time, ns_time_for_children;
	/* as the initial user namespace counts */
	__u32 uid, gid, euid, egid, suid, sgid, fsuid, fsgid;
	char comm[16];
};

/* A piece of a text that belongs to the exec_record of the same thread with
 * the same time. Pieces of one field follow each other in order. */
struct text_record {
	__u32 type; /* RECORD_TEXT */
	__u32 host_tid;
	__u64 time_ns;
	__u16 field; /* enum text_field */
	__u16 length; /* bytes of data that count; the rest is padding */
	__u32 unused;
};

/* A thread was born; identity is the child's, header the creator's. */
struct fork_record {
	struct record_header header;
	struct identity identity;
	__u32 thread; /* 1: in its creator's process */
	__u32 unused;
};

/* A process replaced its program. identity is as it is afterwards. */
struct exec_record {
	struct record_header header;
	struct identity identity;
	__u64 exe_inode;
	__u64 argv_size; /* bytes, whole */
	__u64 environ_size;
	__u32 exe_device; /* the kernel's dev_t: major << 20 | minor */
	__u32 old_host_tid; /* differs from host_tid if a thread that was not the leader called */
	__u32 argc, envc;
	__u32 secure; /* AT_SECURE: ids or capabilities came from the file */
	__u32 truncated; /* 1 << enum text_field */
	__u32 unreadable; /* 1 << enum text_field */
	__u32 captured; /* 1 << enum text_field: texts that were asked for */
};

/* A thread ended. status is the process's wait status once live is 0. */
struct exit_record {
	struct record_header header;
	struct identity identity;
	__u32 status; /* as wait(2): code << 8 | signal | 0x80 if core was dumped */
	__u32 thread_status;
	__u32 live; /* threads of the process that still live */
	__u32 unused;
};

/* Namespaces or credentials of a thread are now these (RECORD_IDENTITY), or it
 * entered the session unseen (RECORD_ADOPTED), or it left it (RECORD_LEFT). */
struct identity_record {
	struct record_header header;
	struct identity identity;
};

/* A piece of what an argument of a call points to. One with the capture and part
 * of an earlier one stands in its place. A pointer that is NULL has none. */
struct call_piece {
	__u64 address; /* in the task */
	__u8 capture; /* index into call_spec.captures */
	__u8 flags; /* enum data_flag */
	__u16 part; /* of lists: which item (enum capture_kind) */
	__u32 length; /* bytes that follow, padded to eight; of a string without its NUL */
};

/* One a system call, written when it returned, or its thread ended inside, or on
 * request. The files it names came before it. What its arguments point to follows
 * it, as far as there was room; the rest came before, too (RECORD_CALL_DATA).
 * (header.host_tid, entered_ns) names the call; header.time_ns is when it
 * returned, header.window the one in which it was entered, header.host_tid the
 * thread at entry (execve(2) by a thread that is not the leader changes it). */
struct call_record {
	struct record_header header;
	__u64 entered_ns;
	__u64 args[6];
	__s64 result; /* as the kernel returns it: -errno on failure; 0 if it has none */
	__u64 files[2]; /* file_record.id of the call_spec's file slots; 0: none */
	__u32 number; /* as at entry, without x32's bit */
	__u8 abi; /* enum call_abi */
	__u8 flags; /* enum call_flag */
	__u16 length; /* of the pieces that follow, each a struct call_piece and its bytes */
};

/* A piece that is too long to travel with its call. */
struct call_data_record {
	__u32 type; /* RECORD_CALL_DATA */
	__u32 host_tid;
	__u64 entered_ns;
	struct call_piece piece;
};

/* What a descriptor or a base directory is, as the thread named it in a call;
 * written anew when it has changed. Names follow as walk_path() writes them, from
 * the file up, each with its NUL; for a socket, struct socket_names instead. */
struct file_record {
	struct record_header header;
	__u64 id; /* never 0, never used twice */
	__u64 inode;
	__u64 magic; /* of the file system: linux/magic.h */
	__u32 device; /* the kernel's dev_t: major << 20 | minor */
	__u32 mode; /* S_IF* and permissions */
	__u32 flags; /* O_* */
	__u32 bits; /* enum file_bit */
	__u16 length; /* bytes of names */
	__u16 socket_type; /* SOCK_* */
	__u16 socket_protocol; /* IPPROTO_*, NETLINK_* */
	__u16 unused;
};

/* Addresses as getsockname(2) and getpeername(2) give them; length 0: none. */
struct socket_names {
	__u16 local_length;
	__u16 remote_length;
	__u32 unused;
	__u8 local[128];
	__u8 remote[128];
};

enum probe_flag {
	PROBE_RETURN = 1, /* a return; not set: an entry, or a probe that has no return */
	PROBE_CUT = 2, /* pieces are missing: there was no more room */
	PROBE_NO_FRAME = 4, /* its return will not be told: too many are open */
};

/* A probe fired. Its pieces follow. */
struct probe_record {
	struct record_header header; /* window: of a return, that of its entry */
	__u64 entered_ns; /* of a return: header.time_ns of its entry; else as header.time_ns */
	__u64 ip; /* in the task; of a return: where it returns to */
	__u64 sp;
	__u32 spec; /* probe_spec.id */
	__u32 place; /* which of the places where it is attached */
	__u32 flags; /* enum probe_flag */
	__u32 length; /* bytes of pieces */
};

#define PROBE_STACK 254 /* in place of a fetch: addresses of the user's stack, innermost first */
#define PROBE_KERNEL_STACK 253 /* likewise, of the kernel's */
#define STEP_LENGTH 255 /* in place of a step: how long it is could not be read */

/* What one fetch read; the bytes follow, padded to eight. Of FETCH_VALUE: eight
 * bytes, and address 0. */
struct probe_piece {
	__u64 address; /* in the task */
	__u8 fetch; /* index into probe_spec.fetches */
	__u8 flags; /* enum data_flag */
	__u8 step; /* with DATA_UNREADABLE: which dereference failed, from 0; probe_spec's
		    * steps: the last read */
	__u8 unused;
	__u32 length;
};

/* An event of a program of the user's own, which wrote it itself
 * (pytest_ebpf/include/pytest_ebpf.bpf.h). Its bytes follow. */
struct program_record {
	struct record_header header;
	__u32 program; /* the session's number for it */
	__u32 event; /* what it is: the number of a type in the program's own BTF */
	__u32 length; /* bytes that follow */
	__u32 unused;
};

/* What to copy of a call, and which of its arguments name files: a table that is
 * made when the programs are compiled (pytest_ebpf/syscalls/table_build.py). */
enum capture_kind {
	CAPTURE_NONE,
	CAPTURE_STRING,
	CAPTURE_STRINGS, /* list of strings that ends with NULL; part: which */
	CAPTURE_BYTES,
	CAPTURE_VECTOR, /* struct iovec list: part 0; contents, if asked for: 1 + which */
	CAPTURE_MESSAGE, /* struct msghdr: part 0, its name 1, its vector 2, its control
			  * messages 3; contents, if asked for: 4 + which */
	CAPTURE_MESSAGES, /* list of struct mmsghdr: each as a message, MESSAGE_PARTS apart */
	CAPTURE_POINTERS, /* list of pointers to structures of `size`; part: which */
};

#define MESSAGE_PARTS 128

enum capture_flag {
	CAPTURE_AT_EXIT = 1, /* the kernel fills it: if the call succeeded */
	CAPTURE_DATA = 2, /* the user's data: control.data_limit bytes at most */
	CAPTURE_INTERRUPTED = 4, /* with AT_EXIT: it is filled if a signal interrupted the call */
	CAPTURE_INDIRECT = 8, /* args[arg] points to the address */
};

enum capture_length {
	LENGTH_FIXED, /* size */
	LENGTH_ARG, /* args[length_arg] * size */
	LENGTH_RESULT, /* result * size */
	LENGTH_FILLED, /* the same, but args[length_arg] * size at most: the result may be more */
	LENGTH_BITS, /* args[length_arg] bits, in whole words: fd_set */
	LENGTH_AT_POINTER, /* *(__u32 *)args[length_arg], a socklen_t */
};

struct capture {
	__u8 kind; /* enum capture_kind */
	__u8 arg;
	__u8 flags; /* enum capture_flag */
	__u8 length; /* enum capture_length */
	__u8 length_arg;
	__u8 when_arg;
	__u16 size; /* bytes, or bytes an item */
	/* Only if 1 << ((args[when_arg] & when_mask) - when_base) is in here; 0: always.
	 * What the argument of futex(2), fcntl(2), ioctl(2) is, their operation says. */
	__u64 when;
	__u32 when_mask;
	__u32 when_base;
	__u32 skip; /* bytes from where args[arg] points */
	__u32 unused;
};

enum file_slot {
	SLOT_NONE,
	SLOT_FD, /* args[arg] is a descriptor */
	SLOT_BASE, /* args[arg] is the directory (AT_FDCWD: cwd) of the path in args[path_arg] */
	SLOT_CWD, /* cwd is the directory of the path in args[path_arg] */
	SLOT_RESULT, /* the result is a descriptor: looked at when the call has succeeded */
};

struct slot {
	__u8 kind; /* enum file_slot */
	__u8 arg;
	__u8 path_arg; /* an absolute path there: nothing to resolve */
	__u8 unused;
};

#define CALL_CAPTURES 10 /* pselect6(2) has as many */
#define CALL_SLOTS 2
#define CALL_NUMBERS 640 /* more than any architecture has; those above are always wanted */

struct call_spec {
	struct capture captures[CALL_CAPTURES];
	struct slot files[CALL_SLOTS];
	__u8 names; /* there is a file slot to resolve at entry */
	__u8 late; /* there is something to copy at exit */
	__u8 opens; /* a file slot is SLOT_RESULT */
	__u8 moves; /* it may change the paths of files that it does not name: rename(2) */
	__u8 unused[4];
};

#define MUTED_THREADS 8
#define MAX_PROBES 512 /* specs at a time; a power of two */

/* How often a spec fired for members of this session, in a window, while it was
 * wanted. The kernel counts. */
struct probe_count {
	__u64 hits; /* and passed its filters; returns do not count */
	__u64 told; /* a record was written, or lost */
	__u64 capped; /* window << 32 | those that wanted to be told in it */
};

/* One a session: the client writes the settings, the kernel the counters. */
struct control {
	__u32 window; /* what record_header.window will say */
	__u32 wake; /* wake who waits on the ring at every record */
	__u32 flags; /* enum control_flag */
	__u32 argv_limit; /* bytes of argv, and of the environment, to copy */
	__u64 lost_records; /* did not fit in the ring */
	__u64 lost_bytes;
	__u64 lost_members; /* children that could not be entered: nothing of them is known */
	__u64 lost_lookups; /* programs that could not tell whose thread they ran for */
	__u64 left_members; /* threads that left for another session or by a change of uid */
	__u64 urings; /* io_uring_setup(2) that succeeded, window or not: no loss by itself */
	__u32 calls; /* whether system calls are recorded at all */
	__u32 data_limit; /* bytes to copy of what a call reads or writes */
	/* Threads of the client whose calls are not recorded now, as its pid namespace
	 * counts; 0: a free slot. */
	__u32 muted[MUTED_THREADS];
	/* The thread of the client, counted likewise, whose new children are not entered:
	 * it starts a program for the tracer itself, a compiler. 0: none. */
	__u32 apart;
	__u32 unused;
	__u64 wanted[CALL_ABIS][CALL_NUMBERS / 64]; /* which calls: a bit a number */
	__u64 probes[MAX_PROBES / 64]; /* which specs: a bit each, where it lies */
	struct probe_count counts[MAX_PROBES];
};

#endif
