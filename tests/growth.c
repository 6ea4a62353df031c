// SPDX-License-Identifier: GPL-2.0
/*
 * What is done to one of many costs what it costs where there are few: in a machine that counts
 * instructions (scripts/tests --icount), whose clock is that count. And how often one waits for it,
 * in any machine.
 */
#include "aufs2.h"
#include <sys/resource.h>
#include <time.h>

AUFS2_FIXTURE

#define FEW 300
#define MANY 3000

/* Instructions so far: of this thread, or of the machine, which also waits. */
static double count(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static double now(void)
{
	return count(CLOCK_THREAD_CPUTIME_ID);
}

/* Whether two million instructions are counted as that, but for an interrupt. */
static bool counts(void)
{
#ifdef __x86_64__
	double best = 0;

	for (int i = 0; i < 9; i++) {
		double start = now();
		long n = 1000000;

		asm volatile("1: dec %0; jnz 1b" : "+r"(n));
		start = now() - start;
		if (!best || start < best)
			best = start;
	}
	return best > 1990000 && best < 2020000;
#else
	return false;
#endif
}

#define NEED_COUNTS() do { \
	if (!counts()) \
		SKIP(return, "this machine does not count instructions"); \
} while (0)

/* What each of N calls of WORK costs, of which the last half is looked at. */
static double each(int (*work)(const char *, int), const char *at, int n)
{
	double start = 0;

	for (int i = 0; i < n; i++) {
		if (i == n / 2)
			start = now();
		if (work(at, i))
			return -1;
	}
	return (now() - start) / (n - n / 2);
}

/* Done to each of few and to each of many, plainly and in the union. */
static void compare(struct __test_metadata *_metadata, const char *what, int (*work)(const char *, int))
{
	double plain = each(work, "plain/many", MANY) / each(work, "plain/few", FEW);
	double few = each(work, "u/few", FEW), many = each(work, "u/many", MANY);

	ksft_print_msg("%s: %.0f of few, %.0f of many, plainly %.2f times\n", what, few, many, plain);
	EXPECT_LT(0, few);
	EXPECT_GT(1.3 * (plain > 1 ? plain : 1), many / few);
}

/* Files of two names each, below and plainly. */
static int make_linked(void)
{
	return shell("mkdir plain; for at in ro plain; do "
		     "mkdir -p $at/few/a $at/few/b $at/many/a $at/many/b; "
		     "(cd $at/few/a; seq 0 %d | xargs touch); (cd $at/many/a; seq 0 %d | xargs touch); "
		     "ln $at/few/a/* $at/few/b; ln $at/many/a/* $at/many/b; done", FEW - 1, MANY - 1);
}

static int remove_one(const char *at, int i)
{
	return E(unlink(path_of("%s/a/%d", at, i)));
}

static int change_one(const char *at, int i)
{
	return E(chmod(path_of("%s/a/%d", at, i), 0600));
}

TEST_F(u, removed_by_one_of_two_names)
{
	NEED_COUNTS();
	ASSERT_EQ(0, make_linked());
	ASSERT_EQ(0, up("rw", "ro"));
	compare(_metadata, "unlink", remove_one);
}

TEST_F(u, changed_by_one_of_two_names)
{
	NEED_COUNTS();
	ASSERT_EQ(0, make_linked());
	ASSERT_EQ(0, up("rw", "ro"));
	compare(_metadata, "chmod", change_one);
}

static int link_one(const char *at, int i)
{
	return E(link(path_of("%s/f", at), path_of("%s/%d", at, i)));
}

TEST_F(u, many_names_of_one)
{
	NEED_COUNTS();
	ASSERT_EQ(0, shell("for at in ro plain; do mkdir -p $at/few $at/many; echo > $at/few/f; "
			   "echo > $at/many/f; done"));
	ASSERT_EQ(0, up("rw", "ro"));
	compare(_metadata, "link", link_one);
}

static int refuse_one(const char *at, int i)
{
	return E(rmdir(path_of("%s/d", at))) == -ENOTEMPTY ? 0 : -1;
}

