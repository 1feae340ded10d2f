/* The program of the first example: a function that is passed a structure. "exp 5" calls it five times, "exp 0" never;
 * "exp 5 wait" when it has read a letter; then "recurse N" in itself, and with "threads N" in so many threads at once. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct exp {
	int num;
	char name[35];
};

__attribute__((noinline)) int accept_exp(struct exp *t)
{
	__asm__ volatile("" ::: "memory");
	return t->num * 10;
}

__attribute__((noinline)) long recurse(int depth)
{
	__asm__ volatile("" ::: "memory");
	return depth ? recurse(depth - 1) + depth : 0;
}

static void *work(void *number)
{
	struct exp mine = { (int)(long)number, "thread" };

	for (int i = 0; i < 100; i++)
		accept_exp(&mine);
	return NULL;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 3;
	pthread_t threads[64];

	if (argc > 2 && !strcmp(argv[2], "wait"))
		getchar();
	for (int i = 1; i <= count; i++) {
		struct exp one = { i, "keqing" };

		printf("%d %s %d\n", one.num, one.name, accept_exp(&one));
	}
	if (argc > 3 && !strcmp(argv[2], "recurse"))
		printf("%ld\n", recurse(atoi(argv[3])));
	if (argc > 3 && !strcmp(argv[2], "threads")) {
		int many = atoi(argv[3]);

		for (long i = 0; i < many; i++)
			pthread_create(&threads[i], NULL, work, (void *)i);
		for (int i = 0; i < many; i++)
			pthread_join(threads[i], NULL);
	}
	return 0;
}
