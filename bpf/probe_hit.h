/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A hit of any probe: who wants it, how it is counted, how it is told. */
#ifndef PYTEST_EBPF_PROBE_HIT_H
#define PYTEST_EBPF_PROBE_HIT_H

#include "probe_fetch.h"
#include "ring.h"

/* 0: the one of the attachment, which raw tracepoints have since kernel 6.10 only: each
 * has programs of its own, and here what it is. */
const volatile __u64 cfg_cookie = 0;

static __always_inline __u64 cookie_of(void *ctx)
{
	return cfg_cookie ?: bpf_get_attach_cookie(ctx);
}

/* What a hit is for, if anybody wants it. */
struct hit {
	struct member *member;
	struct control *control;
	const struct probe_spec *spec;
	struct probe_count *count;
	__u64 cookie; /* probe_spec.id, and above it the place */
	__u32 window;
};

static __always_inline const struct probe_spec *spec_of(__u64 cookie)
{
	__u32 slot = cookie % MAX_PROBES;
	const struct probe_spec *spec = bpf_map_lookup_elem(&specs, &slot);

	return spec && spec->id == (__u32)cookie ? spec : NULL;
}

/* Whether the thread's session wants this probe now. The member comes first: most
 * that hit a probe are none of anybody's. */
static __always_inline bool is_hit(struct hit *hit, void *ctx)
{
	__u32 slot;

	hit->control = control_awake(hit->member->session);
	if (!hit->control)
		return false;
	hit->window = hit->control->window;
	if (!hit->window)
		return false;
	hit->cookie = cookie_of(ctx);
	slot = hit->cookie % MAX_PROBES;
	barrier_var(slot);
	if (slot >= MAX_PROBES || !(hit->control->probes[slot / 64] >> slot % 64 & 1))
		return false;
	if (hit->member->own && is_muted(hit->control, hit->member->tid))
		return false;
	hit->spec = spec_of(hit->cookie);
	if (!hit->spec || (hit->spec->flags & SPEC_ROOT && hit->member->confined))
		return false;
	hit->count = &hit->control->counts[slot];
	return true;
}

/* Whether there were less than the cap in this window until now. */
static __always_inline bool is_below_cap(struct hit *hit)
{
	__u64 *capped = &hit->count->capped, old, new;

	for (int i = 0; i < 8; i++) {
		old = *(volatile __u64 *)capped;
		new = old >> 32 == hit->window ? old + 1 : ((__u64)hit->window << 32) + 1;
		if ((__u32)new > hit->spec->cap)
			return false;
		if (__sync_val_compare_and_swap(capped, old, new) == old)
			break;
	}
	/* Too many do the same at once: rather one more than one less. */
	return true;
}

/* Counts a hit; whether it is told. */
static __always_inline bool count_hit(struct hit *hit)
{
	__u64 before = __sync_fetch_and_add(&hit->count->hits, 1);

	if (hit->spec->every > 1 && before % hit->spec->every)
		return false;
	if (hit->spec->cap && !is_below_cap(hit))
		return false;
	__sync_fetch_and_add(&hit->count->told, 1);
	return true;
}

static __always_inline void head(struct probe_record *record, const struct member *member,
				 __u64 cookie)
{
	record->header.type = RECORD_PROBE;
	record->header.time_ns = bpf_ktime_get_ns();
	record->header.start_ns = member->start_ns;
	record->header.host_pid = member->host_pid;
	record->header.host_tid = member->host_tid;
	record->spec = cookie;
	record->place = cookie >> 32;
}

static __always_inline void note_registers(struct probe_work *work, const void *ctx)
{
	__builtin_memcpy(work->registers, ctx, sizeof(work->registers));
	work->record.ip = work->registers[WORD_IP];
	work->record.sp = work->registers[WORD_SP];
}

/* which: PROBE_STACK or PROBE_KERNEL_STACK. */
static __always_inline void add_stack(struct probe_work *work, void *ctx, __u32 frames,
				      const __u8 which)
{
	struct probe_piece *piece;
	__u64 at = work->record.length, size = frames * sizeof(__u64);
	long got;

	barrier_var(at);
	if (at > PIECE_STARTS) {
		work->record.flags |= PROBE_CUT;
		return;
	}
	piece = (void *)&work->pieces[at];
	barrier_var(size);
	if (size > PIECE_MOST)
		size = PIECE_MOST;
	got = bpf_get_stack(ctx, piece + 1, size, which == PROBE_STACK ? BPF_F_USER_STACK : 0);
	piece->address = 0;
	piece->fetch = which;
	piece->flags = got < 0 ? DATA_UNREADABLE : 0;
	piece->step = 0;
	piece->unused = 0;
	piece->length = got < 0 ? 0 : got;
	work->record.length = at + sizeof(*piece) + piece->length;
}

static __always_inline void tell(struct probe_work *work, __u32 of)
{
	struct session session;
	__u64 length = work->record.length;

	if (!session_awake(of, &session))
		return;
	barrier_var(length);
	if (length > PIECE_ROOM)
		length = PIECE_ROOM;
	record_copy(&session, &work->record, sizeof(work->record) + length, waking(&session));
}

#endif
