/* Calls one function over and over, and writes what a call took, by the clock and in CPU time, in nanoseconds, and how
 * many calls it made in all: called COUNT RESULT
 */
#include <stdlib.h>

#include "timed.h"

/* Not inlined, and not left out. */
__attribute__((noinline)) int called(int number, long size, const char *name)
{
	__asm__ volatile("" : : "r"(number), "r"(size), "r"(name) : "memory");
	return number;
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
	return timed(loop, atol(argv[1]), argv[2]);
}
