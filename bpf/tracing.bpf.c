// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* All programs in one object: for each object libbpf reads the whole of the
 * kernel's BTF anew, which takes longer than the verifier does. */
#include "process.c"
#include "adopt.c"
#include "syscall.c"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Types that live in locals alone are missing from BTF, where Python looks. */
const struct text_record *_text_record;
const struct fork_record *_fork_record;
const struct exec_record *_exec_record;
const struct exit_record *_exit_record;
const struct identity_record *_identity_record;
const struct control *_control;
const struct call_record *_call_record;
const struct call_piece *_call_piece;
const struct call_data_record *_call_data_record;
const struct file_record *_file_record;
const struct socket_names *_socket_names;
const struct probe_record *_probe_record;
const struct probe_piece *_probe_piece;
const struct probe_count *_probe_count;
const struct program_record *_program_record;
const enum record_type *_record_type;
const enum text_field *_text_field;
const enum control_flag *_control_flag;
const enum call_abi *_call_abi;
const enum call_flag *_call_flag;
const enum data_flag *_data_flag;
const enum file_bit *_file_bit;
const enum probe_flag *_probe_flag;
