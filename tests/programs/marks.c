/* Passes numbers to what BPF programs are attached to: "marks 3 4" calls mark(3) and the kernel's getpriority() with 3,
 * then with 4; a range "0-1000" all of its numbers. "each 3 4" does so in a new process for each number, "threads 3 4"
 * in a new thread. Prints the ids of who did, the number, and CLOCK_MONOTONIC before and after. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

__attribute__((noinline)) void mark(int number)
{
	__asm__ volatile("" ::"r"(number) : "memory");
}

static long long now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void *pass(void *range)
{
	char *end;
	int first = strtol(range, &end, 10), last = *end ? atoi(end + 1) : first;
	long long before;

	for (int number = first; number <= last; number++) {
		before = now();
		mark(number);
		getpriority(PRIO_PROCESS, number);
		printf("%d %d %d %lld %lld\n", getpid(), gettid(), number, before, now());
	}
	fflush(stdout);
	return NULL;
}

int main(int argc, char **argv)
{
	int each = argc > 1 && !strcmp(argv[1], "each"), threads = argc > 1 && !strcmp(argv[1], "threads");
	pthread_t thread;

	for (int i = 1 + (each || threads); i < argc; i++) {
		if (each && !fork()) {
			pass(argv[i]);
			_exit(0);
		}
		if (each) {
			wait(NULL);
		} else if (threads) {
			pthread_create(&thread, NULL, pass, argv[i]);
			pthread_join(thread, NULL);
		} else {
			pass(argv[i]);
		}
	}
	return 0;
}
