/* interrupted: calls in which a signal comes, each with another end. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t count;
static int ends[2];

static void handle(int signal)
{
	(void)signal;
	if (++count == 2 && write(ends[1], "x", 1) != 1)
		_exit(1);
}

static void on_alarm(int flags)
{
	struct sigaction action = { .sa_handler = handle, .sa_flags = flags };

	sigaction(SIGALRM, &action, NULL);
}

/* The state that ps(1) shows; while a program sleeps in a call, and not on its way there, it is S. */
static void await(pid_t pid, const char *states)
{
	char path[64], line[256], state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	do {
		FILE *file = fopen(path, "r");

		if (!file || !fgets(line, sizeof(line), file) || sscanf(line, "%*d (%*[^)]) %c", &state) != 1)
			_exit(1);
		fclose(file);
	} while (!strchr(states, state));
}

static void disturb(pid_t pid)
{
	for (int turn = 0; turn < 6; turn++) {
		await(pid, "S");
		kill(pid, SIGALRM);
	}
	await(pid, "S");
	kill(pid, SIGSTOP);
	await(pid, "Tt");
	kill(pid, SIGCONT);
	_exit(0);
}

int main(void)
{
	struct timespec day = { .tv_sec = 86400 }, moment = { .tv_nsec = 500000000 };
	pid_t parent = getpid(), child;
	char byte;

	on_alarm(SA_RESTART);
	if (pipe(ends) || (child = fork()) < 0)
		return 1;
	if (!child)
		disturb(parent);
	if (syscall(SYS_read, ends[0], &byte, 1) != 1)
		return 2;
	on_alarm(0);
	if (syscall(SYS_read, ends[0], &byte, 1) != -1 || errno != EINTR)
		return 3;
	on_alarm(SA_RESTART);
	if (syscall(SYS_nanosleep, &day, NULL) != -1 || errno != EINTR)
		return 4;
	if (syscall(SYS_poll, NULL, 0, -1) != -1 || errno != EINTR)
		return 5;
	if (syscall(SYS_pause) != -1 || errno != EINTR)
		return 6;
	if (syscall(SYS_nanosleep, &moment, NULL))
		return 7;
	return waitpid(child, NULL, 0) == child ? 0 : 8;
}
