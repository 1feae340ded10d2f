/* What Python sees of native_buffers.c; read by native_build.py as it stands. */

/* A record of a user's program, as it lies in the file that clients read; its data
 * follows, padded to eight bytes. */
struct pe_output_record {
	uint32_t size; /* of all, padding included */
	uint32_t output;
	uint64_t time_ns; /* CLOCK_MONOTONIC, when it was written; of a ring, taken */
	uint32_t pid; /* who wrote it, as the host's pid namespace counts; of a ring 0 */
	uint32_t tid;
	uint32_t cpu; /* UINT32_MAX: of a ring, which tells none of these */
	uint32_t length; /* bytes of data */
};

struct pe_output_counts {
	uint64_t lost; /* by the kernel, counted by it */
	uint64_t dropped; /* for want of room in the file */
	uint64_t size; /* bytes that the buffer holds, of a perf buffer those of one CPU */
	uint64_t largest; /* bytes of the largest record that came, or is expected */
	uint64_t tight; /* how often there was room for no further one of these */
	uint32_t counts_lost; /* whether the kernel counts what it loses */
	uint32_t pending; /* whether a record is being written, before others that are ready */
};

struct pe_outputs;

struct pe_outputs *pe_outputs_new(int file, uint64_t limit);
int pe_outputs_add_ring(struct pe_outputs *outputs, uint32_t number, int map, uint64_t size,
			uint64_t largest);
int pe_outputs_add_perf(struct pe_outputs *outputs, uint32_t number, int map, uint32_t pages);
int64_t pe_outputs_drain(struct pe_outputs *outputs);
int pe_outputs_counts(struct pe_outputs *outputs, uint32_t number, struct pe_output_counts *to);
void pe_outputs_free(struct pe_outputs *outputs);

int64_t pe_find_variable(const struct btf *btf, const char *section, const char *name);
int pe_end_with(int parent);
