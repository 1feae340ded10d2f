/* Calls functions with values of every kind, and says of each call what it passed, in the form of a Python dict: what a
 * probe reports must equal it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLD __attribute__((noipa)) /* called as its type says, whatever the optimiser knows of it */

/* What is passed must be there at the call, whatever the optimiser thinks of it. */
#define KEEP(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")

enum colour { RED, GREEN = 5, BLUE = -2 };

struct small {
	int32_t first;
	int32_t second;
	int64_t third;
};

struct flags {
	unsigned low : 3;
	signed middle : 7;
	unsigned high : 22;
	unsigned wide : 29;
};

union either {
	uint32_t number;
	uint8_t bytes[4];
};

struct leaf {
	int64_t value;
	char name[12];
};

struct branch {
	struct leaf *leaf;
	const char *label;
};

struct tree {
	uint8_t kind;
	struct branch *branch;
	struct small inside;
	union either either;
	int16_t numbers[4];
	float ratio;
	double exact;
};

TOLD void narrow(int8_t a, uint8_t b, int16_t c, uint16_t d, bool e, char f)
{
	printf("narrow {'a': %d, 'b': %u, 'c': %d, 'd': %u, 'e': %s, 'f': b'%c'}\n", a, b, c, d, e ? "True" : "False", f);
}

TOLD void wide(int32_t a, uint32_t b, int64_t c, uint64_t d, void *e, enum colour f)
{
	printf("wide {'a': %d, 'b': %u, 'c': %lld, 'd': %llu, 'e': %llu, 'f': %d}\n", a, b, (long long)c,
	       (unsigned long long)d, (unsigned long long)(uintptr_t)e, f);
}

TOLD void many(int a, int b, int c, int d, int e, int f, int g, long h, int8_t i, const char *j)
{
	printf("many {'a': %d, 'b': %d, 'c': %d, 'd': %d, 'e': %d, 'f': %d, 'g': %d, 'h': %ld, 'i': %d, 'j': b'%s'}\n", a,
	       b, c, d, e, f, g, h, i, j);
}

TOLD void by_value(int before, struct small small, int after)
{
	printf("by_value {'before': %d, 'small': {'first': %d, 'second': %d, 'third': %lld}, 'after': %d}\n", before,
	       small.first, small.second, (long long)small.third, after);
}

TOLD void fields(const struct flags *flags)
{
	KEEP(flags);
	printf("fields {'flags': {'low': %u, 'middle': %d, 'high': %u, 'wide': %u}}\n", flags->low, flags->middle,
	       flags->high, flags->wide);
}

TOLD void nested(const struct tree *tree)
{
	KEEP(tree);
	printf("nested {'tree': {'kind': %u, 'branch': {'leaf': {'value': %lld, 'name': b'%s'}, 'label': b'%s'}, "
	       "'inside': {'first': %d, 'second': %d, 'third': %lld}, 'either': {'number': %u, 'bytes': (%u, %u, %u, %u)}, "
	       "'numbers': (%d, %d, %d, %d), 'ratio': %.9g, 'exact': %.17g}}\n",
	       tree->kind, (long long)tree->branch->leaf->value, tree->branch->leaf->name, tree->branch->label,
	       tree->inside.first, tree->inside.second, (long long)tree->inside.third, tree->either.number,
	       tree->either.bytes[0], tree->either.bytes[1], tree->either.bytes[2], tree->either.bytes[3], tree->numbers[0],
	       tree->numbers[1], tree->numbers[2], tree->numbers[3], tree->ratio, tree->exact);
}

TOLD void buffer(const void *data, size_t size)
{
	KEEP(data);
	printf("buffer {'data': b'");
	for (size_t i = 0; i < size; i++)
		printf("\\x%02x", ((const unsigned char *)data)[i]);
	printf("', 'size': %zu}\n", size);
}

TOLD int64_t factorial(int n)
{
	int64_t result = n < 2 ? 1 : n * factorial(n - 1);

	printf("factorial {'n': %d, 'result': %lld}\n", n, (long long)result);
	return result;
}

TOLD const char *named(int n)
{
	static const char *names[] = { "zero", "one", "two" };

	printf("named {'n': %d, 'result': b'%s'}\n", n, names[n % 3]);
	return names[n % 3];
}

TOLD struct small made(int n)
{
	struct small small = { n, -n, n * 1000003LL };

	printf("made {'n': %d, 'result': {'first': %d, 'second': %d, 'third': %lld}}\n", n, small.first, small.second,
	       (long long)small.third);
	return small;
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? atoi(argv[1]) : 1;
	struct leaf leaf = { -1234567890123LL, "a leaf" };
	struct branch branch = { &leaf, "its label" };
	struct tree tree = { 7, &branch, { 1, -2, 3 }, { 0x01020304 }, { -1, 2, -3, 4 }, 0.1f, 0.1 };
	struct flags flags = { 5, -33, 0x12345, 0xedcba98 };
	char data[300];

	srand(seed);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = rand();
	for (int i = 0; i < 20; i++) {
		uint64_t r = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();

		narrow(r, r >> 8, r >> 16, r >> 24, r & 1, 'a' + i);
		wide(r, r >> 7, r << 3, r * 31, (void *)(uintptr_t)(r >> 16), i % 3 == 0 ? RED : i % 3 == 1 ? GREEN : BLUE);
		many(1, r, 3, r >> 3, 5, 6, r >> 9, -(long)(r >> 1), r >> 20, i & 1 ? "odd" : "even");
		by_value(i, (struct small){ r, r >> 20, -(int64_t)(r >> 2) }, -i);
		flags.low = r;
		flags.middle = r >> 3;
		flags.wide = r >> 5;
		fields(&flags);
		leaf.value = r;
		tree.inside.second = r >> 4;
		tree.either.number = r >> 6;
		tree.numbers[2] = r >> 7;
		tree.ratio = (float)(int32_t)r / 3;
		tree.exact = (double)(int64_t)r / 7;
		nested(&tree);
		buffer(data + i, i * 7);
		factorial(i % 12);
		named(i);
		made(i);
	}
	return fflush(stdout) ? 2 : 0;
}
