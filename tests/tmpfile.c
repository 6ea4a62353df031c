// SPDX-License-Identifier: GPL-2.0
/* O_TMPFILE. */
#include "aufs2.h"

AUFS2_FIXTURE

static int link_fd(int fd, const char *to)
{
	return E(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, to,
			AT_SYMLINK_FOLLOW));
}

TEST_F(u, has_no_name)
{
	struct stat st;
	int fd;

	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u", O_TMPFILE | O_RDWR, 0640));
	EXPECT_EQ(4, E(write(fd, "text", 4)));
	EXPECT_STREQ("text", read_fd(fd));
	EXPECT_STREQ("", list("u"));
	ASSERT_EQ(0, E(fstat(fd, &st)));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(S_IFREG | 0640, st.st_mode);
	EXPECT_EQ(st_of("u").st_dev, st.st_dev);
	EXPECT_EQ(0, E(ftruncate(fd, 2)));
	EXPECT_STREQ("te", read_fd(fd));
}

TEST_F(u, gets_a_name)
{
	struct stat st;
	int fd;

	ASSERT_EQ(0, E(mkdir("ro/d", 0755)));
	ASSERT_EQ(0, write_file("ro/d/there", ""));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/d", O_TMPFILE | O_RDWR, 0600));
	EXPECT_EQ(1, E(write(fd, "x", 1)));
	EXPECT_EQ(-EEXIST, link_fd(fd, "u/d/there"));
	ASSERT_EQ(0, link_fd(fd, "u/d/f"));
	EXPECT_STREQ("f there", list("u/d"));
	EXPECT_STREQ("x", read_file("rw/d/f"));
	ASSERT_EQ(0, E(fstat(fd, &st)));
	EXPECT_EQ(1, st.st_nlink);
	EXPECT_EQ(st_of("u/d/f").st_ino, st.st_ino);
	EXPECT_EQ(1, E(write(fd, "y", 1)));
	EXPECT_STREQ("xy", read_file("u/d/f"));
	ASSERT_EQ(0, append_file("u/d/f", "z"));
	EXPECT_STREQ("xyz", read_fd(fd));
}

TEST_F(u, over_a_whiteout)
{
	int fd;

	ASSERT_EQ(0, write_file("ro/f", "old"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/f")));
	ASSERT_LE(0, fd = open("u", O_TMPFILE | O_WRONLY, 0600));
	EXPECT_EQ(3, E(write(fd, "new", 3)));
	ASSERT_EQ(0, link_fd(fd, "u/f"));
	EXPECT_STREQ("new", read_file("u/f"));
	EXPECT_FALSE(is_whiteout("rw/f"));
}

TEST_F(u, exclusive_stays_nameless)
{
	int fd;

	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u", O_TMPFILE | O_EXCL | O_RDWR, 0600));
	EXPECT_EQ(-ENOENT, link_fd(fd, "u/f"));
	EXPECT_STREQ("", list("u"));
}

TEST_F(u, refusals)
{
	ASSERT_EQ(0, shell("mkdir ro/d; touch ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-EINVAL, E(open("u/d", O_TMPFILE | O_RDONLY, 0600)));
	EXPECT_EQ(-ENOTDIR, E(open("u/f", O_TMPFILE | O_RDWR, 0600)));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EACCES, E(open("u/d", O_TMPFILE | O_RDWR, 0600)));
	ASSERT_EQ(0, become(0));
}

TEST_F(u, leaves_nothing_behind)
{
	struct statfs before, after;
	char block[65536] = "x";
	int fd, i;

	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(statfs("rw", &before)));
	for (i = 0; i < 20; i++) {
		ASSERT_LE(0, fd = open("u", O_TMPFILE | O_RDWR, 0600));
		EXPECT_EQ((int)sizeof(block), E(write(fd, block, sizeof(block))));
		close(fd);
	}
	ASSERT_EQ(0, E(statfs("rw", &after)));
	if (on_tmpfs()) {
		EXPECT_GE(20, before.f_bfree - after.f_bfree);
	}
	EXPECT_STREQ("", list("u"));
}

TEST_HARNESS_MAIN
