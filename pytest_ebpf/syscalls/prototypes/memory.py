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
"""
