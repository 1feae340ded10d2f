/* Calls functions with values that the tests of probes know: probed MODE [COUNT]. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Called as it stands, with every argument where the convention has it. */
#define PROBED __attribute__((noipa))

struct inner {
	long number;
};

struct link {
	struct link *next;
	struct inner *inner;
	int number;
};

struct point {
	int x;
	short y;
	char name[16];
};

PROBED long take_numbers(long a, int b, unsigned char c, short d, long e, long f, long g, int h)
{
	return a + b + c + d + e + f + g + h;
}

PROBED int take_text(const char *text, const struct point *point, long length)
{
	return length;
}

struct pair {
	long first;
	long second;
};

PROBED struct pair give_pair(long number)
{
	return (struct pair){ number, -number - 1 };
}

PROBED void take_link(const struct link *link)
{
}

PROBED int take_count(int thread, int turn)
{
	return turn;
}

static int turns;

static void *count_up(void *thread)
{
	for (int i = 0; i < turns; i++)
		take_count((long)thread, i);
	return NULL;
}

static volatile int done;

/* Whoever looks for a page waits for this, time and again. */
static void *change_memory(void *none)
{
	while (!done)
		munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
	return none;
}

static void run_threads(void)
{
	pthread_t threads[8], changing;

	pthread_create(&changing, NULL, change_memory, NULL);
	for (long i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, count_up, (void *)i);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	done = 1;
	pthread_join(changing, NULL);
}

static void call_all(void)
{
	struct point point = { -7, 3, "origin" };

	for (int i = 0; i < turns; i++) {
		take_numbers(-1, i, 200, -300, 5, 6, 7, -8);
		take_text("a literal", &point, i);
		give_pair(i);
	}
}

/* Two pages of a file that nobody has looked at, and after them nothing. */
static char *cold_pages(const char *path)
{
	int fd = open(path, O_RDONLY);
	long page = sysconf(_SC_PAGESIZE);
	char *all = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || all == MAP_FAILED ||
	    mmap(all, 2 * page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED)
		exit(2);
	/* The kernel would map what is near, too. */
	madvise(all, 2 * page, MADV_RANDOM);
	return all;
}

static void call_cold(const char *path)
{
	long page = sysconf(_SC_PAGESIZE);
	char *pages;

	pages = cold_pages(path);
	take_text(pages, (void *)(pages + 8), 8);
	pages = cold_pages(path);
	take_text(pages + page - 4, (void *)(pages + page - 4), 24);
	/* The last bytes before the gap: neither ends within what is there. */
	pages = cold_pages(path);
	take_text(pages + 2 * page - 8, (void *)(pages + 2 * page - 24), 24);
}

static void call_wild(void)
{
	struct inner inner = { 77 };
	struct link last = { NULL, &inner, 3 }, wild = { (void *)0x10, (void *)-4096L, 2 };
	struct link to_last = { &last, NULL, 1 }, to_wild = { &wild, NULL, 1 };

	take_link(&to_last);
	take_link(&to_wild);
	take_link(&last);
	take_link(NULL);
	take_link((void *)0xdead000000000000);
}

int main(int count, char **words)
{
	turns = count > 2 ? atoi(words[2]) : 1;
	if (!strcmp(words[1], "all")) {
		call_all();
	} else if (!strcmp(words[1], "threads")) {
		run_threads();
	} else if (!strcmp(words[1], "cold")) {
		call_cold(words[2]);
	} else if (!strcmp(words[1], "wild")) {
		call_wild();
	} else if (!strcmp(words[1], "forks")) {
		for (int i = 0; i < turns; i++) {
			take_count(getpid(), i);
			if (!fork()) {
				take_count(getpid(), i);
				_exit(0);
			}
			wait(NULL);
		}
	} else if (!strcmp(words[1], "waits")) {
		/* Each line that comes is a call. */
		for (int i = 0; getchar() != EOF; i++) {
			take_count(getpid(), i);
			puts("called");
			fflush(stdout);
		}
	} else {
		return 2;
	}
	return 0;
}
