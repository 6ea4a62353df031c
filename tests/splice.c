// SPDX-License-Identifier: GPL-2.0
/* splice, sendfile, copy_file_range, tee, FICLONE. */
#include "aufs2.h"
#include <linux/fs.h>
#include <sys/sendfile.h>

#define SIZE 300000

FIXTURE(u) { uint64_t sum; };
FIXTURE_SETUP(u)
{
	FILE *f;
	int i;

	ASSERT_EQ(0, area_enter());
	ASSERT_NE(NULL, f = fopen("ro/f", "w"));
	for (i = 0; i < SIZE / 10; i++)
		fprintf(f, "%09d\n", i);
	ASSERT_EQ(0, fclose(f));
	self->sum = checksum("ro/f");
	ASSERT_EQ(SIZE, st_of("ro/f").st_size);
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

TEST_F(u, sendfile_out_and_in)
{
	int in = open("u/f", O_RDONLY), out = open("out", O_CREAT | O_WRONLY, 0644);
	off_t off = 0;
	long n;

	ASSERT_LE(0, in);
	while ((n = E(sendfile(out, in, &off, SIZE))) > 0)
		;
	ASSERT_EQ(0, n);
	EXPECT_EQ(SIZE, off);
	EXPECT_EQ(self->sum, checksum("out"));
	in = open("out", O_RDONLY);
	out = open("u/copy", O_CREAT | O_WRONLY, 0644);
	while ((n = E(sendfile(out, in, NULL, SIZE))) > 0)
		;
	ASSERT_EQ(0, n);
	EXPECT_EQ(self->sum, checksum("u/copy"));
	EXPECT_EQ(self->sum, checksum("rw/copy"));
}

TEST_F(u, splice_both_ways)
{
	int in = open("u/f", O_RDONLY), out = open("u/copy", O_CREAT | O_WRONLY, 0644), p[2];
	long n, m;

	ASSERT_LE(0, in);
	ASSERT_LE(0, out);
	ASSERT_EQ(0, E(pipe(p)));
	while ((n = E(splice(in, NULL, p[1], NULL, 65536, 0))) > 0) {
		while (n > 0) {
			m = E(splice(p[0], NULL, out, NULL, n, SPLICE_F_MOVE));
			ASSERT_LT(0, m);
			n -= m;
		}
	}
	ASSERT_EQ(0, n);
	EXPECT_EQ(self->sum, checksum("u/copy"));
	EXPECT_EQ(SIZE, st_of("u/copy").st_size);
}

TEST_F(u, splice_into_a_lower_file)
{
	/* opened for writing: it was copied up, and the rest of it stays */
	int out = open("u/f", O_RDWR), p[2];
	off_t off = 10;
	char b[31] = "";

	ASSERT_LE(0, out);
	ASSERT_EQ(0, E(pipe(p)));
	ASSERT_EQ(10, E(write(p[1], "SPLICED!!\n", 10)));
	EXPECT_EQ(10, E(splice(p[0], NULL, out, &off, 10, 0)));
	EXPECT_EQ(20, off);
	ASSERT_EQ(30, E(pread(out, b, 30, 0)));
	EXPECT_STREQ("000000000\nSPLICED!!\n000000002\n", b);
	EXPECT_EQ(SIZE, st_of("u/f").st_size);
}

TEST_F(u, copy_file_range_inside)
{
	int in = open("u/f", O_RDONLY), out = open("u/copy", O_CREAT | O_RDWR, 0644);
	long n, total = 0;

	ASSERT_LE(0, in);
	ASSERT_LE(0, out);
	while ((n = E(copy_file_range(in, NULL, out, NULL, SIZE, 0))) > 0)
		total += n;
	ASSERT_EQ(0, n);
	EXPECT_EQ(SIZE, total);
	EXPECT_EQ(self->sum, checksum("u/copy"));
	EXPECT_EQ(0, shell("cmp ro/f u/copy"));
}

TEST_F(u, copy_file_range_onto_a_lower_file)
{
	int fd = open("u/f", O_RDWR);
	off_t from = 0, to = 100000;
	char b[11] = "";

	ASSERT_LE(0, fd);
	/* one file, ranges apart */
	EXPECT_EQ(10000, E(copy_file_range(fd, &from, fd, &to, 10000, 0)));
	EXPECT_EQ(10, E(pread(fd, b, 10, 100000)));
	EXPECT_STREQ("000000000\n", b);
	from = 0;
	to = 100;
	EXPECT_EQ(-EINVAL, E(copy_file_range(fd, &from, fd, &to, 10000, 0)));
	EXPECT_EQ(SIZE, st_of("u/f").st_size);
}

TEST_F(u, copy_file_range_refusals)
{
	int in = open("u/f", O_RDONLY), dir = open("u", O_RDONLY | O_DIRECTORY);
	int out = open("u/copy", O_CREAT | O_WRONLY, 0644);

	ASSERT_LE(0, in);
	EXPECT_EQ(-EBADF, E(copy_file_range(in, NULL, in, NULL, 10, 0)));
	EXPECT_EQ(-EISDIR, E(copy_file_range(dir, NULL, out, NULL, 10, 0)));
	EXPECT_EQ(-EINVAL, E(copy_file_range(in, NULL, out, NULL, 10, 1 << 20)));
	EXPECT_EQ(0, E(copy_file_range(in, &(off_t){ SIZE }, out, NULL, 10, 0)));
}

TEST_F(u, clone)
{
	int in = open("u/f", O_RDONLY), out = open("u/copy", O_CREAT | O_RDWR, 0644);
	int ref = open(".mirror", O_CREAT | O_RDWR, 0644), err;
	int lower = open("ro/f", O_RDONLY);

	err = E(ioctl(ref, FICLONE, lower));
	if (err) {
		EXPECT_GT(0, E(ioctl(out, FICLONE, in)));
		SKIP(return, "%s cannot share blocks", test_fs());
	}
	ASSERT_EQ(0, E(ioctl(out, FICLONE, in)));
	EXPECT_EQ(self->sum, checksum("u/copy"));
	ASSERT_EQ(1, E(pwrite(out, "X", 1, 0)));
	EXPECT_EQ(self->sum, checksum("u/f"));
}

TEST_F(u, vectors)
{
	char a[4] = "", b[8] = "";
	struct iovec iov[2] = { { a, 3 }, { b, 7 } };
	int fd = open("u/f", O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(10, E(preadv(fd, iov, 2, 10)));
	EXPECT_STREQ("000", a);
	EXPECT_STREQ("000001\n", b);
	EXPECT_EQ(10, E(pwritev2(fd, iov, 2, -1, RWF_APPEND)));
	EXPECT_EQ(SIZE + 10, st_of("u/f").st_size);
	EXPECT_EQ(-EOPNOTSUPP, E(preadv2(fd, iov, 2, 0, 1 << 30)));
	/* what is cached can be had without waiting, if that can be asked */
	long n = E(preadv2(fd, iov, 2, 0, RWF_NOWAIT));

	EXPECT_TRUE(n == 10 || n == -EOPNOTSUPP) TH_LOG("RWF_NOWAIT: %ld", n);
}

TEST_HARNESS_MAIN
