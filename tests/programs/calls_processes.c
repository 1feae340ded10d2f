/* Processes and threads: made, waited for, limited, scheduled; with good and with bad arguments. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/ioprio.h>
#include <linux/kcmp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static void *const nowhere = (void *)0xdead000;

struct sched_attr { /* linux/sched/types.h, which clashes with sched.h */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static void waited(long pid)
{
	int status;

	if (!pid)
		_exit(3);
	if (pid > 0)
		call(wait4, pid, &status, __WALL, NULL);
}

static void made(void)
{
	int parent = 0, child = 0, fd = -1;
	struct clone_args args = { .exit_signal = SIGCHLD };

	waited(call(clone, SIGCHLD, NULL, NULL, NULL, NULL));
	waited(call(clone, CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | SIGURG, NULL, &parent, &child, NULL));
	waited(call(clone, CLONE_PIDFD | SIGCHLD, NULL, &fd, NULL, NULL));
	waited(call(clone, CLONE_NEWUTS | CLONE_NEWIPC, NULL, NULL, NULL, NULL));
	call(clone, CLONE_THREAD, NULL, NULL, NULL, NULL);
	waited(call(clone3, &args, sizeof(args)));
	args.flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_PIDFD;
	args.parent_tid = (uintptr_t)&parent;
	args.child_tid = (uintptr_t)&child;
	args.pidfd = (uintptr_t)&fd;
	waited(call(clone3, &args, sizeof(args)));
	args.flags = CLONE_NEWPID | CLONE_NEWUTS;
	waited(call(clone3, &args, sizeof(args)));
	args.flags = CLONE_INTO_CGROUP;
	args.cgroup = 99;
	call(clone3, &args, sizeof(args));
	args.exit_signal = 1UL << 40;
	call(clone3, &args, 64);
	call(clone3, &args, 8);
	call(clone3, nowhere, sizeof(args));
	call(unshare, CLONE_FS | CLONE_FILES);
	call(unshare, CLONE_NEWUTS | CLONE_NEWNS);
	call(unshare, 0);
	call(unshare, 1);
	call(setns, -1, CLONE_NEWNET);
	call(setns, 0, 0);
}

static void known(void)
{
	struct rusage used;
	siginfo_t info;
	void *head;
	size_t length;
	int pid, fd;

	call(getpid);
	call(gettid);
	call(getppid);
	call(getpgid, 0);
	call(getpgid, 1000000);
	call(getsid, 0);
	call(setpgid, 0, 0);
	call(setpgid, 1000000, -5);
	call(setsid);
	call(set_tid_address, &pid);
	call(get_robust_list, 0, &head, &length);
	call(get_robust_list, 1000000, nowhere, NULL);
	call(set_robust_list, nowhere, 24);
	pid = fork();
	waited(pid ? -1 : 0);
	fd = call(pidfd_open, pid, 0);
	call(pidfd_open, -1, 77);
	call(pidfd_getfd, fd, 0, 0);
	call(waitid, P_PIDFD, fd, &info, WEXITED | WNOWAIT, NULL);
	call(waitid, P_PGID, 0, &info, WEXITED, &used);
	call(waitid, P_ALL, 0, nowhere, WSTOPPED | WCONTINUED | WNOHANG, NULL);
	call(waitid, 99, 0, &info, 0, NULL);
	call(wait4, -1, NULL, WNOHANG | WUNTRACED, &used);
	call(wait4, 1000000, nowhere, 0x77, nowhere);
	call(kcmp, getpid(), getpid(), KCMP_FILE, 0, 1);
	call(kcmp, getpid(), 1000000, KCMP_VM, 0, 0);
	call(kcmp, getpid(), getpid(), 77, 5, 6);
	call(personality, 0xffffffff);
	call(personality, ADDR_NO_RANDOMIZE);
	call(personality, PER_LINUX);
}

static void limited(void)
{
	struct rlimit some = { 1000, 1024 * 3 }, old;
	struct rusage used;

	call(prlimit64, 0, RLIMIT_NOFILE, NULL, &old);
	call(prlimit64, 0, RLIMIT_CORE, &some, &old);
	call(prlimit64, 0, RLIMIT_CORE, nowhere, NULL);
	call(prlimit64, 0, 99, NULL, &old);
	call(getrlimit, RLIMIT_AS, &old);
	some.rlim_max = RLIM_INFINITY;
	call(setrlimit, RLIMIT_NPROC, &some);
	call(getrusage, RUSAGE_SELF, &used);
	call(getrusage, RUSAGE_CHILDREN, &used);
	call(getrusage, RUSAGE_THREAD, nowhere);
	call(getrusage, 77, &used);
	call(getpriority, PRIO_PROCESS, 0);
	call(getpriority, PRIO_USER, 12345);
	call(setpriority, PRIO_PROCESS, 0, 3);
	call(setpriority, 9, 0, -3);
	call(ioprio_get, IOPRIO_WHO_PROCESS, 0);
	call(ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 4));
	call(ioprio_get, IOPRIO_WHO_PROCESS, 0);
	call(ioprio_set, IOPRIO_WHO_USER, 0, IOPRIO_PRIO_VALUE(7, 1));
}

