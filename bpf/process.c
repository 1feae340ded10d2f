// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Processes and threads: born, replaced by another program, moved to other
 * namespaces or credentials, ended. */
#include "calls.h"
#include "changes.h"
#include "paths.h"
#include "text.h"

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process__fork, struct task_struct *parent, struct task_struct *child)
{
	struct member *mine = member_of(parent), *its;
	struct session session;
	struct fork_record *record;
	bool thread;

	if (!mine || !session_of(mine, &session))
		return 0;
	thread = BPF_CORE_READ(parent, tgid) == BPF_CORE_READ(child, tgid);
	if (!thread && mine->own && session.control->apart && session.control->apart == mine->tid)
		return 0;
	/* The child has not run yet: wake_up_new_task() comes after this. */
	its = bpf_task_storage_get(&members, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!its) {
		__sync_fetch_and_add(&session.control->lost_members, 1);
		return 0;
	}
	enter(its, mine->session, mine->uid, mine->confined, mine->level);
	its->own = mine->own && thread;
	recognise(its, child);

	record = record_reserve(&session, sizeof(*record));
	if (!record)
		return 0;
	fill_header(&record->header, RECORD_FORK, bpf_ktime_get_ns(), parent, session.control);
	fill_identity(&record->identity, child, its);
	record->thread = record->identity.host_pid == record->header.host_pid;
	record->unused = 0;
	record_submit(&session, record);
	return 0;
}

static __always_inline void emit_string(struct text *text, struct path_buffer *buffer, __u32 field,
					const char *string)
{
	long length = bpf_probe_read_kernel_str(buffer->names, PATH_SPACE, string);

	if (length < 0) {
		text->unreadable |= 1 << field;
		return;
	}
	/* A path has PATH_MAX bytes at most with its NUL: exactly full is whole. */
	text->field = field;
	text->from = (__u64)buffer->names;
	text->length = length;
	emit_text(text);
}

static __always_inline void emit_path(struct text *text, struct path_buffer *buffer, __u32 field,
				      __u64 path, __u64 root)
{
	copy_up_to(&buffer->copy, (void *)path, PATH_END);
	buffer->mnt = COPIED(&buffer->copy, struct path, mnt);
	buffer->dentry = COPIED(&buffer->copy, struct path, dentry);
	walk_up(root);
	if (buffer->truncated)
		text->truncated |= 1 << field;
	text->field = field;
	text->from = (__u64)buffer->names;
	text->length = buffer->length;
	emit_text(text);
}

static __always_inline void emit_memory(struct text *text, __u32 field, __u64 start, __u64 size,
					__u64 limit)
{
	if (limit > TEXT_PIECE * TEXT_MAX_PIECES)
		limit = TEXT_PIECE * TEXT_MAX_PIECES;
	if (size > limit) {
		size = limit;
		text->truncated |= 1 << field;
	}
	text->field = field;
	text->user = true;
	text->from = start;
	text->length = size;
	emit_text(text);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process__exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct member *member = member_of(task);
	struct text text = { .time_ns = bpf_ktime_get_ns() };
	struct path_buffer *buffer;
	struct exec_record *record;
	struct session session;
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct file *exe;
	__u64 argv, argv_end, environ, environ_end, limit;
	__u64 root;
	bool secure, want_environ;

	if (!member || !session_of(member, &session))
		return 0;
	recognise(member, task);
	member->call.again = 0; /* what the arguments pointed to is gone */
	secure = BPF_CORE_READ_BITFIELD_PROBED(bprm, secureexec);
	if (member->confined && (secure || !may_hold(member->uid, task))) {
		leave(&session, task, member);
		return 0;
	}
	buffer = path_buffer();
	if (!buffer)
		return 0;

	/* Arguments and environment are what the kernel has just copied for the
	 * new program: in memory, whole, not yet the program's to change. */
	mm = BPF_CORE_READ(task, mm);
	fs = BPF_CORE_READ(task, fs);
	root = (__u64)fs + bpf_core_field_offset(struct fs_struct, root);
	exe = BPF_CORE_READ(mm, exe_file);
	argv = BPF_CORE_READ(mm, arg_start);
	argv_end = BPF_CORE_READ(mm, arg_end);
	environ = BPF_CORE_READ(mm, env_start);
	environ_end = BPF_CORE_READ(mm, env_end);
	limit = session.control->argv_limit;
	want_environ = session.control->flags & CONTROL_ENVIRON;

	text.session = member->session;
	text.host_tid = task->pid;
	emit_string(&text, buffer, TEXT_FILENAME, BPF_CORE_READ(bprm, filename));
	emit_string(&text, buffer, TEXT_INTERP, BPF_CORE_READ(bprm, interp));
	emit_path(&text, buffer, TEXT_EXE, (__u64)exe + bpf_core_field_offset(struct file, f_path), root);
	emit_path(&text, buffer, TEXT_CWD, (__u64)fs + bpf_core_field_offset(struct fs_struct, pwd), root);
	emit_memory(&text, TEXT_ARGV, argv, argv_end - argv, limit);
	if (want_environ)
		emit_memory(&text, TEXT_ENVIRON, environ, environ_end - environ, limit);

	record = record_reserve(&session, sizeof(*record));
	if (!record)
		return 0;
	fill_header(&record->header, RECORD_EXEC, text.time_ns, task, session.control);
	fill_identity(&record->identity, task, member);
	record->exe_inode = BPF_CORE_READ(exe, f_inode, i_ino);
	record->exe_device = BPF_CORE_READ(exe, f_inode, i_sb, s_dev);
	record->argv_size = argv_end - argv;
	record->environ_size = environ_end - environ;
	record->old_host_tid = old_pid;
	record->argc = BPF_CORE_READ(bprm, argc);
	record->envc = BPF_CORE_READ(bprm, envc);
	record->secure = secure;
	record->truncated = text.truncated;
	record->unreadable = text.unreadable;
	record->captured = (1 << TEXT_ENVIRON) - 1 + (want_environ ? 1 << TEXT_ENVIRON : 0);
	record_submit(&session, record);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process__exit, struct task_struct *task)
{
	struct member *member = member_of(task);
	struct signal_struct *signal;
	struct exit_record *record;
	struct session session;

	if (!member || !session_of(member, &session))
		return 0;
	finish_call(&session, member, task);
	record = record_reserve(&session, sizeof(*record));
	if (!record)
		return 0;
	fill_header(&record->header, RECORD_EXIT, bpf_ktime_get_ns(), task, session.control);
	fill_identity(&record->identity, task, member);
	/* As wait_task_zombie() computes what wait(2) returns. */
	signal = BPF_CORE_READ(task, signal);
	record->status = BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT ?
				 BPF_CORE_READ(signal, group_exit_code) :
				 BPF_CORE_READ(task, group_leader, exit_code);
	record->thread_status = BPF_CORE_READ(task, exit_code);
	record->live = BPF_CORE_READ(signal, live.counter);
	record->unused = 0;
	record_submit(&session, record);
	return 0;
}
