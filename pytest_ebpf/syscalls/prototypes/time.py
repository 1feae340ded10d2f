"""Clocks, timers, sleeping."""

PROTOTYPES = """
nanosleep       duration:timespec rem:remaining -> int
clock_nanosleep clockid:clock flags:flags(timer_flags) request:timespec remain:remaining(flags) -> int
clock_gettime   clockid:clock tp:timespec(out) -> int
clock_settime   clockid:clock tp:timespec -> int
clock_getres    clockid:clock res:timespec(out) -> int
clock_adjtime   clockid:clock buf:timex(out) -> named(clock_states)
adjtimex        buf:timex(out) -> named(clock_states)
gettimeofday    tv:timeval(out) tz:timezone(out) -> int
settimeofday    tv:timeval tz:timezone -> int
time            tloc:moment(out) -> moment
times           buf:tms(out) -> int
alarm           seconds:uint -> int
getitimer       which:flags(itimers) curr_value:itimerval(out) -> int
setitimer       which:flags(itimers) new_value:itimerval old_value:itimerval(out) -> int
timer_create    clockid:clock sevp:sigevent timerid:int32(out) -> int
timer_delete    timerid:int -> int
timer_getoverrun timerid:int -> int
timer_gettime   timerid:int curr_value:itimerspec(out) -> int
timer_settime   timerid:int flags:flags(timer_flags) new_value:itimerspec old_value:itimerspec(out) -> int
"""
