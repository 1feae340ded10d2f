"""The system as a whole, its memory nodes, modules and counters."""

PROTOTYPES = """
uname           buf:utsname(out) -> int
sysinfo         info:sysinfo(out) -> int
sethostname     name:hostname(len) len:uint -> int
setdomainname   name:hostname(len) len:uint -> int
syslog          type:syslog_action bufp:ptr len:int -> int
  type=SYSLOG_ACTION_READ|SYSLOG_ACTION_READ_ALL|SYSLOG_ACTION_READ_CLEAR bufp:bytes_out len:int
  type=SYSLOG_ACTION_CLOSE|SYSLOG_ACTION_OPEN|SYSLOG_ACTION_CLEAR|SYSLOG_ACTION_CONSOLE_OFF|SYSLOG_ACTION_CONSOLE_ON
  type=SYSLOG_ACTION_SIZE_UNREAD|SYSLOG_ACTION_SIZE_BUFFER
reboot          magic:flags(reboot_magics) magic2:flags(reboot_magics) cmd:flags(reboot_commands) arg:str -> int
  cmd!LINUX_REBOOT_CMD_RESTART2
getrandom       buf:random buflen:size flags:flags(getrandom_flags) -> size
getcpu          cpu:uint32(out) node:uint32(out) tcache:ptr -> int
acct            path:path -> int
iopl            level:int -> int
ioperm          from:lhex num:lhex turn_on:int -> int
modify_ldt      func:int ptr:ptr bytecount:ulong -> int
init_module     module_image:ptr len:ulong param_values:str -> int
finit_module    fd:fd param_values:str flags:flags(module_init_flags) -> int
delete_module   name:str flags:flags(delete_module_flags) -> int
kexec_load      entry:ptr nr_segments:ulong segments:kexec_segment_list(nr_segments) flags:flags64(kexec_flags) -> int
kexec_file_load kernel_fd:fd initrd_fd:fd cmdline_len:ulong cmdline:bytes(cmdline_len) \
                flags:flags64(kexec_file_flags) -> int
perf_event_open attr:perf_attr pid:int cpu:int group_fd:fd flags:flags64(perf_flags) -> fd
mbind           addr:ptr len:ulong mode:flags64(mempolicy_modes) nodemask:nodes(maxnode) maxnode:ulong \
                flags:flags(mbind_flags) -> int
set_mempolicy   mode:flags(mempolicy_modes) nodemask:nodes(maxnode) maxnode:ulong -> int
get_mempolicy   mode:mempolicy_mode(out) nodemask:nodes(maxnode, out) maxnode:ulong addr:ptr \
                flags:flags64(get_mempolicy_flags) -> int
set_mempolicy_home_node start:ptr len:ulong home_node:ulong flags:lhex -> int
migrate_pages   pid:pid maxnode:ulong old_nodes:nodes(maxnode) new_nodes:nodes(maxnode) -> int
move_pages      pid:pid count:ulong pages:pointer_list(count) nodes:int32_list(count) \
                status:page_status_list(count, out) flags:flags(move_pages_flags) -> int
uprobe          -> int
uretprobe       -> int
vhangup         -> int
sysfs           option:int arg1:lhex arg2:lhex -> int
lookup_dcookie  cookie:lhex buf:ptr len:size -> size
listns          req:ptr ns_ids:ptr nr_ns_ids:size flags:hex -> int
rseq_slice_yield -> int
epoll_ctl_old   -> int
epoll_wait_old  -> int
"""
