// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Enters what already lives into a session: the client's process, then every
 * thread of a member's process and every child of a member. The broker runs the
 * iterator until a pass finds none new. Why not pidfds: before kernel 6.9
 * (64bef697d33b) they cannot name a thread. */
#include "identity.h"
#include "ring.h"

/* The broker asks here, and reads here how it went. */
struct adoption {
	__u32 session;
	__u32 pid; /* the client, as the broker's pid namespace counts */
	__u32 uid;
	__u32 confined;
	/* of one pass: */
	__u32 adopted;
	__u32 refused; /* of another uid, and the session is confined */
	__u32 failed; /* no memory for the task's storage */
	__u32 previous; /* the client's former session, whose members come along; 0: none */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct adoption);
} adoptions SEC(".maps");

static __always_inline bool is_member(struct task_struct *task, __u32 session,
				      const struct member **member)
{
	*member = member_of(task);
	return *member && (*member)->session == session;
}

SEC("iter/task")
int adopt__task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_struct *broker = bpf_get_current_task_btf();
	const struct member *through;
	struct member *own;
	struct identity_record *record;
	struct adoption *wanted;
	struct session session;
	struct control *old;
	__u32 zero = 0, before = 0, level;
	bool is_client;

	wanted = bpf_map_lookup_elem(&adoptions, &zero);
	if (!task || !wanted)
		return 0;
	if (is_member(task, wanted->session, &through))
		return 0;
	/* Orphaned on purpose, the broker is a child of a client that is its
	 * namespace's init or a subreaper (prctl(2)). */
	if (BPF_CORE_READ(task, tgid) == BPF_CORE_READ(broker, tgid))
		return 0;
	is_client = number_at(process_pid(task), BPF_CORE_READ(broker, thread_pid, level)) ==
		    wanted->pid;
	if (is_client)
		level = BPF_CORE_READ(task, thread_pid, level);
	else if (is_member(task->group_leader, wanted->session, &through) ||
		 is_member(task->real_parent, wanted->session, &through))
		level = through->level;
	else if (wanted->previous && is_member(task, wanted->previous, &through))
		level = through->level; /* orphans too: no tree leads to them */
	else
		return 0;
	if (wanted->confined && !may_hold(wanted->uid, task)) {
		__sync_fetch_and_add(&wanted->refused, 1);
		return 0;
	}
	own = bpf_task_storage_get(&members, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!own) {
		__sync_fetch_and_add(&wanted->failed, 1);
		return 0;
	}
	before = own->session;
	enter(own, wanted->session, wanted->uid, wanted->confined, level);
	own->own = is_client;
	recognise(own, task);
	__sync_fetch_and_add(&wanted->adopted, 1);
	old = before ? control_of(before) : NULL;
	if (old) /* whoever traced it until now is told */
		__sync_fetch_and_add(&old->left_members, 1);

	if (!session_of(own, &session))
		return 0;
	record = record_reserve(&session, sizeof(*record));
	if (!record)
		return 0;
	fill_header(&record->header, RECORD_ADOPTED, bpf_ktime_get_ns(), task, session.control);
	fill_identity(&record->identity, task, own);
	record_submit(&session, record);
	return 0;
}
