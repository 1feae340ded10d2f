/* What Python sees of native.c, native_headers.c and native_links.c; read by native_build.py as it stands. */
struct pe_field {
	char name[64];
	uint32_t offset; /* bytes from the start; of an enum: the value */
	uint32_t size; /* bytes, of an array: whole */
	int array;
	int is_signed;
};

struct pe_ring *pe_ring_open(int fd, uint64_t size);
void pe_ring_close(struct pe_ring *ring);
uint64_t pe_ring_used(struct pe_ring *ring);
uint64_t pe_ring_ready(struct pe_ring *ring);
void pe_ring_take(struct pe_ring *ring, void *to, uint64_t bytes);
uint64_t pe_whole_records(const uint8_t *data, uint64_t size);

int pe_struct_fields(const struct btf *btf, const char *name, struct pe_field *out, int max);
int64_t pe_struct_size(const struct btf *btf, const char *name);
int pe_enum_values(const struct btf *btf, const char *name, struct pe_field *out, int max);

void pe_log_start(void);
size_t pe_log_take(char *to, size_t size);
int64_t pe_program_missed(int fd);
int64_t pe_program_types(int program, void *to, uint32_t room);
void pe_tell_at_crash(int from, int to);

int pe_attach_uprobes(int program, const char *path, uint32_t count, const uint64_t *offsets,
		      const uint64_t *semaphores, const uint64_t *cookies, int returns);
int pe_has_uprobe_multi(void);
int pe_attach_kprobes(int program, uint32_t count, const uint64_t *addresses,
		      const uint64_t *cookies, int returns);
int pe_has_kprobe_multi(void);
int pe_open_tracepoint(uint64_t id);
int pe_open_sampling(uint32_t type, uint64_t config, uint64_t period, uint64_t frequency, int cpu);
int pe_open_tracefs(void);

int pe_write_types(const char *path, int fd, bool filled);
