/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who is traced, for whom, and where the records go. */
#ifndef PYTEST_EBPF_SESSION_H
#define PYTEST_EBPF_SESSION_H

#include "kernel.h"
#include "events.h"

#define MAX_SESSIONS 1024 /* a power of two: the low bits of a session are its slot */

enum call_state {
	CALL_NONE, /* in its program */
	CALL_BORN, /* about to leave a call that it never entered, or that nobody saw it enter */
	CALL_SKIPPED, /* in a call that is not recorded */
	CALL_PENDING, /* in a call that is */
	CALL_HELD, /* has left it for a signal: to call again, or to die */
};

#define KNOWN_FILES 4 /* that a thread can name again without a record */
#define PIECE_SMALL 256 /* bytes of one that can travel with its call */
#define PIECES_SPACE 512 /* of all those, together */

/* The system call that a thread is in: its record, made where it is copied from. */
struct pending_call {
	struct call_record record;
	__u8 pieces[PIECES_SPACE];
	__u32 state; /* enum call_state */
	__u32 room; /* bytes for the address that the kernel will write */
	__u16 again; /* 1 << capture: could not be read at entry */
	__u8 late; /* as in its call_spec */
	__u8 opens;
	__u8 moves;
	__u8 absolute; /* 1 << argument: a path from the root */
	__u8 unused[2];
};

/* A file that has an id: what would have to change for it to need another. Which
 * open file description it is, is not told, and does not count. The addresses alone
 * do not tell: what is closed gives its own to what is opened next. */
struct known_file {
	__u64 id; /* 0: none here yet */
	__u64 inode; /* its number */
	__u64 dentry;
	__u64 mnt;
	__u64 parent;
	__u64 name; /* hash and length */
	__u64 socket; /* its state and addresses, mixed */
	__u64 moves; /* counted until then */
	__u32 flags; /* O_* */
	__u16 mode; /* S_IF* and permissions */
	__u16 deleted;
	__u64 window; /* told in this one: the client forgets the others' files */
};

/* What a traced thread carries. */
struct member {
	__u32 session; /* its low bits: the index in slots, rings, controls; never used twice */
	__u32 uid; /* a confined session holds only threads of this uid */
	__u32 confined;
	__u32 level; /* depth of the pid namespace the session counts in */
	__u64 nsproxy; /* last seen pointers, to notice that they changed */
	__u64 cred;
	__u64 start_ns; /* of its process */
	__u32 host_pid; /* as the initial pid namespace counts */
	__u32 host_tid;
	__u32 tid; /* as the session's pid namespace counts */
	__u32 own; /* a thread of the client itself */
	struct pending_call call;
	struct known_file files[KNOWN_FILES];
};

/* Written at fork for the child, by the adopting iterator for threads that
 * already lived; goes with its task. Why not a hash keyed by tid: a thread that
 * execs takes over its leader's pid, and the entry would be somebody else's. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct member);
} members SEC(".maps");

struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct control_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct control));
};

/* Who has a slot. The broker writes. Why arrays and not hashes, which cost several
 * times as much: every call looks here twice. What an ended session left running
 * can never write to the slot's next owner: that has another number, and the
 * broker gives the slot to nobody before all programs that saw the old one have
 * ended (the kernel waits for them when an element of a map of maps is deleted:
 * maybe_wait_bpf_programs(), kernel/bpf/syscall.c). */
struct session_slot {
	__u32 session; /* 0: nobody */
	__u32 wake_at; /* bytes in its ring at which the reader is woken */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SESSIONS);
	__type(key, __u32);
	__type(value, struct session_slot);
} slots SEC(".maps");

/* Slot to ring. The broker enters and deletes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_SESSIONS);
	__type(key, __u32);
	__array(values, struct ring_map);
} rings SEC(".maps");

/* Slot to control page. The broker enters and deletes. Why a map each: who holds a
 * map's descriptor can write all of it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_SESSIONS);
	__type(key, __u32);
	__array(values, struct control_map);
} controls SEC(".maps");

struct session {
	void *ring;
	struct control *control;
	__u32 wake_at;
};

static __always_inline struct control *control_at(__u32 slot)
{
	__u32 zero = 0;
	void *map = bpf_map_lookup_elem(&controls, &slot);

	return map ? bpf_map_lookup_elem(map, &zero) : NULL;
}

/* NULL: it has ended. */
static __always_inline struct control *control_of(__u32 session)
{
	__u32 slot = session % MAX_SESSIONS;
	const struct session_slot *owner = bpf_map_lookup_elem(&slots, &slot);

	return owner && owner->session == session ? control_at(slot) : NULL;
}

