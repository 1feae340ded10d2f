/* Calls one function over and over, and writes what a call took, by the clock and in CPU time, in nanoseconds, and how
 * many calls it made in all: called COUNT RESULT
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WARM 1000

/* Not inlined, and not left out. */
__attribute__((noinline)) int called(int number, long size, const char *name)
{
	__asm__ volatile("" : : "r"(number), "r"(size), "r"(name) : "memory");
	return number;
}

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static void loop(long count)
{
	while (count--)
		called((int)count, count * 7, "a name of some letters");
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	long count = atol(argv[1]);

	loop(WARM); /* nothing is cold any more */
	double clock = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	loop(count);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	clock = now(CLOCK_MONOTONIC) - clock;

	FILE *result = fopen(argv[2], "w");

	if (!result)
		return 2;
	fprintf(result, "%.3f %.3f %ld\n", clock / count, cpu / count, count + WARM);
	return fclose(result) ? 2 : 0;
}