static void scheduled(void)
{
	struct sched_param priority = { 0 };
	struct sched_attr attributes = { sizeof(attributes), SCHED_BATCH, SCHED_FLAG_RESET_ON_FORK, 5 };
	struct timespec slice;
	unsigned long cpus[16] = { 0 };

	call(sched_yield);
	call(sched_getscheduler, 0);
	call(sched_setscheduler, 0, SCHED_BATCH, &priority);
	call(sched_setscheduler, 0, SCHED_OTHER | SCHED_RESET_ON_FORK, &priority);
	call(sched_getscheduler, 0);
	call(sched_setscheduler, 0, 77, nowhere);
	call(sched_getparam, 0, &priority);
	call(sched_setparam, 0, &priority);
	call(sched_getattr, 0, &attributes, sizeof(attributes), 0);
	call(sched_getattr, 0, &attributes, 48, 0);
	call(sched_getattr, 0, nowhere, sizeof(attributes), 0);
	call(sched_getattr, 0, &attributes, 0, 0);
	attributes.policy = SCHED_OTHER;
	attributes.size = sizeof(attributes);
	call(sched_setattr, 0, &attributes, 0);
	attributes.size = 48;
	call(sched_setattr, 0, &attributes, 0);
	attributes.flags = SCHED_FLAG_KEEP_ALL;
	attributes.policy = -1;
	call(sched_setattr, 0, &attributes, 0);
	call(sched_setattr, 0, nowhere, 0);
	call(sched_get_priority_max, SCHED_FIFO);
	call(sched_get_priority_min, SCHED_RR);
	call(sched_get_priority_min, 99);
	call(sched_rr_get_interval, 0, &slice);
	call(sched_getaffinity, 0, sizeof(cpus), cpus);
	call(sched_setaffinity, 0, sizeof(cpus), cpus);
	call(sched_setaffinity, 0, 2, nowhere);
	call(sched_getaffinity, 0, 2, cpus);
	cpus[0] = 1;
	call(sched_setaffinity, 0, 8, cpus);
}

static void futexes(void)
{
	uint32_t word = 1, other = 2;
	struct timespec soon = { 0, 1000000 };
	struct futex_waitv waiters[2] = { { 1, (uintptr_t)&word, FUTEX_32 }, { 5, (uintptr_t)&other, FUTEX_32 | FUTEX_PRIVATE_FLAG } };

	call(futex, &word, FUTEX_WAIT, 2, NULL);
	call(futex, &word, FUTEX_WAIT_PRIVATE, 1, &soon);
	call(futex, &word, FUTEX_WAIT, 1, nowhere);
	call(futex, &word, FUTEX_WAKE_PRIVATE, 5);
	call(futex, &word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 1, &soon, NULL, FUTEX_BITSET_MATCH_ANY);
	call(futex, &word, FUTEX_WAIT_BITSET, 1, &soon, NULL, 0x10);
	call(futex, &word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 3);
	call(futex, &word, FUTEX_REQUEUE_PRIVATE, 1, 2, &other);
	call(futex, &word, FUTEX_CMP_REQUEUE, 1, 2, &other, 1);
	call(futex, &word, FUTEX_WAKE_OP, 1, 2, &other, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_GT, 7));
	call(futex, &word, FUTEX_WAKE_OP, 1, 2, &other, 1U << 31 | 5 << 12);
	call(futex, &word, FUTEX_TRYLOCK_PI);
	call(futex, &word, FUTEX_UNLOCK_PI_PRIVATE);
	call(futex, &word, FUTEX_LOCK_PI, 0, nowhere);
	call(futex, &word, FUTEX_WAIT_REQUEUE_PI, 3, &soon, &other, 0);
	call(futex, &word, 99, 1, 2, 3, 4);
	call(futex, nowhere, FUTEX_WAIT, 1, NULL);
#ifdef SYS_futex_waitv
	call(futex_waitv, waiters, 2, 0, &soon, CLOCK_MONOTONIC);
	call(futex_waitv, nowhere, 2, 0, NULL, 0);
#endif
}

int main(void)
{
	made();
	known();
	limited();
	scheduled();
	futexes();
	char *argv[] = { "true", "a \"b\"\n", NULL }, *envp[] = { "A=B", "C=D", NULL };
	call(execve, "/nowhere", argv, envp);
	call(execve, "/nowhere", NULL, NULL);
	call(execve, nowhere, argv, nowhere);
	call(execveat, AT_FDCWD, "nowhere", argv, envp, AT_SYMLINK_NOFOLLOW);
	call(execveat, -1, "", argv, envp, AT_EMPTY_PATH);
	call(execveat, AT_FDCWD, "/bin/true", argv, envp, 0);
	return 1;
}
