/* Clocks, timers and sleeping, with good and with bad arguments. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static void *const nowhere = (void *)0xdead000;

static void nothing(int signal)
{
	(void)signal;
}

static void clocks(void)
{
	struct timespec now;
	struct timeval day;
	struct timezone zone;
	struct timex adjust = { 0 };
	struct tms used;

	for (int clock = 0; clock < 13; clock++)
		call(clock_gettime, clock, &now);
	call(clock_gettime, -6, &now); /* MAKE_PROCESS_CPUCLOCK(0, CPUCLOCK_SCHED) */
	call(clock_gettime, ~getpid() << 3 | 2, &now);
	call(clock_gettime, ~getpid() << 3 | 6, &now);
	call(clock_gettime, ~1 << 3 | 3, &now);
	call(clock_gettime, 77, &now);
	call(clock_gettime, CLOCK_MONOTONIC, nowhere);
	call(clock_gettime, CLOCK_MONOTONIC, NULL);
	call(clock_getres, CLOCK_REALTIME, &now);
	call(clock_getres, CLOCK_REALTIME, NULL);
	now.tv_nsec = -1;
	call(clock_settime, CLOCK_REALTIME, &now);
	call(clock_settime, CLOCK_MONOTONIC, NULL);
	call(gettimeofday, &day, &zone);
	call(gettimeofday, NULL, NULL);
	call(gettimeofday, nowhere, NULL);
	call(settimeofday, nowhere, NULL);
	call(adjtimex, &adjust);
	call(adjtimex, nowhere);
	call(clock_adjtime, CLOCK_REALTIME, &adjust);
	call(clock_adjtime, CLOCK_MONOTONIC, &adjust);
	call(times, &used);
	call(times, NULL);
#ifdef SYS_time
	time_t seconds;
	call(time, &seconds);
	call(time, NULL);
#endif
}

static void sleeping(void)
{
	struct timespec little = { 0, 1000 }, bad = { 1, 1000000000 }, past = { 1, 1 }, rest = { 7, 7 };
	struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
	struct timespec long_one = { 5, 0 };

	signal(SIGALRM, nothing);
	call(nanosleep, &little, NULL);
	call(nanosleep, &little, &rest);
	call(nanosleep, &bad, &rest);
	call(nanosleep, nowhere, NULL);
	call(nanosleep, NULL, NULL);
	call(clock_nanosleep, CLOCK_MONOTONIC, 0, &little, &rest);
	call(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &past, &rest);
	call(clock_nanosleep, CLOCK_MONOTONIC, 6, &past, NULL);
	call(clock_nanosleep, 99, 0, &past, NULL);
	call(setitimer, ITIMER_REAL, &soon, NULL);
	call(nanosleep, &long_one, &rest);
	call(setitimer, ITIMER_REAL, &soon, NULL);
	call(clock_nanosleep, CLOCK_MONOTONIC, 0, &long_one, &rest);
	clock_gettime(CLOCK_MONOTONIC, &long_one);
	long_one.tv_sec += 5;
	call(setitimer, ITIMER_REAL, &soon, NULL);
	call(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &long_one, &rest);
}

static void timers(void)
{
	struct itimerval old, later = { { 1, 2 }, { 100, 5 } };
	struct itimerspec since, then = { { 3, 4 }, { 1000, 6 } };
	struct sigevent usr = { .sigev_signo = SIGUSR1, .sigev_notify = SIGEV_SIGNAL, .sigev_value.sival_int = 5 };
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	int timer;

	call(setitimer, ITIMER_VIRTUAL, &later, &old);
	call(getitimer, ITIMER_VIRTUAL, &old);
	call(setitimer, ITIMER_PROF, nowhere, NULL);
	call(getitimer, 7, &old);
	call(timer_create, CLOCK_MONOTONIC, &usr, &timer);
	call(timer_settime, timer, 0, &then, &since);
	call(timer_settime, timer, TIMER_ABSTIME, &then, NULL);
	call(timer_settime, timer, 0, nowhere, &since);
	call(timer_gettime, timer, &since);
	call(timer_getoverrun, timer);
	call(timer_delete, timer);
	call(timer_delete, 99);
	call(timer_create, CLOCK_REALTIME, &none, &timer);
	call(timer_create, CLOCK_REALTIME, NULL, &timer);
	call(timer_create, 99, nowhere, &timer);
#ifdef SYS_alarm
	call(alarm, 100);
	call(alarm, 0);
#endif
}

int main(void)
{
	clocks();
	sleeping();
	timers();
	return 0;
}
