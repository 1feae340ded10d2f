/* The numbers of the kernel's helper functions since 5.16, up to the last one that
 * there will be (Documentation/bpf/bpf_design_QA.rst): BCC declares all that it
 * knows, and may be newer than the kernel. Of enum bpf_func_id in
 * include/uapi/linux/bpf.h, which vmlinux.h has as this kernel knows it. */
#ifndef PYTEST_EBPF_FUNCTIONS_H
#define PYTEST_EBPF_FUNCTIONS_H

#define BPF_FUNC_get_branch_snapshot 176
#define BPF_FUNC_trace_vprintk 177
#define BPF_FUNC_skc_to_unix_sock 178
#define BPF_FUNC_kallsyms_lookup_name 179
#define BPF_FUNC_find_vma 180
#define BPF_FUNC_loop 181
#define BPF_FUNC_strncmp 182
#define BPF_FUNC_get_func_arg 183
#define BPF_FUNC_get_func_ret 184
#define BPF_FUNC_get_func_arg_cnt 185
#define BPF_FUNC_get_retval 186
#define BPF_FUNC_set_retval 187
#define BPF_FUNC_xdp_get_buff_len 188
#define BPF_FUNC_xdp_load_bytes 189
#define BPF_FUNC_xdp_store_bytes 190
#define BPF_FUNC_copy_from_user_task 191
#define BPF_FUNC_skb_set_tstamp 192
#define BPF_FUNC_ima_file_hash 193
#define BPF_FUNC_kptr_xchg 194
#define BPF_FUNC_map_lookup_percpu_elem 195
#define BPF_FUNC_skc_to_mptcp_sock 196
#define BPF_FUNC_dynptr_from_mem 197
#define BPF_FUNC_ringbuf_reserve_dynptr 198
#define BPF_FUNC_ringbuf_submit_dynptr 199
#define BPF_FUNC_ringbuf_discard_dynptr 200
#define BPF_FUNC_dynptr_read 201
#define BPF_FUNC_dynptr_write 202
#define BPF_FUNC_dynptr_data 203
#define BPF_FUNC_tcp_raw_gen_syncookie_ipv4 204
#define BPF_FUNC_tcp_raw_gen_syncookie_ipv6 205
#define BPF_FUNC_tcp_raw_check_syncookie_ipv4 206
#define BPF_FUNC_tcp_raw_check_syncookie_ipv6 207
#define BPF_FUNC_ktime_get_tai_ns 208
#define BPF_FUNC_user_ringbuf_drain 209
#define BPF_FUNC_cgrp_storage_get 210
#define BPF_FUNC_cgrp_storage_delete 211

#endif
