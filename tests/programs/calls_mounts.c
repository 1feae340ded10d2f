/* Calls about mounts, in a mount namespace of its own; in the working directory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, __VA_ARGS__)

/* sys/mount.h and linux/mount.h cannot both be included. */
int umount2(const char *target, int flags);
#define MNT_FORCE 1
#define MNT_DETACH 2
#define UMOUNT_NOFOLLOW 8

static char *const nowhere = (char *)0xdead000;

int main(void)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
	int context, tree;

	unshare(CLONE_NEWNS);
	call(mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	call(mkdir, "root", 0755);
	call(mount, "nothing", "root", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=1m,mode=0755");
	call(mount, "none", "root", NULL, MS_REMOUNT | MS_RDONLY, "size=2m");
	call(mount, "root", "root", "ignored", MS_BIND | MS_REC, "ignored");
	call(mount, NULL, "root", NULL, MS_REMOUNT | MS_BIND | MS_RELATIME, NULL);
	call(mount, "root", "root", NULL, MS_MOVE, NULL);
	call(mount, "x", "nothing", "none", 0, nowhere);
	call(mount, nowhere, nowhere, nowhere, 0xc0ed0000 | MS_SYNCHRONOUS, nowhere);
	call(umount2, "root", MNT_DETACH);
	call(umount2, "root", 0);
	call(umount2, "root", UMOUNT_NOFOLLOW | MNT_FORCE | 0x80);
	context = call(fsopen, "tmpfs", FSOPEN_CLOEXEC);
	call(fsopen, "nothing", 2);
	call(fsconfig, context, FSCONFIG_SET_STRING, "size", "1m", 0);
	call(fsconfig, context, FSCONFIG_SET_FLAG, "ro", NULL, 0);
	call(fsconfig, context, FSCONFIG_SET_BINARY, "blob", "\0\1", 2);
	call(fsconfig, context, FSCONFIG_SET_PATH, "path", "/tmp", AT_FDCWD);
	call(fsconfig, context, FSCONFIG_SET_FD, "fd", NULL, context);
	call(fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	call(fsconfig, context, 99, nowhere, nowhere, 5);
	tree = call(fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
	call(fsmount, -1, 2, 0x80);
	call(move_mount, tree, "", AT_FDCWD, "root", MOVE_MOUNT_F_EMPTY_PATH);
	call(move_mount, AT_FDCWD, "a", AT_FDCWD, "b", 0x8000);
	tree = call(open_tree, AT_FDCWD, "root", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | 0x8000);
	call(open_tree, -1, "", AT_EMPTY_PATH);
	call(fspick, AT_FDCWD, "root", FSPICK_CLOEXEC | FSPICK_NO_AUTOMOUNT);
	call(mount_setattr, tree, "", AT_EMPTY_PATH | 0x8000, &attributes, sizeof(attributes));
	attributes = (struct mount_attr){ .propagation = 1 << 18, .attr_clr = MOUNT_ATTR__ATIME };
	call(mount_setattr, AT_FDCWD, "root", 0, &attributes, sizeof(attributes));
	call(mount_setattr, AT_FDCWD, "root", 0, &attributes, 5);
	call(mount_setattr, AT_FDCWD, "root", 0, nowhere, sizeof(attributes));
	call(quotactl, 0x800002 << 8 | 1, "/dev/nothing", 0, "aquota");
	call(quotactl, 0x800007 << 8, nowhere, 1000, nowhere);
	call(quotactl_fd, 5, 0x800001 << 8, 0, nowhere);
	call(swapon, "nothing", 0);
	call(swapoff, "nothing");
	call(acct, "nothing");
	call(sync, 0);
	call(chroot, "nothing");
	call(mkdir, "root/old", 0755);
	call(pivot_root, "root", "root/old");
	call(pivot_root, "nothing", nowhere);
	call(chdir, "/");
	call(open, "old/etc/hostname", O_RDONLY, 0);
	call(chroot, "/old");
	call(open, "/etc/hostname", O_RDONLY, 0);
	call(open, "../etc/hostname", O_RDONLY, 0);
	return 0;
}
