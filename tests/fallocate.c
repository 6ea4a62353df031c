// SPDX-License-Identifier: GPL-2.0
/* fallocate(2) in all modes that the branch has. */
#include "aufs2.h"

FIXTURE(u) { int fd, mirror; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("head -c 65536 /dev/zero | tr '\\0' a > ro/f; cp ro/f mirror"));
	ASSERT_EQ(0, up("rw", "ro"));
	self->fd = open("u/f", O_RDWR);
	ASSERT_LE(0, self->fd);
	/* the same file system without a union, doing the same */
	self->mirror = open("mirror", O_RDWR);
	ASSERT_LE(0, self->mirror);
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

#define SAME(mode, off, len) do { \
	long ref_ = E(fallocate(self->mirror, mode, off, len)); \
	EXPECT_EQ(ref_, E(fallocate(self->fd, mode, off, len))); \
	EXPECT_EQ(checksum("mirror"), checksum("u/f")); \
	EXPECT_EQ(st_of("mirror").st_size, st_of("u/f").st_size); \
	if (ref_ == -EOPNOTSUPP) \
		SKIP(return, "%s has no mode %#x", test_fs(), mode); \
	EXPECT_EQ(st_of("rw/f").st_blocks, st_of("u/f").st_blocks); \
} while (0)

TEST_F(u, extend)
{
	SAME(0, 60000, 100000);
	EXPECT_EQ(160000, st_of("u/f").st_size);
}

TEST_F(u, keep_size)
{
	SAME(FALLOC_FL_KEEP_SIZE, 0, 1 << 20);
	EXPECT_EQ(65536, st_of("u/f").st_size);
	EXPECT_LE((1 << 20) / 512, st_of("u/f").st_blocks);
}

TEST_F(u, punch_hole)
{
	long blocks = st_of("u/f").st_blocks;

	SAME(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 32768);
	SAME(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 200);
	/* the others allocate late, or more than they were asked for */
	if (on_tmpfs() || !strcmp(test_fs(), "ext4")) {
		EXPECT_GT(blocks, st_of("u/f").st_blocks);
	}
	EXPECT_EQ(65536, st_of("u/f").st_size);
}

TEST_F(u, zero_range)
{
	SAME(FALLOC_FL_ZERO_RANGE, 1000, 5000);
	SAME(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 65000, 5000);
}

TEST_F(u, collapse_and_insert)
{
	SAME(FALLOC_FL_COLLAPSE_RANGE, 4096, 8192);
	SAME(FALLOC_FL_INSERT_RANGE, 8192, 4096);
}

TEST_F(u, refusals)
{
	int ro = open("u/f", O_RDONLY);

	ASSERT_LE(0, ro);
	EXPECT_EQ(-EBADF, E(fallocate(ro, 0, 0, 4096)));
	EXPECT_EQ(-EINVAL, E(fallocate(self->fd, 0, 0, 0)));
	EXPECT_EQ(-EINVAL, E(fallocate(self->fd, 0, -1, 10)));
	EXPECT_EQ(-EOPNOTSUPP, E(fallocate(self->fd, FALLOC_FL_PUNCH_HOLE, 0, 4096)));
	EXPECT_EQ(-EFBIG, E(fallocate(self->fd, 0, LLONG_MAX - 5, 10)));
}

TEST_F(u, clears_suid)
{
	ASSERT_EQ(0, E(chown("u/f", NOBODY, NOBODY)));
	ASSERT_EQ(0, E(chmod("u/f", 06777)));
	ASSERT_EQ(0, become(NOBODY));
	close(self->fd);
	self->fd = open("u/f", O_RDWR);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, E(fallocate(self->fd, 0, 65536, 4096)));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(0, st_of("u/f").st_mode & 06000);
}

TEST_F(u, size_is_seen_by_others)
{
	struct stat st;
	int other = open("u/f", O_RDONLY);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, E(fallocate(self->fd, 0, 0, 70000)));
	ASSERT_EQ(0, E(fstat(other, &st)));
	EXPECT_EQ(70000, st.st_size);
	EXPECT_EQ(70000, E(lseek(other, 0, SEEK_END)));
}

TEST_HARNESS_MAIN
