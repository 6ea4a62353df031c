// SPDX-License-Identifier: GPL-2.0
/* cachestat(2) answers for the branch's pages. */
#include "aufs2.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

/* The C library's headers may not have it. */
struct counts {
	uint64_t nr_cache, nr_dirty, nr_writeback, nr_evicted, nr_recently_evicted;
};

AUFS2_FIXTURE

/*
 * The kernel takes the inode of a file with a page cache of tmpfs for one of
 * tmpfs: a union's file cannot have one, and answers for its own pages, of which
 * there are none.
 */
#define NOT_ON_TMPFS() \
	if (on_tmpfs() && !reference()) SKIP(return, "a union's file cannot have the page cache of tmpfs")

static long cached(int fd, struct counts *cs)
{
	struct { uint64_t off, len; } all = { 0, 0 };

	memset(cs, 0, sizeof(*cs));
	return E(syscall(SYS_cachestat, fd, &all, cs, 0));
}

TEST_F(u, lower_file)
{
	NOT_ON_TMPFS();
	struct counts cs, ref;
	int fd, r;

	ASSERT_EQ(0, shell("head -c 65536 /dev/urandom > ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	ASSERT_LE(0, r = open("ro/f", O_RDONLY));
	checksum("u/f");
	ASSERT_EQ(0, cached(r, &ref));
	ASSERT_EQ(16, ref.nr_cache);
	EXPECT_EQ(0, cached(fd, &cs));
	EXPECT_EQ(16, cs.nr_cache);
}

TEST_F(u, upper_file)
{
	NOT_ON_TMPFS();
	struct counts cs, ref;
	char b[4096] = "x";
	int fd, r, i;

	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_CREAT | O_RDWR, 0644));
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(4096, E(write(fd, b, 4096)));
	}
	ASSERT_LE(0, r = open("rw/f", O_RDONLY));
	ASSERT_EQ(0, cached(r, &ref));
	EXPECT_EQ(0, cached(fd, &cs));
	EXPECT_EQ(16, cs.nr_cache);
	EXPECT_EQ(ref.nr_dirty, cs.nr_dirty);
	ASSERT_EQ(0, E(fsync(fd)));
	EXPECT_EQ(0, cached(fd, &cs));
	EXPECT_EQ(0, cs.nr_dirty);
}

TEST_F(u, opened_after_copy_up)
{
	NOT_ON_TMPFS();
	struct counts cs;
	int fd;

	ASSERT_EQ(0, shell("head -c 65536 /dev/urandom > ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, append_file("u/f", "x"));
	checksum("u/f");
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	EXPECT_EQ(0, cached(fd, &cs));
	EXPECT_EQ(17, cs.nr_cache);
}

TEST_F(u, fadvise_drops_the_branchs_pages)
{
	NOT_ON_TMPFS();
	struct counts cs;
	int fd;

	if (on_tmpfs())
		SKIP(return, "tmpfs drops nothing");
	ASSERT_EQ(0, shell("head -c 65536 /dev/urandom > ro/f; sync"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	checksum("u/f");
	EXPECT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	ASSERT_LE(0, fd = open("ro/f", O_RDONLY));
	ASSERT_EQ(0, cached(fd, &cs));
	EXPECT_EQ(0, cs.nr_cache);
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	EXPECT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED));
}

TEST_HARNESS_MAIN
