/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* For a BPF program of your own that a test loads with ebpf_trace.program(): which
 * tasks are the test's, and a way for events into its trace.
 *
 *	#include "vmlinux.h"
 *	#include <bpf/bpf_helpers.h>
 *	#include "pytest_ebpf.bpf.h"
 *
 *	struct opened {
 *		int flags;
 *	};
 *
 *	SEC("tracepoint/syscalls/sys_enter_openat")
 *	int on_openat(struct trace_event_raw_sys_enter *ctx)
 *	{
 *		struct opened event = { .flags = ctx->args[2] };
 *
 *		if (ebpf_traced())
 *			ebpf_emit(&event);
 *		return 0;
 *	}
 *
 *	char LICENSE[] SEC("license") = "GPL";
 *
 * It works in all programs that trace: kprobe, uprobe (sleepable ones too), tracepoint,
 * raw_tp, tp_btf, fentry, fexit, perf_event; kernel 5.15 and later. The kernel lets
 * only programs with a licence that is compatible with the GPL call the helpers that are
 * used here: yours must say so, as above. This header may be used under either licence
 * in its first line.
 */
#ifndef PYTEST_EBPF_BPF_H
#define PYTEST_EBPF_BPF_H

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* Bytes that an event can have. */
#define EBPF_EVENT_MOST 65536

/* What follows is the start of what bpf/session.h and bpf/events.h of pytest-ebpf have.
 * It is no interface: only the functions at the end are. */
#define EBPF_SESSIONS 1024
#define EBPF_MUTED_THREADS 8
#define EBPF_RECORD 12

struct ebpf_member {
	__u32 session;
	__u32 uid;
	__u32 confined;
	__u32 level;
	__u64 nsproxy;
	__u64 cred;
	__u64 start_ns;
	__u32 host_pid;
	__u32 host_tid;
	__u32 tid;
	__u32 own;
};

struct ebpf_slot {
	__u32 session;
	__u32 wake_at;
};

struct ebpf_control {
	__u32 window;
	__u32 wake;
	__u32 flags;
	__u32 argv_limit;
	__u64 lost_records;
	__u64 lost_bytes;
	__u64 lost_members;
	__u64 left_members;
	__u64 urings;
	__u32 calls;
	__u32 data_limit;
	__u32 muted[EBPF_MUTED_THREADS];
};

struct ebpf_record {
	__u32 kind;
	__u32 window;
	__u64 time_ns;
	__u64 start_ns;
	__u32 host_pid;
	__u32 host_tid;
	__u32 program;
	__u32 event;
	__u32 length;
	__u32 unused;
};

/* Which session asked for this program, and which of its programs it is: written
 * before it is loaded. No task is a member of session 0. */
const volatile __u32 ebpf_session = 0;
const volatile __u32 ebpf_program = 0;

/* Stand for the tracer's own maps, which take their places when the program is loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct ebpf_member);
} ebpf_members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EBPF_SESSIONS);
	__type(key, __u32);
	__type(value, struct ebpf_slot);
} ebpf_slots SEC(".maps");

struct ebpf_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, EBPF_SESSIONS);
	__type(key, __u32);
	__array(values, struct ebpf_ring);
} ebpf_rings SEC(".maps");

struct ebpf_page {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct ebpf_control));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, EBPF_SESSIONS);
	__type(key, __u32);
	__array(values, struct ebpf_page);
} ebpf_controls SEC(".maps");

/* Where what a task does is told. */
struct ebpf_telling {
	struct ebpf_member *member;
	struct ebpf_control *control;
	void *ring;
	__u32 window;
	__u32 wake_at;
};

/* Whether the thread works for the trace itself: asks it a question. */
static __always_inline bool ebpf_is_muted(const struct ebpf_control *control, __u32 tid)
{
	const __u32 *muted = control->muted;

	return muted[0] == tid || muted[1] == tid || muted[2] == tid || muted[3] == tid ||
	       muted[4] == tid || muted[5] == tid || muted[6] == tid || muted[7] == tid;
}

