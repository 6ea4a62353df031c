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
	EXPECT_STREQ(result ? "x" : "ENOTDIR", list(path_of("u/s%d", turn))) TH_LOG("at %d, %ld", turn, result);
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

/* Does WHAT in a child: its number. The child ends with 0, or the number of the error. */
#define CHILD(what) ({ pid_t pid_ = fork(); if (!pid_) _exit(-E(what)); pid_; })

static int end_of(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/*
 * Catches: something that is made in a directory while that is renamed on one branch, and stays on another one
 * under the old name: whoever is in between of what a rename asks of the branches, each time.
 */
TEST_F(u, what_comes_into_a_directory_that_is_renamed)
{
	static const volatile int never;
	int turn, made, moved, results[TURNS], held = 0, there = 0;

	/* those that take turns see to it that half of it goes to the other branch */
	ASSERT_EQ(0, shell("for n in $(seq %d); do mkdir base/rw2/s$n; touch base/rw2/s$n/x; done", TURNS));
	ASSERT_EQ(0, up_both());
	for (turn = 1; turn < TURNS; turn++) {
		pid_t renamer, maker;

		tell("hold %d", (turn + 1) / 2);
		renamer = CHILD(rename(path_of("u/s%d", turn), path_of("u/n%d", turn)));
		/* it may sleep for something else before it is held */
		while (!ends(renamer, &never) && !asked("held "))
			;
		if (!asked("held ")) {
			tell("count");
			EXPECT_EQ(0, end_of(renamer));
			results[turn] = -1;
			break;
		}
		held++;
		maker = CHILD(mknod(path_of("u/s%d/new", turn), S_IFREG | 0644, 0));
		ends(maker, &never);
		tell("release");
		moved = end_of(renamer);
		made = end_of(maker);
		there += !made;
		results[turn] = moved ? -moved : !made;
		EXPECT_TRUE(!made || made == ENOENT) TH_LOG("at %d: %d", turn, made);
		EXPECT_STREQ(moved ? "dir" : "ENOENT", kind(path_of("u/s%d", turn))) TH_LOG("at %d: %d", turn, moved);
		EXPECT_STREQ(made ? "x" : "new x", list(path_of(moved ? "u/s%d" : "u/n%d", turn))) TH_LOG("at %d: %d", turn, moved);
	}
	EXPECT_GT(TURNS, turn);
	EXPECT_LT(5, held);
	EXPECT_LT(2, there);
	moved = turn;
	ASSERT_EQ(0, down_both());
	ASSERT_EQ(0, up_both());
	for (turn = 1; turn < moved; turn++)
		EXPECT_STREQ(results[turn] < 0 ? "dir" : "ENOENT", kind(path_of("u/s%d", turn))) TH_LOG("mounted again, at %d", turn);
	ASSERT_EQ(0, down_both());
}

static long up_beside(void)
{
	if (mount_pass("held", "base", "undone"))
		return -errno;
	return union_mount("", 0, (const char * const []){ "held/rw=rw", "rw3=rw", "ro2", NULL });
}

/*
 * Catches: a copy on the next branch that what is left on one without room hides: since it could not be
 * taken back, or since nobody looked for what a server has done and says it has not.
 */
/* And so many more operations fail after it. */
FIXTURE_VARIANT(elsewhere) { const char *command; int more; };
FIXTURE(elsewhere) { int unused; };
FIXTURE_SETUP(elsewhere)
{
	const char *why = no_pass();

	AUFS2_ONLY("several writable branches");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir -p base/rw held rw3 ro2"));
}
FIXTURE_TEARDOWN(elsewhere)
{
	const char *wrong = reference() || no_pass() ? NULL : area_leave();

	EXPECT_STREQ("", wrong ?: "");
}
FIXTURE_VARIANT_ADD(elsewhere, fails_from) { .command = "break" };
FIXTURE_VARIANT_ADD(elsewhere, is_denied) { .command = "deny" };
FIXTURE_VARIANT_ADD(elsewhere, is_denied_and_not_told) { .command = "deny", .more = 2 };

TEST_F(elsewhere, a_copy)
{
	/* with one name, and with two, of which the other is not used */
	static const char *const names[] = { "u/f%d", "u/g%d" };
	long results[2][TURNS];
	int turn, two, last[2], elsewhere = 0, failed = 0;

	ASSERT_EQ(0, shell("for n in $(seq %d); do echo -n low > ro2/f$n; echo -n low > ro2/g$n; ln ro2/g$n ro2/h$n; done",
			   TURNS));
	/* what makes a copy complete that has its name already */
	if (shell("chattr +a ro2/*"))
		SKIP(return, "no append-only files here");
	ASSERT_EQ(0, up_beside());
	for (two = 0; two < 2; two++) {
		for (turn = 1; turn < TURNS; turn++) {
			const char *file = path_of(names[two], turn);
			int fd, seen;

			tell("%s %d %d %d", variant->command, turn, ENOSPC, variant->more);
			fd = open(file, O_WRONLY | O_APPEND);
			results[two][turn] = fd < 0 ? -errno : 0;
			seen = asked("seen ");
			failed += asked("failed ") != 0;
			tell("count");
			if (fd >= 0) {
				ASSERT_EQ(3, write(fd, "new", 3));
				close(fd);
			}
			if (seen < turn)
				break;
			elsewhere += !access(path_of("rw3/%s", path_of(names[two], turn) + 2), F_OK);
			EXPECT_STREQ(fd < 0 ? "low" : "lownew", read_file(file)) TH_LOG("%s", file);
		}
		EXPECT_GT(TURNS, turn);
		last[two] = turn;
	}
	/* the copy's name, the pseudo-link, and more */
	EXPECT_LT(2, failed);
	if (!strcmp(variant->command, "break"))
		EXPECT_LT(1, elsewhere);
	ASSERT_EQ(0, down_both());
	ASSERT_EQ(0, up_beside());
	for (two = 0; two < 2; two++) {
		for (turn = 1; turn < last[two]; turn++) {
			const char *wanted = results[two][turn] ? "low" : "lownew";

			EXPECT_STREQ(wanted, read_file(path_of(names[two], turn))) TH_LOG("%d", turn);
			if (two)
				EXPECT_STREQ(wanted, read_file(path_of("u/h%d", turn))) TH_LOG("%d", turn);
		}
	}
	ASSERT_EQ(0, down_both());
	EXPECT_EQ(0, shell("chattr -R -a base rw3"));
}

TEST_F(elsewhere, a_new_file)
{
	long results[TURNS];
	int turn, last, failed = 0, elsewhere = 0;

	ASSERT_EQ(0, up_beside());
	for (turn = 1; turn < TURNS; turn++) {
		const char *file = path_of("u/n%d", turn);
		int seen;

		tell("%s %d %d %d", variant->command, turn, ENOSPC, variant->more);
		results[turn] = E(mknod(file, S_IFREG | 0644, 0));
		seen = asked("seen ");
		failed += asked("failed ") != 0;
		tell("count");
		if (seen < turn)
			break;
		if (!results[turn])
			EXPECT_EQ(0, append_file(file, "new")) TH_LOG("at %d", turn);
		elsewhere += !access(path_of("rw3/n%d", turn), F_OK);
	}
	EXPECT_GT(TURNS, turn);
	EXPECT_LT(0, failed);
	if (!strcmp(variant->command, "break"))
		EXPECT_LT(0, elsewhere);
	last = turn;
	ASSERT_EQ(0, down_both());
	ASSERT_EQ(0, up_beside());
	for (turn = 1; turn < last; turn++) {
		const char *file = path_of("u/n%d", turn);

		/* one that was not to be made may be there, and empty */
		if (!results[turn] || strcmp("ENOENT", kind(file)))
			EXPECT_STREQ(results[turn] ? "" : "new", read_file(file)) TH_LOG("at %d", turn);
	}
	ASSERT_EQ(0, down_both());
}

TEST_HARNESS_MAIN
