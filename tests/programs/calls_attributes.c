/* Calls that ask what files are and say it: stat, extended attributes, times; in the working directory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#define call(name, ...) syscall(SYS_##name, __VA_ARGS__)

static char *const nowhere = (char *)0xdead000;
static char buffer[16384];

static void ask(int made)
{
	call(stat, "made", buffer);
	call(stat, "/dev/null", buffer);
	call(stat, "nothing", buffer);
	call(lstat, "symlink", buffer);
	call(lstat, "/dev", buffer);
	call(fstat, made, buffer);
	call(fstat, 0, buffer);
	call(fstat, made, nowhere);
	call(fstat, made, NULL);
	call(fstat, 999, buffer);
	call(newfstatat, AT_FDCWD, "made", buffer, 0);
	call(newfstatat, AT_FDCWD, "symlink", buffer, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
	call(newfstatat, made, "", buffer, AT_EMPTY_PATH);
	call(newfstatat, made, NULL, buffer, AT_EMPTY_PATH);
	call(newfstatat, made, "", buffer, 0);
	call(statx, AT_FDCWD, "made", AT_STATX_SYNC_AS_STAT, STATX_ALL, buffer);
	call(statx, AT_FDCWD, "/", AT_STATX_FORCE_SYNC | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, buffer);
	call(statx, AT_FDCWD, "/dev/null", AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MODE | STATX_SIZE, buffer);
	call(statx, made, "", AT_EMPTY_PATH, STATX_BTIME | STATX_MNT_ID | STATX_DIOALIGN, buffer);
	call(statx, made, "", AT_EMPTY_PATH, 0, buffer);
	call(statx, AT_FDCWD, "nothing", 0, 0x80000000, buffer);
	call(statx, AT_FDCWD, nowhere, 0, STATX_ALL, nowhere);
	call(statfs, ".", buffer);
	call(statfs, "/proc", buffer);
	call(statfs, "/dev", buffer);
	call(statfs, "/sys", buffer);
	call(statfs, "nothing", buffer);
	call(fstatfs, made, buffer);
	call(fstatfs, -1, buffer);
	call(ustat, 5, buffer);
}

static void extended(int made)
{
	call(setxattr, "made", "user.one", "first", 5, 0);
	call(setxattr, "made", "user.one", "again", 6, 1);
	call(setxattr, "made", "user.none", "x\0y\377", 4, 2);
	call(setxattr, "made", "user.empty", "", 0, 0);
	call(setxattr, "made", "user.null", NULL, 0, 0);
	call(setxattr, "made", "user.one", nowhere, 5, 0x80);
	call(lsetxattr, "symlink", "user.one", "first", 5, 0);
	call(fsetxattr, made, "trusted.two", "second", 6, 0);
	call(getxattr, "made", "user.one", buffer, sizeof(buffer));
	call(getxattr, "made", "user.one", NULL, 0);
	call(getxattr, "made", "user.one", buffer, 2);
	call(getxattr, "made", "user.missing", buffer, 100);
	call(lgetxattr, "made", "user.empty", buffer, 100);
	call(fgetxattr, made, "trusted.two", buffer, 100);
	call(listxattr, "made", buffer, sizeof(buffer));
	call(listxattr, "made", NULL, 0);
	call(llistxattr, "symlink", buffer, 100);
	call(flistxattr, made, buffer, 100);
	call(flistxattr, made, buffer, 2);
	call(removexattr, "made", "user.one");
	call(lremovexattr, "made", "user.missing");
	call(fremovexattr, made, "trusted.two");
	call(fremovexattr, made, nowhere);
}

static void times(void)
{
	struct utimbuf seconds = { .actime = 1, .modtime = 1000000000 };
	struct timeval micro[2] = { { 1, 2 }, { 1600000000, 999999 } };
	struct timespec nano[2] = { { 1, 2 }, { 1600000000, 999999999 } };

	call(utime, "made", &seconds);
	call(utime, "made", NULL);
	call(utime, "made", nowhere);
	call(utimes, "made", micro);
	call(utimes, "made", NULL);
	call(futimesat, AT_FDCWD, "made", micro);
	call(utimensat, AT_FDCWD, "made", nano, 0);
	call(utimensat, AT_FDCWD, "symlink", NULL, AT_SYMLINK_NOFOLLOW);
	nano[0].tv_nsec = UTIME_NOW;
	nano[1].tv_nsec = UTIME_OMIT;
	call(utimensat, AT_FDCWD, "made", nano, 0x10000);
	nano[0] = (struct timespec){ 0, 0 };
	nano[1] = (struct timespec){ -1, 1000000000 };
	call(utimensat, AT_FDCWD, "made", nano, 0);
	call(utimensat, AT_FDCWD, NULL, nowhere, 0);
}

int main(void)
{
	int made = call(open, "made", O_CREAT | O_RDWR, 0644);

	call(symlink, "made", "symlink");
	ask(made);
	extended(made);
	times();
	return 0;
}
