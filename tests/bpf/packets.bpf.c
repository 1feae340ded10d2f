/* A program that does not trace. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int on_packet(struct __sk_buff *packet)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
