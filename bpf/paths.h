/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Absolute paths, as the task itself sees them: walked by hand, since
 * bpf_d_path() is for a list of functions that tracepoints are not on. */
#ifndef PYTEST_EBPF_PATHS_H
#define PYTEST_EBPF_PATHS_H

#include "copies.h"
#include "events.h"

#define PATH_SPACE 4096 /* PATH_MAX */
#define PATH_COMPONENT 256 /* NAME_MAX and the NUL */
#define PATH_DEPTH 128

struct path_buffer {
	/* Where the walk is. In memory and not in registers: what the verifier
	 * knows nothing of cannot differ between two turns of the loop, and so it
	 * follows each turn once. */
	struct dentry *dentry;
	struct vfsmount *mnt;
	struct dentry *top; /* the root of what is mounted there */
	struct dentry *root_dentry;
	struct vfsmount *root_mnt;
	__u32 length;
	__u32 truncated;
	__u64 session;
	struct file_record file; /* of files.h: in front of its names */
	char names[PATH_SPACE + PATH_COMPONENT];
	/* Of files.h, too. */
	struct inode *inode;
	struct super_block *super;
	/* Last: an offset beyond it is beyond the map, and refused. */
	struct copy copy;
};

/* Names on their way into the ring. The programs that use it are not preempted:
 * at an exec, and at the entry and the end of a system call. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_buffer);
} names SEC(".maps");

static __always_inline struct path_buffer *path_buffer(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&names, &zero);
}

static __always_inline struct dentry *top_of(struct vfsmount *mnt)
{
	return BPF_CORE_READ(mnt, mnt_root);
}

/* From the root of what is mounted to where it is mounted; false at the top of a tree. */
static __always_inline bool path_cross(struct path_buffer *to)
{
	struct mount *mount = (void *)to->mnt - bpf_core_field_offset(struct mount, mnt);
	struct mount *above;

	copy_up_to(&to->copy, mount,
		   LATER(END_OF(struct mount, mnt_parent), END_OF(struct mount, mnt_mountpoint)));
	above = COPIED(&to->copy, struct mount, mnt_parent);
	to->dentry = COPIED(&to->copy, struct mount, mnt_mountpoint);
	to->mnt = (void *)above + bpf_core_field_offset(struct mount, mnt);
	to->top = top_of(to->mnt);
	return above != mount;
}

/* One step up; 0 at the end. The verifier walks it once, and not once a turn, since it
 * is not static. */
__noinline int path_step(struct path_buffer *to)
{
	struct dentry *dentry, *parent;
	__u32 length;
	long got;

	if (!to)
		return 0;
	dentry = to->dentry;
	length = to->length;
	if (dentry == to->root_dentry && to->mnt == to->root_mnt) {
		to->truncated = 0;
		return 0;
	}
	if (dentry == to->top) {
		/* If there is nothing above, it is whole: the task's root is elsewhere. */
		to->truncated = path_cross(to);
		return to->truncated;
	}
	copy_up_to(&to->copy, dentry,
		   LATER(END_OF(struct dentry, d_parent), END_OF(struct dentry, d_name.name)));
	parent = COPIED(&to->copy, struct dentry, d_parent);
	/* Nothing yet: a file that has a name and no place ([eventfd], memfd:name). */
	if (parent == dentry && length) {
		to->truncated = 0;
		return 0;
	}
	if (length >= PATH_SPACE)
		return 0;
	got = bpf_probe_read_kernel_str(&to->names[length], PATH_COMPONENT,
					COPIED(&to->copy, struct dentry, d_name.name));
	if (got < 0)
		return 0;
	to->length = length + got;
	to->dentry = parent;
	return 1;
}

/* A few of them; 0 at the end. */
__noinline int path_steps(struct path_buffer *to)
{
	for (int i = 0; i < FEW_TURNS; i++)
		if (!path_step(to))
			return 0;
	return 1;
}

#define PATH_END LATER(END_OF(struct path, mnt), END_OF(struct path, dentry))

/* Writes the names from path_buffer's dentry and mnt up to the task's root, each with
 * its NUL: the reader turns them round. root is the address of a struct path. */
__noinline int walk_up(__u64 root)
{
	struct path_buffer *to = path_buffer();

	if (!to)
		return 0;
	copy_up_to(&to->copy, (void *)root, PATH_END);
	to->root_mnt = COPIED(&to->copy, struct path, mnt);
	to->root_dentry = COPIED(&to->copy, struct path, dentry);
	to->top = top_of(to->mnt);
	to->length = 0;
	to->truncated = 1;
	for (int i = 0; i < PATH_DEPTH / FEW_TURNS; i++)
		if (!path_steps(to))
			break;
	return 0;
}

#endif
