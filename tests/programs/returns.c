/* Functions that return in unusual ways, for the probes of returns: returns MODE COUNT. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define PROBED __attribute__((noipa))

static jmp_buf out;

PROBED long recurse(long depth)
{
	return depth ? recurse(depth - 1) + depth : 0;
}

/* Leaves for main() where it has gone as deep as it should. */
PROBED long dive(long depth)
{
	if (depth < 0)
		return 0;
	if (!depth)
		longjmp(out, 1);
	return dive(depth - 1) + 1;
}

PROBED long plain(long number)
{
	return number + 1;
}

/* Functions that end in a jump to the next one, as a compiler makes them of a call that is
 * the last thing they do: ping() and pong() take turns until there is none left. */
long ping(long turns);

#if defined(__x86_64__)
__asm__(".globl ping, pong\n.type ping, @function\n.type pong, @function\n"
	"ping: mov %rdi, %rax\ndec %rdi\njle 1f\njmp pong\n1: ret\n"
	".size ping, . - ping\n"
	"pong: mov %rdi, %rax\ndec %rdi\njle 1f\njmp ping\n1: ret\n"
	".size pong, . - pong\n");
#elif defined(__aarch64__)
__asm__(".globl ping, pong\n.type ping, %function\n.type pong, %function\n"
	"ping: mov x9, x0\nsubs x0, x0, #1\nb.le 1f\nb pong\n1: mov x0, x9\nret\n"
	".size ping, . - ping\n"
	"pong: mov x9, x0\nsubs x0, x0, #1\nb.le 1f\nb ping\n1: mov x0, x9\nret\n"
	".size pong, . - pong\n");
#endif

int main(int count, char **words)
{
	long number = count > 2 ? atol(words[2]) : 1;

	if (!strcmp(words[1], "recurse")) {
		recurse(number);
	} else if (!strcmp(words[1], "dive")) {
		/* The same place of the stack again and again, and each time left by a jump. */
		for (volatile long i = 0; i < number; i++) {
			if (!setjmp(out))
				dive(2);
			plain(i);
		}
	} else if (!strcmp(words[1], "ping")) {
		ping(number);
		plain(number);
	} else {
		return 2;
	}
	return 0;
}
