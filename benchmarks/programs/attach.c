/* Loads an object, attaches its programs, and either runs a command as the member of its trace and reads its ring
 * to the end, or says "ready" and holds on until its standard input ends:
 * attach OBJECT [COMMAND ARGUMENT...]
 *
 * Prints how many records it read, and how many were lost.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long records;
static volatile unsigned long long sum;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int take(void *context, void *data, size_t size)
{
	(void)context;
	records++;
	sum += *(unsigned char *)data + size;
	return 0;
}

static pid_t start(char **command, int members)
{
	char nothing[4096] = { 0 };
	int gate[2], pidfd;
	pid_t child;

	if (pipe(gate) || (child = fork()) < 0)
		fail("fork");
	if (!child) {
		close(gate[1]);
		if (read(gate[0], nothing, 1) == 1)
			execv(command[0], command);
		_exit(127);
	}
	pidfd = syscall(SYS_pidfd_open, child, 0);
	if (pidfd < 0 || bpf_map_update_elem(members, &pidfd, nothing, BPF_ANY))
		fail("bpf_map_update_elem");
	if (write(gate[1], "", 1) != 1)
		fail("write");
	return child;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_program *program;
	struct ring_buffer *ring;
	pid_t child;
	int status = 0, bss;
	unsigned long long lost = 0;
	unsigned int zero = 0;

	if (argc < 2)
		return 2;
	object = bpf_object__open_file(argv[1], NULL);
	if (!object || bpf_object__load(object))
		fail(argv[1]);
	bpf_object__for_each_program(program, object)
		if (!bpf_program__attach(program))
			fail(bpf_program__name(program));
	if (argc == 2) {
		puts("ready");
		fflush(stdout);
		getchar();
		return 0;
	}
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "ring"), take, NULL, NULL);
	if (!ring)
		fail("ring_buffer__new");
	child = start(argv + 2, bpf_object__find_map_fd_by_name(object, "members"));
	while (!waitpid(child, &status, WNOHANG))
		ring_buffer__poll(ring, 5);
	ring_buffer__consume(ring);
	bss = bpf_map__fd(bpf_object__next_map(object, bpf_object__find_map_by_name(object, "ring")));
	bpf_map_lookup_elem(bss, &zero, &lost);
	printf("%ld %llu\n", records, lost);
	return status ? 1 : 0;
}
