/* Who the caller is, and what the system is; with good and with bad arguments. */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <linux/kexec.h>
#include <linux/keyctl.h>
#include <linux/mempolicy.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static void *const nowhere = (void *)0xdead000;

static void credentials(void)
{
	gid_t groups[3] = { 5, 6, 7 }, got[64];
	uid_t real, effective, saved;
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 }, old = { _LINUX_CAPABILITY_VERSION_1, 0 };
	struct __user_cap_header_struct wrong = { 77, 0 };
	struct __user_cap_data_struct sets[2];

	call(getuid);
	call(geteuid);
	call(getgid);
	call(getegid);
	call(getresuid, &real, &effective, &saved);
	call(getresgid, &real, nowhere, &saved);
	call(setgroups, 3, groups);
	call(getgroups, 64, got);
	call(getgroups, 0, NULL);
	call(getgroups, 1, got);
	call(setgroups, 3, nowhere);
	call(setgroups, -1, NULL);
	call(capget, &header, sets);
	call(capget, &old, sets);
	call(capget, &wrong, sets);
	call(capget, &header, NULL);
	call(capget, nowhere, nowhere);
	call(capget, &header, sets);
	sets[0].effective &= ~(1 << CAP_SYS_TIME);
	call(capset, &header, sets);
	call(capset, &header, nowhere);
	call(setfsuid, 1000);
	call(setfsgid, -1);
	call(setresgid, 1000, -1, 1001);
	call(setregid, -1, 1001);
	call(setgid, 1001);
	call(setresuid, 1000, 1000, -1);
	call(setreuid, -1, 1000);
	call(setuid, 0);
	call(setuid, 77);
}

