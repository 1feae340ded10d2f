/* The part of the engine that is C: the walk over a ring, the layout of a record
 * out of BTF, and libbpf's messages. Everything else calls libbpf from Python.
 * cffi releases the GIL around each of these. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "native.h"

/* --- the ring ---------------------------------------------------------------
 * Memory layout and protocol: kernel/bpf/ringbuf.c, Documentation/bpf/ringbuf.rst.
 * Why not libbpf's ring_buffer__new(): it asks the kernel for the map's size
 * with bpf(2), which kernels before 5.19 refuse to an unprivileged holder of the
 * descriptor; mmap(2) is refused to nobody who holds it. */
struct pe_ring {
	uint64_t *consumer; /* page 0, ours to write */
	uint64_t *producer; /* page 1, the kernel's */
	uint8_t *data; /* mapped twice in a row: a record never wraps */
	uint64_t size;
	size_t page;
};

struct pe_ring *pe_ring_open(int fd, uint64_t size)
{
	struct pe_ring *ring = calloc(1, sizeof(*ring));
	void *at;

	if (!ring)
		return NULL;
	ring->page = sysconf(_SC_PAGESIZE);
	ring->size = size;
	at = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		goto fail;
	ring->consumer = at;
	at = mmap(NULL, ring->page + 2 * size, PROT_READ, MAP_SHARED, fd, ring->page);
	if (at == MAP_FAILED) {
		munmap(ring->consumer, ring->page);
		goto fail;
	}
	ring->producer = at;
	ring->data = (uint8_t *)at + ring->page;
	return ring;
fail:
	free(ring);
	return NULL;
}

void pe_ring_close(struct pe_ring *ring)
{
	munmap(ring->consumer, ring->page);
	munmap(ring->producer, ring->page + 2 * ring->size);
	free(ring);
}

uint64_t pe_ring_used(struct pe_ring *ring)
{
	return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
}

/* Bytes from the reader's place to the end or to the first record that is still
 * being written. */
uint64_t pe_ring_ready(struct pe_ring *ring)
{
	uint64_t start = __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
	uint64_t end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	uint64_t at = start;

	/* The place is in a page that the client may write to: the broker reads the same ring. */
	if (end - start > ring->size || start % 8)
		return 0;
	while (at < end) {
		uint32_t *header = (uint32_t *)(ring->data + (at & (ring->size - 1)));
		uint32_t length = __atomic_load_n(header, __ATOMIC_ACQUIRE);

		if (length & BPF_RINGBUF_BUSY_BIT)
			break;
		length &= ~BPF_RINGBUF_DISCARD_BIT;
		length = (length + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		if (length > end - at)
			break;
		at += length;
	}
	return at - start;
}

void pe_ring_take(struct pe_ring *ring, void *to, uint64_t bytes)
{
	uint64_t start = __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);

	memcpy(to, ring->data + (start & (ring->size - 1)), bytes);
	__atomic_store_n(ring->consumer, start + bytes, __ATOMIC_RELEASE);
}

/* Bytes of data that are whole records, each with the kernel's head. */
uint64_t pe_whole_records(const uint8_t *data, uint64_t size)
{
	uint64_t at = 0, length;
	uint32_t head;

	while (size - at >= BPF_RINGBUF_HDR_SZ) {
		memcpy(&head, data + at, sizeof(head));
		length = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		length = (length + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		if (length > size - at)
			break;
		at += length;
	}
	return at;
}

/* --- layouts ---------------------------------------------------------------- */

static int add_fields(const struct btf *btf, __u32 id, const char *prefix, __u32 base,
		      struct pe_field *out, int count, int max)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	const struct btf_member *member = btf_members(type);

	for (int i = 0; i < btf_vlen(type); i++, member++) {
		const char *name = btf__name_by_offset(btf, member->name_off);
		__u32 offset = base + btf_member_bit_offset(type, i) / 8;
		int target = btf__resolve_type(btf, member->type);
		const struct btf_type *of = btf__type_by_id(btf, target);
		struct pe_field *field = &out[count];
		char full[sizeof(field->name)];

		if (snprintf(full, sizeof(full), "%s%s%s", prefix, *prefix ? "." : "", name) >=
		    (int)sizeof(full))
			return -E2BIG;
		if (btf_is_composite(of)) {
			count = add_fields(btf, target, full, offset, out, count, max);
			if (count < 0)
				return count;
			continue;
		}
		if (count == max)
			return -E2BIG;
		memcpy(field->name, full, sizeof(full));
		field->offset = offset;
		field->size = btf__resolve_size(btf, target);
		field->array = btf_is_array(of);
		field->is_signed = btf_is_int(of) && (btf_int_encoding(of) & BTF_INT_SIGNED);
		count++;
	}
	return count;
}

int pe_struct_fields(const struct btf *btf, const char *name, struct pe_field *out, int max)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	return id < 0 ? id : add_fields(btf, id, "", 0, out, 0, max);
}

int64_t pe_struct_size(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	return id < 0 ? id : btf__resolve_size(btf, id);
}

int pe_enum_values(const struct btf *btf, const char *name, struct pe_field *out, int max)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_ENUM);
	const struct btf_type *type;
	const struct btf_enum *value;
	int i;

	if (id < 0)
		return id;
	type = btf__type_by_id(btf, id);
	value = btf_enum(type);
	for (i = 0; i < btf_vlen(type); i++) {
		if (i == max)
			return -E2BIG;
		snprintf(out[i].name, sizeof(out[i].name), "%s",
			 btf__name_by_offset(btf, value[i].name_off));
		out[i].offset = value[i].val;
	}
	return i;
}

/* --- libbpf ----------------------------------------------------------------- */

/* The tail of what libbpf said: a verifier's log ends with its verdict. */
static char log_text[1 << 16];
static size_t log_length;

static int log_message(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[1 << 15];
	int length;

	if (level == LIBBPF_DEBUG)
		return 0;
	length = vsnprintf(line, sizeof(line), format, args);
	if (length < 0)
		return length;
	if ((size_t)length >= sizeof(line))
		length = sizeof(line) - 1;
	if (log_length + length > sizeof(log_text)) {
		size_t drop = log_length + length - sizeof(log_text);

		memmove(log_text, log_text + drop, log_length - drop);
		log_length -= drop;
	}
	memcpy(log_text + log_length, line, length);
	log_length += length;
	return length;
}

void pe_log_start(void)
{
	log_length = 0;
	libbpf_set_print(log_message);
}

size_t pe_log_take(char *to, size_t size)
{
	size_t length = log_length < size ? log_length : size;

	memcpy(to, log_text, length);
	log_length = 0;
	return length;
}

/* How often the kernel skipped the program since it would have nested on its CPU
 * (struct bpf_prog_info, recursion_misses: kernel 5.12). */
int64_t pe_program_missed(int fd)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	return info.recursion_misses;
}
