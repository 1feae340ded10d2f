/* Programs that need to be told where to. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int entries = 0, returns = 0, execs = 0, unlinks = 0;

SEC("uprobe")
int on_entry(void *ctx)
{
	__sync_fetch_and_add(&entries, 1);
	return 0;
}

SEC("uretprobe")
int on_return(void *ctx)
{
	__sync_fetch_and_add(&returns, 1);
	return 0;
}

SEC("tp/sched/sched_process_exec")
int on_exec(void *ctx)
{
	__sync_fetch_and_add(&execs, 1);
	return 0;
}

SEC("?kprobe/do_unlinkat")
int on_unlink(void *ctx)
{
	__sync_fetch_and_add(&unlinks, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
