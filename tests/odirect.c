// SPDX-License-Identifier: GPL-2.0
/* O_DIRECT, where the branch has it. */
#include "aufs2.h"

#define BLOCK 4096

FIXTURE(u) { char *buf; };
FIXTURE_SETUP(u)
{
	int fd;

	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("head -c 65536 /dev/urandom > ro/f"));
	ASSERT_EQ(0, posix_memalign((void **)&self->buf, BLOCK, 16 * BLOCK));
	/* what the branch says without a union is what the union has to say */
	fd = open("ro/f", O_RDONLY | O_DIRECT);
	if (fd < 0)
		SKIP(return, "%s has no O_DIRECT", test_fs());
	close(fd);
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

TEST_F(u, read_of_a_lower_file)
{
	int fd = open("u/f", O_RDONLY | O_DIRECT);

	ASSERT_LE(0, fd);
	EXPECT_EQ(16 * BLOCK, E(read(fd, self->buf, 16 * BLOCK)));
	EXPECT_EQ(checksum("ro/f"), mix(SUM_START, self->buf, 16 * BLOCK));
	EXPECT_EQ(0, E(read(fd, self->buf, BLOCK)));
}

TEST_F(u, coherent_with_buffered)
{
	int direct = open("u/f", O_RDWR | O_DIRECT), plain = open("u/f", O_RDWR);
	char c;

	ASSERT_LE(0, direct);
	memset(self->buf, 'D', BLOCK);
	EXPECT_EQ(1, E(pread(plain, &c, 1, BLOCK)));	/* cached */
	EXPECT_EQ(BLOCK, E(pwrite(direct, self->buf, BLOCK, BLOCK)));
	EXPECT_EQ(1, E(pread(plain, &c, 1, BLOCK)));
	EXPECT_EQ('D', c);
	EXPECT_EQ(1, E(pwrite(plain, "P", 1, BLOCK + 1)));
	EXPECT_EQ(BLOCK, E(pread(direct, self->buf, BLOCK, BLOCK)));
	EXPECT_EQ('P', self->buf[1]);
	EXPECT_EQ('D', self->buf[2]);
}

TEST_F(u, extends)
{
	int fd = open("u/new", O_CREAT | O_RDWR | O_DIRECT, 0644);

	ASSERT_LE(0, fd);
	memset(self->buf, 'e', BLOCK);
	EXPECT_EQ(BLOCK, E(pwrite(fd, self->buf, BLOCK, 4 * BLOCK)));
	EXPECT_EQ(5 * BLOCK, st_of("u/new").st_size);
	EXPECT_EQ(BLOCK, E(pread(fd, self->buf, BLOCK, 0)));
	EXPECT_EQ(0, self->buf[0]);
}

TEST_F(u, misaligned_as_the_branch_has_it)
{
	int fd = open("u/f", O_RDONLY | O_DIRECT), ref = open("ro/f", O_RDONLY | O_DIRECT);

	ASSERT_LE(0, fd);
	EXPECT_EQ(E(pread(ref, self->buf + 1, BLOCK, 0)), E(pread(fd, self->buf + 1, BLOCK, 0)));
	EXPECT_EQ(E(pread(ref, self->buf, BLOCK, 1)), E(pread(fd, self->buf, BLOCK, 1)));
	EXPECT_EQ(E(pread(ref, self->buf, 100, 0)), E(pread(fd, self->buf, 100, 0)));
}

TEST_F(u, switched_by_fcntl)
{
	int fd = open("u/f", O_RDWR);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(fcntl(fd, F_SETFL, O_DIRECT)));
	EXPECT_TRUE(fcntl(fd, F_GETFL) & O_DIRECT);
	memset(self->buf, 's', BLOCK);
	EXPECT_EQ(BLOCK, E(pwrite(fd, self->buf, BLOCK, 0)));
	ASSERT_EQ(0, E(fcntl(fd, F_SETFL, 0)));
	EXPECT_EQ(3, E(pwrite(fd, "odd", 3, 1)));
	EXPECT_EQ(0, strncmp("sodds", read_file("u/f"), 5));
}

TEST_F(u, descriptor_from_before_copy_up)
{
	int fd = open("u/f", O_RDONLY | O_DIRECT);

	ASSERT_LE(0, fd);
	EXPECT_EQ(BLOCK, E(pread(fd, self->buf, BLOCK, 0)));
	memset(self->buf, 'n', BLOCK);
	ASSERT_EQ(0, shell("printf NEW | dd of=u/f conv=notrunc"));
	EXPECT_EQ(BLOCK, E(pread(fd, self->buf, BLOCK, 0)));
	EXPECT_EQ(0, strncmp("NEW", self->buf, 3));
}

TEST_HARNESS_MAIN
