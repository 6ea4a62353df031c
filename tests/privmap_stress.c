// SPDX-License-Identifier: GPL-2.0
/*
 * privmap=snapshot, with much at a time: random histories of a file and its mappings,
 * beside a copy of the file for each; threads that write and map at the same time;
 * what is kept, in swap; and writers that are killed while something is kept for them.
 */
#include "aufs2_privmap.h"
#include <pthread.h>

enum { VIEWS = 8, SHORT = 24 * PAGE };

/* --- random histories --------------------------------------------------------- */

/* A way to change from there on, or one in its place where that would be too long. */
static enum way way_of(int op, long size, long len)
{
	long more = len + 2 * PAGE;

	if ((op == APPEND || op == INSERT) && size + more > LONGEST)
		return SHORTER;
	return op;
}

TEST_F(u, anything_at_random)
{
	static struct view views[VIEWS];
	unsigned int seed = sample_from() ?: 1;
	size_t rounds = long_ms(250), round;
	struct view *view;
	long from, len, size;
	int fd, op, i, status;
	pid_t child;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	shared = NULL;
	TH_LOG("seed %u", seed);
	for (round = 0; round < rounds; round++) {
		op = rand_r(&seed) % 48;
		from = rand_r(&seed) % SHORT;
		len = 1 + rand_r(&seed) % (rand_r(&seed) % 2 ? 200 : SHORT - from);
		if (len > SHORT - from)
			len = SHORT - from;
		size = lseek(fd, 0, SEEK_END);
		view = &views[rand_r(&seed) % VIEWS];
		if (op < WAYS) {
			enum way way = way_of(op, size, len);
			bool stores = way == SHARED || is_by_shared(way);

			if (stores && way != REMOVE && from + len > size)
				continue;
			if (is_by_shared(way) && !shared)
				continue;
			/* for the second half of the time, there are stores */
			if (stores && round < rounds / 2)
				continue;
			change(fd, way, from, len, round);
		} else if (op < WAYS + 3) {
			if (round < rounds / 2)
				continue;
			if (shared)
				munmap(shared, LONGEST);
			shared = shared ? NULL : mmap(NULL, LONGEST, PROT_READ | PROT_WRITE,
						      MAP_SHARED, fd, 0);
			ASSERT_NE(MAP_FAILED, shared);
		} else if (op < WAYS + 5) {
			put("/proc/sys/vm/drop_caches", 0, "3");
		} else if (op < WAYS + 8 && view->p) {
			for (; from < view->size && len; from++, len--)
				view->p[from] = view->expected[from] = '0' + round % 10;
		} else if (op < WAYS + 10 && view->p) {
			/* a child has what its parent has, and keeps it when that has gone */
			child = fork();
			if (!child) {
				munmap(views[0].p == view->p ? views[1].p : views[0].p, PAGE);
				change(fd, WRITE, from, len, round + 1);
				_exit(differs(view) != -1);
			}
			ASSERT_EQ(child, waitpid(child, &status, 0));
			ASSERT_EQ(0, status);
		} else if (op < WAYS + 12 && view->p) {
			/* to where nothing else is */
			char *room = mmap(NULL, LONGEST, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			char *moved = mremap(view->p, LONGEST, LONGEST, MREMAP_MAYMOVE | MREMAP_FIXED,
					     room);

			ASSERT_NE(MAP_FAILED, moved);
			view->p = moved;
		} else if (op < WAYS + 13 && view->p) {
			madvise(view->p, LONGEST, MADV_PAGEOUT);
		} else if (view->p) {
			munmap(view->p, LONGEST);
			view->p = NULL;
		} else {
			ASSERT_EQ(0, look(view, fd, 0));
		}
		for (i = 0; i < VIEWS; i++) {
			if (!views[i].p || (round + i) % 3)
				continue;
			ASSERT_EQ(-1, differs(&views[i])) {
				TH_LOG("round %zu, operation %d of %ld at %ld", round, op, len, from);
			}
		}
	}
	for (i = 0; i < VIEWS; i++)
		if (views[i].p)
			munmap(views[i].p, LONGEST);
	if (shared)
		munmap(shared, LONGEST);
	close(fd);
	EXPECT_EQ(0, counter("views"));
	EXPECT_EQ(0, counter("kept-pages"));
	EXPECT_EQ(0, down());
}

/* --- threads ------------------------------------------------------------------ */

enum { WRITERS = 3, LOOKERS = 2, PART = 16 * PAGE };

static int raced;
static volatile bool stop;
static volatile unsigned long written[WRITERS], looked[LOOKERS];
static char wrong[256];

static void say(const char *what, long thread, long at)
{
	if (!stop)
		snprintf(wrong, sizeof(wrong), "%s, thread %ld, at %ld", what, thread, at);
	stop = true;
}

/*
 * Nobody else writes to its part of the file, so that it knows what has to show there:
 * before its write in a mapping that was made before, after it in one that was made after.
 */
static void *write_part(void *arg)
{
	static const enum way ways[] = {
		WRITE, WRITE, VECTOR, PUNCH, DIRECT, SPLICE, COPY_RANGE, ASYNC, RING, ZERO, CLONE
	};
	long thread = (long)arg, base = thread * PART, from, len;
	unsigned int seed = thread + 1;
	char *expected = malloc(PART), *now = malloc(PART), *p, *q;
	int err;

	if (pread(raced, expected, PART, base) != PART)
		say("cannot read", thread, 0);
	while (!stop) {
		from = rand_r(&seed) % PART;
		len = 1 + rand_r(&seed) % (PART - from);
		p = mmap(NULL, PART, PROT_READ, MAP_PRIVATE, raced, base);
		if (p == MAP_FAILED)
			say("cannot map", thread, errno);
		err = change(raced, ways[rand_r(&seed) % ARRAY_SIZE(ways)], base + from, len,
			     rand_r(&seed) % 100);
		if (err && err != -EOPNOTSUPP)
			say("cannot write", thread, err);
		if (pread(raced, now, PART, base) != PART)
			say("cannot read", thread, 0);
		q = mmap(NULL, PART, PROT_READ, MAP_PRIVATE, raced, base);
		if (memcmp(p, expected, PART))
			say("what was written later shows", thread, from);
		if (memcmp(q, now, PART))
			say("what was written before does not show", thread, from);
		munmap(p, PART);
		munmap(q, PART);
		memcpy(expected, now, PART);
		written[thread]++;
	}
	free(expected);
	free(now);
	return NULL;
}

/*
 * What A has kept, B has the second mapping of, and reads, before A writes: what B has read
 * is what it reads again when A has written, and when nothing of it is in memory.
 */
static void *look_twice(void *arg)
{
	long thread = (long)arg, all = WRITERS * PART;
	char *first = malloc(all), *p, *q;

	while (!stop) {
		unsigned long then = written[thread];

		p = mmap(NULL, all, PROT_READ, MAP_PRIVATE, raced, 0);
		q = mmap(NULL, all, PROT_READ, MAP_PRIVATE, raced, 0);
		memcpy(first, q, all);
		while (!stop && written[thread] < then + 2)
			sched_yield();
		if (memcmp(first, q, all))
			say("what was read has changed", thread, 0);
		madvise(q, all, looked[thread] % 2 ? MADV_PAGEOUT : MADV_DONTNEED);
		if (memcmp(first, q, all))
			say("what is read again has changed", thread, 0);
		munmap(p, all);
		munmap(q, all);
		looked[thread]++;
	}
	free(first);
	return NULL;
}

/* Whether each thread has done that much. */
static bool has_each(unsigned long writes, unsigned long looks)
{
	int i;

	for (i = 0; i < WRITERS; i++)
		if (written[i] < writes)
			return false;
	for (i = 0; i < LOOKERS; i++)
		if (looked[i] < looks)
			return false;
	return true;
}

TEST_F(u, writers_and_those_who_look)
{
	pthread_t threads[WRITERS + LOOKERS];
	int i, waited;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, raced = open("u/file", O_RDWR | O_CREAT, 0600));
	ASSERT_EQ(0, fill(raced, 0, WRITERS * PART, 0));
	stop = false;
	for (i = 0; i < WRITERS + LOOKERS; i++) {
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, i < WRITERS ? write_part : look_twice,
					    (void *)(long)(i < WRITERS ? i : i - WRITERS)));
	}
	/* until there was enough of it; on a machine that is slow or busy, until there was some */
	for (waited = 0; !stop && waited < 600000; waited += 20) {
		if (has_each(40 * long_ms(1), 10 * long_ms(1)) || (waited >= 60000 && has_each(4, 2)))
			break;
		if (waited % 500 == 0)
			put("/proc/sys/vm/drop_caches", 0, "1");
		usleep(20000);
	}
	TH_LOG("%lu and %lu times in %d ms", written[0], looked[0], waited);
	EXPECT_FALSE(stop) {
		TH_LOG("%s", wrong);
	}
	stop = true;
	for (i = 0; i < WRITERS + LOOKERS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_TRUE(has_each(4, 2));
	close(raced);
	EXPECT_EQ(0, counter("kept-pages"));
	EXPECT_EQ(0, down());
}

