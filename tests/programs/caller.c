/* caller WHAT: makes one call that leaves no doubt. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2)
		return 1;
	if (!strcmp(argv[1], "getppid"))
		syscall(SYS_getppid, 1, 2, 3, 4, 5, 6);
	return 0;
}
