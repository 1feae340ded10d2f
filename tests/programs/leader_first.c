/* leader_first CODE: the first thread ends with 1, and then another ends the process with CODE. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_t leader;

static void *run(void *code)
{
	pthread_join(leader, NULL);
	exit(atoi(code));
}

int main(int argc, char **argv)
{
	pthread_t thread;

	leader = pthread_self();
	if (argc != 2 || pthread_create(&thread, NULL, run, argv[1]))
		return 2;
	syscall(SYS_exit, 1);
}
