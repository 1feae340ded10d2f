/* uring: io_uring_setup(2), once in vain and once for good, and calls with which nothing is done; getppid. */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct io_uring_params params = { 0 };
	int ring;

	syscall(SYS_io_uring_setup, 0, &params);
	ring = syscall(SYS_io_uring_setup, 1, &params);
	syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0);
	syscall(SYS_io_uring_register, ring, 9999, NULL, 0);
	syscall(SYS_getppid);
	syscall(1000); /* there is none */
	return ring < 0;
}
