"""Memory."""

PROTOTYPES = """
brk             addr:lptr -> address
mmap            addr:ptr length:size prot:flags(mmap_prot) flags:flags(mmap_flags) fd:fd offset:lhex -> address
munmap          addr:lptr length:size -> int
mremap          old_address:lptr old_size:size new_size:size flags:flags(mremap_flags) new_address:lptr -> address
  flags!MREMAP_FIXED|MREMAP_DONTUNMAP
mprotect        addr:lptr size:size prot:flags(mmap_prot) -> int
pkey_mprotect   addr:lptr size:size prot:flags(mmap_prot) pkey:int -> int
pkey_alloc      flags:lhex access_rights:flags64(pkey_rights) -> int
pkey_free       pkey:int -> int
madvise         addr:lptr size:size advice:flags(madvise_advice) -> int
process_madvise pidfd:fd iovec:iovec(n, addresses) n:size advice:flags(madvise_advice) flags:hex -> size
mincore         addr:lptr length:size vec:ptr -> int
msync           addr:lptr length:size flags:flags(msync_flags) -> int
mlock           addr:lptr size:size -> int
mlock2          addr:lptr size:size flags:flags(mlock_flags) -> int
munlock         addr:lptr size:size -> int
mlockall        flags:flags(mlockall_flags) -> int
munlockall      -> int
mseal           addr:lptr size:size flags:lhex -> int
map_shadow_stack addr:lptr size:size flags:hex -> address
remap_file_pages addr:lptr size:size prot:flags(mmap_prot) pgoff:size flags:flags(mmap_flags) -> int
membarrier      cmd:flags(membarrier_commands) flags:flags(membarrier_flags) cpu_id:int -> int
  cmd=MEMBARRIER_CMD_QUERY flags:flags(membarrier_flags) -> flags(membarrier_commands)
  flags!MEMBARRIER_CMD_FLAG_CPU
get_mempolicy   mode:mempolicy_mode(out) nodemask:nodes(maxnode, out) maxnode:ulong addr:lptr \
                flags:flags64(get_mempolicy_flags) -> int
set_mempolicy   mode:flags(mempolicy_modes) nodemask:nodes(maxnode) maxnode:ulong -> int
mbind           addr:lptr len:size mode:flags64(mempolicy_modes) nodemask:nodes(maxnode) maxnode:ulong \
                flags:flags(mbind_flags) -> int
migrate_pages   pid:pid maxnode:ulong old_nodes:nodes(maxnode) new_nodes:nodes(maxnode) -> int
move_pages      pid:pid count:ulong pages:pointer_list(count) nodes:int32_list(count) \
                status:page_status_list(count, out) flags:flags(mbind_flags) -> int
set_mempolicy_home_node start:lptr size:size home_node:ulong flags:lhex -> int
"""
