// SPDX-License-Identifier: GPL-2.0
/* lseek: SEEK_DATA and SEEK_HOLE of lower, upper and copied-up files. */
#include "aufs2.h"

#define MB (1 << 20)

FIXTURE(u) { int mirror; };
FIXTURE_SETUP(u)
{
	int fd;

	ASSERT_EQ(0, area_enter());
	/* data at 1 MB and 3 MB, a hole at the end */
	ASSERT_LE(0, fd = open("ro/f", O_CREAT | O_RDWR, 0644));
	ASSERT_EQ(4, E(pwrite(fd, "one.", 4, MB)));
	ASSERT_EQ(4, E(pwrite(fd, "two.", 4, 3 * MB)));
	ASSERT_EQ(0, E(ftruncate(fd, 4 * MB)));
	ASSERT_EQ(0, E(fsync(fd)));
	self->mirror = open("ro/f", O_RDONLY);
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static const struct { long off; int whence; } seeks[] = {
	{ 0, SEEK_DATA }, { 0, SEEK_HOLE }, { MB, SEEK_DATA }, { MB, SEEK_HOLE },
	{ MB + 1, SEEK_HOLE }, { 2 * MB, SEEK_DATA }, { 2 * MB, SEEK_HOLE },
	{ 3 * MB, SEEK_HOLE }, { 3 * MB + 140000, SEEK_DATA }, { 4 * MB, SEEK_DATA },
	{ 4 * MB, SEEK_HOLE }, { 4 * MB - 1, SEEK_HOLE }, { -1, SEEK_DATA },
};

/* `slack`: how far the ends of data may differ, for blocks differ in size. */
static void same_seeks(struct __test_metadata *_metadata, int mirror, int fd, long slack)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(seeks); i++) {
		long a = E(lseek(mirror, seeks[i].off, seeks[i].whence));
		long b = E(lseek(fd, seeks[i].off, seeks[i].whence));

		EXPECT_GE(slack, labs(a - b)) {
			TH_LOG("lseek(%ld, %s): %ld, not %ld", seeks[i].off,
			       seeks[i].whence == SEEK_DATA ? "SEEK_DATA" : "SEEK_HOLE", b, a);
		}
	}
}

TEST_F(u, lower)
{
	int fd = open("u/f", O_RDONLY);

	ASSERT_LE(0, fd);
	same_seeks(_metadata, self->mirror, fd, 0);
}

TEST_F(u, copied_up_with_its_holes)
{
	struct stat low = st_of("ro/f"), st;
	int fd = open("u/f", O_RDWR);

	ASSERT_LE(0, fd);
	ASSERT_EQ(4, E(pwrite(fd, "ONE.", 4, MB)));
	ASSERT_EQ(0, E(fsync(fd)));
	st = st_of("rw/f");
	EXPECT_EQ(4 * MB, st.st_size);
	/* no more blocks than the original and some slack */
	EXPECT_GE(low.st_blocks + 512, st.st_blocks);
	same_seeks(_metadata, self->mirror, fd, 65536);
}

TEST_F(u, plain_seeks)
{
	int fd = open("u/f", O_RDONLY), fd2 = dup(fd);
	char b[5] = "";

	ASSERT_LE(0, fd);
	EXPECT_EQ(4 * MB, E(lseek(fd, 0, SEEK_END)));
	EXPECT_EQ(4 * MB - 10, E(lseek(fd, -10, SEEK_END)));
	EXPECT_EQ(4 * MB - 5, E(lseek(fd, 5, SEEK_CUR)));
	EXPECT_EQ(MB, E(lseek(fd, MB, SEEK_SET)));
	EXPECT_EQ(4, E(read(fd, b, 4)));
	EXPECT_STREQ("one.", b);
	/* a dup has the same position */
	EXPECT_EQ(MB + 4, E(lseek(fd2, 0, SEEK_CUR)));
	EXPECT_EQ(-EINVAL, E(lseek(fd, -1, SEEK_SET)));
	EXPECT_EQ(-EINVAL, E(lseek(fd, 0, 77)));
	EXPECT_EQ(100 * MB, E(lseek(fd, 100 * MB, SEEK_SET)));
	EXPECT_EQ(0, E(read(fd, b, 4)));
}

TEST_F(u, position_stays_over_a_copy_up)
{
	int fd = open("u/f", O_RDONLY);
	char b[5] = "";

	ASSERT_EQ(MB, E(lseek(fd, MB, SEEK_SET)));
	ASSERT_EQ(2, E(read(fd, b, 2)));
	ASSERT_EQ(0, append_file("u/f", "end"));
	EXPECT_EQ(MB + 2, E(lseek(fd, 0, SEEK_CUR)));
	EXPECT_EQ(2, E(read(fd, b + 2, 2)));
	EXPECT_STREQ("one.", b);
	EXPECT_EQ(4 * MB + 3, E(lseek(fd, 0, SEEK_END)));
}

TEST_F(u, append_position)
{
	int fd = open("u/f", O_RDWR | O_APPEND);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, E(lseek(fd, 0, SEEK_SET)));
	EXPECT_EQ(3, E(write(fd, "end", 3)));
	EXPECT_EQ(4 * MB + 3, E(lseek(fd, 0, SEEK_CUR)));
	EXPECT_EQ(4 * MB + 3, st_of("u/f").st_size);
}

TEST_HARNESS_MAIN
