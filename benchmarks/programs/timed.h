/* Times a loop, and writes what one turn of it took, by the clock and in CPU time, in nanoseconds, and how many turns
 * there were in all.
 */
#include <stdio.h>
#include <time.h>

#define WARM 1000

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

/* Returns what main() is to return. */
static int timed(void (*loop)(long), long count, const char *path)
{
	loop(WARM); /* nothing is cold any more */
	double clock = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	loop(count);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	clock = now(CLOCK_MONOTONIC) - clock;

	FILE *result = fopen(path, "w");

	if (!result)
		return 2;
	fprintf(result, "%.3f %.3f %ld\n", clock / count, cpu / count, count + WARM);
	return fclose(result) ? 2 : 0;
}
