/* many COUNT PROGRAM: runs it that often, one after the other.
 * many COUNT: that many children, all alive at once, which end together with code 7. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int in_turn(int count, char **argv)
{
	int status;

	while (count--) {
		pid_t child = vfork();

		if (!child) {
			execv(argv[0], argv);
			_exit(127);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0 || status)
			return 1;
	}
	return 0;
}

static int at_once(int count)
{
	int gate[2], ended = 0, status;
	char byte;

	if (pipe(gate))
		return 1;
	for (int index = 0; index < count; index++) {
		pid_t child = fork();

		if (child < 0)
			return 1;
		if (!child) {
			close(gate[1]);
			_exit(read(gate[0], &byte, 1) ? 1 : 7);
		}
	}
	close(gate[1]);
	while (wait(&status) > 0)
		ended += WIFEXITED(status) && WEXITSTATUS(status) == 7;
	return ended == count ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	return argc == 2 ? at_once(atoi(argv[1])) : in_turn(atoi(argv[1]), argv + 2);
}
