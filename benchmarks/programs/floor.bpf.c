// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The least that a hand-written libbpf program does to tell of every system call of a task: who is traced and
 * what was passed at entry lies in the task's storage, one record leaves at exit. The record has what a
 * call_record has (bpf/events.h), and with -DWITH_PATH the path of openat. Neither children nor descriptors, no
 * sessions, no windows, no choice of calls.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PATH 256
#ifdef __TARGET_ARCH_arm64
#define OPENAT 56
#else
#define OPENAT 257
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct pt_regs {
#ifdef __TARGET_ARCH_arm64
	__u64 regs[31];
#else
	unsigned long di, si, dx, r10, r8, r9;
#endif
};
struct thread_info {
	__u32 status;
};
struct bpf_local_storage;
struct task_struct {
	struct thread_info thread_info;
	int pid;
	int tgid;
	__u64 start_time;
	struct task_struct *group_leader;
	struct bpf_local_storage *bpf_storage;
};
#pragma clang attribute pop

struct record {
	__u32 type, window;
	__u64 time_ns, start_ns;
	__u32 host_pid, host_tid;
	__u64 entered_ns;
	__u64 args[6];
	__s64 result;
	__u64 files[2];
	__u32 number;
	__u8 abi, flags;
	__u16 unused;
#ifdef WITH_PATH
	char path[PATH];
#endif
};

struct member {
	__u64 entered_ns;
	__u64 args[6];
	__u64 number;
#ifdef WITH_PATH
	__u64 length;
	char path[PATH];
#endif
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct member);
} members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} ring SEC(".maps");

__u64 lost;

static __always_inline struct member *member_of(struct task_struct *task)
{
	return task->bpf_storage ? bpf_task_storage_get(&members, task, NULL, 0) : NULL;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(floor__enter, struct pt_regs *regs, long number)
{
	struct member *member = member_of(bpf_get_current_task_btf());

	if (!member)
		return 0;
	member->entered_ns = bpf_ktime_get_ns();
	member->number = number;
#ifdef __TARGET_ARCH_arm64
	for (int i = 0; i < 6; i++)
		member->args[i] = regs->regs[i];
#else
	member->args[0] = regs->di;
	member->args[1] = regs->si;
	member->args[2] = regs->dx;
	member->args[3] = regs->r10;
	member->args[4] = regs->r8;
	member->args[5] = regs->r9;
#endif
#ifdef WITH_PATH
	if (number == OPENAT)
		member->length = bpf_probe_read_user_str(member->path, PATH, (void *)member->args[1]);
#endif
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(floor__exit, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct member *member = member_of(task);
	struct record *record;

	if (!member || !member->entered_ns)
		return 0;
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	record->type = 1;
	record->window = 1;
	record->time_ns = bpf_ktime_get_ns();
	record->start_ns = task->group_leader->start_time;
	record->host_pid = task->tgid;
	record->host_tid = task->pid;
	record->entered_ns = member->entered_ns;
	__builtin_memcpy(record->args, member->args, sizeof(record->args));
	record->result = result;
	record->files[0] = record->files[1] = 0;
	record->number = member->number;
	record->abi = task->thread_info.status & 2; /* TS_COMPAT */
	record->flags = 0;
	record->unused = 0;
#ifdef WITH_PATH
	if (member->number == OPENAT)
		bpf_probe_read_kernel(record->path, member->length & (PATH - 1), member->path);
#endif
	member->entered_ns = 0;
#ifdef WAKE_SELDOM
	bpf_ringbuf_submit(record, bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > 2 << 20 ? BPF_RB_FORCE_WAKEUP :
											     BPF_RB_NO_WAKEUP);
#else
	bpf_ringbuf_submit(record, 0);
#endif
	return 0;
}
