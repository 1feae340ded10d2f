/* Has static probes: "sells 3 4" passes shop:sold with 3 and "3", then with 4 and "4"; and shop:closed, at two places,
 * when it has sold all: the second one is that of a loss. */
#include <stdlib.h>
#include <sys/sdt.h>

int main(int argc, char **argv)
{
	long sum = 0;

	for (int i = 1; i < argc; i++) {
		DTRACE_PROBE2(shop, sold, atoi(argv[i]), argv[i]);
		sum += atoi(argv[i]);
	}
	if (sum < 0)
		DTRACE_PROBE1(shop, closed, (int)-sum);
	else
		DTRACE_PROBE1(shop, closed, sum);
	return 0;
}
