/* Calls that name files, with good and with bad arguments; in the working directory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, __VA_ARGS__)

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static char *const nowhere = (char *)0xdead000;
static char longest[4096], too_long[5000];

static void open_files(void)
{
	struct open_how how = { .flags = O_RDWR | O_CREAT | O_CLOEXEC,
				.mode = 0640,
				.resolve = RESOLVE_BENEATH };
	char longer[64];

	call(open, "made", O_CREAT | O_EXCL | O_RDWR | O_TRUNC, 0600);
	call(open, "made", O_RDONLY, 0644);
	call(open, "made", O_WRONLY | O_APPEND | O_NONBLOCK | O_SYNC | O_NOCTTY | O_DSYNC, 0);
	call(open, ".", O_TMPFILE | O_RDWR, 0644);
	call(open, ".", O_DIRECTORY | O_PATH | O_NOFOLLOW, 0);
	call(open, "made", O_ACCMODE, 0);
	call(open, "made", 0x50000000, 0);
	call(open, "made", -1, -1);
	call(creat, "created", 0666);
	call(creat, "created", 04000);
	call(openat, AT_FDCWD, "a \"name\"\n\t\1\02\0033\377\\", O_CREAT | O_RDWR, 0);
	call(openat, -5, "made", O_RDONLY, 0);
	call(openat, 999, "/dev/null", O_RDWR | O_DIRECT | O_NOATIME | O_LARGEFILE, 0);
	call(openat, 999, "relative", O_RDWR, 0);
	call(openat, AT_FDCWD, nowhere, O_RDWR, 0);
	call(openat, AT_FDCWD, NULL, O_RDWR, 0);
	call(openat, AT_FDCWD, "", O_RDWR, 0);
	memset(longest, 'x', sizeof(longest) - 1);
	call(openat, AT_FDCWD, longest, O_RDONLY, 0);
	memset(too_long, 'y', sizeof(too_long) - 1);
	call(openat, AT_FDCWD, too_long, O_RDONLY, 0);
	call(openat2, AT_FDCWD, "how", &how, sizeof(how));
	how.flags |= 1ULL << 40;
	how.resolve = ~0ULL;
	call(openat2, AT_FDCWD, "how", &how, sizeof(how));
	how = (struct open_how){ .flags = O_PATH };
	call(openat2, AT_FDCWD, "how", &how, sizeof(how));
	memset(longer, 0, sizeof(longer));
	call(openat2, AT_FDCWD, "how", longer, sizeof(longer));
	longer[40] = 1;
	call(openat2, AT_FDCWD, "how", longer, sizeof(longer));
	call(openat2, AT_FDCWD, "how", &how, 8);
	call(openat2, AT_FDCWD, "how", nowhere, sizeof(how));
	call(openat2, AT_FDCWD, "how", NULL, sizeof(how));
}

static void make_names(void)
{
	call(mkdir, "directory", 0755);
	call(mkdir, "directory", 01777);
	call(mkdirat, AT_FDCWD, "directory/inner", 0);
	call(mknod, "fifo", S_IFIFO | 0644, 0);
	call(mknod, "plain", 0600, 0);
	call(mknod, "plain2", S_IFREG | S_ISUID | S_ISGID | S_ISVTX | 07, 5);
	call(mknodat, AT_FDCWD, "device", S_IFCHR | 0600, 0x103);
	call(mknodat, AT_FDCWD, "block", S_IFBLK | 0600, 0x12345678);
	call(mknodat, AT_FDCWD, "socket", S_IFSOCK, 0);
	call(link, "made", "linked");
	call(linkat, AT_FDCWD, "made", AT_FDCWD, "linked", AT_SYMLINK_FOLLOW | AT_EMPTY_PATH);
	call(linkat, 3, "", AT_FDCWD, "linked2", 0x80000000);
	call(symlink, "made", "symlink");
	call(symlinkat, "../loop", AT_FDCWD, "loop");
	call(symlink, "loop2", "loop1");
	call(symlink, "loop1", "loop2");
	call(open, "loop1", O_RDONLY, 0);
	call(open, "loop1", O_PATH | O_NOFOLLOW, 0);
	call(rename, "linked", "renamed");
	call(renameat, AT_FDCWD, "renamed", AT_FDCWD, "directory/renamed");
	call(renameat2, AT_FDCWD, "fifo", AT_FDCWD, "plain", 2);
	call(renameat2, AT_FDCWD, "fifo", AT_FDCWD, "plain", 1);
	call(renameat2, AT_FDCWD, "fifo", AT_FDCWD, "plain", 0);
	call(renameat2, AT_FDCWD, "fifo", AT_FDCWD, "plain", 0x87);
	call(rename, nowhere, NULL);
	call(unlink, "socket");
	call(unlink, "nothing");
	call(unlinkat, AT_FDCWD, "directory/renamed", 0);
	call(unlinkat, AT_FDCWD, "directory/inner", AT_REMOVEDIR);
	call(unlinkat, AT_FDCWD, "directory/inner", 0x80000000 | AT_REMOVEDIR);
	call(rmdir, "directory/inner");
}

static void read_links(void)
{
	char target[4096];
	int directory = call(open, ".", O_RDONLY | O_DIRECTORY, 0);

	call(readlink, "symlink", target, sizeof(target));
	call(readlink, "symlink", target, 3);
	call(readlink, "symlink", target, 0);
	call(readlink, "made", target, sizeof(target));
	call(readlink, "symlink", nowhere, 10);
	call(readlinkat, directory, "symlink", target, sizeof(target));
	call(readlinkat, AT_FDCWD, "/proc/self/exe", target, sizeof(target));
	call(getcwd, target, sizeof(target));
	call(getcwd, target, 2);
	call(getcwd, nowhere, 100);
	call(chdir, "directory");
	call(fchdir, directory);
	call(fchdir, -1);
	call(chdir, "/nonexistent");
	call(chdir, "directory/../directory/.");
	call(openat, directory, "made", O_RDONLY, 0);
	call(openat, AT_FDCWD, "../made", O_RDONLY, 0);
	call(rmdir, "../directory");
	call(openat, AT_FDCWD, "gone", O_RDONLY, 0);
	call(getcwd, target, sizeof(target));
	call(fchdir, directory);
	call(close, directory);
}

static void change_attributes(void)
{
	int made = call(open, "made", O_RDWR, 0);

	call(access, "made", R_OK | W_OK | X_OK);
	call(access, "made", F_OK);
	call(access, "made", 8);
	call(access, "made", 0xff);
	call(faccessat, AT_FDCWD, "made", R_OK);
	call(faccessat2, AT_FDCWD, "made", W_OK, AT_EACCESS);
	call(faccessat2, AT_FDCWD, "made", W_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW | 1);
	call(chmod, "made", 0);
	call(chmod, "made", 06755);
	call(chmod, "made", 0100644);
	call(fchmod, made, 0600);
	call(fchmod, 99, 7);
	call(fchmodat, AT_FDCWD, "made", 0640);
	call(fchmodat2, AT_FDCWD, "symlink", 0640, AT_SYMLINK_NOFOLLOW);
	call(fchmodat2, made, "", 0641, AT_EMPTY_PATH);
	call(chown, "made", 1, -1);
	call(lchown, "symlink", -1, 1000);
	call(fchown, made, 0, 0);
	call(fchownat, AT_FDCWD, "made", 0x7fffffff, 0x80000000, AT_SYMLINK_NOFOLLOW);
	call(fchownat, made, "", 0, -1, AT_EMPTY_PATH | 0x20000000);
	call(umask, 0);
	call(umask, 027);
	call(umask, 07);
	call(umask, 0xfffff);
	call(truncate, "made", 12345678901);
	call(truncate, "made", -1);
	call(ftruncate, made, 10);
	call(ftruncate, -1, 0);
	call(close, made);
}

static void handles(void)
{
	struct file_handle *handle = (void *)longest;
	int mount = -1;

	handle->handle_bytes = 0;
	call(name_to_handle_at, AT_FDCWD, "made", handle, &mount, 0);
	call(name_to_handle_at, AT_FDCWD, "made", handle, &mount, AT_SYMLINK_FOLLOW);
	call(open_by_handle_at, AT_FDCWD, handle, O_RDONLY);
	call(name_to_handle_at, AT_FDCWD, "made", nowhere, &mount, AT_EMPTY_PATH);
	call(name_to_handle_at, AT_FDCWD, "made", handle, nowhere, 0x80000000);
	call(open_by_handle_at, AT_FDCWD, nowhere, O_RDWR | O_PATH);
	call(open_by_handle_at, -1, NULL, 0);
}

int main(void)
{
	open_files();
	make_names();
	read_links();
	change_attributes();
	handles();
	return 0;
}
