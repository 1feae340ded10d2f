/* opener FILE: makes descriptors, in each way that says its number as the call's result. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int listening;

static void nothing(int signal)
{
	(void)signal;
}

/* Without SA_RESTART: who is there when it comes sees EINTR. */
static void *interrupted(void *unused)
{
	struct sigaction action = { .sa_handler = nothing };

	sigaction(SIGUSR1, &action, NULL);
	syscall(SYS_accept4, listening, NULL, NULL, 0);
	return unused;
}

int main(int argc, char **argv)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0opener" }, peer;
	socklen_t room = sizeof(peer);
	pthread_t thread;
	int file, client;

	if (argc < 2)
		return 1;
	snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "opener %d", getpid());
	file = syscall(SYS_openat, AT_FDCWD, argv[1], O_RDONLY, 0);
	syscall(SYS_openat, AT_FDCWD, "/nowhere/at/all", O_RDONLY, 0);
	syscall(SYS_dup, file);
	syscall(SYS_dup, 99);
	listening = syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	bind(listening, (void *)&name, sizeof(name));
	listen(listening, 1);
	if (pthread_create(&thread, NULL, interrupted, NULL))
		return 1;
	usleep(50000);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	client = syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	connect(client, (void *)&name, sizeof(name));
	syscall(SYS_accept4, listening, &peer, &room, SOCK_NONBLOCK);
	return 0;
}