static void keys(void)
{
	char text[64];
	int key = call(add_key, "user", "a key", "secret", 6, KEY_SPEC_PROCESS_KEYRING);

	call(add_key, "user", nowhere, NULL, 0, 0);
	call(add_key, "nothing", "at all", nowhere, 5, 12345);
	call(request_key, "user", "a key", NULL, KEY_SPEC_PROCESS_KEYRING);
	call(request_key, "user", "no key", "info", 0);
	call(keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1);
	call(keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	call(keyctl, KEYCTL_JOIN_SESSION_KEYRING, "session");
	call(keyctl, KEYCTL_UPDATE, key, "other", 5);
	call(keyctl, KEYCTL_DESCRIBE, key, text, sizeof(text));
	call(keyctl, KEYCTL_DESCRIBE, key, NULL, 0);
	call(keyctl, KEYCTL_DESCRIBE, key, text, 3);
	call(keyctl, KEYCTL_READ, key, text, sizeof(text));
	call(keyctl, KEYCTL_READ, key, text, 2);
	call(keyctl, KEYCTL_GET_SECURITY, key, text, sizeof(text));
	call(keyctl, KEYCTL_SEARCH, KEY_SPEC_PROCESS_KEYRING, "user", "a key", 0);
	call(keyctl, KEYCTL_SETPERM, key, 0x3f3f0000);
	call(keyctl, KEYCTL_SETPERM, key, 0x01010000);
	call(keyctl, KEYCTL_CHOWN, key, -1, 1000);
	call(keyctl, KEYCTL_LINK, key, KEY_SPEC_USER_KEYRING);
	call(keyctl, KEYCTL_UNLINK, key, KEY_SPEC_USER_KEYRING);
	call(keyctl, KEYCTL_SET_TIMEOUT, key, 100);
	call(keyctl, KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_NO_CHANGE);
	call(keyctl, KEYCTL_NEGATE, key, 5, KEY_SPEC_PROCESS_KEYRING);
	call(keyctl, KEYCTL_REJECT, key, 5, 2, KEY_SPEC_PROCESS_KEYRING);
	call(keyctl, KEYCTL_ASSUME_AUTHORITY, 0);
	call(keyctl, KEYCTL_SESSION_TO_PARENT);
	call(keyctl, KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_PROCESS_KEYRING);
	call(keyctl, KEYCTL_INVALIDATE, key);
	call(keyctl, KEYCTL_REVOKE, key);
	call(keyctl, KEYCTL_CLEAR, KEY_SPEC_PROCESS_KEYRING);
	call(keyctl, KEYCTL_RESTRICT_KEYRING, KEY_SPEC_PROCESS_KEYRING, NULL, NULL);
	call(keyctl, KEYCTL_MOVE, key, KEY_SPEC_PROCESS_KEYRING, KEY_SPEC_USER_KEYRING, KEYCTL_MOVE_EXCL);
	call(keyctl, KEYCTL_CAPABILITIES, text, sizeof(text));
	call(keyctl, KEYCTL_CAPABILITIES, text, 1);
	call(keyctl, 999, 1, 2, 3, 4);
}

static void machine(void)
{
	struct utsname names;
	struct sysinfo info;
	unsigned int cpu, node;
	char data[300];

	call(uname, &names);
	call(uname, nowhere);
	call(sysinfo, &info);
	call(sysinfo, nowhere);
	call(getcpu, &cpu, &node, NULL);
	call(getcpu, NULL, nowhere, nowhere);
	call(getrandom, data, 8, 0);
	call(getrandom, data, 0, GRND_NONBLOCK | GRND_RANDOM);
	call(getrandom, nowhere, 8, 0);
	call(getrandom, data, 8, 77);
	call(unshare, CLONE_NEWUTS);
	call(sethostname, "a \"host\"", 8);
	call(sethostname, "too long", 100);
	call(sethostname, nowhere, 3);
	call(setdomainname, "domain", 6);
	call(reboot, 1, 2, 3, "text");
	call(reboot, 0xfee1dead, 0x28121969, 0x77777777, NULL);
	call(reboot, 0xfee1dead, 0, LINUX_REBOOT_CMD_RESTART2, "text");
	call(syslog, 10, NULL, 0);
	call(syslog, 9, NULL, 0);
	call(syslog, 3, nowhere, -1);
	call(syslog, 77, nowhere, 5);
	call(acct, "/nowhere/at/all");
	call(init_module, nowhere, 5, "parameters");
	call(finit_module, -1, "parameters", 3);
	call(delete_module, "no_such_module", 0x800);
	call(kexec_file_load, -1, -1, 4, "abc", 77);
	call(vhangup, 0);
#ifdef SYS_iopl
	call(iopl, 9);
	call(ioperm, 70000, 5, 1);
#endif
}

static void nodes(void)
{
	unsigned long mask[2] = { 1, 0 }, got[2];
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *pages[2] = { page, nowhere };
	int mode, to[2] = { 0, 0 }, status[2];

	memset(page, 1, 4096);
	call(get_mempolicy, &mode, got, 128, NULL, 0);
	call(get_mempolicy, NULL, NULL, 0, page, MPOL_F_ADDR);
	call(get_mempolicy, &mode, NULL, 0, page, MPOL_F_ADDR | MPOL_F_NODE);
	call(set_mempolicy, MPOL_DEFAULT, NULL, 0);
	call(set_mempolicy, MPOL_BIND | MPOL_F_STATIC_NODES, mask, 64);
	call(set_mempolicy, 99, nowhere, 64);
	call(mbind, page, 4096, MPOL_BIND, mask, 65, MPOL_MF_MOVE);
	call(mbind, nowhere, 4096, MPOL_DEFAULT, NULL, 0, 0);
	call(migrate_pages, 0, 64, mask, mask);
	call(move_pages, 0, 2, pages, to, status, MPOL_MF_MOVE);
	call(move_pages, 0, 2, pages, NULL, status, 0);
	call(move_pages, 0, 2, nowhere, NULL, nowhere, 0x77);
}

int main(void)
{
	machine();
	nodes();
	keys();
	credentials();
	return 0;
}
