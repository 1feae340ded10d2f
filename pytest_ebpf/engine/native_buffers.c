/* Emptying the perf buffers and rings of users' programs into a file, so that no
 * client has to keep up with them. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/perf_event.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "native.h"
#include "native_buffers.h"

#define OUTPUTS_MAX 64
#define BATCH (1 << 18) /* bytes that are collected before they are written */
#define FORMAT_LOST (1U << 4) /* PERF_FORMAT_LOST, kernel 6.0 */

struct output {
	struct pe_outputs *all;
	uint32_t number;
	int fd; /* readable when there is something to take */
	struct pe_ring *ring; /* or: */
	struct perf_buffer *perf;
	struct pe_output_counts counts;
};

struct pe_outputs {
	int file;
	uint64_t limit; /* bytes that the file may have */
	uint64_t size; /* that it has, with what is in the batch */
	uint64_t came; /* bytes, in this drain */
	int failed; /* errno of a write */
	uint32_t used; /* of the batch */
	int count;
	struct output outputs[OUTPUTS_MAX];
	uint8_t batch[BATCH];
};

struct pe_outputs *pe_outputs_new(int file, uint64_t limit)
{
	struct pe_outputs *outputs = calloc(1, sizeof(*outputs));

	if (outputs) {
		outputs->file = file;
		outputs->limit = limit;
	}
	return outputs;
}

static struct output *add(struct pe_outputs *outputs, uint32_t number)
{
	struct output *output = &outputs->outputs[outputs->count];

	if (outputs->count == OUTPUTS_MAX)
		return NULL;
	output->all = outputs;
	output->number = number;
	return output;
}

static void flush(struct pe_outputs *outputs)
{
	uint32_t at = 0;

	while (at < outputs->used && !outputs->failed) {
		ssize_t wrote = write(outputs->file, outputs->batch + at, outputs->used - at);

		if (wrote > 0)
			at += wrote;
		else if (wrote < 0 && errno != EINTR)
			outputs->failed = errno;
	}
	outputs->used = 0;
}

static void append(struct pe_outputs *outputs, const void *data, uint32_t size)
{
	while (size) {
		uint32_t part = size < BATCH - outputs->used ? size : BATCH - outputs->used;

		if (data) {
			memcpy(outputs->batch + outputs->used, data, part);
			data = (const uint8_t *)data + part;
		} else {
			memset(outputs->batch + outputs->used, 0, part);
		}
		outputs->used += part;
		size -= part;
		if (outputs->used == BATCH)
			flush(outputs);
	}
}

/* head: all but its sizes and the output. */
static void put(struct output *output, struct pe_output_record head, const void *data,
		uint32_t length)
{
	struct pe_outputs *outputs = output->all;
	uint32_t padding = -length % 8;

	head.size = sizeof(head) + length + padding;
	head.output = output->number;
	head.length = length;
	if (length > output->counts.largest)
		output->counts.largest = length;
	if (outputs->failed || outputs->size + head.size > outputs->limit) {
		output->counts.dropped++;
		return;
	}
	outputs->size += head.size;
	outputs->came += head.size;
	append(outputs, &head, sizeof(head));
	append(outputs, data, length);
	append(outputs, NULL, padding);
}

/* --- rings ------------------------------------------------------------------- */

/* Returns 0 or -errno; the map's descriptor stays the caller's, and open. largest:
 * bytes of the largest record that is expected. */
