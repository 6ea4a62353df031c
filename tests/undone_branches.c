// SPDX-License-Identifier: GPL-2.0
/*
 * A mount, a change of the branches, a move down and an unmount in which anything that is asked of
 * a branch fails: what cannot be done has not been, and no file is lost. On branches of a test build
 * (AUFS2_SAMPLE=1).
 */
#include "aufs2_mvdown.h"
#include "aufs2_pass.h"
#include <glob.h>

/* More than is asked of branches for any of it. */
#define MOST 400

/* What a branch may say. */
static const int errors[] = { EIO, ENOSPC, EDQUOT, EROFS, ESTALE, EINTR, ENOMEM };

/* How many operations have failed. */
static int struck;

FIXTURE(u) { int unused; };
/* A server whose answer is lost denies what it has done. */
FIXTURE_VARIANT(u) { const char *command; };
FIXTURE_VARIANT_ADD(u, once) { "fail" };
FIXTURE_VARIANT_ADD(u, for_good) { "break" };
FIXTURE_VARIANT_ADD(u, denied) { "deny" };
#define DENIES !strcmp(variant->command, "deny")
FIXTURE_SETUP(u)
{
	const char *why = no_pass();

	struck = 0;
	AUFS2_ONLY("branches that come and go");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir -p base/rw/d base/rw2/d base/ro/d base/more/d held; mkdir -m 700 base/rw/.wh..wh.orph;"
			   "for b in rw rw2 ro more; do echo $b > base/$b/who; echo $b > base/$b/d/$b; done;"
			   "ln base/ro/who base/ro/name; touch base/rw/.wh.gone base/ro/gone base/more/gone"));
	/* pseudo-links, which are read when a branch comes */
	ASSERT_EQ(0, shell("for b in rw2 ro more; do mkdir -m 700 base/$b/.wh..wh.plnk; for i in 1 2; do "
			   "echo > base/$b/.wh..wh.plnk/0.%032d.%016d.%016d.%016d.%016d.$i; done; done", 0, 0, 0, 0, 0));
	ASSERT_EQ(0, mount_pass("held", "base", "branches"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong;

	if (reference() || no_pass())
		return;
	umount("held");
	wrong = area_leave();
	EXPECT_STREQ("", wrong ?: "");
}

static long mount_two(void)
{
	return E(mount("none", "u", "aufs2", 0,
		       path_of("br:%s/held/rw=rw:%s/held/rw2=rw:%s/held/ro=ro", area, area, area)));
}

/* The branches of the union, topmost first, and how each is used. */
static const char *branches(void)
{
	char *all = buffer();
	glob_t found;
	size_t i, len = 0;

	*all = 0;
	if (glob("/sys/fs/aufs/si_*/br[0-9]", 0, NULL, &found))
		return "";
	for (i = 0; i < found.gl_pathc; i++) {
		const char *name = read_file(found.gl_pathv[i]);
		const char *last = strrchr(name, '/') ?: name;

		len += snprintf(all + len, 4096 - len, "%s%.*s", len ? " " : "",
				(int)strcspn(last + 1, "\n"), last + 1);
	}
	globfree(&found);
	return all;
}

static bool is_mounted(void)
{
	return strcmp("", list("u"));
}

/*
 * Does WHAT with the operation TURN failing by ERROR, as COMMAND says: whether there was one.
 */
static bool fails_at(int turn, int error, const char *command, long (*what)(void), long *result)
{
	bool failed;

	/* What a mount sweeps, which can be denied. */
	write_file("held/rw/.wh..wh.orph/left", "");
	/* What is known of names is not asked for again. */
	drop_caches();
	tell("%s %d %d", command, turn, error);
	*result = what();
	failed = asked("failed ") != 0;
	struck += failed;
	/* not each can be denied */
	if (!strcmp(command, "deny"))
		failed = asked("seen ") >= turn;
	tell("count");
	return failed;
}

struct change {
	const char *name;
	/* What is done, and what undoes it. */
	long (*go)(void);
	long (*back)(void);
	/* What the branches are after that. */
	const char *after;
};

static long change(const char *options)
{
	return E(mount("none", "u", NULL, MS_REMOUNT, options));
}

static long go_add(void) { return change(path_of("add:1:%s/held/more=rw", area)); }
static long back_add(void) { return change(path_of("del:%s/held/more", area)); }
static long go_del(void) { return change(path_of("del:%s/held/rw2", area)); }
static long back_del(void) { return change(path_of("add:1:%s/held/rw2=rw", area)); }
static long go_mod(void) { return change(path_of("mod:%s/held/rw2=ro", area)); }
static long back_mod(void) { return change(path_of("mod:%s/held/rw2=rw", area)); }
static long go_move(void) { return change(path_of("mv:2:%s/held/rw", area)); }
static long back_move(void) { return change(path_of("mv:0:%s/held/rw", area)); }
static long go_both(void)
{
	return change(path_of("del:%s/held/rw2,mod:%s/held/ro=rw,add:0:%s/held/more=ro+wh", area, area, area));
}
static long back_both(void)
{
	return change(path_of("del:%s/held/more,mod:%s/held/ro=ro,add:1:%s/held/rw2=rw", area, area, area));
}

static const struct change changes[] = {
	{ "add", go_add, back_add, "rw=rw more=rw rw2=rw ro=ro" },
	{ "del", go_del, back_del, "rw=rw ro=ro" },
	{ "mod", go_mod, back_mod, "rw=rw rw2=ro ro=ro" },
	{ "mv", go_move, back_move, "rw2=rw ro=ro rw=rw" },
	{ "several", go_both, back_both, "more=ro+wh rw=rw ro=rw" },
};

#define BEFORE "rw=rw rw2=rw ro=ro"

/* One change, with each operation failing: what is wrong with it. */
static const char *try_change(const struct change *c, int error, const char *command, int *failures)
{
	uint64_t before = tree_checksum("u"), after;
	long result = c->go();
	int turn;

	if (result || strcmp(c->after, branches()))
		return path_of("%s: %s, and '%s'", c->name, errno_name(-result), branches());
	after = tree_checksum("u");
	if (c->back() || strcmp(BEFORE, branches()) || tree_checksum("u") != before)
		return path_of("%s cannot be undone", c->name);
	for (turn = 1; turn < MOST; turn++) {
		bool more = fails_at(turn, error, command, c->go, &result);
		bool right = !strcmp(result ? BEFORE : c->after, branches());

		if (!right || tree_checksum("u") != (result ? before : after))
			return path_of("%s, %s at %d: %s, and '%s', %s", c->name, errno_name(error), turn,
				       errno_name(-result), branches(), right ? "with other files" : "");
		if (result && !more)
			return path_of("%s fails by itself at %d: %s", c->name, turn, errno_name(-result));
		*failures += result != 0;
		if (!result && c->back())
			return path_of("%s at %d cannot be undone", c->name, turn);
		if (!more)
			return NULL;
	}
	return path_of("%s: there is no end to it", c->name);
}

TEST_F_TIMEOUT(u, changes, 600)
{
	int failures = 0, fd;
	const char *wrong;
	size_t i, j;

	if (DENIES)
		SKIP(return, "a change asks for nothing that could be denied");
	ASSERT_EQ(0, mount_two());
	ASSERT_LE(0, fd = open("u/d/ro", O_RDONLY));
	for (i = 0; i < ARRAY_SIZE(changes); i++)
		for (j = 0; j < ARRAY_SIZE(errors); j++) {
			wrong = try_change(&changes[i], errors[j], variant->command, &failures);
			EXPECT_STREQ("", wrong ?: "");
			if (wrong)
				break;
		}
	ksft_print_msg("%d failures\n", failures);
	EXPECT_LT(20, failures);
	EXPECT_STREQ("ro\n", read_fd(fd));
	close(fd);
	ASSERT_EQ(0, umount("u"));
}

TEST_F_TIMEOUT(u, mounts, 600)
{
	int failures = 0, turn;
	uint64_t whole;
	long result;
	bool more;
	size_t j;

	ASSERT_EQ(0, mount_two());
	whole = tree_checksum("u");
	ASSERT_EQ(0, E(umount("u")));
	for (j = 0; j < ARRAY_SIZE(errors); j++) {
		for (turn = 1, more = true; more && turn < MOST; turn++) {
			more = fails_at(turn, errors[j], variant->command, mount_two, &result);
			EXPECT_EQ(!result, is_mounted()) TH_LOG("%s at %d", errno_name(errors[j]), turn);
			if (!result) {
				EXPECT_EQ(whole, tree_checksum("u")) TH_LOG("%s at %d", errno_name(errors[j]), turn);
				ASSERT_EQ(0, E(umount("u")));
			}
			failures += result != 0;
		}
		EXPECT_GT(MOST, turn);
	}
	ksft_print_msg("%d failures\n", failures);
	EXPECT_LT(DENIES ? 0 : 20, DENIES ? struck : failures);
	/* and nothing is in the way of the next one */
	ASSERT_EQ(0, mount_two());
	EXPECT_EQ(whole, tree_checksum("u"));
	EXPECT_EQ(0, write_file("u/d/new", "new"));
	ASSERT_EQ(0, E(umount("u")));
}

static long unmount(void)
{
	return E(umount("u"));
}

/* Leaves something to be tidied up: a file without a name, and a copy of one that has more. */
static long use(void)
{
	int fd;

	if (mount_two() || append_file("u/name", ""))
		return -EIO;
	fd = open("u/name", O_RDONLY);
	return unlink("u/name") || unlink("u/d/rw") || close(fd) ? -EIO : write_file("u/d/rw", "rw\n");
}

TEST_F_TIMEOUT(u, unmounts, 600)
{
	int turn, tried = 0;
	uint64_t whole;
	long result;
	bool more;
	size_t j;

	if (DENIES)
		SKIP(return, "an unmount asks for nothing that could be denied");
	ASSERT_EQ(0, use());
	whole = tree_checksum("u");
	for (j = 0; j < ARRAY_SIZE(errors); j++)
		for (turn = 1, more = true; more && turn < MOST; turn++) {
			more = fails_at(turn, errors[j], variant->command, unmount, &result);
			ASSERT_EQ(0, result);
			ASSERT_EQ(0, mount_two());
			EXPECT_EQ(whole, tree_checksum("u")) TH_LOG("%s at %d", errno_name(errors[j]), turn);
			tried++;
		}
	ksft_print_msg("%d unmounts\n", tried);
	EXPECT_LT(0, struck);
	ASSERT_EQ(0, E(umount("u")));
}

static long go_down(void)
{
	return move_down("u/d/f", 0);
}

TEST_F_TIMEOUT(u, moves_down, 600)
{
	int failures = 0, turn;
	long result;
	bool more;
	size_t j;

	ASSERT_EQ(0, mount_two());
	for (j = 0; j < ARRAY_SIZE(errors); j++) {
		for (turn = 1, more = true; more && turn < MOST; turn++) {
			const char *other, *one;

			ASSERT_EQ(0, write_file("u/d/f", "content"));
			ASSERT_STREQ("file", kind("base/rw/d/f"));
			more = fails_at(turn, errors[j], variant->command, go_down, &result);
			one = result ? "base/rw/d/f" : "base/rw2/d/f";
			other = result ? "base/rw2/d/f" : "base/rw/d/f";
			EXPECT_STREQ("content", read_file("u/d/f")) TH_LOG("%s at %d", errno_name(errors[j]), turn);
			EXPECT_STREQ("content", read_file(one)) TH_LOG("%s at %d", errno_name(errors[j]), turn);
			/* what is left when nothing works any more is hidden by what it was copied from */
			if (!strcmp(variant->command, "break")) {
				ASSERT_EQ(0, E(umount("u")));
				ASSERT_EQ(0, mount_two());
				EXPECT_STREQ("content", read_file("u/d/f"));
			} else {
				EXPECT_STREQ("ENOENT", kind(other)) TH_LOG("%s at %d", errno_name(errors[j]), turn);
			}
			EXPECT_EQ(0, append_file("u/d/f", "+")) TH_LOG("%s at %d", errno_name(errors[j]), turn);
			EXPECT_EQ(0, E(unlink("u/d/f"))) TH_LOG("%s at %d", errno_name(errors[j]), turn);
			EXPECT_STREQ("ENOENT", kind("u/d/f")) TH_LOG("%s at %d", errno_name(errors[j]), turn);
			failures += result != 0;
		}
		EXPECT_GT(MOST, turn);
	}
	ksft_print_msg("%d failures\n", failures);
	EXPECT_LT(20, DENIES ? struck : failures);
	ASSERT_EQ(0, E(umount("u")));
}

TEST_HARNESS_MAIN
