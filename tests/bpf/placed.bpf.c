/* A probe whose section says where to: in a file, by a path from where the test is. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int entries = 0;

SEC("uprobe/./exp:accept_exp")
int on_entry(void *ctx)
{
	__sync_fetch_and_add(&entries, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
