/* nested LEVELS: goes down that many pid namespaces, two processes in each, the
 * first being its init. Each says "NAME PID PPID" as it sees itself, and has that
 * name. All stay until standard input ends. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *kind, int level)
{
	char name[16];

	snprintf(name, sizeof(name), "%s%d", kind, level);
	prctl(PR_SET_NAME, name);
	dprintf(1, "%s %d %d\n", name, getpid(), getppid());
}

static int wait_for_all(void)
{
	while (wait(NULL) > 0)
		;
	return 0;
}

static int descend(int level, int levels)
{
	/* Only in the first: the others are owned by the user namespace that it makes. */
	int user = level == 1 && geteuid() != 0 ? CLONE_NEWUSER : 0;

	if (level > levels) {
		char byte;

		dprintf(1, "ready\n");
		return read(0, &byte, 1) < 0;
	}
	if (unshare(CLONE_NEWPID | user)) {
		perror("unshare");
		return 1;
	}
	if (fork())
		return wait_for_all();
	say("init", level);
	if (fork())
		return wait_for_all();
	say("second", level);
	return descend(level + 1, levels);
}

int main(int argc, char **argv)
{
	return argc == 2 ? descend(1, atoi(argv[1])) : 2;
}
