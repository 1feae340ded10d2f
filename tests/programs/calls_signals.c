/* Signals, with good and with bad arguments. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static void *const nowhere = (void *)0xdead000;

struct kernel_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

static void nothing(int signal)
{
	(void)signal;
}

static void masks(void)
{
	uint64_t usr = 1 << (SIGUSR1 - 1) | 1UL << 40, all = ~0UL, none = 0, many = ~0UL << 10, old;

	call(rt_sigprocmask, SIG_BLOCK, &usr, &old, 8);
	call(rt_sigprocmask, SIG_SETMASK, &all, &old, 8);
	call(rt_sigprocmask, SIG_SETMASK, &many, &old, 8);
	call(rt_sigprocmask, SIG_UNBLOCK, &none, NULL, 8);
	call(rt_sigprocmask, SIG_SETMASK, NULL, &old, 8);
	call(rt_sigprocmask, SIG_SETMASK, &none, &old, 8);
	call(rt_sigprocmask, 9, &usr, NULL, 8);
	call(rt_sigprocmask, SIG_BLOCK, &usr, NULL, 4);
	call(rt_sigprocmask, SIG_BLOCK, nowhere, NULL, 8);
	call(rt_sigprocmask, SIG_BLOCK, NULL, nowhere, 8);
	call(rt_sigprocmask, SIG_BLOCK, &usr, NULL, 8);
	kill(getpid(), SIGUSR1);
	call(rt_sigpending, &old, 8);
	call(rt_sigpending, &old, 4);
	call(rt_sigpending, &old, 16);
	call(rt_sigpending, nowhere, 8);
}

static void waiting(void)
{
	uint64_t usr = 1 << (SIGUSR1 - 1), none = 0;
	struct timespec no_time = { 0, 0 };
	siginfo_t info;

	call(rt_sigtimedwait, &usr, &info, NULL, 8);
	call(rt_sigtimedwait, &usr, &info, &no_time, 8);
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 77 });
	call(rt_sigtimedwait, &usr, &info, &no_time, 8);
	call(rt_sigtimedwait, &usr, NULL, nowhere, 8);
	call(rt_sigtimedwait, nowhere, NULL, NULL, 8);
	call(rt_sigtimedwait, &usr, &info, &no_time, 7);
	signal(SIGUSR1, nothing);
	raise(SIGUSR1);
	call(rt_sigsuspend, &none, 8);
	call(rt_sigsuspend, &none, 3);
#ifdef SYS_pause
	struct itimerval soon = { { 0, 0 }, { 0, 10000 } };
	signal(SIGALRM, nothing);
	setitimer(ITIMER_REAL, &soon, NULL);
	call(pause);
#endif
}

static void actions(void)
{
	struct kernel_action set = { nothing, SA_RESTART | SA_SIGINFO | 0x04000000, nowhere, 1 << 4 }, old;
	struct kernel_action ignore = { SIG_IGN, SA_NOCLDSTOP | SA_NOCLDWAIT | SA_ONSTACK | SA_NODEFER | SA_RESETHAND, 0, 0 };
	struct kernel_action usual = { SIG_DFL, 0, 0, ~0UL };

	call(rt_sigaction, SIGHUP, &set, &old, 8);
	call(rt_sigaction, SIGHUP, &ignore, &old, 8);
	call(rt_sigaction, SIGHUP, &usual, &old, 8);
	call(rt_sigaction, SIGRTMIN + 3, NULL, &old, 8);
	call(rt_sigaction, 32, NULL, &old, 8);
	call(rt_sigaction, SIGKILL, &set, NULL, 8);
	call(rt_sigaction, 65, NULL, NULL, 8);
	call(rt_sigaction, SIGHUP, nowhere, NULL, 8);
	call(rt_sigaction, SIGHUP, NULL, nowhere, 8);
	call(rt_sigaction, SIGHUP, NULL, NULL, 4);
}

static void stacks(void)
{
	static char room[16384];
	stack_t stack = { room, 0, sizeof(room) }, off = { .ss_flags = SS_DISABLE }, old;

	call(sigaltstack, NULL, &old);
	call(sigaltstack, &stack, &old);
	call(sigaltstack, &off, &old);
	stack.ss_size = 1;
	call(sigaltstack, &stack, NULL);
	stack.ss_flags = 77;
	call(sigaltstack, &stack, NULL);
	call(sigaltstack, nowhere, NULL);
}

static void sending(void)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };
	int pid = getpid(), fd = call(pidfd_open, pid, 0);

	info.si_pid = pid;
	info.si_value.sival_int = -3;
	signal(SIGUSR1, SIG_IGN);
	call(kill, pid, 0);
	call(kill, pid, SIGUSR1);
	call(kill, pid, SIGRTMAX);
	call(kill, -1000000, SIGTERM);
	call(kill, pid, 99);
	call(kill, 0, SIGCONT);
	call(tkill, pid, SIGUSR1);
	call(tgkill, pid, pid, SIGUSR1);
	call(tgkill, pid, 1, SIGUSR1);
	call(rt_sigqueueinfo, pid, SIGUSR1, &info);
	call(rt_sigqueueinfo, pid, SIGUSR1, nowhere);
	call(rt_tgsigqueueinfo, pid, pid, SIGUSR1, &info);
	call(pidfd_send_signal, fd, SIGUSR1, &info, 0);
	call(pidfd_send_signal, fd, SIGUSR1, NULL, 0);
	call(pidfd_send_signal, fd, SIGUSR1, NULL, 9);
	call(pidfd_send_signal, -1, SIGKILL, NULL, 0);
}

static void children(void)
{
	int status;
	siginfo_t info;
	pid_t pid;

	for (int how = 0; how < 4; how++) {
		pid = fork();
		if (!pid) {
			if (how == 1)
				raise(SIGTERM);
			if (how == 2)
				raise(SIGSTOP);
			_exit(how);
		}
		if (how == 2) {
			call(wait4, pid, &status, WUNTRACED, NULL);
			kill(pid, SIGCONT);
			call(wait4, pid, &status, WCONTINUED, NULL);
		}
		call(waitid, P_PID, pid, &info, WEXITED | WNOWAIT, NULL);
		call(wait4, pid, &status, 0, NULL);
	}
	call(wait4, -1, &status, WNOHANG, NULL);
	call(waitid, P_ALL, 0, &info, WEXITED | WNOHANG, NULL);
}

int main(void)
{
	masks();
	waiting();
	actions();
	stacks();
	sending();
	children();
	return 0;
}
