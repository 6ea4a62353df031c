// SPDX-License-Identifier: GPL-2.0
/* statx(2): birth time, direct I/O alignment, mount id, attributes. */
#include "aufs2.h"

AUFS2_FIXTURE

static struct statx sx_of(const char *path)
{
	struct statx sx;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW,
		  STATX_BASIC_STATS | STATX_BTIME | STATX_DIOALIGN | STATX_MNT_ID, &sx))
		memset(&sx, 0, sizeof(sx));
	return sx;
}

TEST_F(u, equals_stat)
{
	struct statx sx;
	struct stat st;

	ASSERT_EQ(0, write_file("ro/f", "text"));
	ASSERT_EQ(0, up("rw", "ro"));
	sx = sx_of("u/f");
	st = st_of("u/f");
	EXPECT_EQ(STATX_BASIC_STATS, sx.stx_mask & STATX_BASIC_STATS);
	EXPECT_EQ(st.st_ino, sx.stx_ino);
	EXPECT_EQ(st.st_dev, makedev(sx.stx_dev_major, sx.stx_dev_minor));
	EXPECT_EQ(4, sx.stx_size);
	EXPECT_EQ(st.st_mode, sx.stx_mode);
}

TEST_F(u, birth_time)
{
	struct statx lower, u;

	ASSERT_EQ(0, write_file("ro/f", "text"));
	ASSERT_EQ(0, up("rw", "ro"));
	lower = sx_of("ro/f");
	if (!(lower.stx_mask & STATX_BTIME))
		SKIP(return, "%s has none", test_fs());
	u = sx_of("u/f");
	EXPECT_TRUE(u.stx_mask & STATX_BTIME);
	EXPECT_EQ(lower.stx_btime.tv_sec, u.stx_btime.tv_sec);
	EXPECT_EQ(lower.stx_btime.tv_nsec, u.stx_btime.tv_nsec);
}

TEST_F(u, direct_io_alignment)
{
	struct statx ref, u;

	ASSERT_EQ(0, write_file("rw/f", "text"));
	ASSERT_EQ(0, up("rw", "ro"));
	ref = sx_of("rw/f");
	u = sx_of("u/f");
	if (!(ref.stx_mask & STATX_DIOALIGN))
		SKIP(return, "%s does not say", test_fs());
	EXPECT_TRUE(u.stx_mask & STATX_DIOALIGN);
	EXPECT_EQ(ref.stx_dio_mem_align, u.stx_dio_mem_align);
	EXPECT_EQ(ref.stx_dio_offset_align, u.stx_dio_offset_align);
}

TEST_F(u, mount_id_and_root)
{
	struct statx root, f, out;

	ASSERT_EQ(0, write_file("ro/f", "text"));
	ASSERT_EQ(0, up("rw", "ro"));
	root = sx_of("u");
	f = sx_of("u/f");
	out = sx_of("rw");
	EXPECT_EQ(root.stx_mnt_id, f.stx_mnt_id);
	EXPECT_NE(out.stx_mnt_id, f.stx_mnt_id);
	EXPECT_TRUE(root.stx_attributes & STATX_ATTR_MOUNT_ROOT);
	EXPECT_FALSE(f.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

TEST_F(u, of_descriptors)
{
	struct statx sx;
	int fd;

	ASSERT_EQ(0, write_file("ro/f", "text"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_PATH));
	ASSERT_EQ(0, E(statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_SIZE | STATX_INO, &sx)));
	EXPECT_EQ(4, sx.stx_size);
	EXPECT_EQ(st_of("u/f").st_ino, sx.stx_ino);
	ASSERT_EQ(0, append_file("u/f", "12345"));
	ASSERT_EQ(0, E(statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE | STATX_INO, &sx)));
	EXPECT_EQ(9, sx.stx_size);
	EXPECT_EQ(st_of("u/f").st_ino, sx.stx_ino);
}

TEST_HARNESS_MAIN
