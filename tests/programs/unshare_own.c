/* Unshares its own mount and pid namespaces (and user, if not root), and says
 * "MNT PID_FOR_CHILDREN", the inode numbers of what it is in and its child will be.
 * Its child exits with its own pid as the code. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	struct stat mnt, child_pid;
	int status;
	pid_t child;

	if (unshare(CLONE_NEWNS | CLONE_NEWPID | (geteuid() ? CLONE_NEWUSER : 0))) {
		perror("unshare");
		return 1;
	}
	child = fork();
	if (!child)
		_exit(getpid());
	/* The namespace has an inode number as soon as it has its first process. */
	if (child < 0 || waitpid(child, &status, 0) < 0 || stat("/proc/self/ns/mnt", &mnt))
		return 1;
	if (stat("/proc/self/ns/pid_for_children", &child_pid))
		return 1;
	printf("%lu %lu\n", (unsigned long)mnt.st_ino, (unsigned long)child_pid.st_ino);
	return 0;
}
