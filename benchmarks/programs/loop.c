/* Makes one system call over and over, and writes what one took, by the clock and in CPU time, in nanoseconds, and
 * how many it made in all: loop getppid|openat COUNT RESULT
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "timed.h"

#define FIRST 16 /* descriptors from here on are the loop's */
#define OPEN 512 /* closed by one call, so that the loop is one of openat */

static void getppids(long count)
{
	while (count--)
		syscall(SYS_getppid);
}

static void opens(long count)
{
	for (long i = 1; i <= count; i++) {
		if (syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC, 0) < 0)
			exit(2);
		if (i % OPEN == 0 || i == count)
			syscall(SYS_close_range, FIRST, FIRST + OPEN, 0);
	}
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	struct rlimit limit = { .rlim_cur = FIRST + 2 * OPEN, .rlim_max = FIRST + 2 * OPEN };
	void (*loop)(long) = !strcmp(argv[1], "openat") ? opens : getppids;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return 2;
	while (open("/dev/null", O_RDONLY | O_CLOEXEC) < FIRST - 1)
		;
	return timed(loop, atol(argv[2]), argv[3]);
}
