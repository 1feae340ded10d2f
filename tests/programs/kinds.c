/* Makes a descriptor of each kind that has no path, says what /proc calls it, and names it in fsync(2). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void name(const char *kind, int fd)
{
	char link[4096], path[64];
	ssize_t length;

	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, link, sizeof(link));
	printf("%s %d %.*s\n", kind, fd, (int)length, link);
	fsync(fd);
}

int main(void)
{
	int ends[2];
	char ring[120] = { 0 };
	sigset_t set;

	sigemptyset(&set);
	pipe(ends);
	name("pipe", ends[0]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	name("socket", ends[1]);
	name("memfd", memfd_create("a name/with a slash", 0));
	name("memfd", memfd_create("", MFD_CLOEXEC));
	name("eventfd", eventfd(0, 0));
	name("eventpoll", epoll_create1(0));
	name("pidfd", syscall(SYS_pidfd_open, getpid(), 0));
	name("inotify", inotify_init());
	name("fanotify", fanotify_init(0, 0));
	name("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
	name("signalfd", signalfd(-1, &set, 0));
	name("io_uring", syscall(SYS_io_uring_setup, 1, ring));
	name("userfaultfd", syscall(SYS_userfaultfd, 1));
	name("fscontext", syscall(SYS_fsopen, "tmpfs", 0));
	name("secretmem", syscall(SYS_memfd_secret, 0));
	name("namespace", open("/proc/self/ns/net", O_RDONLY));
	name("namespace", open("/proc/self/ns/time", O_RDONLY));
	name("namespace", open("/proc/self/ns/mnt", O_RDONLY));
	name("directory", open("/", O_RDONLY));
	name("file", open("/etc/passwd", O_RDONLY));
	name("char", open("/dev/null", O_RDONLY));
	return 0;
}
