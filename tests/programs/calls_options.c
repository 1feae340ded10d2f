/* What prctl and its like can be asked for, with good and with bad arguments. */
#define _GNU_SOURCE
#ifdef __x86_64__
#include <asm/prctl.h>
#endif
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static void *const nowhere = (void *)0xdead000;

static void names(void)
{
	char name[16];

	call(prctl, PR_SET_NAME, "short");
	call(prctl, PR_GET_NAME, name);
	call(prctl, PR_SET_NAME, "exactly fifteen");
	call(prctl, PR_SET_NAME, "this name is longer than fifteen bytes");
	call(prctl, PR_GET_NAME, name);
	call(prctl, PR_SET_NAME, nowhere);
	call(prctl, PR_GET_NAME, nowhere);
}

static void asked(void)
{
	int value;
	void *pointer;

	call(prctl, PR_SET_PDEATHSIG, SIGTERM);
	call(prctl, PR_GET_PDEATHSIG, &value);
	call(prctl, PR_SET_PDEATHSIG, 0);
	call(prctl, PR_GET_PDEATHSIG, nowhere);
	call(prctl, PR_SET_PDEATHSIG, 999);
	call(prctl, PR_GET_DUMPABLE);
	call(prctl, PR_SET_DUMPABLE, 0);
	call(prctl, PR_GET_DUMPABLE);
	call(prctl, PR_SET_DUMPABLE, 1);
	call(prctl, PR_SET_DUMPABLE, 5);
	call(prctl, PR_SET_KEEPCAPS, 1);
	call(prctl, PR_GET_KEEPCAPS);
	call(prctl, PR_GET_SECUREBITS);
	call(prctl, PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NOROOT);
	call(prctl, PR_GET_SECUREBITS);
	call(prctl, PR_SET_SECUREBITS, 0);
	call(prctl, PR_CAPBSET_READ, CAP_SYS_ADMIN);
	call(prctl, PR_CAPBSET_READ, 99);
	call(prctl, PR_CAPBSET_DROP, CAP_WAKE_ALARM);
	call(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0);
	call(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
	call(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	call(prctl, PR_SET_CHILD_SUBREAPER, 1);
	call(prctl, PR_GET_CHILD_SUBREAPER, &value);
	call(prctl, PR_GET_TIMERSLACK);
	call(prctl, PR_SET_TIMERSLACK, 70000);
	call(prctl, PR_GET_TSC, &value);
	call(prctl, PR_SET_TSC, PR_TSC_ENABLE);
	call(prctl, PR_GET_TID_ADDRESS, &pointer);
	call(prctl, PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	call(prctl, PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0);
	call(prctl, PR_MCE_KILL_GET, 0, 0, 0, 0);
	call(prctl, PR_SET_MM, PR_SET_MM_BRK, 1, 2, 3);
	call(prctl, PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	call(prctl, PR_SET_PTRACER, 1);
	call(prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0);
	call(prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0);
	call(prctl, PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0);
	call(prctl, PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_DISABLE, 0, 0);
	call(prctl, PR_GET_SPECULATION_CTRL, 77, 0, 0, 0);
	call(prctl, PR_TASK_PERF_EVENTS_DISABLE);
	call(prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, nowhere, 4096, "a name");
	call(prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, nowhere, 4096, NULL);
	call(prctl, PR_SET_VMA, 77, 1, 2, 3);
	call(prctl, PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, &pointer);
	call(prctl, PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, 1, 0);
	call(prctl, PR_GET_SECCOMP);
	call(prctl, 9999, 1, 2, 3, 4);
	call(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	call(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifdef __x86_64__
	uint64_t word;
	call(arch_prctl, ARCH_GET_FS, &word);
	call(arch_prctl, ARCH_GET_GS, nowhere);
	call(arch_prctl, ARCH_GET_CPUID);
	call(arch_prctl, ARCH_GET_XCOMP_SUPP, &word);
	call(arch_prctl, ARCH_GET_XCOMP_PERM, &word);
	call(arch_prctl, 0x9999, 5);
#endif
}

static void sandboxes(void)
{
	struct landlock_ruleset_attr handled = { LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE };
	struct landlock_path_beneath_attr below = { LANDLOCK_ACCESS_FS_READ_FILE, 0 };
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { 1, &allow };
	struct seccomp_notif_sizes sizes;
	uint32_t action = SECCOMP_RET_ERRNO, none = 12345;
	int ruleset;

	call(landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	ruleset = call(landlock_create_ruleset, &handled, 8, 0);
	call(landlock_create_ruleset, &handled, 4, 0);
	call(landlock_create_ruleset, nowhere, 8, 9);
	call(landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &below, 0);
	call(landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, nowhere, 0);
	call(landlock_add_rule, ruleset, 99, &below, 3);
	call(landlock_restrict_self, -1, 5);
	call(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
	call(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &none);
	call(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, nowhere);
	call(seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes);
	call(seccomp, 99, 5, &sizes);
	call(seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &program);
	call(prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	call(prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nowhere);
	call(prctl, PR_SET_SECCOMP, 77, 1, 2, 3);
}

static void traced(void)
{
	call(ptrace, PTRACE_ATTACH, 1000000, NULL, NULL);
	call(ptrace, PTRACE_CONT, 1000000, NULL, SIGUSR1);
	call(ptrace, PTRACE_DETACH, 1000000, NULL, 0);
	call(ptrace, PTRACE_SEIZE, 1000000, NULL, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
	call(ptrace, PTRACE_PEEKDATA, 1000000, nowhere, nowhere);
	call(ptrace, PTRACE_GETSIGINFO, 1000000, NULL, nowhere);
	call(ptrace, 0x7777, 1000000, 1, 2);
}

static void counted(void)
{
	struct perf_event_attr counter = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(counter),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.read_format = PERF_FORMAT_ID | PERF_FORMAT_GROUP,
		.disabled = 1,
		.exclude_kernel = 1,
		.precise_ip = 1,
	};

	close(call(perf_event_open, &counter, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
	counter.type = PERF_TYPE_HARDWARE;
	counter.config = PERF_COUNT_HW_INSTRUCTIONS;
	counter.freq = 1;
	counter.sample_freq = 99;
	counter.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_CALLCHAIN;
	call(perf_event_open, &counter, 1000000, -1, -1, 0);
	counter.type = PERF_TYPE_TRACEPOINT;
	counter.config = 12;
	call(perf_event_open, &counter, 1000000, 7, 5, 0x77);
	counter.type = PERF_TYPE_RAW;
	call(perf_event_open, &counter, 1000000, -1, -1, 0);
	counter.size = 8;
	call(perf_event_open, &counter, 1000000, -1, -1, 0);
	call(perf_event_open, nowhere, 0, -1, -1, 0);
}

int main(void)
{
	names();
	asked();
	counted();
	traced();
	sandboxes();
	return 0;
}
