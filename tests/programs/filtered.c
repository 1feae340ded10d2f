/* filtered ACTION: getppid(1, 2, 3, 4, 5, 6) under a filter that answers it so. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned int action;
} actions[] = {
	{ "errno", SECCOMP_RET_ERRNO | EACCES },  { "zero", SECCOMP_RET_ERRNO | 0 },
	{ "trap", SECCOMP_RET_TRAP },		  { "caught trap", SECCOMP_RET_TRAP },
	{ "trace", SECCOMP_RET_TRACE },		  { "kill process", SECCOMP_RET_KILL_PROCESS },
	{ "kill thread", SECCOMP_RET_KILL_THREAD }, { "kill one thread", SECCOMP_RET_KILL_THREAD },
	{ "strict", 0 },
};

static void caught(int signal)
{
	(void)signal;
}

static void *call(void *unused)
{
	syscall(SYS_getppid, 1, 2, 3, 4, 5, 6);
	return unused;
}

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(*code), code };
	pthread_t thread;
	int which = -1;

	for (int i = 0; i < (int)(sizeof(actions) / sizeof(*actions)); i++)
		if (argc == 2 && !strcmp(actions[i].name, argv[1]))
			which = i;
	if (which < 0)
		return 1;
	code[2].k = actions[which].action;
	if (!strcmp(argv[1], "caught trap"))
		signal(SIGSYS, caught);
	if (!strcmp(argv[1], "strict")) {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	} else {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
			return 1;
	}
	if (strcmp(argv[1], "kill one thread"))
		call(NULL);
	else if (pthread_create(&thread, NULL, call, NULL) || pthread_join(thread, NULL))
		return 1;
	return 0;
}
