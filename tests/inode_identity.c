// SPDX-License-Identifier: GPL-2.0
/*
 * Objects are not taken for one another because their numbers are equal, and do not show equal
 * numbers: on branches whose filesystem has several objects of one number, as an overlayfs of two
 * filesystems has, a btrfs with a snapshot, and two directories that share hard links.
 */
#include "aufs2.h"
#include <ftw.h>

AUFS2_FIXTURE

struct seen {
	dev_t dev;
	ino_t ino;
	char path[64];
};

static struct seen all[256];
static int count;

static int see(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (count < (int)ARRAY_SIZE(all)) {
		all[count].dev = st->st_dev;
		all[count].ino = st->st_ino;
		snprintf(all[count++].path, sizeof(all->path), "%s", path);
	}
	return 0;
}

/*
 * How many pairs below `top` have equal numbers, but for those that are one object; and how many
 * numbers do not fit into 32 bits, as those of the branches do.
 */
static int equal_numbers(const char *top, bool (*same)(const char *, const char *))
{
	int i, j, n = 0;

	count = 0;
	if (nftw(top, see, 16, FTW_PHYS))
		return -errno;
	for (i = 0; i < count; i++) {
		if (all[i].ino >> 32) {
			ksft_print_msg("%s has number %#llx\n", all[i].path,
				       (unsigned long long)all[i].ino);
			n++;
		}
		for (j = 0; j < i; j++)
			if (all[i].dev == all[j].dev && all[i].ino == all[j].ino &&
			    !same(all[i].path, all[j].path)) {
				ksft_print_msg("%s and %s have number %llu\n", all[i].path,
					       all[j].path, (unsigned long long)all[i].ino);
				n++;
			}
	}
	return n;
}

/* X/1 and X/2 are one object, in each X, and so are X/l and X/m. */
static bool one_and_two(const char *a, const char *b)
{
	size_t len = strlen(a);

	if (len != strlen(b) || strncmp(a, b, len - 1))
		return false;
	a += len - 1;
	b += len - 1;
	return (strchr("12", *a) && strchr("12", *b)) || (strchr("lm", *a) && strchr("lm", *b));
}

/*
 * The files 1 and 2 of the directories a and b are one object each, with the contents "aaa" and
 * "bbb".  Changes one after the other, and wants each to have what was written to it.
 */
#define CHECK_APART(a, b) do { \
	EXPECT_EQ(0, equal_numbers("u", one_and_two)); \
	EXPECT_STREQ("aaa", read_file("u/" a "/1")); \
	EXPECT_STREQ("bbb", read_file("u/" b "/1")); \
	ASSERT_EQ(0, E(chmod("u/" a "/1", 0600))); \
	EXPECT_STREQ("aaa", read_file("u/" a "/2")); \
	EXPECT_STREQ("bbb", read_file("u/" b "/2")); \
	EXPECT_EQ(0600, st_of("u/" a "/2").st_mode & 0777); \
	EXPECT_EQ(0644, st_of("u/" b "/2").st_mode & 0777); \
	EXPECT_EQ(0, equal_numbers("u", one_and_two)); \
	ASSERT_EQ(0, append_file("u/" b "/2", "+")); \
	EXPECT_STREQ("aaa", read_file("u/" a "/1")); \
	EXPECT_STREQ("bbb+", read_file("u/" b "/1")); \
	ASSERT_EQ(0, append_file("u/" a "/2", "-")); \
	EXPECT_STREQ("aaa-", read_file("u/" a "/1")); \
	EXPECT_STREQ("bbb+", read_file("u/" b "/2")); \
	EXPECT_EQ(0, equal_numbers("u", one_and_two)); \
	drop_caches(); \
	EXPECT_STREQ("aaa-", read_file("u/" a "/1")); \
	EXPECT_STREQ("bbb+", read_file("u/" b "/1")); \
	EXPECT_STREQ("aaa-", read_file("u/" a "/2")); \
	EXPECT_STREQ("bbb+", read_file("u/" b "/2")); \
	EXPECT_EQ(0, equal_numbers("u", one_and_two)); \
} while (0)

static bool has_fs(const char *name)
{
	return fs_registered(name) || (shell("modprobe -q %s", name), fs_registered(name));
}

