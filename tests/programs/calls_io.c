/* Calls that move bytes, with good and with bad arguments; in the working directory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, __VA_ARGS__)

static char *const nowhere = (char *)0xdead000;
static char buffer[70000];

static void plain(int made)
{
	call(write, made, "hello, world\n", 13);
	call(write, made, "", 0);
	call(write, made, NULL, 0);
	call(write, made, NULL, 5);
	call(write, made, nowhere, 5);
	call(write, 999, "lost", 4);
	for (size_t i = 0; i < sizeof(buffer); i++)
		buffer[i] = i * 7;
	call(write, made, buffer, 256);
	call(write, made, buffer, 16384);
	call(write, made, buffer, 16385);
	call(write, made, buffer, sizeof(buffer));
	call(pwrite64, made, "over", 4, 7);
	call(pwrite64, made, "over", 4, -1L);
	call(lseek, made, 0, SEEK_SET);
	call(lseek, made, -5L, SEEK_END);
	call(lseek, made, 0, SEEK_CUR);
	call(lseek, made, 0, SEEK_DATA);
	call(lseek, made, 0, SEEK_HOLE);
	call(lseek, made, 0, 77);
	call(lseek, made, 0x100000000, SEEK_SET);
	call(read, made, buffer, 10);
	call(lseek, made, 0, SEEK_SET);
	call(read, made, buffer, 20);
	call(read, made, buffer, sizeof(buffer));
	call(read, made, buffer, 0);
	call(read, made, nowhere, 10);
	call(read, -1, buffer, 10);
	call(pread64, made, buffer, 5, 7);
	call(pread64, made, buffer, 5, 1L << 40);
}

static void vectors(int made)
{
	struct iovec three[3] = { { "one", 3 }, { "", 0 }, { "two2", 4 } };
	struct iovec into[3] = { { buffer, 3 }, { buffer + 100, 5 }, { buffer + 200, 10 } };
	struct iovec bad[2] = { { "fine", 4 }, { nowhere, 4 } };
	struct iovec large[2] = { { buffer, 16000 }, { buffer, 16000 } };

	call(writev, made, three, 3);
	call(writev, made, three, 0);
	call(writev, made, NULL, 0);
	call(writev, made, nowhere, 2);
	call(writev, made, bad, 2);
	call(writev, 999, three, 2);
	call(writev, made, large, 1);
	call(pwritev, made, three, 3, 5, 0);
	call(pwritev2, made, three, 3, -1L, -1L, RWF_DSYNC | RWF_SYNC | RWF_APPEND);
	call(pwritev2, made, three, 3, 0, 0, 0x1000);
	call(preadv, made, into, 3, 2, 0);
	call(preadv, made, into, 3, 1L << 40, 0);
	call(preadv2, made, into, 2, 0, 0, RWF_HIPRI | RWF_NOWAIT);
	call(lseek, made, -6L, SEEK_END);
	call(readv, made, into, 3);
	call(readv, made, into, 3);
	call(readv, made, bad, 2);
	call(readv, -1, into, 3);
	call(readv, made, nowhere, 3);
}

static void between(int made, int other)
{
	int ends[2], more[2];
	struct iovec given = { "given", 5 };
	loff_t from = 3, to = 1;

	call(sendfile, other, made, NULL, 5);
	call(sendfile, other, made, &from, 5);
	call(sendfile, other, -1, &from, 5);
	call(sendfile, other, made, nowhere, 5);
	call(copy_file_range, made, &from, other, NULL, 4, 0);
	call(copy_file_range, made, &from, other, &to, 4, 0);
	call(copy_file_range, made, NULL, -1, &to, 4, 1);
	call(copy_file_range, made, nowhere, other, &to, 4, 0);
	call(pipe2, ends, O_CLOEXEC);
	call(pipe, more);
	call(splice, made, &from, ends[1], NULL, 5, SPLICE_F_MOVE);
	call(splice, made, NULL, ends[1], NULL, 5, SPLICE_F_NONBLOCK | SPLICE_F_MORE);
	call(splice, made, nowhere, ends[1], NULL, 5, 0);
	call(splice, ends[0], NULL, other, &to, 3, 0);
	call(tee, ends[0], more[1], 3, SPLICE_F_NONBLOCK);
	call(tee, ends[0], 999, 3, 0x100);
	call(vmsplice, ends[1], &given, 1, SPLICE_F_GIFT);
	call(vmsplice, ends[1], nowhere, 1, 0);
	call(vmsplice, ends[0], &given, 0, 0);
	call(pipe, nowhere);
	call(pipe2, ends, O_NONBLOCK | O_DIRECT | 0x10000000);
}

static void space(int made)
{
	call(fsync, made);
	call(fdatasync, made);
	call(fsync, 999);
	call(sync_file_range, made, 0, 4096, 7);
	call(sync_file_range, made, -1L, 4096, 8);
	call(syncfs, made);
	call(fallocate, made, 0, 0, 100000);
	call(fallocate, made, 3, 4096, 8192);
	call(fallocate, made, 0x8010, -1L, 1L << 33);
	call(fadvise64, made, 0, 0, 1);
	call(fadvise64, made, 4096, 10, 4);
	call(fadvise64, made, 0, 1L << 33, 99);
	call(readahead, made, 1L << 33, 4096);
	call(readahead, -1, 0, 0);
	call(flock, made, 2);
	call(flock, made, 8 | 4);
	call(flock, made, 0x20 | 0xc0);
	call(getdents64, made, buffer, 100);
}

static void directories(void)
{
	int directory = call(open, ".", O_RDONLY | O_DIRECTORY, 0);
	char name[16];

	call(getdents64, directory, buffer, 32768);
	call(getdents64, directory, buffer, 32768);
	call(lseek, directory, 0, SEEK_SET);
	call(getdents, directory, buffer, 32768);
	call(getdents, directory, buffer, 32768);
	call(lseek, directory, 0, SEEK_SET);
	call(getdents64, directory, buffer, 10);
	call(getdents64, directory, nowhere, 1000);
	for (int i = 0; i < 200; i++) {
		memcpy(name, "long-name-000", 14);
		name[10] += i / 100;
		name[11] += i / 10 % 10;
		name[12] += i % 10;
		call(mknod, name, 0600, 0);
	}
	call(lseek, directory, 0, SEEK_SET);
	call(getdents64, directory, buffer, 32768);
	call(getdents64, 999, buffer, 32768);
}

int main(void)
{
	int made = call(open, "made", O_CREAT | O_RDWR, 0644);
	int other = call(open, "other", O_CREAT | O_RDWR, 0644);

	plain(made);
	vectors(made);
	between(made, other);
	space(made);
	directories();
	call(sync, 0);
	return 0;
}
