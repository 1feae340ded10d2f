"""Mounts, and what else concerns whole file systems."""

PROTOTYPES = """
mount           source:str target:path filesystemtype:str mountflags:flags64(mount_flags) data:str -> int !moves
  mountflags=MS_REMOUNT mountflags=MS_BIND filesystemtype:ptr data:ptr
  mountflags=MS_REMOUNT filesystemtype:ptr data:str
  mountflags=MS_BIND|MS_MOVE source:path filesystemtype:ptr data:ptr
  mountflags=MS_SHARED|MS_PRIVATE|MS_SLAVE|MS_UNBINDABLE filesystemtype:ptr data:ptr
umount2         target:path flags:flags(umount_flags) -> int !moves
pivot_root      new_root:path put_old:path -> int !moves
open_tree       dirfd:dirfd path:path@dirfd flags:flags(open_tree_flags) -> fd
open_tree_attr  dirfd:dirfd path:path@dirfd flags:flags(open_tree_flags) attr:mount_attr(size) size:size -> fd
move_mount      from_dirfd:dirfd from_path:path@from_dirfd to_dirfd:dirfd to_path:path@to_dirfd \
                flags:flags(move_mount_flags) -> int !moves
fsopen          fsname:str flags:flags(fsopen_flags) -> fd
fspick          dirfd:dirfd path:path@dirfd flags:flags(fspick_flags) -> fd
fsconfig        fd:fd cmd:flags(fsconfig_commands) key:str value:ptr aux:int -> int
  cmd=FSCONFIG_SET_STRING key:str value:str aux:int
  cmd=FSCONFIG_SET_BINARY key:str value:binary(aux) aux:int
  cmd=FSCONFIG_SET_PATH|FSCONFIG_SET_PATH_EMPTY key:str value:path@aux aux:dirfd
  cmd=FSCONFIG_SET_FD key:str value:ptr aux:int
fsmount         fsfd:fd flags:flags(fsmount_flags) attr_flags:flags(mount_attributes) -> fd
mount_setattr   dirfd:dirfd path:path@dirfd flags:flags(open_tree_flags) attr:mount_attr(size) size:size -> int
statmount       req:ptr buf:ptr bufsize:size flags:hex -> int
listmount       req:ptr mnt_ids:uint64_list(result, out) nr_mnt_ids:size flags:hex -> int
quotactl        cmd:quota_command path:path id:int addr:ptr -> int
  cmd=Q_QUOTAON path:path id:flags(quota_formats) addr:path
  cmd=Q_QUOTAOFF|Q_SYNC path:path
quotactl_fd     fd:fd cmd:quota_command id:int addr:ptr -> int
  cmd=Q_QUOTAON id:flags(quota_formats) addr:path
  cmd=Q_QUOTAOFF|Q_SYNC
swapon          path:path swapflags:flags(swap_flags) -> int
swapoff         path:path -> int
"""
