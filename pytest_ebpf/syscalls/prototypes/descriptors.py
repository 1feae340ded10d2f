"""Descriptors: copied, closed, controlled, waited for; those that stand for no file."""

PROTOTYPES = """
close           fd:fd -> int
close_range     first:uint last:uint flags:flags(close_range_flags) -> int
dup             oldfd:fd -> fd
dup2            oldfd:fd newfd:int -> fd
dup3            oldfd:fd newfd:int flags:flags(descriptor_flags) -> fd
pipe            pipefd:descriptor_list(2, out) -> int
pipe2           pipefd:descriptor_list(2, out) flags:flags(descriptor_flags) -> int
fcntl           fd:fd cmd:flags(fcntl_commands) arg:lhex -> int
  cmd=F_DUPFD|F_DUPFD_CLOEXEC arg:int -> fd
  cmd=F_GETFD -> command(fd_flags,flags)
  cmd=F_SETFD arg:flags(fd_flags)
  cmd=F_GETFL -> command(open_flags,flags)
  cmd=F_SETFL arg:flags(open_flags)
  cmd=F_SETLK|F_SETLKW|F_OFD_SETLK|F_OFD_SETLKW arg:flock
  cmd=F_GETLK|F_OFD_GETLK arg:flock_found(out)
  cmd=F_GETOWN -> pid
  cmd=F_SETOWN arg:pid
  cmd=F_GETOWN_EX arg:f_owner_ex(out)
  cmd=F_SETOWN_EX arg:f_owner_ex
  cmd=F_GETOWNER_UIDS arg:uint32_list(2, out)
  cmd=F_GETSIG -> named(signals)
  cmd=F_SETSIG arg:signal
  cmd=F_GETLEASE -> hex_named(lock_types)
  cmd=F_SETLEASE arg:flags(lock_types)
  cmd=F_NOTIFY  arg:flags(dnotify_events)
  cmd=F_SETPIPE_SZ arg:ulong
  cmd=F_GETPIPE_SZ
  cmd=F_ADD_SEALS arg:flags(seals)
  cmd=F_GET_SEALS -> command(seals,seals)
ioctl           fd:fd request:ioctl_request arg:lhex -> int
  request=FIOCLEX|FIONCLEX|TIOCEXCL|TIOCNXCL|TIOCNOTTY|NS_GET_NSTYPE|NS_GET_USERNS|NS_GET_PARENT
  request=NS_GET_OWNER_UID arg:identity(out)
  request=FIONREAD|TIOCOUTQ|TIOCGPTN|TIOCGPTLCK|TIOCGPGRP|TIOCGSID|TIOCGETD arg:int32(out)
  request=FIONBIO|FIOASYNC|TIOCSPTLCK|TIOCSPGRP|TIOCSETD arg:int32
  request=TCGETS|TCSETS|TCSETSW|TCSETSF arg:ptr
  request=TIOCGWINSZ arg:winsize(out)
  request=TIOCSWINSZ arg:winsize
  request=TIOCSCTTY arg:int
  request=FICLONE arg:fd
  request=FICLONERANGE arg:clone_range
  request=FS_IOC_GETFLAGS arg:inode_flags(out)
  request=FS_IOC_SETFLAGS arg:inode_flags
  request=SIOCGIFNAME|SIOCGIFINDEX|SIOCGIFFLAGS|SIOCGIFMETRIC|SIOCGIFMTU|SIOCGIFTXQLEN arg:ifreq(request, out)
  request=SIOCGIFADDR|SIOCGIFDSTADDR|SIOCGIFBRDADDR|SIOCGIFNETMASK|SIOCGIFHWADDR arg:ifreq(request, out)
  request=SIOCSIFFLAGS|SIOCSIFMETRIC|SIOCSIFMTU|SIOCSIFTXQLEN arg:ifreq(request)
  request=SIOCSIFADDR|SIOCSIFDSTADDR|SIOCSIFBRDADDR|SIOCSIFNETMASK|SIOCSIFHWADDR arg:ifreq(request)
  request=SIOCATMARK|SIOCGPGRP arg:int32(out)
  request=SIOCSPGRP arg:int32
  request=TIOCSTI|TIOCSBRK|TIOCCBRK|BLKGETSIZE64|BLKGETSIZE|BLKSSZGET arg:ptr
poll            fds:pollfds(nfds) nfds:uint timeout:int -> ready
ppoll           fds:pollfds(nfds) nfds:uint tmo_p:time_left sigmask:sigset(sigsetsize) sigsetsize:size -> ready
select          nfds:int readfds:fd_set(nfds, in) writefds:fd_set(nfds, out) exceptfds:fd_set(nfds, except) \
                timeout:timeval_left -> ready
pselect6        nfds:int readfds:fd_set(nfds, in) writefds:fd_set(nfds, out) exceptfds:fd_set(nfds, except) \
                timeout:time_left sigmask:sigset_argpack -> ready
epoll_create    size:int -> fd
epoll_create1   flags:flags(epoll_create_flags) -> fd
epoll_ctl       epfd:fd op:flags(epoll_operations) fd:fd event:epoll_event -> int
  op=EPOLL_CTL_DEL fd:fd event:ptr
epoll_wait      epfd:fd events:epoll_event_list(result, out) maxevents:int timeout:int -> int
epoll_pwait     epfd:fd events:epoll_event_list(result, out) maxevents:int timeout:int sigmask:sigset(sigsetsize) \
                sigsetsize:size -> int
epoll_pwait2    epfd:fd events:epoll_event_list(result, out) maxevents:int timeout:timespec \
                sigmask:sigset(sigsetsize) sigsetsize:size -> int
eventfd         initval:uint -> fd
eventfd2        initval:uint flags:flags(eventfd_flags) -> fd
signalfd        fd:fd mask:sigset(sizemask) sizemask:size -> fd
signalfd4       fd:fd mask:sigset(sizemask) sizemask:size flags:flags(signalfd_flags) -> fd
timerfd_create  clockid:clock flags:flags(timerfd_flags) -> fd
timerfd_settime fd:fd flags:flags(timerfd_settime_flags) new_value:itimerspec old_value:itimerspec(out) -> int
timerfd_gettime fd:fd curr_value:itimerspec(out) -> int
inotify_init    -> fd
inotify_init1   flags:flags(inotify_init_flags) -> fd
inotify_add_watch fd:fd path:path mask:flags(inotify_events) -> int
inotify_rm_watch fd:fd wd:int -> int
fanotify_init   flags:flags(fanotify_init_flags) event_f_flags:flags(open_flags) -> fd
fanotify_mark   fanotify_fd:fd flags:flags(fanotify_mark_flags) mask:flags64(fanotify_events) dirfd:dirfd \
                path:path@dirfd -> int
memfd_create    name:str flags:flags(memfd_flags) -> fd
memfd_secret    flags:flags(descriptor_flags) -> fd
userfaultfd     flags:flags(userfaultfd_flags) -> fd
"""
