/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the descriptors and directories are that a call names: asked of the kernel
 * at the call itself. A table of descriptors kept by following opens and closes
 * would have to know of SCM_RIGHTS, io_uring, pidfd_getfd(2), and of what was lost. */
#ifndef PYTEST_EBPF_FILES_H
#define PYTEST_EBPF_FILES_H

#include "paths.h"
#include "ring.h"
#include "sockets.h"

#define AT_FDCWD -100
#define TYPE_MASK 0170000 /* S_IFMT */
#define TYPE_SOCKET 0140000
#define NSFS_MAGIC 0x6e736673 /* linux/magic.h */

struct file_count {
	__u64 ids; /* given to files */
	__u64 moves; /* calls that may have changed the path above a file */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct file_count);
} file_counts SEC(".maps");

static __always_inline struct file_count *file_count(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&file_counts, &zero);
}

/* From now on all known files are looked at again. */
static __always_inline void note_move(void)
{
	struct file_count *count = file_count();

	if (count)
		__sync_fetch_and_add(&count->moves, 1);
}

/* By plain access, whatever the verifier takes for it (see fill_pids()): most calls name
 * a descriptor. */
static __always_inline struct file *file_of(struct task_struct *task, int descriptor)
{
	struct fdtable *table = task->files->fdt;
	struct file *file = NULL;

	/* A negative one is above every limit, too. */
	if ((__u32)descriptor < table->max_fds)
		bpf_probe_read_kernel(&file, sizeof(file), table->fd + (__u32)descriptor);
	return file;
}

/* What kind of namespace a file of nsfs is: it has no other name (ns_dname(),
 * fs/nsfs.c). */
static __always_inline void name_namespace(struct path_buffer *buffer, struct inode *inode)
{
	struct ns_common *ns = BPF_CORE_READ(inode, i_private);
	long got = bpf_probe_read_kernel_str(buffer->names, PATH_COMPONENT,
					     BPF_CORE_READ(ns, ops, name));

	buffer->length = got < 0 ? 0 : got;
}

/* What a file is, and where. What identify() has found is filled in, and the record's
 * header and id. file is an address, and 0 for a directory that no descriptor stands
 * for. Says whether it was told. */
__noinline int emit_file(__u64 file, __u64 root)
{
	struct path_buffer *buffer = path_buffer();
	struct file_record *record;
	struct socket_names *names;
	struct session session;
	struct socket *socket;
	__u64 length;

	if (!buffer || !session_by_id(buffer->session, &session))
		return 0;
	record = &buffer->file;
	copy_up_to(&buffer->copy, buffer->super,
		   LATER(END_OF(struct super_block, s_magic), END_OF(struct super_block, s_dev)));
	record->magic = COPIED(&buffer->copy, struct super_block, s_magic);
	record->device = COPIED(&buffer->copy, struct super_block, s_dev);
	record->length = 0;
	record->socket_type = 0;
	record->socket_protocol = 0;
	if (file && (record->mode & TYPE_MASK) == TYPE_SOCKET) {
		socket = BPF_CORE_READ((struct file *)file, private_data);
		record->bits |= FILE_SOCKET;
		record->socket_type = BPF_CORE_READ(socket, type);
		record->socket_protocol = BPF_CORE_READ(socket, sk, sk_protocol);
		/* One behind the other in the buffer, as in the ring. */
		names = (void *)buffer->names;
		__builtin_memset(names, 0, sizeof(*names));
		name_socket(names, BPF_CORE_READ(socket, sk));
		return record_copy(&session, record, sizeof(*record) + sizeof(*names), BPF_RB_NO_WAKEUP);
	}
	walk_up(root);
	if (record->magic == NSFS_MAGIC)
		name_namespace(buffer, buffer->inode);
	if (buffer->truncated)
		record->bits |= FILE_CUT;
	length = buffer->length;
	barrier_var(length);
	if (length > sizeof(buffer->names))
		length = sizeof(buffer->names);
	record->length = length;
	return record_copy(&session, record, sizeof(*record) + length, BPF_RB_NO_WAKEUP);
}

/* d_unlinked(): it has a place no more. A file that never had one has itself above. */
static __always_inline bool is_deleted(const struct copy *dentry, __u64 address)
{
	return !COPIED(dentry, struct dentry, d_hash.pprev) &&
	       (__u64)COPIED(dentry, struct dentry, d_parent) != address;
}

#define DENTRY_END                                                                       \
	LATER(LATER(END_OF(struct dentry, d_hash.pprev), END_OF(struct dentry, d_parent)), \
	      LATER(END_OF(struct dentry, d_name.hash_len), END_OF(struct dentry, d_inode)))
#define INODE_END                                                            \
	LATER(LATER(END_OF(struct inode, i_mode), END_OF(struct inode, i_ino)), \
	      END_OF(struct inode, i_sb))
#define FILE_END                                                                \
	LATER(LATER(END_OF(struct file, f_path.mnt), END_OF(struct file, f_path.dentry)), \
	      LATER(END_OF(struct file, f_inode), END_OF(struct file, f_flags)))

/* What a file is known by. path is what a directory (file is NULL) is at. */
static __always_inline void identify(struct known_file *now, struct path_buffer *buffer,
				     struct file *file, struct path *path)
{
	struct copy *copy = &buffer->copy;
	struct inode *inode;

