// SPDX-License-Identifier: GPL-2.0
/* Extended attributes. */
#include "aufs2.h"

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir ro/d rw/d; echo -n text > ro/f; ln -s f ro/l"));
	ASSERT_EQ(0, E(setxattr("ro/f", "user.low", "v", 1, 0)));
	ASSERT_EQ(0, E(setxattr("ro/f", "trusted.low", "tv", 2, 0)));
	ASSERT_EQ(0, E(setxattr("ro/d", "user.dir", "below", 5, 0)));
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

/* The value as text, or the name of the error. */
static const char *get(const char *path, const char *name)
{
	char *b = buffer();
	ssize_t n = lgetxattr(path, name, b, 8000);

	if (n < 0)
		return errno_name(errno);
	b[n] = 0;
	return b;
}

/* Whether a name is listed. */
static bool listed(const char *path, const char *name)
{
	char b[4096];
	ssize_t n = llistxattr(path, b, sizeof(b)), i;

	for (i = 0; i < n; i += strlen(b + i) + 1) {
		if (!strcmp(b + i, name))
			return true;
	}
	return false;
}

TEST_F(u, of_a_lower_file)
{
	EXPECT_STREQ("v", get("u/f", "user.low"));
	EXPECT_STREQ("tv", get("u/f", "trusted.low"));
	EXPECT_STREQ("ENODATA", get("u/f", "user.none"));
	EXPECT_TRUE(listed("u/f", "user.low"));
	EXPECT_TRUE(listed("u/f", "trusted.low"));
	EXPECT_FALSE(listed("u/f", "user.none"));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
}

TEST_F(u, set_copies_up_with_the_others)
{
	ASSERT_EQ(0, E(setxattr("u/f", "user.new", "n", 1, 0)));
	EXPECT_STREQ("n", get("u/f", "user.new"));
	EXPECT_STREQ("v", get("u/f", "user.low"));
	EXPECT_STREQ("tv", get("rw/f", "trusted.low"));
	EXPECT_STREQ("text", read_file("u/f"));
	EXPECT_TRUE(listed("u/f", "user.new"));
	EXPECT_STREQ("ENODATA", get("ro/f", "user.new"));
}

TEST_F(u, remove)
{
	EXPECT_EQ(-ENODATA, E(removexattr("u/f", "user.none")));
	ASSERT_EQ(0, E(removexattr("u/f", "user.low")));
	EXPECT_STREQ("ENODATA", get("u/f", "user.low"));
	EXPECT_FALSE(listed("u/f", "user.low"));
	EXPECT_STREQ("v", get("ro/f", "user.low"));
}

TEST_F(u, flags)
{
	EXPECT_EQ(-EEXIST, E(setxattr("u/f", "user.low", "x", 1, XATTR_CREATE)));
	EXPECT_EQ(-ENODATA, E(setxattr("u/f", "user.new", "x", 1, XATTR_REPLACE)));
	EXPECT_EQ(0, E(setxattr("u/f", "user.low", "x", 1, XATTR_REPLACE)));
	EXPECT_EQ(0, E(setxattr("u/f", "user.new", "", 0, XATTR_CREATE)));
	EXPECT_STREQ("x", get("u/f", "user.low"));
	EXPECT_STREQ("", get("u/f", "user.new"));
}

TEST_F(u, sizes)
{
	char b[64];

	EXPECT_EQ(1, E(getxattr("u/f", "user.low", NULL, 0)));
	EXPECT_EQ(-ERANGE, E(getxattr("u/f", "trusted.low", b, 1)));
	EXPECT_LT(0, E(listxattr("u/f", NULL, 0)));
	EXPECT_EQ(-ERANGE, E(listxattr("u/f", b, 3)));
	EXPECT_EQ(-EOPNOTSUPP, E(setxattr("u/f", "nospace.x", "1", 1, 0)));
}

TEST_F(u, directories_and_descriptors)
{
	int fd = open("u/d", O_RDONLY | O_DIRECTORY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(fsetxattr(fd, "user.d", "1", 1, 0)));
	EXPECT_STREQ("1", get("u/d", "user.d"));
	EXPECT_EQ(1, E(fgetxattr(fd, "user.d", NULL, 0)));
	ASSERT_EQ(0, E(fremovexattr(fd, "user.d")));
	EXPECT_STREQ("ENODATA", get("u/d", "user.d"));
}

TEST_F(u, symlinks)
{
	EXPECT_EQ(0, E(lsetxattr("u/l", "trusted.l", "1", 1, 0)));
	EXPECT_STREQ("1", get("u/l", "trusted.l"));
	EXPECT_STREQ("ENODATA", get("u/f", "trusted.l"));
	EXPECT_STREQ("symlink", kind("rw/l"));
	EXPECT_EQ(-EPERM, E(lsetxattr("u/l", "user.l", "1", 1, 0)));
}

TEST_F(u, other_users)
{
	ASSERT_EQ(0, E(chmod("u/f", 0644)));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_STREQ("v", get("u/f", "user.low"));
	EXPECT_STREQ("ENODATA", get("u/f", "trusted.low"));
	EXPECT_FALSE(listed("u/f", "trusted.low"));
	EXPECT_TRUE(listed("u/f", "user.low"));
	EXPECT_EQ(-EACCES, E(setxattr("u/f", "user.x", "1", 1, 0)));
	EXPECT_EQ(-EPERM, E(setxattr("u/f", "trusted.x", "1", 1, 0)));
	ASSERT_EQ(0, become(0));
}

TEST_F(u, capabilities_survive_and_writes_drop_them)
{
	/* VFS_CAP_REVISION_2, CAP_NET_RAW permitted */
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 0x20 };
	int fd;

	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, E(setxattr("ro/f", "security.capability", cap, sizeof(cap), 0)));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(20, E(getxattr("u/f", "security.capability", NULL, 0)));
	ASSERT_EQ(0, E(chmod("u/f", 0666)));
	EXPECT_EQ(20, E(getxattr("u/f", "security.capability", NULL, 0)));
	ASSERT_EQ(0, become(NOBODY));
	ASSERT_LE(0, fd = open("u/f", O_WRONLY));
	EXPECT_EQ(1, E(write(fd, "T", 1)));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(-ENODATA, E(getxattr("u/f", "security.capability", NULL, 0)));
}

/* Any owner can store one, which cannot be read: it is nothing that a copy would need. */
TEST_F(u, an_empty_capability)
{
	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, write_file("ro/empty", "x"));
	ASSERT_EQ(0, E(setxattr("ro/empty", "security.capability", "", 0, 0)));
	ASSERT_EQ(0, E(setxattr("ro/empty", "trusted.t", "v", 1, 0)));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, append_file("u/empty", "+"));
	EXPECT_EQ(1, E(getxattr("rw/empty", "trusted.t", NULL, 0)));
}

TEST_F(u, no_marks_of_our_own_are_shown)
{
	char b[4096];
	ssize_t n, i;

	ASSERT_EQ(0, append_file("u/f", "+"));
	ASSERT_EQ(0, write_file("u/d/x", ""));
	n = listxattr("u/f", b, sizeof(b));
	ASSERT_LT(0, n);
	for (i = 0; i < n; i += strlen(b + i) + 1) {
		EXPECT_TRUE(!strcmp(b + i, "user.low") || !strcmp(b + i, "trusted.low") ||
			    !strncmp(b + i, "security.", 9)) {
			TH_LOG("%s", b + i);
		}
	}
}

TEST_HARNESS_MAIN
