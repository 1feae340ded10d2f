/* Calls about memory, with good and with bad arguments; in the working directory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, __VA_ARGS__)
#define PAGE 4096UL

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static char *const nowhere = (char *)0xdead000;
static char buffer[8192];

int main(void)
{
	int made = call(open, "made", O_CREAT | O_RDWR, 0644), self;
	unsigned long mask[2] = { 1, 0 };
	struct iovec here = { buffer, 10 }, there = { buffer + 100, 10 };
	void *pages[2] = { buffer, nowhere };
	int status[2] = { 0, 0 }, nodes[2] = { 0, 0 };
	char *at;

	call(ftruncate, made, 10 * PAGE);
	at = (char *)call(mmap, NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	call(mmap, at, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	call(mmap, NULL, PAGE, PROT_READ, MAP_SHARED, made, 2 * PAGE);
	call(mmap, NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, made, 0);
	call(mmap, NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_POPULATE | MAP_LOCKED, made, PAGE);
	call(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_GROWSDOWN | MAP_32BIT, -1, 0);
	call(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << 26, -1, 0);
	call(mmap, NULL, 0, 0x40, 0, 999, 1);
	call(mmap, 1, PAGE, PROT_READ, MAP_FIXED_NOREPLACE | MAP_PRIVATE, made, 0);
	call(mprotect, at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	call(mprotect, at, PAGE, PROT_NONE);
	call(mprotect, 1, PAGE, 0x10000000 | PROT_GROWSDOWN);
	call(madvise, at, PAGE, MADV_DONTNEED);
	call(madvise, at, PAGE, MADV_HUGEPAGE);
	call(madvise, 1, PAGE, 999);
	call(mincore, at, 4 * PAGE, buffer);
	call(mincore, at, 4 * PAGE, nowhere);
	call(mincore, 1, PAGE, buffer);
	call(msync, at, PAGE, MS_SYNC);
	call(msync, at, PAGE, MS_ASYNC | MS_INVALIDATE);
	call(msync, at, PAGE, 0x80);
	call(mlock, at + PAGE, PAGE);
	call(mlock2, at + PAGE, PAGE, MLOCK_ONFAULT);
	call(mlock2, at, PAGE, 6);
	call(munlock, at + PAGE, PAGE);
	call(mlockall, MCL_CURRENT | MCL_ONFAULT);
	call(mlockall, 0x80);
	call(munlockall, 0);
	call(mprotect, at, PAGE, PROT_READ | PROT_WRITE);
	at = (char *)call(mremap, at, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	call(mremap, at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 6 * PAGE);
	call(mremap, at + PAGE, PAGE, 0, 0);
	call(mremap, 1, 0, 0, 0x80);
	call(remap_file_pages, 1, PAGE, 0, 0, MAP_NONBLOCK);
	call(munmap, at, 8 * PAGE);
	call(munmap, 1, 0);
	call(brk, 0);
	call(brk, 1);
	call(membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	call(membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	call(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 1, 0);
	call(pkey_alloc, 0, PKEY_DISABLE_WRITE);
	call(pkey_alloc, 1, 0x80);
	call(pkey_mprotect, nowhere, PAGE, PROT_READ, 5);
	call(pkey_free, 99);
	call(get_mempolicy, status, mask, 64, NULL, 0);
	call(get_mempolicy, status, NULL, 0, buffer, MPOL_F_NODE | MPOL_F_ADDR);
	call(get_mempolicy, nowhere, nowhere, 64, nowhere, 0x80);
	mask[0] = 1;
	call(set_mempolicy, MPOL_PREFERRED, mask, 64);
	call(set_mempolicy, MPOL_DEFAULT, NULL, 0);
	call(set_mempolicy, MPOL_BIND | MPOL_F_STATIC_NODES, mask, 64);
	call(set_mempolicy, MPOL_DEFAULT, NULL, 0);
	call(mbind, nowhere, PAGE, MPOL_BIND, mask, 64, MPOL_MF_STRICT | MPOL_MF_MOVE);
	call(migrate_pages, 0, 64, mask, mask);
	call(move_pages, 0, 2, pages, NULL, status, 0);
	call(move_pages, 0, 1, pages, nodes, status, MPOL_MF_MOVE);
	call(process_vm_readv, getpid(), &here, 1, &there, 1, 0);
	call(process_vm_writev, getpid(), &here, 1, &there, 1, 0);
	call(process_vm_readv, -1, &here, 1, nowhere, 1, 0);
	call(process_vm_writev, getpid(), nowhere, 1, &there, 1, 1);
	self = call(pidfd_open, getpid(), 0);
	call(process_madvise, self, &here, 1, MADV_COLD, 0);
	call(process_madvise, self, nowhere, 1, MADV_PAGEOUT, 1);
	call(process_mrelease, self, 0);
	call(process_mrelease, -1, 5);
	call(mseal, nowhere, PAGE, 0);
	call(cachestat, made, here.iov_base, buffer, 0);
	return 0;
}
