/* uring [wait]: io_uring_setup(2), once in vain and once for good, and calls with which nothing is done; getppid.
 * With an argument it then says so, and waits for a byte before it ends. */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char byte;
	struct io_uring_params params = { 0 };
	int ring;

	syscall(SYS_io_uring_setup, 0, &params);
	ring = syscall(SYS_io_uring_setup, 1, &params);
	syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0);
	syscall(SYS_io_uring_register, ring, 9999, NULL, 0);
	syscall(SYS_getppid);
	syscall(1000); /* there is none */
	if (argc > 1 && (write(1, "\n", 1) != 1 || read(0, &byte, 1) < 0))
		return 2;
	return ring < 0;
}
