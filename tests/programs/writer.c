/* writer COUNT SIZE: writes that many bytes that often, to nowhere. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int null = open("/dev/null", O_WRONLY), count = argc == 3 ? atoi(argv[1]) : 0, size = argc == 3 ? atoi(argv[2]) : 0;
	char *data = calloc(1, size + 1);

	while (count--)
		if (write(null, data, size) != size)
			return 1;
	return 0;
}
