// SPDX-License-Identifier: GPL-2.0
/* rename and renameat2 of directories, lower ones included: no EXDEV. */
#include "aufs2.h"

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir -p ro/low/sub/deep ro/merged/a rw/merged/b ro2/merged/c ro/empty ro/target"));
	ASSERT_EQ(0, shell("echo -n 1 > ro/low/f; echo -n 2 > ro/low/sub/deep/g; ln ro/low/f ro/low/sub/hard"));
	ASSERT_EQ(0, shell("ln -s ../f ro/low/sub/l; chmod 2750 ro/low/sub; chown 5:6 ro/low/sub; touch -d @1000 ro/low/sub"));
	ASSERT_EQ(0, shell("touch ro/merged/r rw/merged/w ro2/merged/r2 ro2/merged/r"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static void again(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
}

TEST_F(u, lower)
{
	int round;

	ASSERT_EQ(0, E(rename("u/low", "u/new")));
	for (round = 0; round < 2; round++) {
		EXPECT_STREQ("empty merged new target", list("u"));
		EXPECT_STREQ("f sub", list("u/new"));
		EXPECT_STREQ("1", read_file("u/new/f"));
		EXPECT_STREQ("2", read_file("u/new/sub/deep/g"));
		EXPECT_STREQ("1", read_file("u/new/sub/l"));
		EXPECT_EQ(S_IFDIR | 02750, st_of("u/new/sub").st_mode);
		EXPECT_EQ(5, st_of("u/new/sub").st_uid);
		EXPECT_EQ(6, st_of("u/new/sub").st_gid);
		EXPECT_EQ(1000, st_of("u/new/sub").st_mtim.tv_sec);
		EXPECT_STREQ("ENOENT", kind("u/low"));
		EXPECT_STREQ("ENOENT", kind("u/low/f"));
		again(_metadata);
	}
}

TEST_F(u, hard_links_inside)
{
	ASSERT_EQ(0, E(rename("u/low", "u/new")));
	EXPECT_EQ(st_of("u/new/f").st_ino, st_of("u/new/sub/hard").st_ino);
	EXPECT_EQ(2, st_of("u/new/f").st_nlink);
	ASSERT_EQ(0, append_file("u/new/f", "+"));
	EXPECT_STREQ("1+", read_file("u/new/sub/hard"));
}

TEST_F(u, merged)
{
	int round;

	ASSERT_EQ(0, E(unlink("u/merged/r")));
	ASSERT_EQ(0, E(rename("u/merged", "u/new")));
	for (round = 0; round < 2; round++) {
		EXPECT_STREQ("a b c r2 w", list("u/new"));
		EXPECT_STREQ("ENOENT", kind("u/merged"));
		EXPECT_STREQ("ENOENT", kind("u/new/r"));
		again(_metadata);
	}
	/* the old name starts empty */
	ASSERT_EQ(0, E(mkdir("u/merged", 0755)));
	EXPECT_STREQ("", list("u/merged"));
}

TEST_F(u, over_an_empty_directory)
{
	ASSERT_EQ(0, E(rename("u/low", "u/empty")));
	EXPECT_STREQ("f sub", list("u/empty"));
	ASSERT_EQ(0, E(rename("u/empty", "u/target")));
	EXPECT_STREQ("f sub", list("u/target"));
	EXPECT_STREQ("merged target", list("u"));
	again(_metadata);
	EXPECT_STREQ("f sub", list("u/target"));
	EXPECT_STREQ("merged target", list("u"));
}

TEST_F(u, over_one_emptied_by_whiteouts)
{
	ASSERT_EQ(0, shell("rm -r u/low/f u/low/sub"));
	ASSERT_EQ(0, E(rename("u/merged", "u/low")));
	EXPECT_STREQ("a b c r r2 w", list("u/low"));
	again(_metadata);
	EXPECT_STREQ("a b c r r2 w", list("u/low"));
}

TEST_F(u, new_one_over_a_whited_out_name)
{
	ASSERT_EQ(0, shell("rm -r u/low"));
	ASSERT_EQ(0, E(mkdir("u/new", 0755)));
	ASSERT_EQ(0, write_file("u/new/n", "n"));
	ASSERT_EQ(0, E(rename("u/new", "u/low")));
	EXPECT_STREQ("n", list("u/low"));
	again(_metadata);
	EXPECT_STREQ("n", list("u/low"));
}

TEST_F(u, not_empty)
{
	EXPECT_EQ(-ENOTEMPTY, E(rename("u/empty", "u/low")));
	EXPECT_EQ(-ENOTEMPTY, E(rename("u/low", "u/merged")));
	EXPECT_EQ(-EINVAL, E(rename("u/low", "u/low/sub/x")));
	EXPECT_STREQ("f sub", list("u/low"));
}

TEST_F(u, to_another_directory_and_back)
{
	ASSERT_EQ(0, E(rename("u/low/sub", "u/merged/sub")));
	EXPECT_STREQ("deep hard l", list("u/merged/sub"));
	EXPECT_STREQ("f", list("u/low"));
	/* .. changed */
	EXPECT_EQ(st_of("u/merged").st_ino, st_of("u/merged/sub/..").st_ino);
	ASSERT_EQ(0, E(rename("u/merged/sub", "u/low/sub")));
	EXPECT_STREQ("2", read_file("u/low/sub/deep/g"));
	again(_metadata);
	EXPECT_STREQ("deep hard l", list("u/low/sub"));
	EXPECT_STREQ("a b c r r2 w", list("u/merged"));
}

TEST_F(u, exchange)
{
	int round;

	ASSERT_EQ(0, E(renameat2(AT_FDCWD, "u/low", AT_FDCWD, "u/merged", RENAME_EXCHANGE)));
	for (round = 0; round < 2; round++) {
		EXPECT_STREQ("f sub", list("u/merged"));
		EXPECT_STREQ("a b c r r2 w", list("u/low"));
		EXPECT_STREQ("2", read_file("u/merged/sub/deep/g"));
		again(_metadata);
	}
}

TEST_F(u, noreplace)
{
	EXPECT_EQ(-EEXIST, E(renameat2(AT_FDCWD, "u/low", AT_FDCWD, "u/empty", RENAME_NOREPLACE)));
	EXPECT_EQ(0, E(renameat2(AT_FDCWD, "u/low", AT_FDCWD, "u/new", RENAME_NOREPLACE)));
	EXPECT_STREQ("f sub", list("u/new"));
}

TEST_F(u, open_things_follow)
{
	int dir = open("u/low/sub", O_PATH | O_DIRECTORY), f = open("u/low/f", O_RDONLY);

	ASSERT_LE(0, dir);
	ASSERT_LE(0, f);
	ASSERT_EQ(0, E(rename("u/low", "u/new")));
	EXPECT_STREQ("1", read_fd(f));
	ASSERT_EQ(0, append_file("u/new/f", "+"));
	EXPECT_STREQ("1+", read_fd(f));
	f = openat(dir, "made", O_CREAT | O_WRONLY, 0644);
	EXPECT_LE(0, f);
	EXPECT_STREQ("deep hard l made", list("u/new/sub"));
}

TEST_F(u, then_changes_inside)
{
	ASSERT_EQ(0, E(rename("u/low", "u/new")));
	ASSERT_EQ(0, E(unlink("u/new/sub/l")));
	ASSERT_EQ(0, append_file("u/new/sub/deep/g", "+"));
	ASSERT_EQ(0, E(rename("u/new/sub", "u/top")));
	ASSERT_EQ(0, E(rename("u/new", "u/top/new")));
	EXPECT_STREQ("deep hard new", list("u/top"));
	again(_metadata);
	EXPECT_STREQ("deep hard new", list("u/top"));
	EXPECT_STREQ("2+", read_file("u/top/deep/g"));
	EXPECT_EQ(0, shell("rm -r u/top"));
	EXPECT_STREQ("empty merged target", list("u"));
}

/* What hides the lower object of the new name is no change of the directory. */
TEST_F(u, times_are_kept_at_a_name_that_was_used)
{
	static const struct timespec then[2] = { { 1000, 0 }, { 2000, 0 } };

	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, shell("mkdir ro/e ro/e/sub ro/x; echo x | tee ro/f ro/e/sub/g"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/f")) | E(mkdir("u/d", 0755)));
	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "u/d", then, 0)));
	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "u/e", then, 0)));
	ASSERT_EQ(0, E(rename("u/d", "u/f")));
	EXPECT_EQ(2000, st_of("u/f").st_mtim.tv_sec);
	EXPECT_EQ(0, E(renameat2(AT_FDCWD, "u/f", AT_FDCWD, "u/x", RENAME_EXCHANGE)));
	EXPECT_EQ(2000, st_of("u/x").st_mtim.tv_sec);
	EXPECT_EQ(0, E(rmdir("u/f")) | E(rename("u/e", "u/f")));
	EXPECT_EQ(2000, st_of("u/f").st_mtim.tv_sec);
}

TEST_HARNESS_MAIN
