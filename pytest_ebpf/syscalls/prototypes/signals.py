"""Signals."""

PROTOTYPES = """
kill            pid:pid sig:signal -> int
tkill           tid:pid sig:signal -> int
tgkill          tgid:pid tid:pid sig:signal -> int
pidfd_send_signal pidfd:fd sig:signal info:siginfo flags:hex -> int
rt_sigqueueinfo tgid:pid sig:signal info:siginfo -> int
rt_tgsigqueueinfo tgid:pid tid:pid sig:signal info:siginfo -> int
rt_sigaction    signum:signal act:sigaction oldact:sigaction(out) sigsetsize:size -> int
rt_sigprocmask  how:flags(sigprocmask_how) set:sigset(sigsetsize) oldset:sigset(sigsetsize, out) sigsetsize:size -> int
rt_sigpending   set:sigset(sigsetsize, short, out) sigsetsize:size -> int
rt_sigsuspend   mask:sigset(sigsetsize) sigsetsize:size -> int
rt_sigtimedwait set:sigset(sigsetsize) info:siginfo(out) timeout:timespec sigsetsize:size -> named(signals)
rt_sigreturn    -> register
sigaltstack     ss:stack old_ss:stack(out) -> int
pause           -> int
"""