/* A directory that is not empty is told by the first name in it. */
TEST_F(u, refused_for_one_of_many)
{
	NEED_COUNTS();
	ASSERT_EQ(0, shell("for at in rw ro plain; do mkdir -p $at/few/d $at/many/d; "
			   "(cd $at/few/d; seq 0 %d | xargs touch); (cd $at/many/d; seq 0 %d | xargs touch); done",
			   FEW - 1, MANY - 1));
	ASSERT_EQ(0, up("rw", "ro"));
	compare(_metadata, "rmdir", refuse_one);
}

/* What it costs that a branch comes and goes where N are there, and that the union ends. */
static int with_branches(int n, double *change, double *end)
{
	double start;
	int i, err;

	err = shell("mkdir -p b/extra; for i in $(seq %d); do mkdir -p b/$i; done", n);
	err = err ?: up("rw", "ro");
	for (i = 1; i <= n && !err; i++)
		err = E(mount("none", "u", NULL, MS_REMOUNT, path_of("append=%s/b/%d=ro", area, i)));
	start = now();
	for (i = 0; i < 4 && !err; i++) {
		err = E(mount("none", "u", NULL, MS_REMOUNT, path_of("append=%s/b/extra=ro", area)));
		err = err ?: E(mount("none", "u", NULL, MS_REMOUNT, path_of("del:%s/b/extra", area)));
	}
	*change = now() - start;
	start = count(CLOCK_MONOTONIC_RAW);
	err = err ?: down();
	*end = count(CLOCK_MONOTONIC_RAW) - start;
	return err;
}

TEST_F(u, of_many_branches)
{
	double change[3], end[3];

	NEED_COUNTS();
	AUFS2_ONLY("it is about branches");
	ASSERT_EQ(0, with_branches(1, &change[0], &end[0]));
	ASSERT_EQ(0, with_branches(80, &change[1], &end[1]));
	ASSERT_EQ(0, with_branches(320, &change[2], &end[2]));
	ksft_print_msg("remount: %.0f, %.0f, %.0f; unmount: %.0f, %.0f, %.0f\n",
		       change[0], change[1], change[2], end[0], end[1], end[2]);
	/* four times as many take four times as long, at most */
	EXPECT_GT(4 * 1.3 * change[1], change[2]);
	EXPECT_GT(4 * 1.3 * end[1], end[2]);
}

#define TOGETHER 48

/* How often this thread has waited for something: for a grace period, among others. */
static long waits(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

/* mount(2) of many branches, and one more. */
static int mount_many(const char *last)
{
	char options[4096];
	int len = snprintf(options, sizeof(options), "br");

	for (int i = 1; i <= TOGETHER; i++)
		len += snprintf(options + len, sizeof(options) - len, ":%s/b/%d=ro", area, i);
	snprintf(options + len, sizeof(options) - len, ":%s/%s=ro", area, last);
	return E(mount("none", "u", fs_name(), 0, options));
}

static int make_many(void)
{
	return shell("for i in $(seq %d); do mkdir -p b/$i; done; mkdir b/1/inside", TOGETHER);
}

/* All branches that go at a time wait for the same grace period: those of a union that ends. */
TEST_F(u, branches_go_together)
{
	long start;

	AUFS2_ONLY("it is about branches");
	ASSERT_EQ(0, make_many());
	ASSERT_EQ(0, mount_many("ro"));
	union_up = true;
	start = waits();
	ASSERT_EQ(0, down());
	EXPECT_GT(TOGETHER / 2, waits() - start);
}

/* And those of one that does not come to be. */
TEST_F(u, branches_of_none_go_together)
{
	long start;

	AUFS2_ONLY("it is about branches");
	ASSERT_EQ(0, make_many());
	/* the last one cannot be a branch */
	start = waits();
	ASSERT_EQ(-EINVAL, mount_many("b/1"));
	EXPECT_GT(TOGETHER / 2, waits() - start);
	/* or not beside the others */
	start = waits();
	ASSERT_EQ(-EINVAL, mount_many("b/1/inside"));
	EXPECT_GT(TOGETHER / 2, waits() - start);
}

TEST_HARNESS_MAIN
