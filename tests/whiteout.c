// SPDX-License-Identifier: GPL-2.0
/* Whiteouts: what they hide, where they count, and that they are never seen. */
#include "aufs2.h"

AUFS2_FIXTURE

TEST_F(u, hides_all_lower_branches)
{
	ASSERT_EQ(0, write_file("ro/f", "ro"));
	ASSERT_EQ(0, write_file("ro2/f", "ro2"));
	ASSERT_EQ(0, write_file("ro2/g", "ro2"));
	ASSERT_EQ(0, whiteout("rw/f"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	EXPECT_STREQ("ENOENT", read_file("u/f"));
	EXPECT_STREQ("g", list("u"));
}

TEST_F(u, hides_a_whole_directory)
{
	ASSERT_EQ(0, shell("mkdir -p ro/d/e && : > ro/d/e/f"));
	ASSERT_EQ(0, whiteout("rw/d"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("ENOENT", kind("u/d"));
	EXPECT_STREQ("ENOENT", kind("u/d/e/f"));
	EXPECT_STREQ("", list("u"));
}

TEST_F(u, in_a_subdirectory)
{
	ASSERT_EQ(0, shell("mkdir rw/d ro/d && : > ro/d/f && : > ro/d/g"));
	ASSERT_EQ(0, whiteout("rw/d/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("g", list("u/d"));
	EXPECT_STREQ("ENOENT", kind("u/d/f"));
}

TEST_F(u, of_a_branch_with_wh)
{
	ASSERT_EQ(0, write_file("ro2/f", "ro2"));
	ASSERT_EQ(0, write_file("ro2/g", "ro2"));
	ASSERT_EQ(0, whiteout("ro/f"));
	ASSERT_EQ(0, up("rw", "ro=ro+wh", "ro2"));
	EXPECT_STREQ("ENOENT", kind("u/f"));
	EXPECT_STREQ("g", list("u"));
}

TEST_F(u, of_a_rr_branch_with_wh)
{
	ASSERT_EQ(0, write_file("ro2/f", "ro2"));
	ASSERT_EQ(0, whiteout("ro/f"));
	ASSERT_EQ(0, up("rw", "ro=rr+wh", "ro2=rr"));
	EXPECT_STREQ("ENOENT", kind("u/f"));
}

TEST_F(u, of_a_plain_ro_branch_hides_nothing)
{
	AUFS2_ONLY("its whiteouts always count");
	ASSERT_EQ(0, write_file("ro2/f", "ro2"));
	ASSERT_EQ(0, whiteout("ro/f"));
	ASSERT_EQ(0, whiteout("ro/g"));
	ASSERT_EQ(0, up("rw", "ro=ro", "ro2=ro"));
	EXPECT_STREQ("ro2", read_file("u/f"));
	EXPECT_STREQ("f", list("u"));
	EXPECT_STREQ("ENOENT", kind("u/.wh.g"));
}

TEST_F(u, never_hides_its_own_branch)
{
	AUFS2_ONLY("a whiteout takes the name's place");
	ASSERT_EQ(0, shell("mkdir ro/d ro2/d; : > ro/d/mine; : > ro2/d/theirs"));
	ASSERT_EQ(0, write_file("ro/f", "same"));
	ASSERT_EQ(0, whiteout("ro/f"));
	ASSERT_EQ(0, whiteout("ro/d"));
	ASSERT_EQ(0, write_file("ro2/f", "lower"));
	ASSERT_EQ(0, up("rw", "ro=ro+wh", "ro2"));
	EXPECT_STREQ("same", read_file("u/f"));
	EXPECT_STREQ("d f", list("u"));
	/* a directory beside its own whiteout is opaque */
	EXPECT_STREQ("mine", list("u/d"));
	EXPECT_STREQ("ENOENT", kind("u/d/theirs"));
}

TEST_F(u, entry_above_the_whiteout_is_seen)
{
	ASSERT_EQ(0, shell("mkdir rw/d ro2/d; : > ro2/d/old"));
	ASSERT_EQ(0, write_file("rw/f", "rw"));
	ASSERT_EQ(0, whiteout("ro/f"));
	ASSERT_EQ(0, whiteout("ro/d"));
	ASSERT_EQ(0, write_file("ro2/f", "ro2"));
	ASSERT_EQ(0, up("rw", "ro=ro+wh", "ro2"));
	EXPECT_STREQ("rw", read_file("u/f"));
	/* and the merge ends at the whiteout */
	EXPECT_STREQ("", list("u/d"));
}

TEST_F(u, of_nothing_is_harmless)
{
	ASSERT_EQ(0, whiteout("rw/nothing"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("", list("u"));
	EXPECT_STREQ("ENOENT", kind("u/nothing"));
	EXPECT_EQ(0, write_file("u/nothing", "some"));
	EXPECT_STREQ("some", read_file("u/nothing"));
}

TEST_F(u, names_are_not_seen)
{
	AUFS2_ONLY("the format");
	ASSERT_EQ(0, write_file("ro/f", "ro"));
	ASSERT_EQ(0, whiteout("rw/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("ENOENT", kind("u/.wh.f"));
	EXPECT_STREQ("", list("u"));
	/* nor those of the union's own work areas */
	EXPECT_STREQ("ENOENT", kind("u/.wh..wh.aufs"));
	EXPECT_STREQ("ENOENT", kind("u/.wh..wh.orph"));
	EXPECT_STREQ("ENOENT", kind("u/.wh..wh.plnk"));
}

TEST_F(u, survives_a_remount)
{
	ASSERT_EQ(0, write_file("ro/f", "ro"));
	ASSERT_EQ(0, write_file("ro/g", "ro"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/f")));
	EXPECT_TRUE(is_whiteout("rw/f"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("g", list("u"));
	EXPECT_STREQ("ENOENT", kind("u/f"));
}

/* Catches: what is in a directory with the name of a whiteout, and lost with the one around it. */
TEST_F(u, a_directory_is_none)
{
	AUFS2_ONLY("the format");
	ASSERT_EQ(0, shell("mkdir -p rw/d/.wh.x; echo data > rw/d/.wh.x/f; touch rw/d/.wh.y"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("", list("u/d"));
	EXPECT_EQ(-ENOTEMPTY, E(rmdir("u/d")));
	EXPECT_STREQ("data\n", read_file("rw/d/.wh.x/f"));
	EXPECT_EQ(0, E(access("rw/d/.wh.y", F_OK)));
}

/* Catches: a directory that is taken for empty, since a name was hidden before it was found beside its whiteout. */
TEST_F(u, a_name_beside_it_shows)
{
	AUFS2_ONLY("the format");
	ASSERT_EQ(0, shell("mkdir -p rw/d/e ro/d/e; touch rw/d/e/.wh.f rw/d/e/f rw/d/e/.wh.g ro/d/e/g"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("f", list("u/d/e"));
	EXPECT_EQ(-ENOTEMPTY, E(rmdir("u/d/e")));
	EXPECT_EQ(0, E(mkdir("u/other", 0755)));
	EXPECT_EQ(-ENOTEMPTY, E(rename("u/other", "u/d/e")));
	EXPECT_STREQ("f", list("u/d/e"));
	ASSERT_EQ(0, unlink("u/d/e/f"));
	EXPECT_EQ(0, E(rename("u/other", "u/d/e")));
	EXPECT_STREQ("", list("u/d/e"));
}

/* Catches: one that hides a name in listings alone, where a filesystem does not tell types. */
TEST_F(u, nor_where_types_are_unknown)
{
	AUFS2_ONLY("the format");
	ASSERT_EQ(0, E(mkdir("ext", 0755)));
	if (!have("mkfs.ext4") || shell("modprobe -q loop; truncate -s 16M img; mkfs.ext4 -q -O ^filetype img && mount -o loop img ext"))
		SKIP(return, "no ext4 without types");
	ASSERT_EQ(0, shell("rmdir ext/lost+found; mkdir ext/.wh.x; touch ext/.wh.y; echo x > ro/x; echo y > ro/y"));
	ASSERT_EQ(0, up("rw", "ext=ro+wh", "ro"));
	EXPECT_STREQ("x", list("u"));
	EXPECT_STREQ("file", kind("u/x"));
	EXPECT_STREQ("ENOENT", kind("u/y"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("ext", 0)));
}

TEST_HARNESS_MAIN