int pe_outputs_add_ring(struct pe_outputs *outputs, uint32_t number, int map, uint64_t size,
			uint64_t largest)
{
	struct output *output = add(outputs, number);

	if (!output)
		return -E2BIG;
	output->ring = pe_ring_open(map, size);
	if (!output->ring)
		return -errno;
	output->fd = map;
	output->counts.size = size;
	output->counts.largest = largest;
	outputs->count++;
	return 0;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static void put_ring_records(struct output *output, const uint8_t *data, uint64_t size)
{
	struct pe_output_record head = { .time_ns = now(), .cpu = UINT32_MAX };

	for (uint64_t at = 0; at < size;) {
		uint32_t length;

		memcpy(&length, data + at, sizeof(length));
		if (!(length & BPF_RINGBUF_DISCARD_BIT))
			put(output, head, data + at + BPF_RINGBUF_HDR_SZ, length);
		length &= ~BPF_RINGBUF_DISCARD_BIT;
		at += (length + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
	}
}

static void note_used(struct output *output, uint64_t used, uint64_t next)
{
	if (used + next > output->counts.size)
		output->counts.tight++;
}

/* The kernel does not count what finds a ring full. But only we make room in it: a
 * record that found none while we were away would find none now. So what is in use
 * before we take it, and when we have, tells whether any can have been lost. */
static int drain_ring(struct output *output)
{
	struct pe_output_counts *counts = &output->counts;
	uint64_t ready, used;
	uint8_t *data;

	while ((ready = pe_ring_ready(output->ring))) {
		data = malloc(ready);
		if (!data)
			return -ENOMEM;
		pe_ring_take(output->ring, data, ready);
		used = pe_ring_used(output->ring) + ready;
		put_ring_records(output, data, ready);
		free(data);
		/* Now that it is known how large they are. */
		note_used(output, used, counts->largest + BPF_RINGBUF_HDR_SZ);
	}
	used = pe_ring_used(output->ring);
	note_used(output, used, counts->largest + BPF_RINGBUF_HDR_SZ);
	counts->pending = used != 0;
	return 0;
}

/* --- perf buffers ------------------------------------------------------------ */

/* As PERF_SAMPLE_TID, TIME and RAW have it (perf_event_open(2)). */
struct sample {
	struct perf_event_header header;
	uint32_t pid;
	uint32_t tid;
	uint64_t time_ns;
	uint32_t length;
	uint8_t data[];
};

struct lost {
	struct perf_event_header header;
	uint64_t id;
	uint64_t count;
};

static enum bpf_perf_event_ret take_event(void *context, int cpu, struct perf_event_header *event)
{
	struct output *output = context;

	if (event->type == PERF_RECORD_SAMPLE) {
		const struct sample *sample = (const void *)event;
		struct pe_output_record head = {
			.time_ns = sample->time_ns,
			.pid = sample->pid,
			.tid = sample->tid,
			.cpu = cpu,
		};

		put(output, head, sample->data, sample->length);
	} else if (event->type == PERF_RECORD_LOST && !output->counts.counts_lost) {
		output->counts.lost += ((const struct lost *)event)->count;
	}
	return LIBBPF_PERF_EVENT_CONT;
}

/* Returns 0 or -errno; one buffer of that many pages, a power of two, for each CPU. */
int pe_outputs_add_perf(struct pe_outputs *outputs, uint32_t number, int map, uint32_t pages)
{
	struct perf_event_attr wanted = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(wanted),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_RAW,
		.read_format = FORMAT_LOST,
		.wakeup_events = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	struct output *output = add(outputs, number);

	if (!output)
		return -E2BIG;
	output->perf = perf_buffer__new_raw(map, pages, &wanted, take_event, output, NULL);
	output->counts.counts_lost = output->perf != NULL;
	if (!output->perf && errno == EINVAL) {
		wanted.read_format = 0;
		output->perf = perf_buffer__new_raw(map, pages, &wanted, take_event, output, NULL);
	}
	if (!output->perf)
		return -errno;
	output->fd = perf_buffer__epoll_fd(output->perf);
	output->counts.size = (uint64_t)pages * sysconf(_SC_PAGESIZE);
	outputs->count++;
	return 0;
}

/* A record of what was lost comes with the next that is not, perhaps never. So the
 * event's own count is read; before kernel 6.0 it has none, and the fill tells, as
 * that of a ring. */
static void look_at_perf(struct output *output, bool after)
{
	struct pe_output_counts *counts = &output->counts;
	struct {
		uint64_t value;
		uint64_t lost;
	} told;
	uint64_t lost = 0;

	for (size_t index = 0; index < perf_buffer__buffer_cnt(output->perf); index++) {
		struct perf_event_mmap_page *page;
		uint64_t used;
		size_t size;
		void *at;

		if (counts->counts_lost) {
			int fd = perf_buffer__buffer_fd(output->perf, index);

			if (after && fd >= 0 && read(fd, &told, sizeof(told)) == sizeof(told))
				lost += told.lost;
			continue;
		}
		if (after || perf_buffer__buffer(output->perf, index, &at, &size))
			continue;
		page = at;
		used = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE) - page->data_tail;
		note_used(output, used, UINT16_MAX); /* as large as a record can be */
	}
	if (counts->counts_lost && after)
		counts->lost = lost;
}

static int drain_perf(struct output *output)
{
	int error;

	look_at_perf(output, false);
	error = perf_buffer__consume(output->perf);
	look_at_perf(output, true);
	return error < 0 ? error : 0;
}

/* --- all ---------------------------------------------------------------------- */

/* Takes all that is there; returns how many bytes were appended to the file, or
 * -errno. */
int64_t pe_outputs_drain(struct pe_outputs *outputs)
{
	uint64_t before = outputs->size;

	outputs->came = 0;
	for (int i = 0; i < outputs->count; i++) {
		struct output *output = &outputs->outputs[i];
		int error = output->ring ? drain_ring(output) : drain_perf(output);

		if (error)
			return error;
	}
	flush(outputs);
	if (!outputs->failed)
		return outputs->came;
	/* Of whole records only, whatever became of these. */
	outputs->size = before;
	if (ftruncate(outputs->file, before))
		return -errno;
	return -outputs->failed;
}

/* Returns a descriptor that is readable when there is something to take; -errno:
 * there is no such output. */
int pe_outputs_counts(struct pe_outputs *outputs, uint32_t number, struct pe_output_counts *to)
{
	for (int i = 0; i < outputs->count; i++) {
		struct output *output = &outputs->outputs[i];

		if (output->number == number) {
			*to = output->counts;
			return output->fd;
		}
	}
	return -ENOENT;
}

void pe_outputs_free(struct pe_outputs *outputs)
{
	for (int i = 0; i < outputs->count; i++) {
		if (outputs->outputs[i].ring)
			pe_ring_close(outputs->outputs[i].ring);
		perf_buffer__free(outputs->outputs[i].perf);
	}
	free(outputs);
}

/* --- what else the host needs -------------------------------------------------- */

/* Returns where a global variable is in its section, in bytes, with its size in the
 * upper half; -errno: there is none of that name. */
int64_t pe_find_variable(const struct btf *btf, const char *section, const char *name)
{
	int id = btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC);
	const struct btf_type *type;
	const struct btf_var_secinfo *variable;

	if (id < 0)
		return id;
	type = btf__type_by_id(btf, id);
	variable = btf_var_secinfos(type);
	for (int i = 0; i < btf_vlen(type); i++, variable++) {
		const struct btf_type *of = btf__type_by_id(btf, variable->type);

		if (!strcmp(btf__name_by_offset(btf, of->name_off), name))
			return (int64_t)variable->size << 32 | variable->offset;
	}
	return -ENOENT;
}

/* This process is killed when that one ends (PR_SET_PDEATHSIG, prctl(2)). Returns
 * -ESRCH if it has ended already. */
int pe_end_with(int parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}
