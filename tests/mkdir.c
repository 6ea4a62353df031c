// SPDX-License-Identifier: GPL-2.0
/* mkdir and rmdir. */
#include "aufs2.h"

AUFS2_FIXTURE

TEST_F(u, makes)
{
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(mkdir("u/d", 01750)));
	EXPECT_EQ(S_IFDIR | 01750, st_of("u/d").st_mode);
	EXPECT_STREQ("dir", kind("rw/d"));
	EXPECT_EQ(-EEXIST, E(mkdir("u/d", 0755)));
	EXPECT_STREQ("", list("u/d"));
	ASSERT_EQ(0, E(mkdir("u/d/e", 0755)));
	ASSERT_EQ(0, write_file("u/d/e/f", "x"));
	EXPECT_STREQ("x", read_file("rw/d/e/f"));
}

TEST_F(u, exists_below)
{
	ASSERT_EQ(0, shell("mkdir ro/d; touch ro/f; ln -s x ro/l"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-EEXIST, E(mkdir("u/d", 0755)));
	EXPECT_EQ(-EEXIST, E(mkdir("u/f", 0755)));
	EXPECT_EQ(-EEXIST, E(mkdir("u/l", 0755)));
	EXPECT_EQ(-ENOTDIR, E(mkdir("u/f/d", 0755)));
	EXPECT_EQ(-ENOENT, E(mkdir("u/none/d", 0755)));
}

TEST_F(u, over_a_whiteout_of_a_directory)
{
	ASSERT_EQ(0, shell("mkdir -p ro/d/sub; touch ro/d/old"));
	ASSERT_EQ(0, whiteout("rw/d"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(mkdir("u/d", 0755)));
	EXPECT_STREQ("", list("u/d"));
	EXPECT_STREQ("ENOENT", kind("u/d/old"));
	ASSERT_EQ(0, E(mkdir("u/d/sub", 0755)));
	EXPECT_STREQ("sub", list("u/d"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("sub", list("u/d"));
	EXPECT_STREQ("", list("u/d/sub"));
}

TEST_F(u, over_a_whiteout_of_a_file)
{
	ASSERT_EQ(0, write_file("ro/x", "file"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/x")));
	ASSERT_EQ(0, E(mkdir("u/x", 0755)));
	EXPECT_STREQ("dir", kind("u/x"));
	ASSERT_EQ(0, E(rmdir("u/x")));
	EXPECT_STREQ("ENOENT", kind("u/x"));
	EXPECT_STREQ("", list("u"));
}

TEST_F(u, rmdir_of_an_upper_one)
{
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(mkdir("u/d", 0755)));
	ASSERT_EQ(0, E(rmdir("u/d")));
	EXPECT_STREQ("ENOENT", kind("u/d"));
	EXPECT_STREQ("ENOENT", kind("rw/d"));
	/* and no whiteout, for there is nothing below */
	EXPECT_FALSE(is_whiteout("rw/d"));
}

TEST_F(u, rmdir_of_a_lower_one)
{
	ASSERT_EQ(0, shell("mkdir ro/d ro2/d"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	ASSERT_EQ(0, E(rmdir("u/d")));
	EXPECT_STREQ("ENOENT", kind("u/d"));
	EXPECT_TRUE(is_whiteout("rw/d"));
	EXPECT_STREQ("", list("u"));
}

TEST_F(u, rmdir_of_a_merged_one)
{
	ASSERT_EQ(0, shell("mkdir ro/d rw/d; touch ro/d/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-ENOTEMPTY, E(rmdir("u/d")));
	ASSERT_EQ(0, E(unlink("u/d/f")));
	/* what is left in rw/d is a whiteout */
	ASSERT_EQ(0, E(rmdir("u/d")));
	EXPECT_STREQ("ENOENT", kind("u/d"));
	EXPECT_TRUE(is_whiteout("rw/d"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("", list("u"));
}

TEST_F(u, rmdir_not_empty)
{
	ASSERT_EQ(0, shell("mkdir ro/lower ro/merged rw/merged rw/upper; touch ro/lower/f ro/merged/f rw/upper/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-ENOTEMPTY, E(rmdir("u/lower")));
	EXPECT_EQ(-ENOTEMPTY, E(rmdir("u/merged")));
	EXPECT_EQ(-ENOTEMPTY, E(rmdir("u/upper")));
	EXPECT_EQ(-ENOTDIR, E(rmdir("u/lower/f")));
	EXPECT_EQ(-ENOENT, E(rmdir("u/none")));
	EXPECT_EQ(-EINVAL, E(rmdir("u/lower/.")));
	EXPECT_EQ(-EBUSY, E(rmdir("u")));
	EXPECT_STREQ("f", list("u/lower"));
}

TEST_F(u, link_count)
{
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(mkdir("u/d", 0755)));
	nlink_t n = st_of("u/d").st_nlink;

	/* 2 where directories count, 1 where they do not */
	ASSERT_TRUE(n == 1 || n == 2);
	ASSERT_EQ(0, E(mkdir("u/d/e", 0755)));
	EXPECT_EQ(n == 1 ? 1 : 3, st_of("u/d").st_nlink);
	ASSERT_EQ(0, E(rmdir("u/d/e")));
	EXPECT_EQ(n, st_of("u/d").st_nlink);
}

TEST_F(u, rmdir_of_the_working_directory)
{
	char cwd[PATH_MAX];

	ASSERT_EQ(0, shell("mkdir ro/d"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(chdir("u/d")));
	ASSERT_EQ(0, E(rmdir("../d")));
	EXPECT_EQ(-ENOENT, E(syscall(SYS_getcwd, cwd, sizeof(cwd))));
	EXPECT_EQ(-ENOENT, E(mkdir("x", 0755)));
	ASSERT_EQ(0, E(chdir(area)));
}

TEST_HARNESS_MAIN
