/* juggler: does what its stdin says, a command a line, paths in hexadecimal digits; what fails, fails. After each it
 * says what each of its descriptors and its directory are, as /proc has it, and names them in calls:
 *   fd PID NUMBER FLAGS DEVICE INODE MODE PATH    before lseek(NUMBER), and faccessat(NUMBER) if it is a directory,
 *   cwd PID 0 0 DEVICE INODE MODE PATH            before access(), each with an argument by which it is known
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST 3
#define LAST 12
#define MARK 99
#define OWN 100 /* from here on: its own, which nobody asks for */
#define PROC 200

static int proc = PROC;

static void say(const char *what, int number, const char *link, int flags, const struct stat *status)
{
	char path[8192];
	long length = readlinkat(proc, link, path, sizeof(path));

	printf("%s %d %d %o %lu %lu %o ", what, getpid(), number, flags, status->st_dev, status->st_ino, status->st_mode);
	for (long i = 0; i < length; i++)
		printf("%02x", (unsigned char)path[i]);
	putchar('\n');
}

static int flags_of(int number)
{
	char name[32], line[64] = "";
	int flags = -1;
	FILE *file;

	snprintf(name, sizeof(name), "self/fdinfo/%d", number);
	file = fdopen(openat(proc, name, O_RDONLY), "r");
	while (file && fgets(line, sizeof(line), file) && sscanf(line, "flags: %o", (unsigned int *)&flags) != 1)
		;
	if (file)
		fclose(file);
	return flags & ~O_CLOEXEC; /* of the descriptor, and not of the file */
}

static void look_at(int number)
{
	char link[32];
	struct stat status;

	if (fstat(number, &status))
		return;
	snprintf(link, sizeof(link), "self/fd/%d", number);
	say("fd", number, link, flags_of(number), &status);
	syscall(SYS_lseek, number, 0, MARK);
	if (S_ISDIR(status.st_mode))
		syscall(SYS_faccessat, number, "nothing", MARK);
}

static void look(void)
{
	struct stat status;

	for (int number = FIRST; number <= LAST; number++)
		look_at(number);
	if (!fstatat(proc, "self/cwd", &status, 0)) {
		say("cwd", 0, "self/cwd", 0, &status);
		syscall(SYS_access, "nothing", MARK);
	}
	fflush(stdout);
}

static const char *path_of(const char *digits)
{
	static char paths[2][8192];
	static int turn;
	char *path = paths[turn ^= 1];
	size_t length = strlen(digits) / 2;

	for (size_t i = 0; i < length; i++)
		sscanf(digits + 2 * i, "%2hhx", (unsigned char *)path + i);
	path[length] = 0;
	return path;
}

static void many(const char *kind)
{
	int ends[2];

	if (!strcmp(kind, "pipe") && pipe2(ends, O_NONBLOCK))
		return;
	if (!strcmp(kind, "pair") && socketpair(AF_UNIX, SOCK_DGRAM, 0, ends))
		return;
	if (!strcmp(kind, "memfd"))
		memfd_create("a memfd", 0);
	if (!strcmp(kind, "eventfd"))
		eventfd(0, EFD_NONBLOCK);
	if (!strcmp(kind, "epoll"))
		epoll_create1(0);
	if (!strcmp(kind, "pidfd"))
		syscall(SYS_pidfd_open, getpid(), 0);
	if (!strcmp(kind, "inet"))
		socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

/* In a mount namespace of its own, into which nothing comes and out of which nothing goes. */
static void mounts(const char *command, const char *path, const char *other)
{
	static int alone;

	if (!strcmp(command, "alone"))
		alone = !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	else if (!strcmp(command, "unshare"))
		unshare(CLONE_NEWNS);
	else if (!strcmp(command, "mount") && alone)
		mount("juggler", path, "tmpfs", 0, NULL);
	else if (!strcmp(command, "bind") && alone)
		mount(path, other, NULL, MS_BIND, NULL);
	else if (!strcmp(command, "move") && alone)
		mount(path, other, NULL, MS_MOVE, NULL);
	else if (!strcmp(command, "detach") && alone)
		umount2(path, MNT_DETACH);
}

/* Itself anew. What it does not keep, it closes: O_CLOEXEC. */
static void execute(void)
{
	int file = fcntl(openat(proc, "self/exe", O_PATH), F_DUPFD_CLOEXEC, OWN);
	char *arguments[] = { "juggler", "again", NULL };

	execveat(file, "", arguments, NULL, AT_EMPTY_PATH);
	close(file);
}

/* Whether it is still to do more: a child goes on in its parent's stead. */
static int obey(const char *command, const char *first, const char *second, int number, int other)
{
	if (!strcmp(command, "open"))
		(void)!open(path_of(first), number, other);
	else if (!strcmp(command, "close"))
		close(number);
	else if (!strcmp(command, "dup"))
		(void)!dup(number);
	else if (!strcmp(command, "dup2"))
		dup2(number, other);
	else if (!strcmp(command, "unlink"))
		unlink(path_of(first));
	else if (!strcmp(command, "rmdir"))
		rmdir(path_of(first));
	else if (!strcmp(command, "mkdir"))
		mkdir(path_of(first), 0755);
	else if (!strcmp(command, "rename"))
		rename(path_of(first), path_of(second));
	else if (!strcmp(command, "exchange"))
		renameat2(AT_FDCWD, path_of(first), AT_FDCWD, path_of(second), RENAME_EXCHANGE);
	else if (!strcmp(command, "link"))
		(void)!link(path_of(first), path_of(second));
	else if (!strcmp(command, "chdir"))
		(void)!chdir(path_of(first));
	else if (!strcmp(command, "fchdir"))
		(void)!fchdir(number);
	else if (!strcmp(command, "fchmod"))
		fchmod(number, other);
	else if (!strcmp(command, "setfl"))
		fcntl(number, F_SETFL, other);
	else if (!strcmp(command, "make"))
		many(path_of(first));
	else if (!strcmp(command, "chroot"))
		(void)!chroot(path_of(first));
	else if (!strcmp(command, "exec"))
		execute();
	else if (!strcmp(command, "fork") && fork() > 0)
		return wait(NULL), 0;
	else
		mounts(command, path_of(first), path_of(second));
	return 1;
}

int main(int argc, char *argv[])
{
	char line[65536], command[16], first[16384], second[16384];
	int number, other, more = 1;
	FILE *input = fdopen(fcntl(0, F_DUPFD_CLOEXEC, OWN), "r");

	/* Not a byte more than the line: the rest is for who comes after an exec. */
	setvbuf(input, NULL, _IONBF, 0);
	if (argc == 1) {
		proc = dup2(open("/proc", O_PATH | O_DIRECTORY), PROC);
		for (number = FIRST; number < OWN; number++)
			close(number);
	} else {
		look();
	}
	while (more && fgets(line, sizeof(line), input)) {
		if (sscanf(line, "%15s %16383s %16383s %d %d", command, first, second, &number, &other) != 5)
			return 1;
		more = obey(command, first, second, number, other);
		look();
	}
	return 0;
}
