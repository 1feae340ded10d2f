/* pointers FILE: calls whose arguments point to where it hurts. Each is told apart by its result or by
 * its flags; the addresses that nobody can read are printed. FILE holds "/cold/page" at its start. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define WILD ((char *)0x10)

static long opened(const void *path)
{
	return syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
}

int main(int argc, char **argv)
{
	long page = sysconf(_SC_PAGESIZE);
	int file = open(argv[argc - 1], O_RDONLY), pair[2], null = open("/dev/null", O_RDWR);
	char *cold = mmap(NULL, page, PROT_READ, MAP_PRIVATE, file, 0);
	char *ends = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *full = malloc(5000), data[64];
	struct iovec vectors[65], parts[3] = { { "one", 3 }, { WILD, 0 }, { "three", 5 } };
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/nowhere/at/all" };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	char *many[41], *two[] = { "first", "second", NULL }, *broken[] = { "whole", WILD, "last", NULL };
	socklen_t small = 4;

	if (argc < 2 || file < 0 || null < 0 || cold == MAP_FAILED || ends == MAP_FAILED || !full)
		return 1;
	madvise(cold, page, MADV_DONTNEED);
	posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	opened(cold); /* 0: cold */
	opened(WILD); /* 1: wild */
	opened(NULL); /* 2: none */
	opened(""); /* 3: empty */
	memset(full, 'f', 5000);
	full[4095] = 0;
	opened(full); /* 4: exactly full */
	full[4095] = 'f';
	full[4096] = 0;
	opened(full); /* 5: one too long */
	munmap(ends + page, page);
	memcpy(ends + page - 4, "/etc", 4);
	opened(ends + page - 4); /* 6: no NUL before the end of what there is */
	memcpy(ends + page - 5, "/tmp", 5);
	opened(ends + page - 5); /* 7: a NUL just before it */

	write(null, "hello, world", 12);
	write(null, "", 0);
	writev(null, parts, 3);
	for (int i = 0; i < 65; i++)
		vectors[i] = (struct iovec){ "x", 1 };
	writev(null, vectors, 64);
	writev(null, vectors, 65);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	write(pair[0], "through the pair", 16);
	read(pair[1], data, sizeof(data));
	read(pair[1], data, 0);
	sendmsg(pair[0], &message, 0);
	parts[0].iov_base = data;
	parts[1] = (struct iovec){ data + 3, 2 };
	parts[2] = (struct iovec){ data + 5, 40 };
	recvmsg(pair[1], &message, 0);
	recvmsg(pair[1], &message, MSG_DONTWAIT);
	connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name, sizeof(name));
	name.sun_family = AF_UNIX;
	getsockname(pair[0], (void *)&name, &small);
	name = (struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = "\0abstract and unique" };
	bind(pair[0], (void *)&name, sizeof(name));
	small = 4;
	getsockname(pair[0], (void *)&name, &small);
	for (int i = 0; i < 40; i++)
		many[i] = "x";
	many[40] = NULL;
	syscall(SYS_execve, "/nowhere", two, NULL);
	syscall(SYS_execve, "/nowhere", broken, NULL);
	syscall(SYS_execve, "/nowhere", many, NULL);
	many[32] = NULL;
	syscall(SYS_execve, "/nowhere", many, NULL);
	return 0;
}
