/* blocked: two threads read one byte each from stdin, and say before it who they are. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *wait_for_byte(void *unused)
{
	char byte;

	dprintf(1, "%d\n", gettid());
	return read(0, &byte, 1) == 1 ? unused : NULL;
}

int main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_for_byte, NULL))
		return 1;
	wait_for_byte(NULL);
	pthread_join(thread, NULL);
	return 0;
}
