/* Its section is none that libbpf knows. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("nonsense/x")
int on_exec(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
