/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The one place that writes to a ring: reserve, head, count the loss, wake. */
#ifndef PYTEST_EBPF_RING_H
#define PYTEST_EBPF_RING_H

#include "session.h"

static __always_inline void count_loss(struct session *session, __u64 size)
{
	__sync_fetch_and_add(&session->control->lost_records, 1);
	__sync_fetch_and_add(&session->control->lost_bytes, size);
}

/* size is a constant, as bpf_ringbuf_reserve wants it. */
static __always_inline void *record_reserve(struct session *session, __u64 size)
{
	void *record = bpf_ringbuf_reserve(session->ring, size, 0);

	if (!record)
		count_loss(session, size);
	return record;
}

/* Whether a record wakes who reads. Not each one does: a wake-up costs the traced
 * program more than the record. */
static __always_inline __u64 waking(const struct session *session)
{
	bool wake = session->control->wake ||
		    bpf_ringbuf_query(session->ring, BPF_RB_AVAIL_DATA) >= session->wake_at;

	return wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void record_submit(struct session *session, void *record)
{
	bpf_ringbuf_submit(record, waking(session));
}

/* Nothing of it is to be read. */
static __always_inline void record_drop(void *record)
{
	bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
}

/* A record that is whole in memory already; false: it is lost. flags: waking(), or
 * BPF_RB_NO_WAKEUP for one that another follows. */
static __always_inline bool record_copy(struct session *session, void *record, __u64 size,
					__u64 flags)
{
	if (!bpf_ringbuf_output(session->ring, record, size, flags))
		return true;
	count_loss(session, size);
	return false;
}

static __always_inline void fill_header(struct record_header *header, __u32 type, __u64 time_ns,
					struct task_struct *task, const struct control *control)
{
	header->type = type;
	header->window = control->window;
	header->time_ns = time_ns;
	header->start_ns = BPF_CORE_READ(task, group_leader, start_time);
	header->host_pid = BPF_CORE_READ(task, tgid);
	header->host_tid = BPF_CORE_READ(task, pid);
}

#endif
