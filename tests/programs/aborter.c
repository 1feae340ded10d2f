/* aborter 0|1: aborts, without a core dump or with one if the hard limit lets it. */
#include <stdlib.h>
#include <sys/resource.h>

int main(int argc, char **argv)
{
	struct rlimit limit;

	if (argc != 2 || getrlimit(RLIMIT_CORE, &limit))
		return 2;
	limit.rlim_cur = atoi(argv[1]) ? limit.rlim_max : 0;
	if (setrlimit(RLIMIT_CORE, &limit))
		return 2;
	abort();
}
