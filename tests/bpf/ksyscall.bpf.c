/* A system call by name: a kprobe that libbpf finds the function for. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int unlinks = 0;

SEC("ksyscall/unlink")
int on_unlink(void *ctx)
{
	__sync_fetch_and_add(&unlinks, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