/* --- memory ------------------------------------------------------------------- */

#define LARGE (8L << 20)

/* What is in the large file at FROM, page by page. */
static long stamp(long from, int of)
{
	return from * 7 + of + 1;
}

static int fill_large(int fd, int of)
{
	static long block[64 * PAGE / sizeof(long)];
	long from, i;

	for (from = 0; from < LARGE; from += sizeof(block)) {
		for (i = 0; i < (long)ARRAY_SIZE(block); i++)
			block[i] = stamp(from + i * sizeof(long), of);
		if (pwrite(fd, block, sizeof(block), from) != sizeof(block))
			return -errno;
	}
	return 0;
}

/* How many words are not what they were. */
static long wrong_words(const char *p, int of)
{
	const long *words = (const long *)p;
	long count = 0, i;

	for (i = 0; i < LARGE / (long)sizeof(long); i++)
		count += words[i] != stamp(i * sizeof(long), of);
	return count;
}

static int to_swap(void)
{
	/* as much as there is, which is an error where there is less */
	put("/mnt/cgroup/privmap/memory.reclaim", 0, "64M");
	return atol(read_file("/mnt/cgroup/privmap/memory.swap.current")) / PAGE;
}

TEST_F(u, what_is_kept_comes_back_from_swap)
{
	char *p, *q;
	int fd;

	if (swap_on())
		SKIP(return, "no swap on zram");
	self->swaps = true;
	mkdir("/mnt/cgroup", 0755);
	ASSERT_EQ(0, E(mount("none", "/mnt/cgroup", "cgroup2", 0, NULL)));
	put("/mnt/cgroup/cgroup.subtree_control", 0, "+memory");
	mkdir("/mnt/cgroup/privmap", 0755);
	ASSERT_EQ(0, put("/mnt/cgroup/privmap/cgroup.procs", 0, path_of("%d", getpid())));
	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	ASSERT_EQ(0, fill_large(fd, 0));
	p = mmap(NULL, LARGE, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	/* of half of it nobody has looked at the pages */
	EXPECT_EQ(stamp(0, 0), *(long *)p);
	ASSERT_EQ(0, fill_large(fd, 1));
	q = mmap(NULL, LARGE, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, fill_large(fd, 2));
	EXPECT_EQ(2 * LARGE / PAGE, counter("kept-pages"));
	EXPECT_LE(LARGE / PAGE, to_swap());
	EXPECT_EQ(0, wrong_words(p, 0));
	EXPECT_EQ(0, wrong_words(q, 1));
	/* some of that may have been a huge page */
	madvise(p, LARGE, 25 /* MADV_COLLAPSE */);
	EXPECT_EQ(0, wrong_words(p, 0));
	to_swap();
	madvise(p, LARGE, MADV_PAGEOUT);
	ASSERT_EQ(0, E(ftruncate(fd, 0)));
	EXPECT_EQ(0, wrong_words(p, 0));
	/* what only the later one has goes, from swap, too */
	to_swap();
	munmap(p, LARGE);
	EXPECT_EQ(0, wrong_words(q, 1));
	EXPECT_EQ(LARGE / PAGE, counter("kept-pages"));
	to_swap();
	munmap(q, LARGE);
	close(fd);
	EXPECT_EQ(0, counter("kept-pages"));
	EXPECT_EQ(0, down());
}

/* Waits until something is kept for a child, or it has ended. */
static void wait_until_kept(pid_t child)
{
	while (counter("kept-pages") <= 0 && state_of(child) != 'Z')
		;
}

/* Who is killed while something is kept for him has written nothing, or what was told of. */
TEST_F(u, writers_that_are_killed)
{
	unsigned int seed = sample_from() ?: 1;
	long rounds = long_ms(6), round, killed = 0, i;
	char *p, *bytes = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long *words = (long *)bytes, found;
	int fd, status;
	pid_t child;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	for (i = 0; i < LARGE / (long)sizeof(long); i++)
		words[i] = stamp(i * sizeof(long), 1);
	/* on a machine that is fast, until one was not fast enough */
	for (round = 0; round < rounds || (!killed && round < 50 * rounds); round++) {
		ASSERT_EQ(0, fill_large(fd, 0));
		p = mmap(NULL, LARGE, PROT_READ, MAP_PRIVATE, fd, 0);
		ASSERT_NE(MAP_FAILED, p);
		child = fork();
		if (!child) {
			switch (round % 4) {
			case 0:
				_exit(E(ftruncate(fd, 0)) != 0);
			case 1:
				_exit(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
			default:
				_exit(pwrite(fd, bytes, LARGE, 0) != LARGE);
			}
		}
		/* at any time, or at the beginning */
		if (round / 4 % 2)
			usleep(rand_r(&seed) % 40000);
		else
			wait_until_kept(child);
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		killed += WIFSIGNALED(status);
		EXPECT_EQ(0, wrong_words(p, 0)) {
			TH_LOG("round %ld, status %d", round, status);
		}
		/* words of the file are of before or of after; where it was not made empty, all are there */
		for (i = 0; i < LARGE; i += PAGE) {
			if (round % 4 == 0 && lseek(fd, 0, SEEK_END) == 0)
				break;
			ASSERT_EQ(8, E(pread(fd, &found, 8, i)));
			ASSERT_TRUE(found == stamp(i, 0) || (round % 4 > 1 && found == stamp(i, 1)));
		}
		munmap(p, LARGE);
		EXPECT_EQ(0, counter("kept-pages"));
	}
	TH_LOG("%ld of %ld were killed", killed, round);
	EXPECT_LT(0, killed);
	close(fd);
	EXPECT_EQ(0, down());
}

TEST_HARNESS_MAIN
