/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Several fields of a kernel object, copied together: what a copy costs is the call
 * of bpf_probe_read_kernel(), and not the bytes. */
#ifndef PYTEST_EBPF_COPIES_H
#define PYTEST_EBPF_COPIES_H

#include "kernel.h"

/* More than any field's offset here, with the lock debugging that makes them large. */
#define COPY_SPACE 512

struct copy {
	__u64 bytes[COPY_SPACE / sizeof(__u64)];
};

/* Where a field ends, at the latest; and the later one of two ends. */
#define END_OF(type, field) (bpf_core_field_offset(type, field) + sizeof(__u64))
#define LATER(one, other) ((one) > (other) ? (one) : (other))

/* From the object's start to `end`; all zero if it cannot be read. */
static __always_inline void copy_up_to(struct copy *copy, const void *from, __u32 end)
{
	if (end > COPY_SPACE)
		end = COPY_SPACE;
	bpf_probe_read_kernel(copy->bytes, end, from);
}

/* A function: in one expression clang would not believe that the field is aligned, and
 * load it byte by byte. */
static __always_inline const void *copied_at(const struct copy *copy, __u32 offset)
{
	return (const void *)copy->bytes + offset;
}

#define COPIED(copy, type, field) \
	(*(typeof(((type *)0)->field) *)copied_at(copy, bpf_core_field_offset(type, field)))

#endif
