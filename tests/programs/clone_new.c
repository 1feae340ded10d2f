/* Makes a child with clone3(2) that is born in UTS and network namespaces of its own
 * (and user, if not root), and says "UTS NET", the child's inode numbers. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	struct clone_args own = { .flags = CLONE_NEWUTS | CLONE_NEWNET, .exit_signal = SIGCHLD };
	int status;
	long child;

	if (geteuid())
		own.flags |= CLONE_NEWUSER;
	child = syscall(SYS_clone3, &own, sizeof(own));
	if (!child) {
		struct stat uts, net;

		if (stat("/proc/self/ns/uts", &uts) || stat("/proc/self/ns/net", &net))
			_exit(1);
		dprintf(1, "%lu %lu\n", (unsigned long)uts.st_ino, (unsigned long)net.st_ino);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0) {
		perror("clone3");
		return 1;
	}
	return status ? 1 : 0;
}
