/* What a process runs, found from its task: chains of pointers, strings, and fields that not every kernel has. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "pytest_ebpf.bpf.h"

struct inode_number {
	__u64 direct;
	__u64 read;
	__u64 read_into;
	__u64 step_by_step;
};

SEC("tp_btf/sched_process_exec")
int BPF_PROG(inode, struct task_struct *task)
{
	struct inode_number event = {};
	struct mm_struct *mm;
	struct file *file;
	struct inode *inode;

	if (!ebpf_traced())
		return 0;
	/* Typed all the way; where a pointer is NULL, it reads 0. */
	event.direct = task->mm->exe_file->f_inode->i_ino;
	/* The same with the helper: also from a pointer that the verifier takes for a number. */
	event.read = BPF_CORE_READ(task, mm, exe_file, f_inode, i_ino);
	/* The value goes where it is wanted, and what the helper returned can be looked at. */
	if (BPF_CORE_READ_INTO(&event.read_into, task, mm, exe_file, f_inode, i_ino) < 0)
		return 0;
	/* What the macros spare. */
	bpf_core_read(&mm, sizeof(mm), &task->mm);
	bpf_core_read(&file, sizeof(file), &mm->exe_file);
	bpf_core_read(&inode, sizeof(inode), &file->f_inode);
	bpf_core_read(&event.step_by_step, sizeof(event.step_by_step), &inode->i_ino);
	ebpf_emit(&event);
	return 0;
}

struct names {
	char comm[16];
	char parent_comm[16];
	char host[65];
	char file[64];
};

SEC("tp_btf/sched_process_exec")
int BPF_PROG(strings, struct task_struct *task)
{
	struct names event = {};
	const unsigned char *name;

	if (!ebpf_traced())
		return 0;
	/* An array in the structure: up to its NUL. */
	bpf_core_read_str(event.comm, sizeof(event.comm), &task->comm);
	/* The same behind pointers. The last one named must be the array itself ... */
	BPF_CORE_READ_STR_INTO(&event.parent_comm, task, real_parent, comm);
	BPF_CORE_READ_STR_INTO(&event.host, task, nsproxy, uts_ns, name.nodename);
	/* ... for of a pointer to a string (d_name.name) it would take the pointer's bytes for letters. */
	name = BPF_CORE_READ(task, mm, exe_file, f_path.dentry, d_name.name);
	bpf_probe_read_kernel_str(event.file, sizeof(event.file), name);
	ebpf_emit(&event);
	return 0;
}

/* When a file was modified stands in i_mtime, a timespec64, up to kernel 6.6, from 6.7 in __i_mtime, and since 6.11 in
 * two numbers. No vmlinux.h has all of them: these say what is needed of each. */
struct inode___numbers {
	__s64 i_mtime_sec;
	__u32 i_mtime_nsec;
} __attribute__((preserve_access_index));

struct inode___timespec {
	struct timespec64 i_mtime;
} __attribute__((preserve_access_index));

struct inode___renamed {
	struct timespec64 __i_mtime;
} __attribute__((preserve_access_index));

struct modified {
	__s64 seconds;
	__u32 nanoseconds;
	bool from_timespec;
};

struct sizes {
	__u32 comm;
};

SEC("tp_btf/sched_process_exec")
int BPF_PROG(features, struct task_struct *task)
{
	struct modified event = {};
	struct sizes sizes = {};
	struct inode *inode;

	if (!ebpf_traced())
		return 0;
	inode = BPF_CORE_READ(task, mm, exe_file, f_inode);
	/* Known when the program is loaded; the branches that the kernel has no field for are cut out. */
	if (bpf_core_field_exists(struct inode___numbers, i_mtime_sec)) {
		struct inode___numbers *numbers = (void *)inode;

		event.seconds = BPF_CORE_READ(numbers, i_mtime_sec);
		event.nanoseconds = BPF_CORE_READ(numbers, i_mtime_nsec);
	} else if (bpf_core_field_exists(struct inode___timespec, i_mtime)) {
		struct inode___timespec *timespec = (void *)inode;

		event.seconds = BPF_CORE_READ(timespec, i_mtime.tv_sec);
		event.nanoseconds = BPF_CORE_READ(timespec, i_mtime.tv_nsec);
		event.from_timespec = true;
	} else {
		struct inode___renamed *renamed = (void *)inode;

		event.seconds = BPF_CORE_READ(renamed, __i_mtime.tv_sec);
		event.nanoseconds = BPF_CORE_READ(renamed, __i_mtime.tv_nsec);
		event.from_timespec = true;
	}
	ebpf_emit(&event);

	sizes.comm = bpf_core_field_size(task->comm);
	ebpf_emit(&sizes);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
