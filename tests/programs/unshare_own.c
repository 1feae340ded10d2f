/* Unshares its own mount, pid and time namespaces (and user, if not root), and says
 * "MNT PID_FOR_CHILDREN TIME_FOR_CHILDREN", the inode numbers of what it is in and
 * its child will be.
 * Its child exits with its own pid as the code. */
#define _GNU_SOURCE
#include <linux/sched.h> /* CLONE_NEWTIME: not in older C libraries' own */
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	struct stat mnt, child_pid, child_time;
	int status;
	pid_t child;

	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWTIME | (geteuid() ? CLONE_NEWUSER : 0))) {
		perror("unshare");
		return 1;
	}
	child = fork();
	if (!child)
		_exit(getpid());
	/* The namespace has an inode number as soon as it has its first process. */
	if (child < 0 || waitpid(child, &status, 0) < 0 || stat("/proc/self/ns/mnt", &mnt))
		return 1;
	if (stat("/proc/self/ns/pid_for_children", &child_pid) ||
	    stat("/proc/self/ns/time_for_children", &child_time))
		return 1;
	printf("%lu %lu %lu\n", mnt.st_ino, child_pid.st_ino, child_time.st_ino);
	return 0;
}
