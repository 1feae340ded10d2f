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

/* One page a session: the client writes the settings, the kernel the counters. */
struct control {
	__u32 window; /* what record_header.window will say */
	__u32 wake; /* wake who waits on the ring at every record */
	__u32 flags; /* enum control_flag */
	__u32 argv_limit; /* bytes of argv, and of the environment, to copy */
	__u64 lost_records; /* did not fit in the ring */
	__u64 lost_bytes;
	__u64 lost_members; /* children that could not be entered: nothing of them is known */
	__u64 left_members; /* threads that left for another session or by a change of uid */
};

#endif
