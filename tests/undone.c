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
	ASSERT_EQ(0, shell("mkdir -p base/rw base/rw2 base/ro held rw3 ro2"));
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

static long up_beside(void)
{
	if (mount_pass("held", "base", "undone"))
		return -errno;
	return union_mount("", 0, (const char * const []){ "held/rw=rw", "rw3=rw", "ro2", NULL });
}

/* Catches: a copy on the next branch that what is left on one without room hides. */
TEST_F(u, a_copy_that_is_tried_elsewhere)
{
	long results[TURNS];
	int turn, last, elsewhere = 0, failed = 0;

	ASSERT_EQ(0, shell("for n in $(seq %d); do echo -n low > ro2/f$n; done", TURNS));
	/* every other one has two names; and what makes a copy complete that has its name already */
	ASSERT_EQ(0, shell("for n in $(seq 2 2 %d); do ln ro2/f$n ro2/g$n; done", TURNS));
	if (shell("chattr +a ro2/f*"))
		SKIP(return, "no append-only files here");
	ASSERT_EQ(0, up_beside());
	for (turn = 1; turn < TURNS; turn++) {
		const char *file = path_of("u/f%d", turn);
		bool any;
		int fd;

		tell("break %d %d", turn, ENOSPC);
		fd = open(file, O_WRONLY | O_APPEND);
		results[turn] = fd < 0 ? -errno : 0;
		any = asked("failed ") != 0;
		tell("count");
		if (fd >= 0) {
			ASSERT_EQ(3, write(fd, "new", 3));
			close(fd);
		}
		if (!any)
			break;
		failed += results[turn] != 0;
		elsewhere += !access(path_of("rw3/f%d", turn), F_OK);
		EXPECT_STREQ(results[turn] ? "low" : "lownew", read_file(file)) TH_LOG("at %d", turn);
	}
	EXPECT_GT(TURNS, turn);
	/* there are both */
	EXPECT_LT(0, failed);
	EXPECT_LT(3, elsewhere);
	last = turn;
	ASSERT_EQ(0, down_both());
	ASSERT_EQ(0, up_beside());
	for (turn = 1; turn < last; turn++)
		EXPECT_STREQ(results[turn] ? "low" : "lownew", read_file(path_of("u/f%d", turn)))
			TH_LOG("mounted again, at %d, %ld", turn, results[turn]);
	ASSERT_EQ(0, down_both());
	EXPECT_EQ(0, shell("chattr -R -a base rw3"));
}

TEST_HARNESS_MAIN