	now->flags = 0;
	now->socket = 0;
	if (file) {
		copy_up_to(copy, file, FILE_END);
		now->flags = COPIED(copy, struct file, f_flags);
		now->mnt = (__u64)COPIED(copy, struct file, f_path.mnt);
		now->dentry = (__u64)COPIED(copy, struct file, f_path.dentry);
		inode = COPIED(copy, struct file, f_inode);
	} else {
		copy_up_to(copy, path, PATH_END);
		now->mnt = (__u64)COPIED(copy, struct path, mnt);
		now->dentry = (__u64)COPIED(copy, struct path, dentry);
		inode = NULL;
	}
	copy_up_to(copy, (void *)now->dentry, DENTRY_END);
	now->parent = (__u64)COPIED(copy, struct dentry, d_parent);
	now->name = COPIED(copy, struct dentry, d_name.hash_len);
	now->deleted = is_deleted(copy, now->dentry);
	if (!inode)
		inode = COPIED(copy, struct dentry, d_inode);
	copy_up_to(copy, inode, INODE_END);
	now->inode = COPIED(copy, struct inode, i_ino);
	now->mode = COPIED(copy, struct inode, i_mode);
	buffer->inode = inode;
	buffer->super = COPIED(copy, struct inode, i_sb);
	if (file && (now->mode & TYPE_MASK) == TYPE_SOCKET)
		now->socket = socket_state(BPF_CORE_READ(file, private_data));
}

static __always_inline bool is_same(const struct known_file *one, const struct known_file *other)
{
	return one->inode == other->inode &&
	       one->dentry == other->dentry && one->mnt == other->mnt &&
	       one->parent == other->parent && one->name == other->name &&
	       one->flags == other->flags && one->mode == other->mode &&
	       one->deleted == other->deleted &&
	       one->socket == other->socket && one->moves == other->moves &&
	       one->window == other->window;
}

/* The id of a file, or of a directory (file is NULL). A record of it goes out if
 * this thread has none that still holds. */
static __always_inline __u64 file_id(struct member *member, struct task_struct *task,
				     struct path_buffer *buffer, struct file *file,
				     struct path *path)
{
	const struct call_record *call = &member->call.record;
	struct file_count *count = file_count();
	struct known_file now, *known;
	struct fs_struct *fs;
	__u64 slot;

	if (!count)
		return 0;
	identify(&now, buffer, file, path);
	now.window = call->header.window;
	now.moves = count->moves;
	/* As hash_64() does, include/linux/hash.h. */
	slot = (now.dentry * 0x61c8864680b583ebULL >> 32) % KNOWN_FILES;
	barrier_var(slot);
	if (slot >= KNOWN_FILES)
		return 0;
	known = &member->files[slot];
	if (known->id && is_same(known, &now))
		return known->id;
	now.id = __sync_fetch_and_add(&count->ids, 1) + 1;
	fs = BPF_CORE_READ(task, fs);
	buffer->session = member->session;
	buffer->file.header = call->header;
	buffer->file.header.type = RECORD_FILE;
	buffer->file.header.time_ns = call->entered_ns;
	buffer->file.id = now.id;
	buffer->file.flags = now.flags;
	buffer->file.inode = now.inode;
	buffer->file.mode = now.mode;
	buffer->file.bits = now.deleted ? FILE_DELETED : 0;
	buffer->dentry = (void *)now.dentry;
	buffer->mnt = (void *)now.mnt;
	known->id = 0;
	if (emit_file((__u64)file, (__u64)fs + bpf_core_field_offset(struct fs_struct, root)))
		*known = now;
	return now.id;
}

/* What one slot is, into the call's files[index]. A function that the verifier walks once,
 * not once a slot. */
__noinline int name_file(struct member *member, __u32 kind, __u32 arg, __u32 path_arg, __u32 index)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct path_buffer *buffer = path_buffer();
	struct call_record *call;
	struct file *file = NULL;
	struct path *path = NULL;
	struct fs_struct *fs;
	__u64 at, id;
	int descriptor;

	if (!member || !buffer || index >= CALL_SLOTS)
		return 0;
	call = &member->call.record;
	at = arg;
	barrier_var(at);
	descriptor = at < 6 ? (int)call->args[at] : -1;
	if (kind == SLOT_RESULT)
		descriptor = call->result;
	else if (kind != SLOT_FD && member->call.absolute >> (path_arg & 7) & 1)
		return 0;
	if (kind == SLOT_CWD || (kind == SLOT_BASE && descriptor == AT_FDCWD)) {
		fs = BPF_CORE_READ(task, fs);
		path = (void *)fs + bpf_core_field_offset(struct fs_struct, pwd);
	} else {
		file = file_of(task, descriptor);
		if (!file)
			return 0;
	}
	id = file_id(member, task, buffer, file, path);
	/* Here again: the verifier of 6.1 has lost what it learned above. */
	at = index;
	barrier_var(at);
	if (at < CALL_SLOTS)
		call->files[at] = id;
	return 0;
}

/* Resolves what the call names at entry, or what its result is at exit. */
static __always_inline void name_files(struct member *member, const struct call_spec *spec,
				       bool at_exit)
{
	for (__u32 i = 0; i < CALL_SLOTS; i++) {
		const struct slot *slot = &spec->files[i];

		if (slot->kind && (slot->kind == SLOT_RESULT) == at_exit)
			name_file(member, slot->kind, slot->arg, slot->path_arg, i);
	}
}

#endif
