// SPDX-License-Identifier: GPL-2.0
/* Opaque directories: what they hide, and when the union makes them. */
#include "aufs2.h"

AUFS2_FIXTURE

TEST_F(u, hides_what_is_below)
{
	ASSERT_EQ(0, shell("mkdir -p rw/d ro/d/sub ro2/d; : > rw/d/new; : > ro/d/old; : > ro2/d/older"));
	ASSERT_EQ(0, make_opaque("rw/d"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	EXPECT_STREQ("new", list("u/d"));
	EXPECT_STREQ("ENOENT", kind("u/d/old"));
	EXPECT_STREQ("ENOENT", kind("u/d/sub"));
	EXPECT_STREQ("ENOENT", kind("u/d/older"));
}

TEST_F(u, in_the_middle)
{
	ASSERT_EQ(0, shell("mkdir rw/d ro/d ro2/d; : > rw/d/1; : > ro/d/2; : > ro2/d/3"));
	ASSERT_EQ(0, make_opaque("ro/d"));
	ASSERT_EQ(0, up("rw", "ro=ro+wh", "ro2"));
	EXPECT_STREQ("1 2", list("u/d"));
	EXPECT_STREQ("ENOENT", kind("u/d/3"));
}

/* What is below it does not come back when the directory is changed, copied and replaced. */
TEST_F(u, in_the_middle_of_what_changes)
{
	int round;

	AUFS2_ONLY("a layer of its own kind");
	ASSERT_EQ(0, shell("mkdir rw/d ro/d ro2/d; : > rw/d/1; echo -n 2 > ro/d/2; : > ro2/d/3"));
	ASSERT_EQ(0, make_opaque("ro/d"));
	ASSERT_EQ(0, up("rw", "ro=ro+wh", "ro2"));
	EXPECT_EQ(0, append_file("u/d/2", "+"));
	EXPECT_EQ(0, E(link("u/d/2", "u/d/l")));
	EXPECT_EQ(0, E(rename("u/d", "u/n")));
	for (round = 0; round < 2; round++) {
		EXPECT_STREQ("n", list("u"));
		EXPECT_STREQ("1 2 l", list("u/n"));
		EXPECT_STREQ("2+", read_file("u/n/l"));
		EXPECT_STREQ("ENOENT", kind("u/n/3"));
		EXPECT_STREQ("ENOENT", kind("u/d"));
		ASSERT_EQ(0, down());
		ASSERT_EQ(0, up("rw", "ro=ro+wh", "ro2"));
	}
	EXPECT_EQ(0, E(mkdir("u/d", 0755)));
	EXPECT_STREQ("", list("u/d"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro=ro+wh", "ro2"));
	EXPECT_STREQ("", list("u/d"));
}

TEST_F(u, in_a_plain_ro_branch_does_not_count)
{
	AUFS2_ONLY("its opaque directories always count");
	ASSERT_EQ(0, shell("mkdir ro/d ro2/d; : > ro/d/2; : > ro2/d/3"));
	ASSERT_EQ(0, make_opaque("ro/d"));
	ASSERT_EQ(0, up("rw", "ro=ro", "ro2=ro"));
	EXPECT_STREQ("2 3", list("u/d"));
}

TEST_F(u, applies_to_the_whole_subtree)
{
	ASSERT_EQ(0, shell("mkdir -p rw/d/e/f ro/d/e/f; : > ro/d/e/f/no; : > rw/d/e/f/yes"));
	ASSERT_EQ(0, make_opaque("rw/d"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("yes", list("u/d/e/f"));
	EXPECT_STREQ("ENOENT", kind("u/d/e/f/no"));
}

TEST_F(u, of_a_root)
{
	AUFS2_ONLY("it ignores the marker of a layer's root");
	ASSERT_EQ(0, shell(": > rw/1; : > ro/2; : > ro2/3"));
	ASSERT_EQ(0, make_opaque("ro"));
	ASSERT_EQ(0, up("rw", "ro=ro+wh", "ro2"));
	EXPECT_STREQ("1 2", list("u"));
	EXPECT_STREQ("ENOENT", kind("u/3"));
}

TEST_F(u, marker_is_not_seen)
{
	AUFS2_ONLY("the format");
	ASSERT_EQ(0, shell("mkdir rw/d"));
	ASSERT_EQ(0, make_opaque("rw/d"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("", list("u/d"));
	EXPECT_STREQ("ENOENT", kind("u/d/.wh..wh..opq"));
	/* and does not keep the directory from going */
	EXPECT_EQ(0, E(rmdir("u/d")));
	EXPECT_STREQ("ENOENT", kind("rw/d"));
}

TEST_F(u, mkdir_over_a_whiteout_starts_empty)
{
	ASSERT_EQ(0, shell("mkdir ro/d; : > ro/d/old"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/d/old")));
	ASSERT_EQ(0, E(rmdir("u/d")));
	ASSERT_EQ(0, E(mkdir("u/d", 0755)));
	EXPECT_STREQ("", list("u/d"));
	EXPECT_TRUE(is_opaque("rw/d") || is_whiteout("rw/d"));
	EXPECT_EQ(0, write_file("u/d/new", "new"));
	EXPECT_STREQ("new", list("u/d"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("new", list("u/d"));
}

/* Catches: a directory that is taken for the mark, so that another one shows through. */
TEST_F(u, a_directory_is_no_mark)
{
	AUFS2_ONLY("the format");
	ASSERT_EQ(0, shell("mkdir -p ro/e rw/d/.wh..wh..opq; echo x > ro/e/x"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, shell("rm -r u/e"));
	EXPECT_EQ(-EEXIST, E(rename("u/d", "u/e")));
	EXPECT_STREQ("d", list("u"));
	drop_caches();
	EXPECT_STREQ("ENOENT", kind("u/e"));
}

TEST_HARNESS_MAIN
