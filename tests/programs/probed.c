/* Calls functions with what it prints: probed MODE. What a probe tells is compared
 * with the lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct point {
	int x;
	short y;
	char name[16];
};

__attribute__((noinline)) long take_numbers(long a, int b, unsigned char c, short d, long e, long f, long g, int h)
{
	__asm__ volatile("" : : : "memory");
	return a + b + c + d + e + f + g + h;
}

__attribute__((noinline)) int take_text(const char *text, const struct point *point, int length)
{
	__asm__ volatile("" : : "r"(text), "r"(point) : "memory");
	return length;
}

int main(int count, char **words)
{
	struct point point = { -7, 3, "origin" };
	int turns = count > 1 ? atoi(words[1]) : 1;

	for (int i = 0; i < turns; i++) {
		take_numbers(-1, i, 200, -300, 5, 6, 7, -8);
		take_text("a literal", &point, i % 5);
	}
	return 0;
}
