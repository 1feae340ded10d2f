/* Unshares its UTS namespace, goes back to the first one with setns(2), and says
 * the inode number of the one in between. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

int main(void)
{
	int first = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	struct stat between;

	if (first < 0 || unshare(CLONE_NEWUTS) || stat("/proc/self/ns/uts", &between) || setns(first, CLONE_NEWUTS)) {
		perror("uts_and_back");
		return 1;
	}
	printf("%lu\n", (unsigned long)between.st_ino);
	return 0;
}
