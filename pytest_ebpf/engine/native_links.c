/* Attaching programs in ways that libbpf has not, or not yet. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "native.h"

/* As in linux/bpf.h since kernel 6.6. */
#define UPROBE_MULTI 48 /* BPF_TRACE_UPROBE_MULTI */
#define UPROBE_MULTI_RETURN 1 /* BPF_F_UPROBE_MULTI_RETURN */
/* Since kernel 5.18. */
#define KPROBE_MULTI 42 /* BPF_TRACE_KPROBE_MULTI */
#define KPROBE_MULTI_RETURN 1 /* BPF_F_KPROBE_MULTI_RETURN */

/* uprobe_multi: one program at many places of a file; libbpf has it since 1.3. */
struct link_create {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t semaphores;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid; /* 0: all processes */
	uint32_t unused;
};

/* kprobe_multi: one program at many functions of the kernel; libbpf finds them by
 * files that need not be mounted. */
struct link_create_kernel {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint32_t multi_flags;
	uint32_t count;
	uint64_t names;
	uint64_t addresses;
	uint64_t cookies;
};

static int create_link(const void *wanted, size_t size)
{
	int fd = syscall(SYS_bpf, BPF_LINK_CREATE, wanted, size);

	return fd < 0 ? -errno : fd;
}

static int load_nothing(const char *name, int attach_type)
{
	const struct bpf_insn body[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach_type);

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, name, "GPL", body, 2, &options);
}

/* Returns a descriptor of the link, or -errno. */
int pe_attach_uprobes(int program, const char *path, uint32_t count, const uint64_t *offsets,
		      const uint64_t *semaphores, const uint64_t *cookies, int returns)
{
	struct link_create wanted = {
		.prog_fd = program,
		.attach_type = UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.semaphores = (uintptr_t)semaphores,
		.cookies = (uintptr_t)cookies,
		.count = count,
		.multi_flags = returns ? UPROBE_MULTI_RETURN : 0,
	};

	return create_link(&wanted, sizeof(wanted));
}

/* Returns a descriptor of the link, or -errno. */
int pe_attach_kprobes(int program, uint32_t count, const uint64_t *addresses,
		      const uint64_t *cookies, int returns)
{
	struct link_create_kernel wanted = {
		.prog_fd = program,
		.attach_type = KPROBE_MULTI,
		.multi_flags = returns ? KPROBE_MULTI_RETURN : 0,
		.count = count,
		.addresses = (uintptr_t)addresses,
		.cookies = (uintptr_t)cookies,
	};

	return create_link(&wanted, sizeof(wanted));
}

/* Whether the kernel has it: it looks for a name and finds none (since 5.19), where
 * it knows nothing of names it says otherwise. */
int pe_has_kprobe_multi(void)
{
	const char *name = "pytest_ebpf_no_such_function";
	struct link_create_kernel wanted = {
		.attach_type = KPROBE_MULTI,
		.count = 1,
		.names = (uintptr_t)&name,
	};
	int program = load_nothing("probe_functions", KPROBE_MULTI), error;

	if (program < 0)
		return 0;
	wanted.prog_fd = program;
	error = create_link(&wanted, sizeof(wanted));
	close(program);
	return error == -ESRCH;
}

/* Whether the kernel has it: it refuses this many places by saying that they are too
 * many, and where it knows nothing of them, otherwise (bpf_uprobe_multi_link_attach(),
 * kernel/trace/bpf_trace.c). */
int pe_has_uprobe_multi(void)
{
	uint64_t offset = 0;
	int program = load_nothing("probe_many", UPROBE_MULTI), error;

	if (program < 0)
		return 0;
	error = pe_attach_uprobes(program, "/", UINT32_MAX, &offset, NULL, NULL, 0);
	close(program);
	return error == -E2BIG;
}

/* Returns a descriptor of an event that programs can be attached to, or -errno. One
 * CPU stands for all: the programs run wherever the tracepoint is passed. */
int pe_open_tracepoint(uint64_t id)
{
	struct perf_event_attr wanted = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(wanted),
		.config = id,
	};
	int fd = syscall(SYS_perf_event_open, &wanted, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Returns a descriptor of an event of one CPU: each so many times something was
 * counted (period), or so many times a second (frequency); or -errno. */
int pe_open_sampling(uint32_t type, uint64_t config, uint64_t period, uint64_t frequency, int cpu)
{
	struct perf_event_attr wanted = {
		.type = type,
		.size = sizeof(wanted),
		.config = config,
		.freq = frequency != 0,
	};
	int fd;

	if (frequency)
		wanted.sample_freq = frequency;
	else
		wanted.sample_period = period;
	fd = syscall(SYS_perf_event_open, &wanted, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Returns a descriptor of the kernel's list of tracepoints, mounted nowhere, or
 * -errno. */
int pe_open_tracefs(void)
{
	int context = syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC), fd;

	if (context < 0)
		return -errno;
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fd = -errno;
	else if ((fd = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0)) < 0)
		fd = -errno;
	close(context);
	return fd;
}
