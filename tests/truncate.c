// SPDX-License-Identifier: GPL-2.0
/* truncate, ftruncate and O_TRUNC. */
#include "aufs2.h"

AUFS2_FIXTURE

static long blocks(const char *path)
{
	return st_of(path).st_blocks;
}

TEST_F(u, shrink_and_extend_a_lower_file)
{
	char zeros[8] = { 0 }, got[100] = "xxxxxxx";
	int fd;

	ASSERT_EQ(0, write_file("ro/f", "0123456789"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(truncate("u/f", 4)));
	EXPECT_STREQ("0123", read_file("u/f"));
	EXPECT_EQ(4, st_of("rw/f").st_size);
	ASSERT_EQ(0, E(truncate("u/f", 5000)));
	EXPECT_EQ(5000, st_of("u/f").st_size);
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	EXPECT_EQ(8, E(pread(fd, got, 8, 4)));
	EXPECT_EQ(0, memcmp(zeros, got, 8));
	EXPECT_EQ(8, E(pread(fd, got, 100, 4992)));
}

TEST_F(u, to_zero)
{
	ASSERT_EQ(0, write_file("ro/f", "0123456789"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(truncate("u/f", 0)));
	EXPECT_EQ(0, st_of("u/f").st_size);
	EXPECT_STREQ("", read_file("u/f"));
}

TEST_F(u, o_trunc)
{
	ASSERT_EQ(0, write_file("ro/f", "0123456789"));
	ASSERT_EQ(0, E(chmod("ro/f", 0640)));
	ASSERT_EQ(0, E(chown("ro/f", 3, 4)));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, put("u/f", O_TRUNC, "ab"));
	EXPECT_STREQ("ab", read_file("u/f"));
	EXPECT_EQ(S_IFREG | 0640, st_of("u/f").st_mode);
	EXPECT_EQ(3, st_of("u/f").st_uid);
}

TEST_F(u, o_trunc_copies_no_data)
{
	/* what is copied shows in the branch's free space and in the time */
	struct statfs before, after;
	int fd;

	ASSERT_EQ(0, shell("head -c 16M /dev/zero | tr '\\0' x > ro/big"));
	ASSERT_EQ(0, E(mkdir("small", 0755)));
	ASSERT_EQ(0, E(mount("small", "small", "tmpfs", 0, "size=4M,mode=755")));
	ASSERT_EQ(0, shell("mkdir small/rw small/work"));
	if (reference()) {
		ASSERT_EQ(0, E(mount("none", "u", "overlay", 0, path_of(
			"lowerdir=%s/ro,upperdir=%s/small/rw,workdir=%s/small/work",
			area, area, area))));
	} else {
		ASSERT_EQ(0, up("small/rw=rw", "ro"));
	}
	ASSERT_EQ(0, E(statfs("small", &before)));
	/* it would not fit */
	ASSERT_LE(0, fd = open("u/big", O_WRONLY | O_TRUNC));
	EXPECT_EQ(1, E(write(fd, "1", 1)));
	close(fd);
	ASSERT_EQ(0, E(statfs("small", &after)));
	EXPECT_STREQ("1", read_file("u/big"));
	EXPECT_GE(64, before.f_bfree - after.f_bfree);
	ASSERT_EQ(0, E(umount("u")));
	union_up = false;
	ASSERT_EQ(0, E(umount("small")));
}

TEST_F(u, ftruncate)
{
	int fd, ro;

	ASSERT_EQ(0, write_file("ro/f", "0123456789"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, ro = open("u/f", O_RDONLY));
	EXPECT_EQ(-EINVAL, E(ftruncate(ro, 1)));
	ASSERT_LE(0, fd = open("u/f", O_RDWR));
	EXPECT_EQ(0, E(ftruncate(fd, 3)));
	EXPECT_STREQ("012", read_fd(ro));
	EXPECT_EQ(-EINVAL, E(ftruncate(fd, -1)));
	EXPECT_STREQ("012", read_file("u/f"));
}

TEST_F(u, times_and_suid)
{
	ASSERT_EQ(0, write_file("ro/f", "0123456789"));
	ASSERT_EQ(0, E(chown("ro/f", NOBODY, NOBODY)));
	ASSERT_EQ(0, E(chmod("ro/f", 06777)));
	ASSERT_EQ(0, shell("touch -d @1000 ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, become(NOBODY));
	ASSERT_EQ(0, E(truncate("u/f", 5)));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(S_IFREG | 0777, st_of("u/f").st_mode);
	EXPECT_LT(1000, st_of("u/f").st_mtim.tv_sec);
}

TEST_F(u, refusals)
{
	ASSERT_EQ(0, shell("mkdir ro/d; echo x > ro/f; chmod 644 ro/f; cp /bin/true ro/prog"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-EISDIR, E(truncate("u/d", 0)));
	EXPECT_EQ(-ENOENT, E(truncate("u/none", 0)));
	EXPECT_EQ(-EINVAL, E(truncate("u/f", -1)));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EACCES, E(truncate("u/f", 0)));
	ASSERT_EQ(0, become(0));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
}

TEST_F(u, far_beyond_takes_no_space)
{
	ASSERT_EQ(0, write_file("ro/f", "x"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(truncate("u/f", 1LL << 30)));
	EXPECT_EQ(1LL << 30, st_of("u/f").st_size);
	EXPECT_GE(256, blocks("u/f"));
	EXPECT_EQ(blocks("rw/f"), blocks("u/f"));
}

TEST_HARNESS_MAIN
