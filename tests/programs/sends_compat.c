/* sends_compat PORT: sends a packet to 127.0.0.1 by i386's sendmsg(2), whose structures have another layout. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define I386_SENDMSG 370

struct message { /* struct compat_msghdr, include/net/compat.h */
	uint32_t name;
	int32_t name_length;
	uint32_t vector, count, control, control_length, flags;
};

struct memory { /* below 4 GiB, where i386's pointers reach */
	struct message message;
	struct sockaddr_in address;
	struct {
		uint32_t base, length;
	} vector;
	char data[4];
};

static long by_interrupt(long number, long first, long second, long third)
{
	long result;

	asm volatile("int $0x80"
		     : "=a"(result)
		     : "a"(number), "b"(first), "c"(second), "d"(third)
		     : "memory", "cc", "r8", "r9", "r10", "r11");
	return (int)result;
}

int main(int argc, char **argv)
{
	struct memory *memory = mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 2 || fd < 0 || memory == MAP_FAILED)
		return 2;
	memory->address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
						.sin_addr = { htonl(INADDR_LOOPBACK) } };
	memory->vector.base = (uintptr_t)memory->data;
	memory->vector.length = sizeof(memory->data);
	memory->message = (struct message){ .name = (uintptr_t)&memory->address,
					    .name_length = sizeof(memory->address),
					    .vector = (uintptr_t)&memory->vector, .count = 1 };
	return by_interrupt(I386_SENDMSG, fd, (uintptr_t)&memory->message, 0) != sizeof(memory->data);
}
