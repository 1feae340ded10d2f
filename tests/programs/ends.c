/* ends HOW [PROGRAM]: calls that do not come back as others do. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *leave(void *unused)
{
	(void)unused;
	dprintf(1, "%d\n", gettid());
	syscall(SYS_exit, 7);
	return NULL;
}

static void *wait_for_ever(void *unused)
{
	dprintf(1, "%d\n", gettid());
	pause();
	return unused;
}

/* Executes the program once the leader waits. */
static void *execute(void *argv)
{
	char path[64], said[16] = "";

	snprintf(path, sizeof(path), "/proc/%d/syscall", getpid());
	while (atoi(said) != SYS_pause) {
		int file = open(path, O_RDONLY);

		if (read(file, said, sizeof(said) - 1) < 0)
			_exit(1);
		close(file);
	}
	dprintf(1, "%d\n", gettid());
	execv(((char **)argv)[0], argv);
	_exit(127);
}

static void nothing(int signal)
{
	(void)signal;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc < 2)
		return 1;
	if (!strcmp(argv[1], "exit of a thread")) {
		pthread_create(&thread, NULL, leave, NULL);
		pthread_join(thread, NULL);
	} else if (!strcmp(argv[1], "kill")) {
		/* Two threads that wait: says that they are about to. */
		pthread_create(&thread, NULL, wait_for_ever, NULL);
		wait_for_ever(NULL);
	} else if (!strcmp(argv[1], "execve of a thread")) {
		pthread_create(&thread, NULL, execute, argv + 2);
		pause();
	} else if (!strcmp(argv[1], "execve")) {
		syscall(SYS_execve, argv[2], argv + 2, NULL);
	} else if (!strcmp(argv[1], "execveat")) {
		syscall(SYS_execveat, open(argv[2], O_PATH), "", argv + 2, NULL, AT_EMPTY_PATH);
	} else if (!strcmp(argv[1], "rt_sigreturn")) {
		signal(SIGUSR1, nothing);
		syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	}
	return 0;
}
