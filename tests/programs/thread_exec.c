/* thread_exec PROGRAM [ARGUMENTS]: a thread that is not the leader says "PID TID"
 * and executes the program. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *run(void *argv)
{
	dprintf(1, "%d %d\n", getpid(), gettid());
	execv(((char **)argv)[0], argv);
	_exit(127);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc < 2 || pthread_create(&thread, NULL, run, argv + 1))
		return 2;
	pause();
	return 1;
}