TEST_F(u, overlayfs_of_two)
{
	AUFS2_ONLY("it is about branches");
	if (!has_fs("overlay"))
		SKIP(return, "no overlayfs");
	ASSERT_EQ(0, make_branch("A"));
	ASSERT_EQ(0, make_branch("B"));
	ASSERT_EQ(0, shell("mkdir A/a B/b O; echo -n aaa >A/a/1; ln A/a/1 A/a/2; "
			   "echo -n bbb >B/b/1; ln B/b/1 B/b/2; "
			   "mount -t overlay -o xino=off,lowerdir=A:B none O"));
	ASSERT_EQ(0, up("rw", "O"));
	CHECK_APART("a", "b");
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("umount O"));
}

/* One device, and no other way to tell objects apart than to compare them. */
TEST_F(u, server_of_two)
{
	AUFS2_ONLY("it is about branches");
	shell("modprobe -q fuse");
	if (!have("fuse-overlayfs") || !fs_registered("fuse"))
		SKIP(return, "no fuse-overlayfs");
	ASSERT_EQ(0, make_branch("A"));
	ASSERT_EQ(0, make_branch("B"));
	ASSERT_EQ(0, shell("mkdir A/a B/b O; echo -n aaa >A/a/1; ln A/a/1 A/a/2; "
			   "echo -n bbb >B/b/1; ln B/b/1 B/b/2; "
			   "fuse-overlayfs -o lowerdir=A:B O"));
	ASSERT_EQ(st_of("O/a/1").st_ino, st_of("O/b/1").st_ino);
	ASSERT_EQ(0, up("rw", "O"));
	/* One is copied up before the other is seen. */
	ASSERT_EQ(0, E(chmod("u/a/1", 0640)));
	EXPECT_STREQ("bbb", read_file("u/b/1"));
	CHECK_APART("a", "b");
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("umount O"));
}

/* As tar(1) and cp -a do it: what has several names and is known by its number is the same. */
TEST_F(u, single_names)
{
	struct stat a, b;

	AUFS2_ONLY("it is about branches");
	if (!has_fs("overlay"))
		SKIP(return, "no overlayfs");
	ASSERT_EQ(0, make_branch("A"));
	ASSERT_EQ(0, make_branch("B"));
	ASSERT_EQ(0, shell("mkdir O; echo -n aaa >A/a; echo -n bbb >B/b; "
			   "mount -t overlay -o xino=off,lowerdir=A:B none O"));
	ASSERT_EQ(st_of("O/a").st_ino, st_of("O/b").st_ino);
	ASSERT_EQ(0, up("rw", "O"));
	a = st_of("u/a");
	b = st_of("u/b");
	EXPECT_EQ(a.st_dev, b.st_dev);
	EXPECT_NE(a.st_ino, b.st_ino);
	ASSERT_EQ(0, append_file("u/a", "+"));
	ASSERT_EQ(0, append_file("u/b", "-"));
	EXPECT_EQ(a.st_ino, st_of("u/a").st_ino);
	EXPECT_EQ(b.st_ino, st_of("u/b").st_ino);
	drop_caches();
	/* In the other order. */
	EXPECT_EQ(b.st_ino, st_of("u/b").st_ino);
	EXPECT_EQ(a.st_ino, st_of("u/a").st_ino);
	EXPECT_STREQ("aaa+", read_file("u/a"));
	EXPECT_STREQ("bbb-", read_file("u/b"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("umount O"));
}

static const char *with_snapshot(const char *at)
{
	const char *why = make_fs("btrfs", path_of("%s/%s", area, at));

	if (why)
		return why;
	if (shell("cd %s && btrfs -q subvolume create a && echo -n aaa >a/1 && ln a/1 a/2 && "
		  "btrfs -q subvolume snapshot a b && echo -n bbb >b/1", at))
		return "no subvolumes";
	return NULL;
}

/* The same numbers in both, and a root of each that has the number of every root. */
TEST_F_TIMEOUT(u, btrfs_snapshot_below, 120)
{
	const char *why;

	AUFS2_ONLY("it is about branches");
	why = with_snapshot("v");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(st_of("v/a/1").st_ino, st_of("v/b/1").st_ino);
	ASSERT_EQ(0, up("rw", "v=ro"));
	CHECK_APART("a", "b");
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("umount v"));
}

