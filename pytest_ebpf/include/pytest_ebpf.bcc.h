/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Included before the text of every BCC program (ebpf_trace.bcc): who is traced, what
 * leaves the program, and reads that BCC's own rewriting gets wrong.
 *
 * BCC rewrites the program's text alone, not what it includes: here every read of the
 * kernel's memory is spelled out. EBPF_* are -D of pytest_ebpf/host/bcc.py: descriptors
 * of the broker's maps, which BCC passes on as they are (BPFModule::load_maps() replaces
 * its own numbers, which are negative), and offsets in what they hold. */
#ifndef PYTEST_EBPF_BCC_H
#define PYTEST_EBPF_BCC_H

#define EBPF_INLINE static inline __attribute__((always_inline))
#define EBPF_MAP(fd) ((void *)bpf_pseudo_fd(1, fd))
#define EBPF_AT(base, offset) (*(u32 *)((char *)(base) + (offset)))
/* A field, whatever is in its way. Of what cannot be read: zeroes. */
#define EBPF_READ(pointer, field)                                                          \
	({                                                                                 \
		__typeof__((pointer)->field) ebpf_value;                                   \
		__builtin_memset(&ebpf_value, 0, sizeof(ebpf_value));                      \
		bpf_probe_read_kernel(&ebpf_value, sizeof(ebpf_value), &(pointer)->field); \
		ebpf_value;                                                                \
	})

/* --- who is traced --- */

EBPF_INLINE char *ebpf_member(void)
{
	return bpf_task_storage_get(EBPF_MAP(EBPF_MEMBERS), bpf_get_current_task_btf(), 0, 0);
}

/* The number of the session (a pytest process, an xdist worker) that the current thread
 * belongs to: a key for maps, which all tests of the run share. 0: to none. */
EBPF_INLINE u32 ebpf_session(void)
{
	char *member = ebpf_member(), *owner;
	u32 slot, session;

	if (!member)
		return 0;
	session = EBPF_AT(member, EBPF_MEMBER_SESSION);
	slot = session % EBPF_MAX_SESSIONS;
	owner = (bpf_map_lookup_elem)(EBPF_MAP(EBPF_SLOTS), &slot);
	return owner && EBPF_AT(owner, EBPF_SLOT_SESSION) == session ? session : 0;
}

struct ebpf_head {
	u64 time_ns;
	u32 session;
	u32 window;
	u32 host_pid;
	u32 host_tid;
};

/* Says which session and which window; false: what happens now is of no test. */
EBPF_INLINE bool ebpf_fill_head(struct ebpf_head *head)
{
	u32 zero = 0, slot, tid;
	char *member, *control;
	void *map;

	head->session = ebpf_session();
	if (!head->session)
		return false;
	slot = head->session % EBPF_MAX_SESSIONS;
	map = (bpf_map_lookup_elem)(EBPF_MAP(EBPF_CONTROLS), &slot);
	control = map ? (bpf_map_lookup_elem)(map, &zero) : 0;
	member = ebpf_member();
	if (!control || !member)
		return false;
	head->window = EBPF_AT(control, EBPF_CONTROL_WINDOW);
	tid = EBPF_AT(member, EBPF_MEMBER_TID);
#pragma unroll
	for (int i = 0; i < EBPF_MUTED_THREADS; i++)
		if (EBPF_AT(control, EBPF_CONTROL_MUTED + i * sizeof(u32)) == tid)
			return false;
	return head->window != 0;
}

/* Whether the current thread is a test's, in its window, and not at pytest-ebpf's own
 * work: `if (!ebpf_traced()) return 0;` limits a program to the tests' processes. */
EBPF_INLINE bool ebpf_traced(void)
{
	struct ebpf_head head;

	return ebpf_fill_head(&head);
}

/* --- what leaves the program: of the tests' processes alone --- */

/* BCC's rewritten text calls the helpers below by name; it is read a second time. What
 * is submitted leaves its type in the program's BTF. */
#define EBPF_TYPED(data)                                                                    \
	__builtin_choose_expr(                                                              \
		__builtin_types_compatible_p(__typeof__(data), void *) ||                   \
			__builtin_types_compatible_p(__typeof__(data), const void *),       \
		(char *)0, (data))
#define EBPF_DESCRIBE(data)                                                                 \
	static struct ____ebpf_output {                                                     \
		__typeof__(*EBPF_TYPED(data)) value;                                        \
	} ebpf_output __attribute__((used, section(".maps.ebpf")))

/* A perf record carries the kernel's time and thread. */
#define bpf_perf_event_output(ctx, map, cpu, data, size)                                    \
	({                                                                                  \
		EBPF_DESCRIBE(data);                                                        \
		ebpf_traced() ? (bpf_perf_event_output)(ctx, map, cpu, data, size) : 0;     \
	})

/* A ring's record carries nothing of its own: here it has a head, and what finds the
 * ring full is counted. */
EBPF_INLINE void *ebpf_reserve(void *ring, u64 size)
{
	struct ebpf_head head, *to;
	u64 id = bpf_get_current_pid_tgid(), *lost;
	u32 slot;

	if (!ebpf_fill_head(&head))
		return 0;
	head.time_ns = bpf_ktime_get_ns();
	head.host_pid = id >> 32;
	head.host_tid = id;
	to = (bpf_ringbuf_reserve)(ring, sizeof(head) + size, 0);
	if (to) {
		*to = head;
		return to + 1;
	}
	slot = head.session % EBPF_MAX_SESSIONS;
	lost = (bpf_map_lookup_elem)(EBPF_MAP(EBPF_LOST), &slot);
	if (lost)
		__sync_fetch_and_add(lost, 1);
	return 0;
}

