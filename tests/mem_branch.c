// SPDX-License-Identifier: GPL-2.0
/* br:mem=rw, the writable branch in memory. */
#include "aufs2.h"
#include <sys/swap.h>

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	if (reference())
		SKIP(return, "not on overlayfs: it has none");
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir ro/d; echo -n low > ro/f; echo -n low > ro/d/g"));
	area_seal();
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	/* what is in swap has gone with the union */
	swapoff(path_of("%s/.swap", area));

	EXPECT_STREQ("", wrong ?: "");
}

/* How many bytes are in swap. */
static long in_swap(void)
{
	char line[512];
	FILE *f = fopen("/proc/swaps", "re");
	long used, sum = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*s %*d %ld", &used) == 1)
			sum += used * 1024;
	if (f)
		fclose(f);
	return sum;
}

static int mem(const char *more)
{
	int err = E(mount("none", "u", "aufs2", 0, path_of("br:mem=rw:%s/ro=ro%s", area, more)));

	union_up = !err;
	return err;
}

TEST_F(u, shortest_writable_union)
{
	ASSERT_EQ(0, mem(""));
	EXPECT_STREQ("low", read_file("u/f"));
	EXPECT_EQ(0, write_file("u/new", "n"));
	EXPECT_EQ(0, append_file("u/d/g", "+"));
	EXPECT_EQ(0, E(unlink("u/f")));
	EXPECT_EQ(0, E(mkdir("u/d2", 0755)));
	EXPECT_STREQ("d d2 new", list("u"));
	EXPECT_STREQ("low+", read_file("u/d/g"));
	EXPECT_EQ(0, E(setxattr("u/new", "user.x", "1", 1, 0)));
	EXPECT_EQ(0, E(setxattr("u/new", "trusted.x", "1", 1, 0)));
}

TEST_F(u, alone)
{
	ASSERT_EQ(0, E(mount("none", "u", "aufs2", 0, "br:mem=rw")));
	union_up = true;
	EXPECT_STREQ("", list("u"));
	EXPECT_EQ(0, write_file("u/f", "x"));
	EXPECT_STREQ("f", list("u"));
}

TEST_F(u, starts_empty_each_time)
{
	ASSERT_EQ(0, mem(""));
	ASSERT_EQ(0, write_file("u/new", "n"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, mem(""));
	EXPECT_STREQ("d f", list("u"));
}

TEST_F(u, two_are_apart)
{
	ASSERT_EQ(0, E(mkdir("v", 0755)));
	ASSERT_EQ(0, mem(""));
	ASSERT_EQ(0, E(mount("none", "v", "aufs2", 0, path_of("br:mem=rw:%s/ro=ro", area))));
	EXPECT_EQ(0, write_file("u/new", "n"));
	EXPECT_STREQ("d f", list("v"));
	EXPECT_EQ(0, E(umount("v")));
}

TEST_F(u, size)
{
	char block[65536] = "x";
	int fd, i;
	long n = 0;

	ASSERT_EQ(0, mem(",size=1M"));
	ASSERT_LE(0, fd = open("u/new", O_CREAT | O_WRONLY, 0644));
	for (i = 0; i < 32 && n >= 0; i++)
		n = E(write(fd, block, sizeof(block)));
	EXPECT_EQ(-ENOSPC, n);
	EXPECT_LE(12, i);
	EXPECT_GE(1 << 20, st_of("u/new").st_size);
	ASSERT_EQ(0, E(unlink("u/new")));
	close(fd);
	EXPECT_EQ(0, append_file("u/f", "+"));
	struct statfs s;

	ASSERT_EQ(0, E(statfs("u", &s)));
	EXPECT_EQ(1 << 20, s.f_blocks * s.f_bsize);
}

TEST_F(u, inodes)
{
	int i, err = 0;

	ASSERT_EQ(0, mem(",nr_inodes=50"));
	for (i = 0; i < 100 && !err; i++)
		err = write_file(path_of("u/n%d", i), "");
	EXPECT_EQ(-ENOSPC, err);
	EXPECT_LT(20, i);
}

TEST_F(u, mode)
{
	ASSERT_EQ(0, mem(",mode=1777"));
	EXPECT_EQ(S_IFDIR | 01777, st_of("u").st_mode);
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, mem(""));
	EXPECT_EQ(0, st_of("u").st_mode & 022) TH_LOG("not for all to write");
}

TEST_F(u, bad_values)
{
	EXPECT_EQ(-EINVAL, mem(",size=nonsense"));
	EXPECT_EQ(-EINVAL, mem(",mode=99"));
	EXPECT_EQ(-EINVAL, mem(",nr_inodes=-x"));
	EXPECT_EQ(0, mem(",size=50%"));
}

TEST_F(u, read_write_and_map_share_pages)
{
	long page = sysconf(_SC_PAGESIZE);
	char *p, c;
	int fd;

	ASSERT_EQ(0, mem(""));
	ASSERT_LE(0, fd = open("u/new", O_CREAT | O_RDWR, 0644));
	ASSERT_EQ(0, E(ftruncate(fd, 4 * page)));
	p = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	p[page] = 'm';
	ASSERT_EQ(1, E(pread(fd, &c, 1, page)));
	EXPECT_EQ('m', c);
	ASSERT_EQ(1, E(pwrite(fd, "w", 1, 2 * page)));
	EXPECT_EQ('w', p[2 * page]);
	/* truncation zeroes and unmaps, extension brings zeros */
	p[10] = 't';
	p[20] = 't';
	ASSERT_EQ(0, E(ftruncate(fd, 15)));
	ASSERT_EQ(0, E(ftruncate(fd, 4 * page)));
	EXPECT_EQ('t', p[10]);
	EXPECT_EQ(0, p[20]);
	EXPECT_EQ(0, p[page]);
	munmap(p, 4 * page);
}

TEST_F(u, contents_come_back_from_swap)
{
	long page = sysconf(_SC_PAGESIZE), i, wrong = 0, size = 8 << 20, before;
	char *p, c;
	int fd;

	if (!have("mkswap"))
		SKIP(return, "no mkswap");
	/* a swap file cannot be on tmpfs */
	if (on_tmpfs())
		SKIP(return, "no place for swap on tmpfs");
	if (shell("head -c 64M /dev/zero > .swap; chmod 600 .swap; mkswap .swap; swapon .swap"))
		SKIP(return, "cannot swap on %s", test_fs());
	ASSERT_EQ(0, mem(""));
	ASSERT_LE(0, fd = open("u/new", O_CREAT | O_RDWR, 0644));
	ASSERT_EQ(0, E(ftruncate(fd, size)));
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < size; i += page)
		*(long *)(p + i) = i;
	before = in_swap();
	EXPECT_EQ(0, E(madvise(p, size, 21 /* MADV_PAGEOUT */)));
	EXPECT_LE(size / 2, in_swap() - before);
	for (i = 0; i < size; i += page)
		wrong += *(long *)(p + i) != i;
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(1, E(pread(fd, &c, 1, page + 1)));
	EXPECT_EQ((char)(page >> 8), c);
	munmap(p, size);
}

TEST_HARNESS_MAIN
