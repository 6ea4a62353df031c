// SPDX-License-Identifier: GPL-2.0
/*
 * With several writable branches, a directory is renamed while somebody makes something in
 * it, which may go to another branch: nothing of it is lost, and the old name is gone.
 *
 * Catches: a rename that does not look again at what it has copied; a directory that is copied
 * up to one branch under the name that it is losing on another.
 */
#include "aufs2.h"
#include <sys/wait.h>

#define TREES	40
#define DIRS	6

AUFS2_FIXTURE

/* Makes one file or directory in tree i, where it is by then; 0 or -errno. */
static int make_in(int i, int round, bool dir)
{
	int err = -ENOENT, tries, fd;

	/* A rename refuses a name that it has on its hands: whoever meets it twice, tries again. */
	for (tries = 0; tries < 100 && (err == -ENOENT || err == -ESTALE); tries++) {
		const char *path = path_of("u/%c%d/d%d/new", tries & 1 ? 'm' : 't', i, round % DIRS);

		if (dir) {
			err = E(mkdir(path, 0755));
		} else {
			fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
			err = fd < 0 ? -errno : 0;
			close(fd);
		}
	}
	return err;
}

/* How many renames worked; -1 with the reason in `why`. */
static int race(char *why, size_t size)
{
	int i, d, status, renamed = 0;

	for (i = 0; i < TREES; i++) {
		bool moved;

		if (!fork()) {
			usleep(random() % 4000 * i / TREES);
			_exit(-make_in(i, i, i & 1));
		}
		moved = !rename(path_of("u/t%d", i), path_of("u/m%d", i));
		if (!moved && errno != EXDEV) {
			snprintf(why, size, "rename %d: %m", i);
			return -1;
		}
		wait(&status);
		if (status) {
			snprintf(why, size, "making in %d: %s", i, WIFEXITED(status) ? errno_name(WEXITSTATUS(status)) : "killed");
			return -1;
		}
		renamed += moved;
	}
	for (d = 0; d < 2; d++) {
		for (i = 0; i < TREES; i++) {
			bool at_new = !access(path_of("u/m%d", i), F_OK);

			if (at_new == !access(path_of("u/t%d", i), F_OK)) {
				snprintf(why, size, "tree %d has %s", i, at_new ? "both names" : "no name");
				return -1;
			}
			if (access(path_of("u/%c%d/d%d/new", at_new ? 'm' : 't', i, i % DIRS), F_OK)) {
				snprintf(why, size, "what was made in tree %d is gone", i);
				return -1;
			}
		}
		drop_caches();
	}
	return renamed;
}

static int make_trees(const char *branch, bool files)
{
	int i, d;

	for (i = 0; i < TREES; i++) {
		if (mkdir(path_of("%s/t%d", branch, i), 0755))
			return -errno;
		for (d = 0; d < DIRS; d++)
			if (mkdir(path_of("%s/t%d/d%d", branch, i, d), 0755) ||
			    (files && write_file(path_of("%s/t%d/d%d/f", branch, i, d), "f")))
				return -EIO;
	}
	return 0;
}

TEST_F(u, a_merged_directory)
{
	char why[256] = "";
	int renames = 0;

	AUFS2_ONLY("one writable branch");
	ASSERT_EQ(0, E(mkdir("rw2", 0755)));
	ASSERT_EQ(0, make_trees("ro", true));
	ASSERT_EQ(0, union_mount("create=rr", 0, (const char * const []){ "rw", "rw2", "ro", NULL }));
	for (int round = 0; round < 5 && !renames; round++)
		renames += race(why, sizeof(why));
	EXPECT_LT(0, renames);
	EXPECT_STREQ("", why);
}

TEST_F(u, a_directory_of_one_branch)
{
	char why[256] = "";

	AUFS2_ONLY("one writable branch");
	ASSERT_EQ(0, E(mkdir("rw2", 0755)));
	ASSERT_EQ(0, make_trees("rw2", true));
	ASSERT_EQ(0, union_mount("create=rr", 0, (const char * const []){ "rw", "rw2", "ro", NULL }));
	EXPECT_LT(0, race(why, sizeof(why)));
	EXPECT_STREQ("", why);
}

TEST_F(u, no_branch_but_the_one)
{
	/* Nobody else is there: it works, and what is made then goes anywhere again. */
	AUFS2_ONLY("one writable branch");
	ASSERT_EQ(0, E(mkdir("rw2", 0755)));
	ASSERT_EQ(0, make_trees("ro", true));
	ASSERT_EQ(0, union_mount("create=rr", 0, (const char * const []){ "rw", "rw2", "ro", NULL }));
	ASSERT_EQ(0, E(rename("u/t0", "u/m0")));
	ASSERT_EQ(0, E(rename("u/t1", "u/t2/d0/m1")));
	ASSERT_EQ(0, E(rename("u/t2", "u/m2")));
	EXPECT_STREQ("f", read_file("u/m0/d1/f"));
	EXPECT_STREQ("f", read_file("u/m2/d0/m1/d1/f"));
	ASSERT_EQ(0, write_file("u/m0/d1/one", "1"));
	ASSERT_EQ(0, write_file("u/m0/d1/two", "2"));
	EXPECT_TRUE(!access("rw/m0/d1/one", F_OK) || !access("rw/m0/d1/two", F_OK));
	EXPECT_STREQ("1", read_file("u/m0/d1/one"));
	EXPECT_STREQ("2", read_file("u/m0/d1/two"));
}

static int rename_if_free(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

/*
 * What somebody has put on an upper branch past the union, which has not noticed (udba=none), is
 * not in the way of a name: it is theirs.
 */
TEST_F(u, of_what_came_meanwhile)
{
	const struct { const char *name; int (*make)(const char *, const char *); } ways[] = {
		{ "renamed", rename_if_free }, { "linked", link },
	};

	AUFS2_ONLY("several writable branches");
	ASSERT_EQ(0, shell("mkdir rw2; echo ours > rw2/f"));
	ASSERT_EQ(0, union_mount("udba=none", 0, (const char * const []){ "rw", "rw2=rw", NULL }));
	for (int i = 0; i < 2; i++) {
		const char *shown = path_of("u/%s", ways[i].name);
		const char *there = path_of("rw/%s", ways[i].name);

		EXPECT_EQ(-ENOENT, E(access(shown, F_OK)));
		ASSERT_EQ(0, write_file(there, "theirs"));
		EXPECT_EQ(-EEXIST, E(ways[i].make("u/f", shown)));
		EXPECT_STREQ("theirs", read_file(there));
		EXPECT_STREQ("ours\n", read_file("u/f"));
		EXPECT_EQ(-ENOENT, E(access(path_of("rw2/%s", ways[i].name), F_OK)));
	}
}

TEST_HARNESS_MAIN
