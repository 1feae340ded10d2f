// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What cannot be undercut: a program at either end of every system call that does nothing. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sys_enter")
int empty__enter(void *context)
{
	return 0;
}

SEC("tp_btf/sys_exit")
int empty__exit(void *context)
{
	return 0;
}
