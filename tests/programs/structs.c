/* structs FOLDER: calls whose arguments point to what they take and to what they give. For each piece of memory it
 * says what it sees there itself: "NUMBER CAPTURE PART ADDRESS HEX". FOLDER is empty, and the working directory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MARK 0xAA /* what no call writes */

static FILE *out;

static void say(int number, int capture, int part, const void *at, long size)
{
	fprintf(out, "%d %d %d %ld ", number, capture, part, (long)at);
	for (long i = 0; i < size; i++)
		fprintf(out, "%02x", ((const unsigned char *)at)[i]);
	fputc('\n', out);
}

static void say_string(int number, int capture, const char *string)
{
	say(number, capture, 0, string, strlen(string));
}

static void must(int right)
{
	if (!right)
		exit(3);
}

static void files(void)
{
	struct open_how how = { .flags = O_RDWR | O_CREAT, .mode = 0640, .resolve = RESOLVE_BENEATH };
	struct stat status, by_name;
	struct statx more;
	struct flock lock = { .l_type = F_WRLCK, .l_start = 3, .l_len = 4 };
	char path[64], target[64], value[16];
	int ends[2], file, size = sizeof(how);

	must(!syscall(SYS_pipe2, ends, O_CLOEXEC));
	say(SYS_pipe2, 0, 0, ends, sizeof(ends));
	say(SYS_openat2, 1, 0, &how, size);
	must((file = syscall(SYS_openat2, AT_FDCWD, "file", &how, size)) >= 0);
	must(!syscall(SYS_fstat, file, &status));
	say(SYS_fstat, 0, 0, &status, sizeof(status));
	must(!syscall(SYS_newfstatat, AT_FDCWD, "file", &by_name, 0));
	say_string(SYS_newfstatat, 0, "file");
	say(SYS_newfstatat, 1, 0, &by_name, sizeof(by_name));
	must(!syscall(SYS_statx, AT_FDCWD, "file", 0, STATX_BASIC_STATS, &more));
	say(SYS_statx, 1, 0, &more, sizeof(more));
	must(!syscall(SYS_symlink, "where it points", "link"));
	say_string(SYS_symlink, 0, "where it points");
	say_string(SYS_symlink, 1, "link");
	must(syscall(SYS_readlink, "link", target, sizeof(target)) == 15);
	say_string(SYS_readlink, 0, "link");
	say(SYS_readlink, 1, 0, target, 15);
	must(!syscall(SYS_rename, "link", "renamed"));
	say_string(SYS_rename, 0, "link");
	say_string(SYS_rename, 1, "renamed");
	must(syscall(SYS_getcwd, path, sizeof(path)) > 0);
	say(SYS_getcwd, 0, 0, path, strlen(path) + 1);
	must(!syscall(SYS_setxattr, "file", "user.name", "value", 5, 0) || errno == EOPNOTSUPP);
	say_string(SYS_setxattr, 0, "file");
	say_string(SYS_setxattr, 1, "user.name");
	say(SYS_setxattr, 2, 0, "value", 5);
	/* With no room the result is how much there would be. */
	memset(value, MARK, sizeof(value));
	must(syscall(SYS_getxattr, "file", "user.name", value, 0) == 5 || errno == EOPNOTSUPP);
	must(!syscall(SYS_fcntl, file, F_SETLK, &lock));
	say(SYS_fcntl, 0, 0, &lock, sizeof(lock));
	must(syscall(SYS_fcntl, file, F_DUPFD_CLOEXEC, 6) >= 6);
	must(syscall(SYS_mount, "source", "/nowhere/at/all", "tmpfs", MS_RDONLY, "size=1k") < 0);
	say_string(SYS_mount, 0, "source");
	say_string(SYS_mount, 1, "/nowhere/at/all");
	say_string(SYS_mount, 2, "tmpfs");
	say_string(SYS_mount, 3, "size=1k");
}