static __always_inline bool ebpf_find(struct task_struct *task, struct ebpf_telling *to)
{
	__u32 zero = 0, slot = ebpf_session % EBPF_SESSIONS;
	struct ebpf_slot *owner;
	void *page;

	/* The cheapest test comes first: most tasks of the machine are no members. */
	if (!task || !task->bpf_storage)
		return false;
	to->member = bpf_task_storage_get(&ebpf_members, task, 0, 0);
	if (!to->member || to->member->session != ebpf_session)
		return false;
	page = bpf_map_lookup_elem(&ebpf_controls, &slot);
	to->control = page ? bpf_map_lookup_elem(page, &zero) : 0;
	to->ring = bpf_map_lookup_elem(&ebpf_rings, &slot);
	/* The owner of the slot is looked at last: what was found before it was that
	 * one's, as nobody owns a slot twice. */
	owner = bpf_map_lookup_elem(&ebpf_slots, &slot);
	if (!to->control || !to->ring || !owner)
		return false;
	to->wake_at = owner->wake_at;
	if (*(volatile __u32 *)&owner->session != ebpf_session)
		return false;
	to->window = to->control->window;
	if (!to->window)
		return false;
	return !to->member->own || !ebpf_is_muted(to->control, to->member->tid);
}

static __always_inline void ebpf_count_loss(const struct ebpf_telling *to, __u64 size)
{
	__sync_fetch_and_add(&to->control->lost_records, 1);
	__sync_fetch_and_add(&to->control->lost_bytes, size);
}

static __always_inline bool ebpf_tell(struct task_struct *task, const void *event, __u64 size,
				      __u32 type)
{
	struct ebpf_telling to;
	struct ebpf_record *record;
	bool wake;

	if (!ebpf_find(task, &to))
		return false;
	record = bpf_ringbuf_reserve(to.ring, sizeof(*record) + size, 0);
	if (!record) {
		ebpf_count_loss(&to, sizeof(*record) + size);
		return false;
	}
	record->kind = EBPF_RECORD;
	record->window = to.window;
	record->time_ns = bpf_ktime_get_ns();
	record->start_ns = to.member->start_ns;
	record->host_pid = to.member->host_pid;
	record->host_tid = to.member->host_tid;
	record->program = ebpf_program;
	record->event = type;
	record->length = size;
	record->unused = 0;
	/* Not by memcpy(), which the compiler refuses for more than a kilobyte. */
	if (bpf_probe_read_kernel(record + 1, size, event)) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		ebpf_count_loss(&to, sizeof(*record) + size);
		return false;
	}
	wake = to.control->wake || bpf_ringbuf_query(to.ring, BPF_RB_AVAIL_DATA) >= to.wake_at;
	bpf_ringbuf_submit(record, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return true;
}

/* Whether a task is one of the test's, and the test's window is open: false also while
 * the test's own thread asks the trace a question. The task is one that the kernel gave:
 * an argument of a tp_btf, fentry or lsm program, or bpf_get_current_task_btf(). */
static __always_inline bool ebpf_traced_task(struct task_struct *task)
{
	struct ebpf_telling to;

	return ebpf_find(task, &to);
}

/* The same of the task that runs now. */
static __always_inline bool ebpf_traced(void)
{
	return ebpf_traced_task(bpf_get_current_task_btf());
}

/* Writes an event into the trace, as one of that task, at this moment. event points to a
 * structure that has a name; all of its bytes are copied, so fill all of them. Returns
 * whether it was written: false if ebpf_traced_task(task) is, and nothing is lost then,
 * or if the ring is full. That is counted, and an assertion that such an event was not
 * there will not pass. */
#define ebpf_emit_of(task, event)                                                                  \
	({                                                                                         \
		_Static_assert(sizeof(*(event)) <= EBPF_EVENT_MOST, "the event is too large");     \
		ebpf_tell(task, event, sizeof(*(event)), bpf_core_type_id_local(typeof(*(event)))); \
	})

/* The same as one of the task that runs now. */
#define ebpf_emit(event) ebpf_emit_of(bpf_get_current_task_btf(), event)

#endif
