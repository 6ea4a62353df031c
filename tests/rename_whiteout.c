// SPDX-License-Identifier: GPL-2.0
/*
 * RENAME_WHITEOUT: the old name is a device 0/0 afterwards, as on any filesystem
 * that a union of another kind may be made on. To this union it is an object like
 * any other.
 */
#include "aufs2.h"

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, put("rw/try", O_CREAT, ""));
	if (renameat2(AT_FDCWD, "rw/try", AT_FDCWD, "rw/tried", RENAME_WHITEOUT))
		SKIP(return, "the branch's filesystem does not know RENAME_WHITEOUT");
	ASSERT_EQ(0, shell("rm -f rw/try rw/tried"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static int move(const char *from, const char *to)
{
	return E(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_WHITEOUT));
}

static bool is_device_0(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

TEST_F(u, upper_file)
{
	ASSERT_EQ(0, write_file("rw/f", "data"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, move("u/f", "u/g"));
	EXPECT_STREQ("data", read_file("u/g"));
	EXPECT_TRUE(is_device_0("u/f"));
	EXPECT_TRUE(is_device_0("rw/f"));
	EXPECT_STREQ("f g", list("u"));
	EXPECT_EQ(0, E(unlink("u/f")));
	EXPECT_STREQ("g", list("u"));
	EXPECT_EQ(-ENOENT, E(access("rw/f", F_OK)));
}

TEST_F(u, lower_file)
{
	ASSERT_EQ(0, write_file("ro/f", "data"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, move("u/f", "u/g"));
	EXPECT_STREQ("data", read_file("u/g"));
	EXPECT_TRUE(is_device_0("u/f"));
	EXPECT_FALSE(is_whiteout("rw/f"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_TRUE(is_device_0("u/f"));
	EXPECT_STREQ("data", read_file("u/g"));
	/* what it hides stays hidden when it goes */
	EXPECT_EQ(0, E(unlink("u/f")));
	EXPECT_STREQ("g", list("u"));
	EXPECT_TRUE(is_whiteout("rw/f"));
}

TEST_F(u, replaces_a_lower_file)
{
	ASSERT_EQ(0, write_file("ro/f", "data"));
	ASSERT_EQ(0, write_file("ro/g", "replaced"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, move("u/f", "u/g"));
	EXPECT_STREQ("data", read_file("u/g"));
	EXPECT_TRUE(is_device_0("u/f"));
}

TEST_F(u, lower_directory)
{
	ASSERT_EQ(0, E(mkdir("ro/d", 0755)));
	ASSERT_EQ(0, write_file("ro/d/f", "data"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(mkdir("u/e", 0755)));
	ASSERT_EQ(0, move("u/d", "u/e"));
	EXPECT_STREQ("data", read_file("u/e/f"));
	EXPECT_TRUE(is_device_0("u/d"));
	EXPECT_STREQ("d e", list("u"));
}

/* Catches: a device of the mounter's, which who has renamed cannot remove from a sticky directory. */
TEST_F(u, belongs_to_who_renames)
{
	struct stat st;

	ASSERT_EQ(0, E(mkdir("ro/d", 0777)) | E(chmod("ro/d", 01777)));
	ASSERT_EQ(0, write_file("ro/d/f", "data") | E(chown("ro/d/f", NOBODY, NOBODY)));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(0, move("u/d/f", "u/d/g"));
	EXPECT_TRUE(is_device_0("u/d/f"));
	st = st_of("u/d/f");
	EXPECT_EQ(NOBODY, st.st_uid);
	EXPECT_EQ(NOBODY, st.st_gid);
	EXPECT_EQ(0, E(unlink("u/d/f")));
	ASSERT_EQ(0, become(0));
}

TEST_F(u, other_flags)
{
	ASSERT_EQ(0, write_file("ro/f", "data"));
	ASSERT_EQ(0, write_file("ro/g", "there"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-EEXIST, E(renameat2(AT_FDCWD, "u/f", AT_FDCWD, "u/g",
				       RENAME_WHITEOUT | RENAME_NOREPLACE)));
	EXPECT_EQ(-EINVAL, E(renameat2(AT_FDCWD, "u/f", AT_FDCWD, "u/g",
				       RENAME_WHITEOUT | RENAME_EXCHANGE)));
	EXPECT_STREQ("data", read_file("u/f"));
	EXPECT_STREQ("there", read_file("u/g"));
}

TEST_HARNESS_MAIN