static void sets(int readable, int other)
{
	struct pollfd polled[2] = { { .fd = readable, .events = POLLIN }, { .fd = other, .events = POLLOUT } };
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 77 }, events[3];
	struct timespec patience = { .tv_sec = 9 };
	unsigned long mask = 1UL << (SIGUSR2 - 1);
	struct {
		unsigned long *mask;
		size_t size;
	} masked = { &mask, sizeof(mask) };
	int count = readable > other ? readable + 1 : other + 1, epoll;
	size_t bytes = (count + 63) / 64 * 8;
	fd_set in, to, ex;

	say(SYS_poll, 0, 0, polled, sizeof(polled));
	must(syscall(SYS_poll, polled, 2, 0) >= 1);
	say(SYS_poll, 1, 0, polled, sizeof(polled));
	FD_ZERO(&in);
	FD_ZERO(&to);
	FD_ZERO(&ex);
	FD_SET(readable, &in);
	FD_SET(other, &in);
	FD_SET(other, &to);
	FD_SET(readable, &ex);
	say(SYS_pselect6, 0, 0, &in, bytes);
	say(SYS_pselect6, 1, 0, &to, bytes);
	say(SYS_pselect6, 2, 0, &ex, bytes);
	say(SYS_pselect6, 3, 0, &patience, sizeof(patience));
	say(SYS_pselect6, 4, 0, &masked, sizeof(masked));
	say(SYS_pselect6, 5, 0, &mask, sizeof(mask));
	must(syscall(SYS_pselect6, count, &in, &to, &ex, &patience, &masked) >= 1);
	say(SYS_pselect6, 6, 0, &in, bytes);
	say(SYS_pselect6, 7, 0, &to, bytes);
	say(SYS_pselect6, 8, 0, &ex, bytes);
	say(SYS_pselect6, 9, 0, &patience, sizeof(patience));
	must(syscall(SYS_pselect6, 0, NULL, NULL, NULL, NULL, (void *)16) < 0);
	must((epoll = epoll_create1(0)) >= 0);
	must(!syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, readable, &event));
	say(SYS_epoll_ctl, 0, 0, &event, sizeof(event));
	must(syscall(SYS_epoll_wait, epoll, events, 3, 0) == 1);
	say(SYS_epoll_wait, 0, 0, events, sizeof(*events));
}

static void nothing(int signal)
{
	(void)signal;
}

static void signals(void)
{
	struct {
		void *handler;
		unsigned long flags, restorer, mask;
	} now = { SIG_IGN, 0, 0, 1UL << (SIGHUP - 1) }, before;
	/* Again and again: the first may come before the call. */
	struct itimerval soon = { { .tv_usec = 20000 }, { .tv_usec = 20000 } }, never = { 0 };
	struct timespec asked = { .tv_sec = 5, .tv_nsec = 1 }, left = { 0 }, unused = { 0 };
	struct timespec moment = { .tv_nsec = 1000 };
	unsigned long blocked = 1UL << (SIGUSR1 - 1), former;
	unsigned int word = 3;

	must(!syscall(SYS_rt_sigaction, SIGUSR1, &now, &before, sizeof(now.mask)));
	say(SYS_rt_sigaction, 0, 0, &now, sizeof(now));
	say(SYS_rt_sigaction, 1, 0, &before, sizeof(before));
	must(!syscall(SYS_rt_sigprocmask, SIG_BLOCK, &blocked, &former, sizeof(blocked)));
	say(SYS_rt_sigprocmask, 0, 0, &blocked, sizeof(blocked));
	say(SYS_rt_sigprocmask, 1, 0, &former, sizeof(former));
	signal(SIGALRM, nothing);
	setitimer(ITIMER_REAL, &soon, NULL);
	must(syscall(SYS_nanosleep, &asked, &left) < 0);
	setitimer(ITIMER_REAL, &never, NULL);
	say(SYS_nanosleep, 0, 0, &asked, sizeof(asked));
	say(SYS_nanosleep, 1, 0, &left, sizeof(left));
	must(!syscall(SYS_nanosleep, &moment, &unused));
	must(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 3, &moment, NULL, 0) < 0);
	say(SYS_futex, 0, 0, &moment, sizeof(moment));
	must(!syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, &moment, NULL, 0));
}

static void processes(void)
{
	struct clone_args clone = { .exit_signal = SIGCHLD };
	struct rusage usage;
	unsigned long cpus[16];
	gid_t groups[64];
	char copied[8], own[] = "in my own memory";
	struct iovec local[] = { { copied, sizeof(copied) } }, remote[] = { { own, 3 }, { own + 8, 2 } };
	int status, child, count;

	say(SYS_clone3, 0, 0, &clone, CLONE_ARGS_SIZE_VER1);
	must((child = syscall(SYS_clone3, &clone, CLONE_ARGS_SIZE_VER1)) >= 0);
	if (!child)
		_exit(5);
	must(syscall(SYS_wait4, child, &status, 0, &usage) == child);
	say(SYS_wait4, 0, 0, &status, sizeof(status));
	say(SYS_wait4, 1, 0, &usage, sizeof(usage));
	must((count = syscall(SYS_sched_getaffinity, 0, sizeof(cpus), cpus)) > 0);
	say(SYS_sched_getaffinity, 0, 0, cpus, count);
	must(!syscall(SYS_sched_setaffinity, 0, count, cpus));
	say(SYS_sched_setaffinity, 0, 0, cpus, count);
	must((count = syscall(SYS_getgroups, 64, groups)) >= 0);
	say(SYS_getgroups, 0, 0, groups, count * sizeof(*groups));
	must(!syscall(SYS_prctl, PR_SET_NAME, "renamed"));
	say_string(SYS_prctl, 0, "renamed");
	must(syscall(SYS_prctl, PR_SET_KEEPCAPS, 0) == 0);
	must(syscall(SYS_process_vm_readv, getpid(), local, 1, remote, 2, 0) == 5);
	say(SYS_process_vm_readv, 0, 0, local, sizeof(local));
	say(SYS_process_vm_readv, 0, 1, copied, 5);
	say(SYS_process_vm_readv, 1, 0, remote, sizeof(remote));
	must(syscall(SYS_execveat, AT_FDCWD, "/nowhere", (char *[]){ "own name", NULL }, NULL, 0) < 0);
	say_string(SYS_execveat, 0, "/nowhere");
}

