/* Calls that make, change and wait for descriptors, with good and with bad arguments; in the working directory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, __VA_ARGS__)

static char *const nowhere = (char *)0xdead000;
static char buffer[4096];

static void duplicate(int made)
{
	call(dup, made);
	call(dup, 999);
	call(dup2, made, 100);
	call(dup2, made, made);
	call(dup3, made, 101, O_CLOEXEC);
	call(dup3, made, 101, O_NONBLOCK);
	call(close, 100);
	call(close, 100);
	call(close, -1);
	call(close_range, 101, 110, 0);
	call(close_range, 500, ~0U, 4);
	call(close_range, 5, 4, 2 | 0x100);
}

static void control(int made)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10 };
	struct f_owner_ex owner = { F_OWNER_PID, 0 };
	unsigned long hint = 2;
	int memory;

	call(fcntl, made, F_DUPFD, 50);
	call(fcntl, made, F_DUPFD_CLOEXEC, 50);
	call(fcntl, made, F_GETFD);
	call(fcntl, 51, F_GETFD);
	call(fcntl, made, F_SETFD, FD_CLOEXEC);
	call(fcntl, made, F_SETFD, 0);
	call(fcntl, made, F_SETFD, 6);
	call(fcntl, made, F_GETFL);
	call(fcntl, made, F_SETFL, O_APPEND | O_NONBLOCK);
	call(fcntl, made, F_SETFL, O_RDWR);
	call(fcntl, made, F_SETLK, &lock);
	call(fcntl, made, F_SETLKW, &lock);
	call(fcntl, made, F_GETLK, &lock);
	lock.l_type = F_UNLCK;
	lock.l_whence = SEEK_END;
	lock.l_start = -1;
	lock.l_len = 0;
	call(fcntl, made, F_SETLK, &lock);
	lock = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_CUR, .l_len = 1 };
	call(fcntl, made, F_OFD_SETLK, &lock);
	call(fcntl, made, F_OFD_GETLK, &lock);
	call(fcntl, made, F_OFD_SETLKW, &lock);
	lock.l_type = 77;
	call(fcntl, made, F_SETLK, &lock);
	call(fcntl, made, F_SETLK, nowhere);
	call(fcntl, made, F_GETLK, NULL);
	call(fcntl, 999, F_GETLK, &lock);
	call(fcntl, made, F_GETOWN);
	call(fcntl, made, F_SETOWN, 0);
	call(fcntl, made, F_SETOWN, -1);
	call(fcntl, made, F_SETOWN_EX, &owner);
	call(fcntl, made, F_GETOWN_EX, &owner);
	call(fcntl, made, F_SETSIG, SIGUSR1);
	call(fcntl, made, F_GETSIG);
	call(fcntl, made, F_GETLEASE);
	call(fcntl, made, F_SETLEASE, F_WRLCK);
	call(fcntl, made, F_SETLEASE, F_UNLCK);
	call(fcntl, made, F_NOTIFY, DN_CREATE | DN_MULTISHOT);
	call(fcntl, made, F_GET_RW_HINT, &hint);
	call(fcntl, made, F_SET_RW_HINT, &hint);
	call(fcntl, made, 7777, 5);
	memory = call(memfd_create, "memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	call(fcntl, memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	call(fcntl, memory, F_GET_SEALS);
	call(fcntl, made, F_GET_SEALS);
	call(memfd_create, "", 0);
	call(memfd_create, nowhere, 0x80);
	call(memfd_create, "huge", MFD_HUGETLB | 21U << 26);
	call(memfd_secret, O_CLOEXEC);
}

static void device(int made)
{
	int ends[2], number = 1;
	struct file_clone_range range = { made, 4096, 8192, 0 };
	struct winsize size = { 24, 80, 0, 0 };
	int terminal = call(open, "/dev/ptmx", O_RDWR | O_NOCTTY);

	call(pipe2, ends, 0);
	call(fcntl, ends[1], F_SETPIPE_SZ, 65536);
	call(fcntl, ends[1], F_GETPIPE_SZ);
	call(write, ends[1], "1234", 4);
	call(ioctl, ends[0], FIONREAD, &number);
	call(ioctl, ends[0], FIONBIO, &number);
	call(ioctl, made, FIONREAD, &number);
	call(ioctl, made, FIOCLEX);
	call(ioctl, made, FIONCLEX);
	call(ioctl, made, FIOASYNC, nowhere);
	call(ioctl, made, TCGETS, buffer);
	call(ioctl, made, TIOCGWINSZ, &size);
	call(ioctl, terminal, TIOCGWINSZ, &size);
	call(ioctl, terminal, TIOCSWINSZ, &size);
	call(ioctl, terminal, TIOCGPTN, &number);
	number = 0;
	call(ioctl, terminal, TIOCSPTLCK, &number);
	call(ioctl, terminal, TCGETS, buffer);
	call(ioctl, terminal, TCSETS, buffer);
	call(ioctl, terminal, TIOCGPGRP, &number);
	call(ioctl, made, FS_IOC_GETFLAGS, &number);
	call(ioctl, made, FICLONE, ends[0]);
	call(ioctl, made, FICLONERANGE, &range);
	call(ioctl, made, FICLONERANGE, nowhere);
	call(ioctl, made, BLKGETSIZE64, buffer);
	call(ioctl, made, 0x12345678, 0x1000);
	call(ioctl, -1, 0, 0);
}

static void wait_with_poll(void)
{
	struct timespec soon = { 0, 1000000 };
	struct pollfd polled[3] = { { 0, POLLIN, 0 }, { 0, POLLOUT | POLLIN, 0 }, { -1, 0x7fff, 0 } };
	sigset_t signals;
	int ends[2];

	call(pipe2, ends, 0);
	polled[0].fd = ends[0];
	polled[1].fd = ends[1];
	call(poll, polled, 1, 0);
	call(poll, polled, 3, 10);
	call(poll, polled, 0, 1);
	call(poll, NULL, 0, 1);
	call(poll, nowhere, 2, 0);
	polled[1].fd = 999;
	call(poll, polled, 2, -1);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	call(ppoll, polled, 1, &soon, &signals, 8);
	call(ppoll, polled, 2, NULL, NULL, 8);
	soon.tv_nsec = 2000000;
	call(ppoll, polled, 2, &soon, NULL, 0);
	soon.tv_nsec = -1;
	call(ppoll, polled, 2, &soon, nowhere, 5);
}

static void wait_with_select(void)
{
	struct timespec soon = { 0, 1000000 };
	struct timeval brief = { 0, 1000 };
	struct {
		sigset_t *signals;
		size_t size;
	} mask;
	fd_set in, out, odd;
	sigset_t signals;
	int ends[2];

	call(pipe2, ends, 0);
	sigfillset(&signals);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&odd);
	FD_SET(ends[0], &in);
	call(select, ends[1] + 1, &in, NULL, NULL, &brief);
	FD_SET(ends[0], &in);
	FD_SET(ends[1], &in);
	FD_SET(ends[1], &out);
	call(select, ends[1] + 1, &in, &out, &odd, &brief);
	brief.tv_usec = 0;
	call(select, 0, NULL, NULL, NULL, &brief);
	call(select, 5, nowhere, NULL, NULL, &brief);
	FD_ZERO(&in);
	FD_SET(40, &in);
	call(select, 41, &in, NULL, NULL, NULL);
	call(select, -1, &in, NULL, NULL, NULL);
	mask.signals = &signals;
	mask.size = 8;
	FD_ZERO(&in);
	FD_SET(ends[0], &in);
	call(pselect6, ends[1] + 1, &in, NULL, NULL, &soon, &mask);
	FD_SET(ends[1], &out);
	call(pselect6, ends[1] + 1, NULL, &out, NULL, &soon, NULL);
	mask.signals = NULL;
	call(pselect6, 0, NULL, NULL, NULL, &soon, &mask);
	call(pselect6, 0, NULL, NULL, NULL, nowhere, nowhere);
}

static void wait_with_epoll(int made)
{
	struct epoll_event event = { EPOLLIN | EPOLLET, { .u64 = 0x1122334455667788 } }, found[4];
	struct timespec soon = { 0, 1000000 };
	int ends[2], set = call(epoll_create1, EPOLL_CLOEXEC);
	sigset_t signals;

	call(pipe2, ends, 0);
	sigemptyset(&signals);
	call(epoll_create, 5);
	call(epoll_create, 0);
	call(epoll_create1, 5);
	call(epoll_ctl, set, EPOLL_CTL_ADD, ends[0], &event);
	event.data.fd = ends[1];
	event.events = EPOLLOUT | EPOLLONESHOT | EPOLLRDHUP;
	call(epoll_ctl, set, EPOLL_CTL_ADD, ends[1], &event);
	call(epoll_ctl, set, EPOLL_CTL_MOD, ends[1], &event);
	call(epoll_ctl, set, EPOLL_CTL_ADD, made, &event);
	call(epoll_ctl, set, 77, made, &event);
	call(epoll_ctl, set, EPOLL_CTL_ADD, ends[1], nowhere);
	call(epoll_wait, set, found, 4, 0);
	call(epoll_wait, set, found, 4, 0);
	call(write, ends[1], "x", 1);
	call(epoll_pwait, set, found, 4, -1, &signals, 8);
	call(epoll_pwait, set, found, 4, 0, NULL, 8);
	call(epoll_pwait2, set, found, 4, &soon, NULL, 0);
	call(epoll_wait, set, nowhere, 4, 0);
	call(epoll_wait, set, found, 0, 0);
	call(epoll_wait, -1, found, 4, 0);
	call(epoll_ctl, set, EPOLL_CTL_DEL, ends[0], NULL);
	call(epoll_ctl, set, EPOLL_CTL_DEL, ends[1], &event);
}

static void special(int made)
{
	struct itimerspec once = { { 0, 0 }, { 0, 1000000 } }, left;
	sigset_t signals;
	int number;

	number = call(eventfd2, 5, O_NONBLOCK | O_CLOEXEC);
	call(read, number, buffer, 8);
	call(eventfd, 7);
	call(eventfd2, 0, 1);
	call(eventfd2, -1, 8);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGRTMIN + 2);
	number = call(signalfd4, -1, &signals, 8, O_NONBLOCK);
	call(signalfd4, number, &signals, 8, 0);
	call(signalfd, -1, &signals, 8);
	call(signalfd4, made, nowhere, 8, 0x11);
	number = call(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	call(timerfd_settime, number, 0, &once, NULL);
	call(timerfd_settime, number, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &once, &left);
	call(timerfd_gettime, number, &left);
	call(timerfd_settime, made, 0, &once, NULL);
	call(timerfd_settime, number, 8, nowhere, nowhere);
	call(timerfd_create, 77, 0);
	call(pidfd_open, getpid(), 0);
	call(pidfd_open, 0, O_NONBLOCK);
	call(pidfd_getfd, 999, 0, 0);
	call(userfaultfd, O_CLOEXEC | O_NONBLOCK | 1);
	call(userfaultfd, 0x80);
	number = call(inotify_init1, O_CLOEXEC | O_NONBLOCK);
	call(inotify_init, 0);
	call(inotify_init1, 1);
	call(inotify_add_watch, number, ".", 0x00000fff);
	call(inotify_add_watch, number, "made", 0x00000102 | 0x80000000 | 0x01000000);
	call(inotify_add_watch, number, "nothing", 0x00004000 | 0x2000);
	call(unlink, "made");
	call(read, number, buffer, sizeof(buffer));
	call(inotify_rm_watch, number, 1);
	call(inotify_rm_watch, made, 99);
	number = call(fanotify_init, 0x00000001 | 0x00000002, O_RDONLY | O_LARGEFILE);
	call(fanotify_mark, number, 1, 0x8 | 0x20, AT_FDCWD, ".");
	call(fanotify_mark, number, 1 | 0x10, 0x20000000 | 0x10000, AT_FDCWD, NULL);
	call(fanotify_mark, 999, 2, 0xf00000000000000f, 5, "made");
	call(fanotify_init, 0x8ff3, 077);
}

int main(void)
{
	int made = call(open, "made", O_CREAT | O_RDWR, 0644);

	duplicate(made);
	control(made);
	device(made);
	wait_with_poll();
	wait_with_select();
	wait_with_epoll(made);
	special(made);
	return 0;
}
