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

/* As bpf/events.h has it: struct program_record. */
struct ebpf_record {
	u32 type;
	u32 window;
	u64 time_ns;
	u64 start_ns;
	u32 host_pid;
	u32 host_tid;
	u32 program;
	u32 event;
	u32 length;
	u32 wake; /* until it is submitted */
};

/* Where what the current thread does is told. */
struct ebpf_telling {
	char *member;
	char *control;
	void *ring;
	u32 session;
	u32 window;
	u32 wake_at;
};

EBPF_INLINE bool ebpf_find(struct ebpf_telling *to)
{
	u32 zero = 0, slot, *wanted, *owner;
	void *page;

	to->member = bpf_task_storage_get(EBPF_MAP(EBPF_MEMBERS), bpf_get_current_task_btf(), 0, 0);
	if (!to->member)
		return false;
	to->session = EBPF_AT(to->member, EBPF_MEMBER_SESSION);
	slot = to->session % EBPF_SESSIONS;
	/* Of the sessions that have this program now. */
	wanted = (bpf_map_lookup_elem)(EBPF_MAP(EBPF_WANTED), &slot);
	if (!wanted || *wanted != to->session)
		return false;
	page = (bpf_map_lookup_elem)(EBPF_MAP(EBPF_CONTROLS), &slot);
	to->control = page ? (bpf_map_lookup_elem)(page, &zero) : 0;
	to->ring = (bpf_map_lookup_elem)(EBPF_MAP(EBPF_RINGS), &slot);
	/* The owner of the slot is looked at last: what was found before it was that
	 * one's, as nobody owns a slot twice. */
	owner = (bpf_map_lookup_elem)(EBPF_MAP(EBPF_SLOTS), &slot);
	if (!to->control || !to->ring || !owner)
		return false;
	to->wake_at = EBPF_AT(owner, EBPF_SLOT_WAKE_AT);
	if (*(volatile u32 *)((char *)owner + EBPF_SLOT_SESSION) != to->session)
		return false;
	to->window = EBPF_AT(to->control, EBPF_CONTROL_WINDOW);
	if (!to->window)
		return false;
#pragma unroll
	for (int i = 0; i < EBPF_MUTED_THREADS; i++)
		if (EBPF_AT(to->control, EBPF_CONTROL_MUTED + i * sizeof(u32)) ==
		    EBPF_AT(to->member, EBPF_MEMBER_TID))
			return false;
	return true;
}

/* Whether the current thread is of a test that has this program, in its window, and not
 * at pytest-ebpf's own work: `if (!ebpf_traced()) return 0;`. */
EBPF_INLINE bool ebpf_traced(void)
{
	struct ebpf_telling to;

	return ebpf_find(&to);
}

/* The number of the session (a pytest process, an xdist worker) that the current thread
 * belongs to, if ebpf_traced(), else 0: a key for maps, which all of them share. */
EBPF_INLINE u32 ebpf_session(void)
{
	struct ebpf_telling to;

	return ebpf_find(&to) ? to.session : 0;
}

/* --- what leaves the program: into the trace of whom it is about, as ebpf_emit() of
 * pytest_ebpf.bpf.h does it, and not into the program's own buffers, which all tests
 * would share --- */

EBPF_INLINE void *ebpf_reserve(void *output, u64 size, u64 length)
{
	struct ebpf_telling to;
	struct ebpf_record *record;

	if (!ebpf_find(&to))
		return 0;
	record = (bpf_ringbuf_reserve)(to.ring, sizeof(*record) + size, 0);
	if (!record) {
		__sync_fetch_and_add((u64 *)(to.control + EBPF_CONTROL_LOST_RECORDS), 1);
		__sync_fetch_and_add((u64 *)(to.control + EBPF_CONTROL_LOST_BYTES),
				     sizeof(*record) + size);
		return 0;
	}
	record->type = EBPF_RECORD;
	record->window = to.window;
	record->time_ns = bpf_ktime_get_ns();
	record->start_ns = *(u64 *)(to.member + EBPF_MEMBER_START_NS);
	record->host_pid = EBPF_AT(to.member, EBPF_MEMBER_HOST_PID);
	record->host_tid = EBPF_AT(to.member, EBPF_MEMBER_HOST_TID);
	record->program = EBPF_PROGRAM;
	record->event = ((struct bpf_map *)output)->id;
	record->length = length > size ? size : length;
	record->wake = EBPF_AT(to.control, EBPF_CONTROL_WAKE) ||
		       bpf_ringbuf_query(to.ring, BPF_RB_AVAIL_DATA) >= to.wake_at;
	return record + 1;
}

EBPF_INLINE int ebpf_submit(void *data)
{
	struct ebpf_record *record = (struct ebpf_record *)data - 1;
	u32 wake = record->wake;

	record->wake = 0;
	(bpf_ringbuf_submit)(record, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}

EBPF_INLINE int ebpf_write(void *output, const void *data, u64 size, u64 length)
{
	void *to = ebpf_reserve(output, size, length);

	if (!to)
		return 0;
	/* Not by memcpy(), which the compiler refuses for more than a kilobyte. What
	 * cannot be read is zeroes. */
	bpf_probe_read_kernel(to, size, data);
	return ebpf_submit(to);
}

/* BCC's rewritten text calls the helpers below by name; it is read a second time. What
 * is submitted leaves its type in the program's BTF. */
#define EBPF_TYPED(data)                                                                   \
	__builtin_choose_expr(                                                             \
		__builtin_types_compatible_p(__typeof__(data), void *) ||                  \
			__builtin_types_compatible_p(__typeof__(data), const void *),      \
		(char *)0, (data))
#define EBPF_DESCRIBE(data)                                                                \
	static struct ____ebpf_output {                                                    \
		__typeof__(*EBPF_TYPED(data)) value;                                       \
	} ebpf_output __attribute__((used, section(".maps.ebpf")))
/* The kernel reserves a number of bytes that is known beforehand: of a length that is
 * not, all of the structure. */
#define EBPF_WRITE(output, data, size)                                                     \
	({                                                                                 \
		EBPF_DESCRIBE(data);                                                       \
		_Static_assert(__builtin_constant_p(size) ||                               \
				       sizeof(*EBPF_TYPED(data)) > sizeof(u64),            \
			       "what is submitted with a length that is no constant has "  \
			       "to be a structure");                                       \
		ebpf_write(output, data,                                                   \
			   __builtin_constant_p(size) ? (size) : sizeof(*EBPF_TYPED(data)), \
			   size);                                                          \
	})

#define bpf_perf_event_output(ctx, output, cpu, data, size) EBPF_WRITE(output, data, size)
#define bpf_ringbuf_output(output, data, size, flags) EBPF_WRITE(output, data, size)
#define bpf_ringbuf_reserve(output, size, flags) ebpf_reserve(output, size, size)
#define bpf_ringbuf_submit(data, flags)                                                    \
	({                                                                                 \
		EBPF_DESCRIBE(data);                                                       \
		ebpf_submit(data);                                                         \
	})
#define bpf_ringbuf_discard(data, flags)                                                   \
	(bpf_ringbuf_discard)((struct ebpf_record *)(void *)(data) - 1, BPF_RB_NO_WAKEUP)

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