static void sockets(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, there = { 0 };
	socklen_t size = sizeof(here), room = sizeof(there), said;
	int first = socket(AF_INET, SOCK_DGRAM, 0), second = socket(AF_INET, SOCK_DGRAM, 0), on = 1, got = 0, pair[2];
	char heard[32] = { 0 }, random[24], rights[CMSG_SPACE(sizeof(int))] = { 0 }, others[256] = { 0 };
	struct iovec parts[] = { { "word", 4 } }, to[] = { { heard, 4 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 1, .msg_control = rights,
				  .msg_controllen = sizeof(rights) };
	struct msghdr answer = { .msg_iov = to, .msg_iovlen = 1, .msg_control = others,
				 .msg_controllen = sizeof(others) };
	struct msghdr unnamed = { .msg_iov = to, .msg_iovlen = 1, .msg_name = &there };
	struct mmsghdr many[2] = { { .msg_hdr = { .msg_iov = parts, .msg_iovlen = 1 } },
				   { .msg_hdr = { .msg_iov = parts, .msg_iovlen = 1 } } };
	struct cmsghdr *control = CMSG_FIRSTHDR(&message);

	must(!bind(first, (void *)&here, sizeof(here)) && !getsockname(first, (void *)&here, &size));
	must(syscall(SYS_sendto, second, "a long datagram", 15, 0, &here, sizeof(here)) == 15);
	say(SYS_sendto, 0, 0, &here, sizeof(here));
	/* The result is the datagram's length, and not how much of it was written. */
	memset(heard, MARK, sizeof(heard));
	must(syscall(SYS_recvfrom, first, heard, 6, MSG_TRUNC, &there, &room) == 15);
	say(SYS_recvfrom, 0, 0, heard, 6);
	said = sizeof(there);
	say(SYS_recvfrom, 1, 0, &there, said);
	/* No room for a name at all. */
	must(syscall(SYS_sendto, second, "word", 4, 0, &here, sizeof(here)) == 4);
	must(syscall(SYS_recvmsg, first, &unnamed, MSG_DONTWAIT) == 4);
	must(!syscall(SYS_setsockopt, first, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	say(SYS_setsockopt, 0, 0, &on, sizeof(on));
	size = sizeof(got);
	must(!syscall(SYS_getsockopt, first, SOL_SOCKET, SO_TYPE, &got, &size));
	say(SYS_getsockopt, 0, 0, &got, sizeof(got));
	must(syscall(SYS_getrandom, random, sizeof(random), 0) == sizeof(random));
	say(SYS_getrandom, 0, 0, random, sizeof(random));

	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(control), &first, sizeof(int));
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	must(syscall(SYS_sendmsg, pair[0], &message, 0) == 4);
	say(SYS_sendmsg, 0, 3, rights, sizeof(rights));
	must(syscall(SYS_recvmsg, pair[1], &answer, 0) == 4);
	say(SYS_recvmsg, 0, 0, &answer, sizeof(answer));
	say(SYS_recvmsg, 0, 3, others, answer.msg_controllen);
	say(SYS_recvmsg, 0, 4, heard, 4);
	must(syscall(SYS_sendmmsg, pair[0], many, 2, 0) == 2);
	say(SYS_sendmmsg, 1, 4, "word", 4);
	must(syscall(SYS_recvmmsg, pair[1], (memcpy(&many[0].msg_hdr, &answer, sizeof(answer)), many), 1, 0, NULL) == 1);
	say(SYS_recvmmsg, 0, 0, many, sizeof(*many));
	sets(pair[1], pair[0]);
}

int main(int argc, char **argv)
{
	if (argc < 2 || chdir(argv[1]) || !(out = fopen("said", "we")))
		return 1;
	files();
	signals();
	processes();
	sockets();
	return fclose(out) ? 1 : 0;
}
