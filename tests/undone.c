// SPDX-License-Identifier: GPL-2.0
/*
 * What fails half way is undone: each operation that is asked of a branch fails in turn, on branches
 * of a test build (AUFS2_SAMPLE=1), and the union is as it was, also when it is mounted again.  What
 * pairs.c does so to one writable branch, for what takes two.
 */
#include "aufs2_pass.h"
#include <sys/wait.h>

#define TURNS 50

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	const char *why = no_pass();

	AUFS2_ONLY("several writable branches");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir -p base/rw base/rw2 base/ro held"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = reference() || no_pass() ? NULL : area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static long up_both(void)
{
	if (mount_pass("held", "base", "undone"))
		return -errno;
	return union_mount("create=rr", 0, (const char * const []){ "held/rw=rw", "held/rw2=rw", "held/ro", NULL });
}

static long down_both(void)
{
	return down() ?: E(umount2("held", 0));
}

/* Has the operation TURN fail in WHAT, which returns 0 or -errno: whether there was one. */
static bool fails_at(int turn, long (*what)(int turn), long *result)
{
	bool failed;

	tell("fail %d %d", turn, EIO);
	*result = what(turn);
	failed = asked("failed ") != 0;
	tell("count");
	return failed;
}

static long rename_and_leave(int turn)
{
	return E(renameat2(AT_FDCWD, path_of("u/s%d", turn), AT_FDCWD, path_of("u/n%d", turn), RENAME_WHITEOUT));
}

static void judge_rename(struct __test_metadata *_metadata, int turn, long result)
{
	EXPECT_STREQ(result ? "x" : "", list(path_of("u/s%d", turn))) TH_LOG("at %d, %ld", turn, result);
	EXPECT_STREQ(result ? "ENOENT" : "dir", kind(path_of("u/n%d", turn))) TH_LOG("at %d, %ld", turn, result);
	if (!result)
		EXPECT_STREQ("x", list(path_of("u/n%d", turn)));
}

/* Catches: a directory that cannot be taken back over the device that its rename has left. */
TEST_F(u, a_directory_that_leaves_a_device)
{
	long results[TURNS];
	int turn, last, failed = 0;

	ASSERT_EQ(0, shell("for n in $(seq %d); do mkdir base/rw2/s$n; touch base/rw2/s$n/x; done", TURNS));
	for (turn = 1; turn <= TURNS; turn++)
		ASSERT_EQ(0, whiteout(path_of("base/rw/n%d", turn)));
	ASSERT_EQ(0, up_both());
	for (turn = 1; turn < TURNS && fails_at(turn, rename_and_leave, &results[turn]); turn++) {
		failed += results[turn] != 0;
		judge_rename(_metadata, turn, results[turn]);
	}
	EXPECT_GT(TURNS, turn);
	EXPECT_LT(3, failed);
	last = turn;
	ASSERT_EQ(0, down_both());
	ASSERT_EQ(0, up_both());
	for (turn = 1; turn < last; turn++)
		judge_rename(_metadata, turn, results[turn]);
	ASSERT_EQ(0, down_both());
}

static long create_two(int turn)
{
	long first = write_file(path_of("u/d%d/first", turn), "");

	return write_file(path_of("u/d%d/second", turn), "") ?: first;
}

/* Catches: a whiteout that goes before the copy of the directory that takes its place is complete. */
TEST_F(u, a_copy_where_the_name_is_whited_out)
{
	int turn, last, failed = 0;
	long result;

	ASSERT_EQ(0, shell("for n in $(seq %d); do mkdir base/rw/d$n base/ro/d$n; touch base/ro/d$n/x; done", TURNS));
	for (turn = 1; turn <= TURNS; turn++)
		ASSERT_EQ(0, whiteout(path_of("base/rw2/d%d", turn)));
	if (shell("chattr +a base/rw/d*"))
		SKIP(return, "no append-only directories here");
	ASSERT_EQ(0, up_both());
	for (turn = 1; turn < TURNS && fails_at(turn, create_two, &result); turn++) {
		failed += result != 0;
		EXPECT_EQ(NULL, strchr(list(path_of("u/d%d", turn)), 'x')) TH_LOG("at %d", turn);
	}
	EXPECT_GT(TURNS, turn);
	EXPECT_LT(3, failed);
	/* the directory has come to the other branch at all */
	EXPECT_STREQ("dir", kind(path_of("base/rw2/d%d", turn)));
	last = turn;
	ASSERT_EQ(0, down_both());
	ASSERT_EQ(0, up_both());
	for (turn = 1; turn < last; turn++)
		EXPECT_EQ(NULL, strchr(list(path_of("u/d%d", turn)), 'x')) TH_LOG("mounted again, at %d", turn);
	ASSERT_EQ(0, down_both());
	EXPECT_EQ(0, shell("chattr -R -a base"));
}

TEST_HARNESS_MAIN
