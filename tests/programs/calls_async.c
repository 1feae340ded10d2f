/* Calls of both ways of asynchronous I/O; in the working directory. What a ring of io_uring does is no call. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, __VA_ARGS__)

static char *const nowhere = (char *)0xdead000;
static char text[] = "text", read_back[16];

static void by_aio(int made)
{
	struct iocb one = { .aio_data = 7,
			    .aio_lio_opcode = IOCB_CMD_PWRITE,
			    .aio_fildes = made,
			    .aio_buf = (__u64)text,
			    .aio_nbytes = 4 };
	struct iocb two = { .aio_lio_opcode = IOCB_CMD_PREAD,
			    .aio_fildes = made,
			    .aio_buf = (__u64)read_back,
			    .aio_nbytes = 4,
			    .aio_offset = 1 };
	struct iocb three = { .aio_lio_opcode = IOCB_CMD_FSYNC, .aio_fildes = -1 };
	struct iocb *list[] = { &one, &two, &three };
	struct io_event events[4];
	struct timespec soon = { 0, 1000000 };
	aio_context_t context = 0;

	call(io_setup, 4, &context);
	call(io_setup, 0, nowhere);
	call(io_submit, context, 2, list);
	call(io_submit, context, 1, list + 2);
	call(io_submit, context, 0, list);
	call(io_submit, context, 1, nowhere);
	call(io_getevents, context, 2, 4, events, NULL);
	call(io_getevents, context, 0, 4, events, &soon);
	call(io_getevents, 0x1000, 1, 4, events, nowhere);
	call(io_cancel, context, &one, events);
	call(io_cancel, context, nowhere, events);
	call(io_destroy, context);
	call(io_destroy, context);
}

static void by_uring(void)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE, .cq_entries = 16 };
	int ring = call(io_uring_setup, 4, &params);

	memset(&params, 0, sizeof(params));
	params.flags = 1U << 31;
	call(io_uring_setup, 4, &params);
	call(io_uring_setup, 4, nowhere);
	call(io_uring_enter, ring, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
	call(io_uring_enter, -1, 1, 1, 0x80000000, NULL, 8);
	call(io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
	call(io_uring_register, ring, 9999, NULL, 5);
	call(close, ring);
}

int main(void)
{
	int made = call(open, "made", O_CREAT | O_RDWR, 0644);

	by_aio(made);
	by_uring();
	return 0;
}
