// SPDX-License-Identifier: GPL-2.0
/* Unions that cannot be written to: EROFS from everything that would. */
#include "aufs2.h"

enum how { RO_BRANCHES, RR_BRANCHES, MOUNTED_RO };

FIXTURE(ro) { int unused; };
FIXTURE_VARIANT(ro) { enum how how; };
FIXTURE_VARIANT_ADD(ro, only_ro_branches) { .how = RO_BRANCHES };
FIXTURE_VARIANT_ADD(ro, only_rr_branches) { .how = RR_BRANCHES };
FIXTURE_VARIANT_ADD(ro, mounted_read_only) { .how = MOUNTED_RO };

static const char * const with_rw[] = { "rw", "ro", NULL };
static const char * const with_ro[] = { "ro2", "ro", NULL };
static const char * const with_rr[] = { "ro2=rr", "ro=rr", NULL };

FIXTURE_SETUP(ro)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("echo text > ro/f; mkdir ro/d ro2/d; ln -s f ro/l; mkfifo ro/p; touch ro2/g"));
	if (variant->how == MOUNTED_RO) {
		ASSERT_EQ(0, union_mount("", MS_RDONLY, with_rw));
	} else {
		ASSERT_EQ(0, union_mount("", 0, variant->how == RR_BRANCHES ? with_rr : with_ro));
	}
}

FIXTURE_TEARDOWN(ro)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

TEST_F(ro, reads)
{
	EXPECT_STREQ("text\n", read_file("u/f"));
	EXPECT_STREQ(variant->how == MOUNTED_RO ? "d f l p" : "d f g l p", list("u"));
}

TEST_F(ro, opens)
{
	EXPECT_EQ(-EROFS, E(open("u/f", O_WRONLY)));
	EXPECT_EQ(-EROFS, E(open("u/f", O_RDWR)));
	EXPECT_EQ(-EROFS, E(open("u/f", O_RDONLY | O_TRUNC)));
	EXPECT_EQ(-EROFS, E(open("u/new", O_CREAT | O_RDONLY, 0644)));
	EXPECT_EQ(-EROFS, E(open("u/d/new", O_CREAT | O_EXCL | O_WRONLY, 0644)));
	EXPECT_EQ(-EROFS, E(open("u/d", O_TMPFILE | O_RDWR, 0600)));
	EXPECT_EQ(-EEXIST, E(open("u/f", O_CREAT | O_EXCL | O_WRONLY, 0644)));
	EXPECT_EQ(-EROFS, E(access("u/f", W_OK)));
	EXPECT_EQ(-EROFS, E(access("u/d", W_OK)));
	EXPECT_EQ(0, E(access("u/f", R_OK)));
	EXPECT_STREQ("text\n", read_file("u/f"));
}

TEST_F(ro, special_files_open)
{
	int fd = open("u/p", O_RDWR | O_NONBLOCK);

	EXPECT_LE(0, fd);
	close(fd);
}

TEST_F(ro, names)
{
	EXPECT_EQ(-EROFS, E(mkdir("u/new", 0755)));
	EXPECT_EQ(-EROFS, E(mknod("u/new", S_IFIFO | 0644, 0)));
	EXPECT_EQ(-EROFS, E(symlink("x", "u/new")));
	EXPECT_EQ(-EROFS, E(link("u/f", "u/new")));
	EXPECT_EQ(-EROFS, E(unlink("u/f")));
	EXPECT_EQ(-EROFS, E(unlink("u/l")));
	EXPECT_EQ(-EROFS, E(rmdir("u/d")));
	EXPECT_EQ(-EROFS, E(rename("u/f", "u/new")));
	EXPECT_EQ(-EROFS, E(rename("u/d", "u/new")));
	EXPECT_EQ(-EROFS, E(renameat2(AT_FDCWD, "u/f", AT_FDCWD, "u/l", RENAME_EXCHANGE)));
}

TEST_F(ro, attributes)
{
	int fd = open("u/f", O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EROFS, E(truncate("u/f", 0)));
	EXPECT_EQ(-EROFS, E(chmod("u/f", 0600)));
	EXPECT_EQ(-EROFS, E(fchmod(fd, 0600)));
	EXPECT_EQ(-EROFS, E(chmod("u/d", 0700)));
	EXPECT_EQ(-EROFS, E(chown("u/f", 1, 1)));
	EXPECT_EQ(-EROFS, E(lchown("u/l", 1, 1)));
	EXPECT_EQ(-EROFS, E(utimensat(AT_FDCWD, "u/f", NULL, 0)));
	EXPECT_EQ(-EROFS, E(futimens(fd, NULL)));
	EXPECT_EQ(-EROFS, E(setxattr("u/f", "trusted.x", "1", 1, 0)));
	EXPECT_EQ(-EROFS, E(fsetxattr(fd, "trusted.x", "1", 1, 0)));
	EXPECT_EQ(-EROFS, E(removexattr("u/f", "trusted.x")));
	close(fd);
}

TEST_F(ro, syncs)
{
	int fd = open("u/f", O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, E(fsync(fd)));
	EXPECT_EQ(0, E(syncfs(fd)));
	close(fd);
}

TEST_F(ro, writable_branch_stays_empty)
{
	if (variant->how != MOUNTED_RO)
		SKIP(return, "there is none");
	list("u");
	list("u/d");
	EXPECT_STREQ("ENOENT", kind("rw/d"));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
}

TEST_HARNESS_MAIN
