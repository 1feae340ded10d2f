/* What the examples look into. It prints what its functions are passed, and what the compiler knows of the registers
 * while they run: built for x86-64, with frame pointers. */
#include <stdio.h>

struct exp_s {
	int num;
	char name[35];
};

__attribute__((noipa)) void accept_exp(struct exp_s *exp)
{
	printf("%d %s\n", exp->num, exp->name);
}

__attribute__((noipa)) long add(long a, long b, long c, long d, long e, long f)
{
	/* Where it began, the compiler has pushed the caller's frame pointer: below it lies the return address, which is
	 * what the stack pointer pointed to at the function's first instruction. */
	char *frame = __builtin_frame_address(0);
	long sum = a + b + c + d + e + f;

	printf("%ld %ld %ld %ld %ld %ld %ld ", a, b, c, d, e, f, sum);
	printf("%lu %lu ", (unsigned long)(frame + 8), *(unsigned long *)frame);
	printf("%lu %lu\n", (unsigned long)add, (unsigned long)__builtin_return_address(0));
	return sum;
}

int main(void)
{
	struct exp_s exp = { 7, "keqing" };

	accept_exp(&exp);
	return add(1, -2, 30000000000, 4, 5, 6) < 0;
}
