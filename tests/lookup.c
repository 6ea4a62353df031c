// SPDX-License-Identifier: GPL-2.0
/* Looking names up across branches: the topmost that has one wins. */
#include "aufs2.h"

AUFS2_FIXTURE

TEST_F(u, topmost_wins)
{
	ASSERT_EQ(0, write_file("rw/all", "rw"));
	ASSERT_EQ(0, write_file("ro/all", "ro"));
	ASSERT_EQ(0, write_file("ro2/all", "ro2"));
	ASSERT_EQ(0, write_file("ro/lower", "ro"));
	ASSERT_EQ(0, write_file("ro2/lower", "ro2"));
	ASSERT_EQ(0, write_file("ro2/lowest", "ro2"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	EXPECT_STREQ("rw", read_file("u/all"));
	EXPECT_STREQ("ro", read_file("u/lower"));
	EXPECT_STREQ("ro2", read_file("u/lowest"));
	EXPECT_STREQ("ENOENT", read_file("u/none"));
	EXPECT_STREQ("all lower lowest", list("u"));
}

TEST_F(u, directories_merge_at_depth)
{
	ASSERT_EQ(0, shell("mkdir -p rw/a/b/c ro/a/b/c ro2/a/b/c"));
	ASSERT_EQ(0, write_file("rw/a/b/c/1", "rw"));
	ASSERT_EQ(0, write_file("ro/a/b/c/2", "ro"));
	ASSERT_EQ(0, write_file("ro2/a/b/c/3", "ro2"));
	ASSERT_EQ(0, write_file("ro2/a/b/4", "ro2"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	EXPECT_STREQ("1 2 3", list("u/a/b/c"));
	EXPECT_STREQ("4 c", list("u/a/b"));
	EXPECT_STREQ("ro2", read_file("u/a/b/c/3"));
}

TEST_F(u, file_over_directory_hides_it)
{
	ASSERT_EQ(0, shell("mkdir -p ro/x ro2/x; echo -n deep > ro/x/f"));
	ASSERT_EQ(0, write_file("rw/x", "file"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	EXPECT_STREQ("file", read_file("u/x"));
	EXPECT_STREQ("ENOTDIR", kind("u/x/f"));
	EXPECT_STREQ("x", list("u"));
}

TEST_F(u, directory_over_file_does_not_merge_past_it)
{
	/* dir, file, dir: what is below the file is not part of the union */
	ASSERT_EQ(0, shell("mkdir -p rw/x ro2/x; echo -n no > ro2/x/hidden"));
	ASSERT_EQ(0, write_file("ro/x", "file"));
	ASSERT_EQ(0, write_file("rw/x/seen", "yes"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	EXPECT_STREQ("dir", kind("u/x"));
	EXPECT_STREQ("seen", list("u/x"));
	EXPECT_STREQ("ENOENT", kind("u/x/hidden"));
}

TEST_F(u, every_type)
{
	char target[64] = "";

	ASSERT_EQ(0, shell("cd ro && mkdir d && : > f && ln -s tgt l && mkfifo p"));
	ASSERT_EQ(0, E(mknod("ro/c", S_IFCHR | 0600, makedev(1, 3))));
	ASSERT_EQ(0, E(mknod("ro/b", S_IFBLK | 0600, makedev(7, 200))));
	ASSERT_EQ(0, E(mknod("ro/s", S_IFSOCK | 0600, 0)));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("dir", kind("u/d"));
	EXPECT_STREQ("file", kind("u/f"));
	EXPECT_STREQ("symlink", kind("u/l"));
	EXPECT_STREQ("fifo", kind("u/p"));
	EXPECT_STREQ("chr", kind("u/c"));
	EXPECT_STREQ("blk", kind("u/b"));
	EXPECT_STREQ("sock", kind("u/s"));
	EXPECT_EQ(makedev(1, 3), st_of("u/c").st_rdev);
	EXPECT_EQ(3, E(readlink("u/l", target, sizeof(target))));
	EXPECT_STREQ("tgt", target);
	/* the device behind the node answers */
	EXPECT_EQ(0, put("u/c", 0, "gone"));
}

TEST_F(u, attributes_are_the_branchs)
{
	struct timespec times[2] = { { 1000, 111 }, { 2000, 222 } };
	struct stat st, ref;

	ASSERT_EQ(0, write_file("ro/f", "12345"));
	ASSERT_EQ(0, E(chown("ro/f", 11, 22)));
	ASSERT_EQ(0, E(chmod("ro/f", 04711)));
	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "ro/f", times, 0)));
	ASSERT_EQ(0, up("rw", "ro"));
	st = st_of("u/f");
	ref = st_of("ro/f");
	EXPECT_EQ(S_IFREG | 04711, st.st_mode);
	EXPECT_EQ(11, st.st_uid);
	EXPECT_EQ(22, st.st_gid);
	EXPECT_EQ(5, st.st_size);
	EXPECT_EQ(1, st.st_nlink);
	EXPECT_EQ(ref.st_blocks, st.st_blocks);
	EXPECT_EQ(2000, st.st_mtim.tv_sec);
	EXPECT_EQ(222, st.st_mtim.tv_nsec);
	EXPECT_EQ(ref.st_ctim.tv_nsec, st.st_ctim.tv_nsec);
}

TEST_F(u, permission_is_checked_on_the_union)
{
	ASSERT_EQ(0, shell("mkdir -m 700 ro/d; echo x > ro/d/f; echo x > ro/f; chmod 600 ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EACCES, E(open("u/f", O_RDONLY)));
	EXPECT_STREQ("EACCES", kind("u/d/f"));
	EXPECT_EQ(-EACCES, E(open("u/d", O_RDONLY | O_DIRECTORY)));
	ASSERT_EQ(0, become(0));
	EXPECT_STREQ("x\n", read_file("u/d/f"));
}

TEST_F(u, dot_dot_and_long_names)
{
	char name[300];
	struct stat a, b;

	ASSERT_EQ(0, shell("mkdir -p ro/a/b"));
	ASSERT_EQ(0, up("rw", "ro"));
	a = st_of("u/a/b/../../a/b/..");
	b = st_of("u/a");
	EXPECT_EQ(b.st_ino, a.st_ino);
	memset(name, 'n', sizeof(name));
	memcpy(name, "u/", 2);
	name[2 + 256] = 0;
	EXPECT_STREQ("ENAMETOOLONG", kind(name));
	name[2 + 255] = 0;
	EXPECT_STREQ("ENOENT", kind(name));
}

TEST_F(u, negative_then_made)
{
	ASSERT_EQ(0, shell("mkdir ro/d"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("ENOENT", kind("u/d/f"));
	ASSERT_EQ(0, write_file("u/d/f", "now"));
	EXPECT_STREQ("now", read_file("u/d/f"));
	EXPECT_STREQ("now", read_file("rw/d/f"));
}

TEST_HARNESS_MAIN