EBPF_INLINE int ebpf_write(void *ring, const void *data, u64 size, u64 flags)
{
	void *to = ebpf_reserve(ring, size);

	if (to) {
		bpf_probe_read_kernel(to, size, data);
		(bpf_ringbuf_submit)((struct ebpf_head *)to - 1, flags);
	}
	return 0;
}

#define bpf_ringbuf_reserve(ring, size, flags) ebpf_reserve(ring, size)
#define bpf_ringbuf_submit(data, flags)                                                     \
	({                                                                                  \
		EBPF_DESCRIBE(data);                                                        \
		(bpf_ringbuf_submit)((struct ebpf_head *)(void *)(data) - 1, flags);        \
	})
#define bpf_ringbuf_discard(data, flags)                                                    \
	(bpf_ringbuf_discard)((struct ebpf_head *)(void *)(data) - 1, flags)
#define bpf_ringbuf_output(ring, data, size, flags)                                         \
	({                                                                                  \
		EBPF_DESCRIBE(data);                                                        \
		_Static_assert(__builtin_constant_p(size),                                  \
			       "ringbuf_output() here takes a size that is a constant");    \
		ebpf_write(ring, data, size, flags);                                        \
	})

/* --- reads that BCC's rewriting gets wrong, and what goes with them --- */

/* struct pid's numbers[level]: by plain access, BCC reads numbers[0]. */
EBPF_INLINE struct upid ebpf_pid_number(struct pid *pid, u32 level)
{
	struct upid number = {};

	if (pid && EBPF_READ(pid, level) >= level)
		bpf_probe_read_kernel(&number, sizeof(number), &pid->numbers[level]);
	return number;
}

EBPF_INLINE struct pid *ebpf_process_pid(struct task_struct *task)
{
	struct signal_struct *signal = EBPF_READ(task, signal);

	return signal ? EBPF_READ(signal, pids[PIDTYPE_TGID]) : 0;
}

/* How deep the task's own pid namespace is; 0: it is the initial one. */
EBPF_INLINE u32 ebpf_pid_level(struct task_struct *task)
{
	struct pid *pid = EBPF_READ(task, thread_pid);

	return pid ? EBPF_READ(pid, level) : 0;
}

/* What getpid(2), gettid(2) and getppid(2) answer the task itself. */
EBPF_INLINE u32 ebpf_namespace_pid(struct task_struct *task)
{
	return ebpf_pid_number(ebpf_process_pid(task), ebpf_pid_level(task)).nr;
}

EBPF_INLINE u32 ebpf_namespace_tid(struct task_struct *task)
{
	return ebpf_pid_number(EBPF_READ(task, thread_pid), ebpf_pid_level(task)).nr;
}

EBPF_INLINE u32 ebpf_namespace_ppid(struct task_struct *task)
{
	u32 level = ebpf_pid_level(task);
	struct upid own = ebpf_pid_number(EBPF_READ(task, thread_pid), level);
	struct upid parent = ebpf_pid_number(ebpf_process_pid(EBPF_READ(task, real_parent)), level);

	return parent.ns == own.ns ? parent.nr : 0; /* a parent outside has no number there */
}

/* The process's number in the namespace at a depth: 0, the initial one, to its own. 0:
 * it has none there. */
EBPF_INLINE u32 ebpf_pid_at(struct task_struct *task, u32 level)
{
	return ebpf_pid_number(ebpf_process_pid(task), level).nr;
}

/* The ids of namespaces, as readlink /proc/PID/ns/NAME shows them. */
#define EBPF_NAMESPACE(name, field)                                      \
	EBPF_INLINE u32 ebpf_ns_##name(struct task_struct *task)         \
	{                                                                \
		struct nsproxy *proxy = EBPF_READ(task, nsproxy);        \
		__typeof__(proxy->field) found = 0;                      \
                                                                         \
		if (proxy) /* NULL: the task is ending */                \
			found = EBPF_READ(proxy, field);                 \
		return found ? EBPF_READ(found, ns.inum) : 0;            \
	}
EBPF_NAMESPACE(mnt, mnt_ns)
EBPF_NAMESPACE(pid_for_children, pid_ns_for_children)
EBPF_NAMESPACE(net, net_ns)
EBPF_NAMESPACE(uts, uts_ns)
EBPF_NAMESPACE(ipc, ipc_ns)
EBPF_NAMESPACE(cgroup, cgroup_ns)
EBPF_NAMESPACE(time, time_ns)
EBPF_NAMESPACE(time_for_children, time_ns_for_children)

/* The task's own; nsproxy has that of its children to be (pid_namespaces(7)). */
EBPF_INLINE u32 ebpf_ns_pid(struct task_struct *task)
{
	struct pid_namespace *found =
		ebpf_pid_number(EBPF_READ(task, thread_pid), ebpf_pid_level(task)).ns;

	return found ? EBPF_READ(found, ns.inum) : 0;
}

EBPF_INLINE u32 ebpf_ns_user(struct task_struct *task)
{
	struct cred *cred = (struct cred *)EBPF_READ(task, cred);
	struct user_namespace *found = cred ? EBPF_READ(cred, user_ns) : 0;

	return found ? EBPF_READ(found, ns.inum) : 0;
}

/* The inode of the program that the task runs, as stat(2) of /proc/PID/exe shows it. */
EBPF_INLINE u64 ebpf_exe_inode(struct task_struct *task)
{
	struct mm_struct *mm = EBPF_READ(task, mm);
	struct file *file = mm ? EBPF_READ(mm, exe_file) : 0;
	struct inode *inode = file ? EBPF_READ(file, f_inode) : 0;

	return inode ? EBPF_READ(inode, i_ino) : 0;
}

#endif
