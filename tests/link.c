// SPDX-License-Identifier: GPL-2.0
/* Making hard links. */
#include "aufs2.h"

AUFS2_FIXTURE

TEST_F(u, of_an_upper_file)
{
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/a", "x"));
	ASSERT_EQ(0, E(link("u/a", "u/b")));
	EXPECT_EQ(2, st_of("u/a").st_nlink);
	EXPECT_EQ(st_of("u/a").st_ino, st_of("u/b").st_ino);
	ASSERT_EQ(0, append_file("u/b", "y"));
	EXPECT_STREQ("xy", read_file("u/a"));
	EXPECT_EQ(st_of("rw/a").st_ino, st_of("rw/b").st_ino);
	ASSERT_EQ(0, E(unlink("u/a")));
	EXPECT_EQ(1, st_of("u/b").st_nlink);
	EXPECT_STREQ("xy", read_file("u/b"));
}

TEST_F(u, of_a_lower_file)
{
	uint64_t ino;

	ASSERT_EQ(0, write_file("ro/a", "low"));
	ASSERT_EQ(0, shell("mkdir ro/d"));
	ASSERT_EQ(0, up("rw", "ro"));
	ino = st_of("u/a").st_ino;
	ASSERT_EQ(0, E(link("u/a", "u/d/b")));
	EXPECT_STREQ("low", read_file("u/d/b"));
	EXPECT_EQ(ino, st_of("u/a").st_ino);
	EXPECT_EQ(ino, st_of("u/d/b").st_ino);
	EXPECT_EQ(2, st_of("u/a").st_nlink);
	ASSERT_EQ(0, append_file("u/d/b", "+"));
	EXPECT_STREQ("low+", read_file("u/a"));
	ASSERT_EQ(0, append_file("u/a", "+"));
	EXPECT_STREQ("low++", read_file("u/d/b"));
	drop_caches();
	EXPECT_STREQ("low++", read_file("u/a"));
	EXPECT_EQ(st_of("u/a").st_ino, st_of("u/d/b").st_ino);
}

TEST_F(u, over_a_whiteout)
{
	ASSERT_EQ(0, shell("echo a > ro/a; echo b > ro/b"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/b")));
	ASSERT_EQ(0, E(link("u/a", "u/b")));
	EXPECT_STREQ("a\n", read_file("u/b"));
	EXPECT_FALSE(is_whiteout("rw/b"));
	ASSERT_EQ(0, E(unlink("u/b")));
	EXPECT_STREQ("ENOENT", kind("u/b"));
	EXPECT_STREQ("a", list("u"));
}

TEST_F(u, refusals)
{
	ASSERT_EQ(0, shell("mkdir ro/d; touch ro/a ro/b rw/c"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-EPERM, E(link("u/d", "u/d2")));
	EXPECT_EQ(-EEXIST, E(link("u/a", "u/b")));
	EXPECT_EQ(-EEXIST, E(link("u/c", "u/a")));
	EXPECT_EQ(-EEXIST, E(link("u/a", "u/d")));
	EXPECT_EQ(-ENOENT, E(link("u/none", "u/x")));
	EXPECT_EQ(-EXDEV, E(link("u/a", "rw/x")));
	EXPECT_EQ(-EXDEV, E(link("rw/c", "u/x")));
}

TEST_F(u, of_a_symlink)
{
	ASSERT_EQ(0, E(symlink("to", "ro/l")));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(link("u/l", "u/l2")));
	EXPECT_STREQ("symlink", kind("u/l2"));
	EXPECT_EQ(st_of("u/l").st_ino, st_of("u/l2").st_ino);
}

TEST_F(u, of_an_unlinked_open_file)
{
	int fd;

	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/a", "x"));
	ASSERT_LE(0, fd = open("u/a", O_RDONLY));
	ASSERT_EQ(0, E(unlink("u/a")));
	EXPECT_EQ(-ENOENT, E(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD,
				    "u/b", AT_SYMLINK_FOLLOW)));
	EXPECT_STREQ("", list("u"));
}

TEST_F(u, one_link_is_renamed_over_the_other)
{
	/* POSIX: the same file, so nothing happens */
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/a", "x"));
	ASSERT_EQ(0, E(link("u/a", "u/b")));
	EXPECT_EQ(0, E(rename("u/a", "u/b")));
	EXPECT_STREQ("a b", list("u"));
}

TEST_HARNESS_MAIN
