"""What is read and written, and when it is on the disk."""

PROTOTYPES = """
read            fd:fd buf:data_out count:size -> size
write           fd:fd buf:data(count) count:size -> size
pread64         fd:fd buf:data_out count:size offset:long -> size
pwrite64        fd:fd buf:data(count) count:size offset:long -> size
readv           fd:fd iov:iovec(iovcnt, out) iovcnt:ulong -> size
writev          fd:fd iov:iovec(iovcnt) iovcnt:ulong -> size
preadv          fd:fd iov:iovec(iovcnt, out) iovcnt:ulong offset:long -> size
pwritev         fd:fd iov:iovec(iovcnt) iovcnt:ulong offset:long -> size
preadv2         fd#0:fd iov#1:iovec(iovcnt, out) iovcnt#2:ulong offset#3:long flags#5:flags(rwf_flags) -> size
pwritev2        fd#0:fd iov#1:iovec(iovcnt) iovcnt#2:ulong offset#3:long flags#5:flags(rwf_flags) -> size
lseek           fd:fd offset:long whence:flags(seek_whence) -> size
sendfile        out_fd:fd in_fd:fd offset:int64(inout) count:size -> size
splice          fd_in:fd off_in:int64 fd_out:fd off_out:int64 len:size flags:flags(splice_flags) -> size
tee             fd_in:fd fd_out:fd len:size flags:flags(splice_flags) -> size
vmsplice        fd:fd iov:iovec(nr_segs) nr_segs:ulong flags:flags(splice_flags) -> size
copy_file_range fd_in:fd off_in:int64 fd_out:fd off_out:int64 size:size flags:uint -> size
fallocate       fd:fd mode:flags(fallocate_modes) offset:long len:long -> int
fadvise64       fd:fd offset:long len:ulong advice:flags(fadvise_advice) -> int
readahead       fd:fd offset:long count:size -> int
sync            -> int
syncfs          fd:fd -> int
fsync           fd:fd -> int
fdatasync       fd:fd -> int
sync_file_range fd:fd offset:long nbytes:long flags:flags(sync_file_range_flags) -> int
cachestat       fd:fd cstat_range:ptr cstat:ptr flags:hex -> int
getdents        fd:fd dirp:old_dirents count:uint -> size
getdents64      fd:fd dirp:dirents count:uint -> size
flock           fd:fd op:flags(flock_operations) -> int
process_vm_readv pid:pid local_iov:iovec(liovcnt, out) liovcnt:ulong remote_iov:iovec(riovcnt, addresses) \
                riovcnt:ulong flags:ulong -> size
process_vm_writev pid:pid local_iov:iovec(liovcnt) liovcnt:ulong remote_iov:iovec(riovcnt, addresses) \
                riovcnt:ulong flags:ulong -> size
io_setup        nr_events:uint ctx_idp:pointer(out) -> int
io_destroy      ctx_id:ptr -> int
io_submit       ctx_id:ptr nr:long iocbpp:iocbs(nr) -> int
io_cancel       ctx_id:ptr iocb:iocb result:io_event(out) -> int
io_getevents    ctx_id:ptr min_nr:long nr:long events:io_event_list(result, out) timeout:timespec -> int
io_pgetevents   ctx_id:ptr min_nr:long nr:long events:io_event_list(result, out) timeout:timespec usig:ptr -> int
io_uring_setup  entries:uint params:io_uring_params -> fd
io_uring_enter  fd:fd to_submit:uint min_complete:uint flags:flags(io_uring_enter_flags) sig:sigset(sz) sz:size -> int
io_uring_register fd:fd opcode:flags(io_uring_register_operations) arg:ptr nr_args:uint -> int
"""
