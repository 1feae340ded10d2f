/* What Python sees of native_store.c and native_calls.c; read by native_build.py as it stands. */
struct pe_calls;

/* A process, and the time in which its calls were entered. */
struct pe_span {
	uint64_t start_ns;
	uint64_t pid; /* in the initial pid namespace */
	uint64_t from_ns;
	uint64_t to_ns; /* not any more */
};

struct pe_piece {
	uint64_t address;
	const uint8_t *data;
	uint32_t length;
	uint16_t part;
	uint8_t capture;
	uint8_t flags; /* enum data_flag */
};

struct pe_call_count {
	uint32_t abi;
	uint32_t number;
	uint64_t calls;
	uint64_t errors;
	uint64_t time_ns;
};

/* Which calls: of the windows first to last; of all, or of those whose bit is set
 * (PE_CALL_NUMBERS bits an ABI), or not set; of all processes, or within the spans
 * listed, sorted. */
struct pe_call_filter {
	uint32_t first;
	uint32_t last;
	const uint8_t *wanted;
	uint8_t unwanted;
	const struct pe_span *spans;
	uint64_t span_count;
};

struct pe_calls *pe_calls_new(void);
void pe_calls_free(struct pe_calls *calls);
int64_t pe_calls_take(struct pe_calls *calls, const uint8_t *data, uint64_t size, uint8_t *rest);
uint64_t pe_calls_length(const struct pe_calls *calls);
uint64_t pe_calls_skipped(const struct pe_calls *calls);
uint64_t pe_calls_memory(const struct pe_calls *calls);
int64_t pe_calls_select(const struct pe_calls *calls, const struct pe_call_filter *filter, uint32_t *out);
uint64_t pe_calls_narrow(const struct pe_calls *calls, const struct pe_call_filter *filter, const uint32_t *places,
			 uint64_t place_count, uint32_t *out);
int64_t pe_calls_count(const struct pe_calls *calls, const struct pe_call_filter *filter,
		       struct pe_call_count *out, uint64_t max);
int64_t pe_calls_count_places(const struct pe_calls *calls, const uint32_t *places, uint64_t place_count,
			      struct pe_call_count *out, uint64_t max);
const uint8_t *pe_calls_record(const struct pe_calls *calls, uint64_t index);
uint64_t pe_calls_pieces(const struct pe_calls *calls, uint64_t index, struct pe_piece *out, uint64_t max);
const uint8_t *pe_calls_file(const struct pe_calls *calls, uint64_t id, uint32_t *size);
int pe_calls_forget(struct pe_calls *calls, uint32_t before);