#define STORAGES 16 /* of a task, one of each map, that are looked through */

/* The session of a task whose member could not be had; 0: it has none. Before kernel 6.2
 * (e8b02296a6b8) the helper finds nothing while another look-up on this CPU is not over,
 * which this one interrupted. Then what it would have found can be read, and no more. */
static __noinline __u32 session_missed(struct task_struct *task)
{
	struct hlist_node *node = BPF_CORE_READ(task, bpf_storage, list.first);
	struct bpf_local_storage_elem *storage;
	struct member *member;

	for (int i = 0; i < STORAGES && node; i++) {
		storage = (void *)node - bpf_core_field_offset(struct bpf_local_storage_elem, snode);
		if (BPF_CORE_READ(storage, sdata.smap) == (void *)&members) {
			member = (void *)storage +
				 bpf_core_field_offset(struct bpf_local_storage_elem, sdata.data);
			return BPF_PROBE_READ(member, session);
		}
		node = BPF_CORE_READ(node, next);
	}
	return 0;
}

static __always_inline struct control *control_missed(struct task_struct *task)
{
	__u32 session = session_missed(task);

	return session ? control_of(session) : NULL;
}

/* NULL: it is in no session; or nobody can tell, which is counted. */
static __always_inline struct member *member_in_storage(struct task_struct *task)
{
	struct member *member = bpf_task_storage_get(&members, task, NULL, 0);
	struct control *control;

	if (!member) {
		control = control_missed(task);
		if (control)
			__sync_fetch_and_add(&control->lost_lookups, 1);
	}
	return member;
}

static __always_inline struct member *member_of(struct task_struct *task)
{
	if (!BPF_CORE_READ(task, bpf_storage))
		return NULL;
	return member_in_storage(task);
}

/* The same for the programs that every call of every task on the machine runs:
 * plain access costs a nanosecond, a helper more. For each such access the
 * verifier takes two milliseconds (see fill_pids()), so it is not for the others. */
static __always_inline struct member *member_calling(struct task_struct *task)
{
	if (!task->bpf_storage)
		return NULL;
	return member_in_storage(task);
}

static __always_inline bool session_by_id(__u32 id, struct session *session)
{
	__u32 slot = id % MAX_SESSIONS;
	const struct session_slot *owner = bpf_map_lookup_elem(&slots, &slot);

	if (!owner || owner->session != id)
		return false;
	session->wake_at = owner->wake_at;
	session->control = control_at(slot);
	if (!session->control)
		return false;
	session->ring = bpf_map_lookup_elem(&rings, &slot);
	return session->ring != NULL;
}

static __always_inline bool session_of(const struct member *member, struct session *session)
{
	return session_by_id(member->session, session);
}

/* Whether the client does this itself, for us. */
static __always_inline bool is_muted(const struct control *control, __u32 tid)
{
	const __u32 *muted = control->muted;

	return muted[0] == tid || muted[1] == tid || muted[2] == tid || muted[3] == tid ||
	       muted[4] == tid || muted[5] == tid || muted[6] == tid || muted[7] == tid;
}

/* The call that the thread may be in was not seen from its start. */
static __always_inline void enter(struct member *to, __u32 session, __u32 uid, __u32 confined,
				  __u32 level)
{
	to->session = session;
	to->uid = uid;
	to->confined = confined;
	to->level = level;
	to->call.state = CALL_BORN;
	/* What its former session was told of, this one knows nothing of. */
	for (int i = 0; i < KNOWN_FILES; i++)
		to->files[i].id = 0;
}

/* Whether a confined session may hold a thread with these credentials. */
static __always_inline bool may_hold(__u32 uid, struct task_struct *task)
{
	const struct cred *cred = BPF_CORE_READ(task, cred);

	return BPF_CORE_READ(cred, uid.val) == uid && BPF_CORE_READ(cred, euid.val) == uid &&
	       BPF_CORE_READ(cred, suid.val) == uid && BPF_CORE_READ(cred, fsuid.val) == uid;
}

#endif
