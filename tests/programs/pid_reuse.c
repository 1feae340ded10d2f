/* Two children with the same pid, one after the other, which exit with 3 and 4. Says
 * the pid. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	pid_t first = fork();
	struct clone_args again = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&first, .set_tid_size = 1 };
	long second;

	if (!first)
		_exit(3);
	if (first < 0 || waitpid(first, NULL, 0) != first)
		return 1;
	second = syscall(SYS_clone3, &again, sizeof(again));
	if (!second)
		_exit(4);
	if (second < 0) {
		perror("clone3");
		return 1;
	}
	waitpid(second, NULL, 0);
	printf("%d\n", first);
	return 0;
}
