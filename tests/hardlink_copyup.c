// SPDX-License-Identifier: GPL-2.0
/*
 * Hard links of a lower branch stay hard links when one of them is written to;
 * index-less overlayfs breaks them.
 */
#include "aufs2.h"

FIXTURE(u) { uint64_t ino; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir ro/d; echo -n low > ro/a; ln ro/a ro/b; ln ro/a ro/d/c"));
	ASSERT_EQ(0, up("rw", "ro"));
	self->ino = st_of("u/a").st_ino;
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

#define CHECK_ALL(text, links) do { \
	EXPECT_STREQ(text, read_file("u/a")); \
	EXPECT_STREQ(text, read_file("u/b")); \
	EXPECT_STREQ(text, read_file("u/d/c")); \
	EXPECT_EQ(self->ino, st_of("u/a").st_ino); \
	EXPECT_EQ(self->ino, st_of("u/b").st_ino); \
	EXPECT_EQ(self->ino, st_of("u/d/c").st_ino); \
	EXPECT_EQ(links, st_of("u/a").st_nlink); \
	EXPECT_EQ(links, st_of("u/d/c").st_nlink); \
} while (0)

TEST_F(u, write)
{
	ASSERT_EQ(0, append_file("u/a", "+"));
	CHECK_ALL("low+", 3);
	ASSERT_EQ(0, append_file("u/d/c", "+"));
	CHECK_ALL("low++", 3);
}

/* The names below get theirs from what the object keeps in the place of its last one. */
TEST_F(u, the_name_that_was_copied_up_goes)
{
	int fd;

	AUFS2_ONLY("it breaks hard links");
	ASSERT_EQ(0, append_file("u/b", "+"));
	ASSERT_EQ(0, E(unlink("u/b")));
	fd = open("u/a", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_STREQ("low+", read_file("u/a"));
	ASSERT_EQ(0, E(rename("u/d", "u/e")));
	ASSERT_EQ(0, E(link("u/a", "u/x")));
	EXPECT_EQ(3, st_of("u/x").st_nlink);
	ASSERT_EQ(3, write(fd, "LOW", 3));
	EXPECT_STREQ("LOW+", read_file("u/x"));
	EXPECT_STREQ("LOW+", read_file("u/e/c"));
	EXPECT_EQ(self->ino, st_of("u/x").st_ino);
	ASSERT_EQ(0, E(rename("u/a", "u/z")));
	EXPECT_STREQ("LOW+", read_file("u/z"));
	EXPECT_EQ(self->ino, st_of("u/z").st_ino);
	EXPECT_STREQ("LOW+", read_file("u/e/c"));
	close(fd);
	EXPECT_STREQ("LOW+", read_file("rw/x"));
	EXPECT_STREQ("low", read_file("ro/a"));
}

TEST_F(u, renamed_when_the_copied_name_is_gone)
{
	AUFS2_ONLY("it breaks hard links");
	ASSERT_EQ(0, append_file("u/b", "+"));
	ASSERT_EQ(0, E(unlink("u/b")));
	drop_caches();
	ASSERT_EQ(0, E(rename("u/a", "u/z")));
	EXPECT_STREQ("low+", read_file("u/z"));
	EXPECT_EQ(self->ino, st_of("u/z").st_ino);
	EXPECT_EQ(2, st_of("u/z").st_nlink);
	EXPECT_STREQ("low+", read_file("u/d/c"));
}

TEST_F(u, names_not_seen_before)
{
	/* only one name was ever looked up when the copy-up happens */
	drop_caches();
	ASSERT_EQ(0, append_file("u/d/c", "+"));
	CHECK_ALL("low+", 3);
}

TEST_F(u, after_drop_caches)
{
	ASSERT_EQ(0, append_file("u/a", "+"));
	drop_caches();
	CHECK_ALL("low+", 3);
	ASSERT_EQ(0, append_file("u/b", "+"));
	drop_caches();
	CHECK_ALL("low++", 3);
}

TEST_F(u, attributes)
{
	ASSERT_EQ(0, E(chmod("u/a", 0600)));
	EXPECT_EQ(S_IFREG | 0600, st_of("u/b").st_mode);
	EXPECT_EQ(S_IFREG | 0600, st_of("u/d/c").st_mode);
	ASSERT_EQ(0, E(setxattr("u/b", "trusted.t", "v", 1, 0)));
	EXPECT_EQ(1, E(getxattr("u/d/c", "trusted.t", NULL, 0)));
}

TEST_F(u, unlink_one)
{
	ASSERT_EQ(0, E(unlink("u/a")));
	EXPECT_EQ(2, st_of("u/b").st_nlink);
	ASSERT_EQ(0, append_file("u/b", "+"));
	EXPECT_STREQ("low+", read_file("u/d/c"));
	EXPECT_EQ(2, st_of("u/d/c").st_nlink);
	EXPECT_EQ(self->ino, st_of("u/b").st_ino);
	ASSERT_EQ(0, E(unlink("u/b")));
	ASSERT_EQ(0, E(unlink("u/d/c")));
	EXPECT_STREQ("d", list("u"));
	EXPECT_STREQ("", list("u/d"));
}

TEST_F(u, add_one)
{
	ASSERT_EQ(0, E(link("u/b", "u/e")));
	EXPECT_EQ(4, st_of("u/a").st_nlink);
	ASSERT_EQ(0, append_file("u/a", "+"));
	EXPECT_STREQ("low+", read_file("u/e"));
	CHECK_ALL("low+", 4);
}

TEST_F(u, open_descriptors_of_all_names)
{
	int a = open("u/a", O_RDONLY), c = open("u/d/c", O_RDONLY);

	ASSERT_LE(0, a);
	ASSERT_LE(0, c);
	ASSERT_EQ(0, append_file("u/b", "+"));
	EXPECT_STREQ("low+", read_fd(a));
	EXPECT_STREQ("low+", read_fd(c));
}

TEST_F(u, rename_one)
{
	ASSERT_EQ(0, E(rename("u/a", "u/d/a2")));
	EXPECT_EQ(self->ino, st_of("u/d/a2").st_ino);
	ASSERT_EQ(0, append_file("u/d/a2", "+"));
	EXPECT_STREQ("low+", read_file("u/b"));
	EXPECT_EQ(3, st_of("u/b").st_nlink);
}

TEST_HARNESS_MAIN