TEST_F_TIMEOUT(u, btrfs_snapshot_in_the_writable_branch, 120)
{
	const char *why;

	AUFS2_ONLY("it is about branches");
	why = with_snapshot("v");
	if (why)
		SKIP(return, "%s", why);
	/* A copy whose number is noted, and another object of the same number on its branch. */
	ASSERT_EQ(0, shell("mkdir ro/a; echo -n low >ro/a/l; ln ro/a/l ro/a/m; echo -n x >ro/a/x"));
	ASSERT_EQ(0, up("v=rw", "ro"));
	ASSERT_EQ(0, append_file("u/a/l", "+"));
	ASSERT_EQ(0, append_file("u/a/x", "+"));
	ASSERT_EQ(0, shell("btrfs -q subvolume snapshot v/a v/c && echo -n snap >v/c/l"));
	EXPECT_STREQ("snap", read_file("u/c/l"));
	EXPECT_STREQ("low+", read_file("u/a/l"));
	EXPECT_STREQ("low+", read_file("u/a/m"));
	ASSERT_EQ(0, append_file("u/c/l", "-"));
	EXPECT_STREQ("low+", read_file("u/a/m"));
	EXPECT_EQ(0, equal_numbers("u", one_and_two));
	EXPECT_NE(st_of("u/a/x").st_ino, st_of("u/c/x").st_ino);
	EXPECT_NE(st_of("u/a/l").st_ino, st_of("u/c/l").st_ino);
	EXPECT_EQ(st_of("u/a/l").st_ino, st_of("u/a/m").st_ino);
	ASSERT_EQ(0, E(unlink("u/c/x")));
	drop_caches();
	EXPECT_STREQ("x+", read_file("u/a/x"));
	CHECK_APART("a", "b");
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("umount v"));
}

/* What is one object below is two in the union: one may be copied up, and the other stay. */
TEST_F(u, hard_links_between_branches)
{
	uint64_t f, g;

	AUFS2_ONLY("it is about branches");
	ASSERT_EQ(0, make_branch("t"));
	ASSERT_EQ(0, shell("mkdir t/rw t/a t/b; echo -n one >t/a/f; ln t/a/f t/b/g; ln t/a/f t/rw/h"));
	ASSERT_EQ(0, up("t/rw=rw", "t/a=ro", "t/b=ro"));
	f = st_of("u/f").st_ino;
	g = st_of("u/g").st_ino;
	EXPECT_NE(f, g);
	EXPECT_NE(f, st_of("u/h").st_ino);
	EXPECT_NE(g, st_of("u/h").st_ino);
	EXPECT_EQ(0, equal_numbers("u", one_and_two));
	ASSERT_EQ(0, append_file("u/f", "+"));
	EXPECT_STREQ("one+", read_file("u/f"));
	EXPECT_STREQ("one", read_file("u/g"));
	EXPECT_STREQ("one", read_file("u/h"));
	ASSERT_EQ(0, append_file("u/g", "-"));
	EXPECT_STREQ("one+", read_file("u/f"));
	EXPECT_STREQ("one-", read_file("u/g"));
	EXPECT_STREQ("one", read_file("u/h"));
	EXPECT_EQ(f, st_of("u/f").st_ino);
	EXPECT_EQ(g, st_of("u/g").st_ino);
	drop_caches();
	EXPECT_STREQ("one+", read_file("u/f"));
	EXPECT_STREQ("one-", read_file("u/g"));
	EXPECT_STREQ("one", read_file("u/h"));
	EXPECT_NE(st_of("u/f").st_ino, st_of("u/g").st_ino);
	EXPECT_NE(st_of("u/f").st_ino, st_of("u/h").st_ino);
}

/* Each name of one lower object, whatever it is, means the copy of it. */
TEST_F(u, links_of_other_kinds)
{
	static const char * const kinds[] = { "link", "fifo", "node" };
	unsigned int i;

	AUFS2_ONLY("it breaks hard links");
	ASSERT_EQ(0, shell("ln -s x ro/link1; mkfifo ro/fifo1; mknod ro/node1 c 1 3; "
			   "for i in link fifo node; do ln ro/${i}1 ro/${i}2; done"));
	ASSERT_EQ(0, up("rw", "ro"));
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *one = strdup(path_of("u/%s1", kinds[i]));
		const char *two = strdup(path_of("u/%s2", kinds[i]));

		ASSERT_EQ(0, E(lchown(one, 7, 7)));
		drop_caches();
		EXPECT_EQ(7, st_of(two).st_uid) { TH_LOG("%s", two); }
		EXPECT_EQ(st_of(one).st_ino, st_of(two).st_ino) { TH_LOG("%s", two); }
		ASSERT_EQ(0, E(lchown(two, 8, 8)));
		EXPECT_EQ(8, st_of(one).st_uid) { TH_LOG("%s", one); }
	}
}

TEST_HARNESS_MAIN
