/* abis: the same call by all of the doors of x86-64, with another number behind each; says what each answered. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X32 0x40000000UL
#define HIGH 0xabcdef0000000000UL /* what a call that has 32 bits does not see */

/* int 0x80: i386's number, arguments in ebx, ecx, edx, esi, edi, ebp. */
static long by_interrupt(long number)
{
	long result;

	asm volatile("push %%rbp\n\t"
		     "mov %[sixth], %%rbp\n\t"
		     "int $0x80\n\t"
		     "pop %%rbp"
		     : "=a"(result)
		     : "a"(number), "b"(HIGH | 1), "c"(HIGH | 2), "d"(HIGH | 3), "S"(HIGH | 4), "D"(HIGH | 5),
		       [sixth] "r"(HIGH | 6)
		     : "memory", "cc", "r8", "r9", "r10", "r11");
	return (int)result;
}

int main(void)
{
	long native, x32;

	native = syscall(SYS_getppid, HIGH | 1, 2, 3, 4, 5, 6);
	syscall(-1, 11, 12, 13, 14, 15, 16);
	errno = 0;
	x32 = syscall(X32 | SYS_getppid, HIGH | 1, 2, 3, 4, 5, 6);
	printf("%ld %d %ld\n", native, errno ? -errno : (int)x32, by_interrupt(64));
	return 0;
}
