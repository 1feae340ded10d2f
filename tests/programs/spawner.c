/* spawner vfork|posix_spawn PROGRAM [ARGUMENTS]: says the child's pid, exits as it does. */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
	pid_t child;
	int status;

	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "vfork")) {
		child = vfork();
		if (!child) {
			execv(argv[2], argv + 2);
			_exit(127);
		}
	} else if (posix_spawn(&child, argv[2], NULL, NULL, argv + 2, environ)) {
		return 2;
	}
	waitpid(child, &status, 0);
	printf("%d\n", child);
	return WEXITSTATUS(status);
}
