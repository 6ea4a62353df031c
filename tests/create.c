// SPDX-License-Identifier: GPL-2.0
/* Making regular files. */
#include "aufs2.h"

AUFS2_FIXTURE

TEST_F(u, lands_in_the_writable_branch)
{
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/f", "text"));
	EXPECT_STREQ("text", read_file("u/f"));
	EXPECT_STREQ("text", read_file("rw/f"));
	EXPECT_STREQ("ENOENT", kind("ro/f"));
	EXPECT_STREQ("f", list("u"));
}

TEST_F(u, parents_are_copied_up)
{
	struct timespec times[2] = { { 1000, 1 }, { 2000, 2 } };
	struct stat st;

	ASSERT_EQ(0, shell("mkdir -p ro/a/b; chown 5:6 ro/a; chmod 1770 ro/a"));
	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "ro/a", times, 0)));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/a/b/f", "deep"));
	EXPECT_STREQ("deep", read_file("rw/a/b/f"));
	st = st_of("rw/a");
	EXPECT_EQ(S_IFDIR | 01770, st.st_mode);
	EXPECT_EQ(5, st.st_uid);
	EXPECT_EQ(6, st.st_gid);
	/* nothing happened in a itself but that b was copied up */
	EXPECT_EQ(2000, st_of("u/a").st_mtim.tv_sec);
}

TEST_F(u, mode_and_umask)
{
	int fd;

	ASSERT_EQ(0, up("rw", "ro"));
	umask(027);
	ASSERT_LE(0, fd = open("u/f", O_CREAT | O_WRONLY, 06777));
	umask(022);
	EXPECT_EQ(S_IFREG | 06750, st_of("u/f").st_mode);
	EXPECT_EQ(S_IFREG | 06750, st_of("rw/f").st_mode);
	close(fd);
	/* a mode without write still gives a writable descriptor */
	ASSERT_LE(0, fd = open("u/g", O_CREAT | O_WRONLY, 0));
	EXPECT_EQ(1, E(write(fd, "x", 1)));
}

TEST_F(u, exclusive)
{
	ASSERT_EQ(0, write_file("ro/f", "x"));
	ASSERT_EQ(0, E(symlink("nowhere", "ro/l")));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-EEXIST, E(open("u/f", O_CREAT | O_EXCL | O_WRONLY, 0644)));
	EXPECT_EQ(-EEXIST, E(open("u/l", O_CREAT | O_EXCL | O_WRONLY, 0644)));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	EXPECT_EQ(-EISDIR, E(open("u", O_CREAT | O_WRONLY, 0644)));
}

TEST_F(u, over_a_whiteout)
{
	ASSERT_EQ(0, write_file("ro/f", "old"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/f")));
	ASSERT_TRUE(is_whiteout("rw/f"));
	ASSERT_EQ(0, put("u/f", O_CREAT | O_EXCL, "new"));
	EXPECT_STREQ("new", read_file("u/f"));
	EXPECT_STREQ("new", read_file("rw/f"));
	EXPECT_FALSE(is_whiteout("rw/f"));
	EXPECT_STREQ("f", list("u"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("new", read_file("u/f"));
}

TEST_F(u, through_a_dangling_symlink)
{
	ASSERT_EQ(0, shell("ln -s d/f ro/l; mkdir ro/d"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/l", "there"));
	EXPECT_STREQ("there", read_file("u/d/f"));
	EXPECT_STREQ("there", read_file("rw/d/f"));
	EXPECT_STREQ("symlink", kind("u/l"));
}

TEST_F(u, owner)
{
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(chmod("u", 0777)));
	ASSERT_EQ(0, E(mkdir("u/sgid", 0777)));
	ASSERT_EQ(0, E(chown("u/sgid", 0, 1234)));
	ASSERT_EQ(0, E(chmod("u/sgid", 02777)));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(0, write_file("u/f", "x"));
	EXPECT_EQ(0, write_file("u/sgid/f", "x"));
	EXPECT_EQ(0, E(mkdir("u/sgid/d", 0755)));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(NOBODY, st_of("u/f").st_uid);
	EXPECT_EQ(NOBODY, st_of("rw/f").st_gid);
	EXPECT_EQ(NOBODY, st_of("u/sgid/f").st_uid);
	EXPECT_EQ(1234, st_of("u/sgid/f").st_gid);
	EXPECT_EQ(1234, st_of("rw/sgid/d").st_gid);
	EXPECT_EQ(02755, st_of("u/sgid/d").st_mode & 07777);
}

TEST_F(u, permission)
{
	ASSERT_EQ(0, E(mkdir("ro/d", 0755)));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EACCES, E(open("u/f", O_CREAT | O_WRONLY, 0644)));
	EXPECT_EQ(-EACCES, E(open("u/d/f", O_CREAT | O_WRONLY, 0644)));
	ASSERT_EQ(0, become(0));
	/* and a refusal copies nothing up */
	EXPECT_STREQ("ENOENT", kind("rw/d"));
}

TEST_F(u, parents_times)
{
	struct timespec before, after;

	ASSERT_EQ(0, E(mkdir("ro/d", 0755)));
	ASSERT_EQ(0, shell("touch -d @1000 ro/d"));
	ASSERT_EQ(0, up("rw", "ro"));
	before = st_of("u/d").st_mtim;
	ASSERT_EQ(1000, before.tv_sec);
	ASSERT_EQ(0, write_file("u/d/f", ""));
	after = st_of("u/d").st_mtim;
	EXPECT_LT(1000, after.tv_sec);
}

TEST_F(u, in_a_removed_directory)
{
	int fd;

	ASSERT_EQ(0, shell("mkdir ro/d"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/d", O_PATH | O_DIRECTORY));
	ASSERT_EQ(0, E(rmdir("u/d")));
	EXPECT_EQ(-ENOENT, E(openat(fd, "f", O_CREAT | O_WRONLY, 0644)));
	EXPECT_EQ(-ENOENT, E(mkdirat(fd, "d", 0755)));
	EXPECT_STREQ("", list("u"));
}

TEST_HARNESS_MAIN
