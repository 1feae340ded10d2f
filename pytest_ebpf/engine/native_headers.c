/* The kernel's types as C text: libbpf's btf_dump over BTF.
 *
 * For BCC the gaps of a structure are first made members of it. BCC parses for
 * this machine and generates for BPF; what btf_dump writes into a gap, "long: 64;",
 * one below the other, becomes one wide integer there, whose alignment the two do
 * not agree about: clang/lib/CodeGen/CGRecordLayoutBuilder.cpp, and the data
 * layout of llvm/lib/Target/BPF/BPFTargetMachine.cpp. An array of char is the same
 * for both. What is left as anonymous bit-fields is less than a byte each. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "native.h"

/* A copy of the types with the gaps filled, each under its own number; the arrays
 * of char come behind them. */
struct filling {
	const struct btf *from;
	struct btf *to;
	__u32 character, index; /* types: of an item, and of an array's index */
	__u32 *lengths; /* of the arrays, in bytes */
	__u32 count, room;
	__u32 gaps;
};

/* Its name occurs once: members of anonymous structures share their holder's names. */
static int add_gap(struct filling *fill, __u32 offset, __u32 bytes)
{
	__u32 at = 0;
	char name[32];

	while (at < fill->count && fill->lengths[at] != bytes)
		at++;
	if (at == fill->count) {
		if (fill->count == fill->room) {
			__u32 room = fill->room ? 2 * fill->room : 64;
			void *grown = realloc(fill->lengths, room * sizeof(*fill->lengths));

			if (!grown)
				return -ENOMEM;
			fill->lengths = grown;
			fill->room = room;
		}
		fill->lengths[fill->count++] = bytes;
	}
	snprintf(name, sizeof(name), "__gap_%u", ++fill->gaps);
	return btf__add_field(fill->to, name, btf__type_cnt(fill->from) + at, offset * 8, 0);
}

/* Structures of C files of the kernel's, of which BCC's tools have their own
 * definitions: no header has them, and so they have other names here too. */
static const char *shown_name(const char *name)
{
	if (!strcmp(name, "mnt_namespace"))
		return "kernel_mnt_namespace";
	if (!strcmp(name, "nameidata"))
		return "kernel_nameidata";
	return name;
}

static int add_filled(struct filling *fill, const struct btf_type *type)
{
	const char *name = shown_name(btf__name_by_offset(fill->from, type->name_off));
	const struct btf_member *member = btf_members(type);
	bool is_struct = btf_is_struct(type);
	__u32 end = 0; /* bytes */
	int added = is_struct ? btf__add_struct(fill->to, name, type->size) :
				btf__add_union(fill->to, name, type->size);

	for (int i = 0; i < btf_vlen(type) && added >= 0; i++, member++) {
		__u32 offset = btf_member_bit_offset(type, i);
		__u32 bits = btf_member_bitfield_size(type, i);
		__s64 size = bits ? 0 : btf__resolve_size(fill->from, member->type);
		__u32 next = bits ? (offset + bits + 7) / 8 : offset / 8 + (size < 0 ? 0 : size);

		if (is_struct && offset / 8 > end)
			added = add_gap(fill, end, offset / 8 - end);
		if (added >= 0)
			added = btf__add_field(fill->to, btf__name_by_offset(fill->from, member->name_off),
					       member->type, offset, bits);
		end = next > end ? next : end;
	}
	if (added >= 0 && btf_vlen(type) && end < type->size)
		added = add_gap(fill, is_struct ? end : 0, type->size - (is_struct ? end : 0));
	return added < 0 ? added : 0;
}

static int fill_all(struct filling *fill)
{
	__u32 count = btf__type_cnt(fill->from);
	int error = 0;

	fill->character = btf__find_by_name_kind(fill->from, "char", BTF_KIND_INT);
	fill->index = btf__find_by_name_kind(fill->from, "int", BTF_KIND_INT);
	if ((int)fill->character < 0 || (int)fill->index < 0)
		return -EINVAL;
	for (__u32 id = 1; id < count && error >= 0; id++) {
		const struct btf_type *type = btf__type_by_id(fill->from, id);

		error = btf_is_composite(type) ? add_filled(fill, type) :
						 btf__add_type(fill->to, fill->from, type);
	}
	for (__u32 at = 0; at < fill->count && error >= 0; at++)
		error = btf__add_array(fill->to, fill->index, fill->character, fill->lengths[at]);
	return error < 0 ? error : 0;
}

static void print(void *file, const char *format, va_list args)
{
	vfprintf(file, format, args);
}

static int dump(const struct btf *btf, FILE *file)
{
	struct btf_dump *dump = btf_dump__new(btf, print, file, NULL);
	int error = 0;

	if (!dump)
		return -errno;
	for (__u32 id = 1; id < btf__type_cnt(btf) && !error; id++)
		error = btf_dump__dump_type(dump, id);
	btf_dump__free(dump);
	return error;
}

/* Writes the types of a file of BTF, with their gaps filled or as btf_dump has it. */
int pe_write_types(const char *path, int fd, bool filled)
{
	struct btf *btf = btf__parse(path, NULL);
	struct filling fill = { .from = btf };
	FILE *file = NULL;
	int error, copy;

	if (!btf)
		return -errno;
	if (filled) {
		fill.to = btf__new_empty();
		error = fill.to ? fill_all(&fill) : -errno;
		if (error)
			goto out;
	}
	copy = dup(fd);
	file = copy < 0 ? NULL : fdopen(copy, "w");
	error = file ? dump(filled ? fill.to : btf, file) : -errno;
	if (file && fclose(file) && !error)
		error = -errno;
	else if (!file && copy >= 0)
		close(copy);
out:
	free(fill.lengths);
	btf__free(fill.to);
	btf__free(btf);
	return error;
}
