/* threads COUNT: starts threads one after the other; each says its number. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *run(void *unused)
{
	dprintf(1, "%d\n", gettid());
	return unused;
}

int main(int argc, char **argv)
{
	int count = argc == 2 ? atoi(argv[1]) : 0;
	pthread_t thread;

	for (int index = 0; index < count; index++) {
		if (pthread_create(&thread, NULL, run, NULL))
			return 1;
		pthread_join(thread, NULL);
	}
	return 0;
}
