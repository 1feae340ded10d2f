/* Static probes of a program: one that its section names, one that the test does. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

int starts = 0, generation = -1, ends = 0;

SEC("usdt//usr/bin/python3:python:gc__start")
int BPF_USDT(on_start, int which)
{
	__sync_fetch_and_add(&starts, 1);
	generation = which;
	return 0;
}

SEC("usdt")
int BPF_USDT(on_end)
{
	__sync_fetch_and_add(&ends, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
