/* The types that a program in the kernel was loaded with. */
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "native.h"

/* Copies the BTF of a program, as far as there is room, and returns how many bytes it
 * has; -ENOENT: none. */
int64_t pe_program_types(int program, void *to, uint32_t room)
{
	struct bpf_prog_info described = {};
	struct bpf_btf_info types = { .btf = (uintptr_t)to, .btf_size = room };
	uint32_t length = sizeof(described);
	int fd, error;

	if (bpf_obj_get_info_by_fd(program, &described, &length))
		return -errno;
	if (!described.btf_id)
		return -ENOENT;
	fd = bpf_btf_get_fd_by_id(described.btf_id);
	if (fd < 0)
		return -errno;
	length = sizeof(types);
	error = bpf_obj_get_info_by_fd(fd, &types, &length) ? -errno : 0;
	close(fd);
	return error ? error : types.btf_size;
}
