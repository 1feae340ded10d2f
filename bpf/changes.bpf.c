// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Changes of namespaces and credentials, for a broker whose sessions want no
 * system calls; syscall.bpf.c notices them too, and then stands in its place. */
#include "changes.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sys_exit")
int BPF_PROG(changes__sys_exit)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct member *member = member_of(task);

	if (member && has_changed(member, task))
		note_change(member, task);
	return 0;
}
