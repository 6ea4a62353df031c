// SPDX-License-Identifier: GPL-2.0
/* statfs(2). */
#include "aufs2.h"

AUFS2_FIXTURE

TEST_F(u, tells_about_the_writable_branch)
{
	struct statfs u, rw;

	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(statfs("u", &u)));
	ASSERT_EQ(0, E(statfs("rw", &rw)));
	EXPECT_EQ(rw.f_bsize, u.f_bsize);
	EXPECT_EQ(rw.f_blocks, u.f_blocks);
	EXPECT_LT(0, u.f_bfree);
	EXPECT_LE(u.f_bavail, u.f_bfree);
	EXPECT_LE(242, u.f_namelen);
	EXPECT_GE(255, u.f_namelen);
}

TEST_F(u, type)
{
	struct statfs u;

	AUFS2_ONLY("its magic number");
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(statfs("u", &u)));
	EXPECT_EQ(0x61756673, u.f_type);	/* "aufs" */
	EXPECT_EQ(255, u.f_namelen);
}

TEST_F(u, free_space_follows)
{
	struct statfs before, after;
	char block[4096] = "x";
	int fd, i;

	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(statfs("u", &before)));
	ASSERT_LE(0, fd = open("u/f", O_CREAT | O_WRONLY, 0644));
	for (i = 0; i < 512; i++) {
		ASSERT_EQ(4096, E(write(fd, block, 4096)));
	}
	ASSERT_EQ(0, E(fsync(fd)));
	ASSERT_EQ(0, E(fstatfs(fd, &after)));
	if (strcmp(test_fs(), "btrfs"))		/* reserves whole chunks */
		EXPECT_LE(512 * 4096 / 2, (before.f_bfree - after.f_bfree) * before.f_bsize);
	EXPECT_EQ(before.f_blocks, after.f_blocks);
}

TEST_F(u, ids)
{
	struct statfs a, b;

	ASSERT_EQ(0, shell("mkdir ro/d v"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(statfs("u", &a)));
	ASSERT_EQ(0, E(statfs("u/d", &b)));
	EXPECT_EQ(0, memcmp(&a.f_fsid, &b.f_fsid, sizeof(a.f_fsid)));
	if (reference())
		return;
	/* another union of the same branches is another filesystem */
	ASSERT_EQ(0, shell("mount -t aufs2 -o br:%s/ro=ro none v", area));
	EXPECT_EQ(0, E(statfs("v", &b)));
	EXPECT_NE(0, memcmp(&a.f_fsid, &b.f_fsid, sizeof(a.f_fsid)));
	EXPECT_EQ(0, E(umount("v")));
}

TEST_F(u, read_only_flag)
{
	struct statfs u;

	ASSERT_EQ(0, union_mount("", MS_RDONLY, (const char *[]){ "rw", "ro", NULL }));
	ASSERT_EQ(0, E(statfs("u", &u)));
	EXPECT_EQ(1, u.f_flags & 1);		/* ST_RDONLY */
}

TEST_HARNESS_MAIN
