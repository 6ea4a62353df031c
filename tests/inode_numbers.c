// SPDX-License-Identifier: GPL-2.0
/* One st_dev, and an st_ino that stays. */
#include "aufs2.h"

AUFS2_FIXTURE

static uint64_t ino(const char *path)
{
	return st_of(path).st_ino;
}

TEST_F(u, one_device)
{
	static const char * const paths[] = { "u/f", "u/g", "u/d", "u/d/h", "u/l", "u/rwf" };
	dev_t dev;
	unsigned int i;

	ASSERT_EQ(0, shell("touch ro/f ro2/g rw/rwf; mkdir ro/d ro2/d; touch ro2/d/h; ln -s x ro/l"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	dev = st_of("u").st_dev;
	EXPECT_NE(st_of("rw").st_dev, dev);
	EXPECT_NE(st_of("ro").st_dev, dev);
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		EXPECT_EQ(dev, st_of(paths[i]).st_dev) TH_LOG("%s", paths[i]);
	}
	ASSERT_EQ(0, append_file("u/f", "x"));
	EXPECT_EQ(dev, st_of("u/f").st_dev);
}

TEST_F(u, kept_over_copy_up)
{
	uint64_t f, d, l, fd_ino;
	struct stat st;
	int fd;

	ASSERT_EQ(0, shell("echo f > ro/f; mkdir -p ro/d/e; echo > ro/d/e/g; ln -s x ro/l"));
	ASSERT_EQ(0, up("rw", "ro"));
	f = ino("u/f");
	d = ino("u/d");
	l = ino("u/l");
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	ASSERT_EQ(0, append_file("u/f", "more"));
	ASSERT_EQ(0, append_file("u/d/e/g", "more"));
	ASSERT_EQ(0, E(lchown("u/l", 7, 7)));
	ASSERT_STREQ("dir", kind("rw/d/e"));
	EXPECT_EQ(f, ino("u/f"));
	EXPECT_EQ(d, ino("u/d"));
	EXPECT_EQ(l, ino("u/l"));
	ASSERT_EQ(0, E(fstat(fd, &st)));
	fd_ino = st.st_ino;
	EXPECT_EQ(f, fd_ino);
	EXPECT_EQ(st_of("u").st_dev, st.st_dev);
	close(fd);
	drop_caches();
	EXPECT_EQ(f, ino("u/f")) TH_LOG("after drop_caches");
	EXPECT_EQ(d, ino("u/d")) TH_LOG("after drop_caches");
	EXPECT_EQ(l, ino("u/l")) TH_LOG("after drop_caches");
}

TEST_F(u, kept_over_rename_and_drop_caches)
{
	uint64_t f, g, d;

	ASSERT_EQ(0, shell("echo > ro/f; mkdir ro/d; echo > ro/d/g"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/new", "n"));
	f = ino("u/f");
	g = ino("u/new");
	d = ino("u/d");
	ASSERT_EQ(0, E(rename("u/f", "u/f2")));
	ASSERT_EQ(0, E(rename("u/new", "u/d/new2")));
	ASSERT_EQ(0, E(rename("u/d", "u/d2")));
	EXPECT_EQ(f, ino("u/f2"));
	EXPECT_EQ(g, ino("u/d2/new2"));
	EXPECT_EQ(d, ino("u/d2"));
	drop_caches();
	EXPECT_EQ(f, ino("u/f2")) TH_LOG("after drop_caches");
	EXPECT_EQ(g, ino("u/d2/new2")) TH_LOG("after drop_caches");
	EXPECT_EQ(d, ino("u/d2")) TH_LOG("after drop_caches");
}

TEST_F(u, read_only_part_is_kept)
{
	uint64_t f, d;

	ASSERT_EQ(0, shell("touch ro/f; mkdir ro/d ro2/d"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	f = ino("u/f");
	d = ino("u/d");
	ASSERT_NE(0, f);
	drop_caches();
	EXPECT_EQ(f, ino("u/f"));
	EXPECT_EQ(d, ino("u/d"));
}

TEST_F(u, kept_over_a_new_mount)
{
	/* What the branch can carry: names that were not copied up in between. */
	static const char * const paths[] = { "u", "u/f", "u/d", "u/d/g", "u/l", "u/new", "u/newd" };
	uint64_t before[ARRAY_SIZE(paths)];
	unsigned int i, round;

	ASSERT_EQ(0, shell("touch ro/f; mkdir ro/d ro2/d; echo g > ro2/d/g; ln -s x ro/l"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	ASSERT_EQ(0, shell("touch u/new; mkdir u/newd"));
	for (i = 0; i < ARRAY_SIZE(paths); i++)
		before[i] = st_of(paths[i]).st_ino;
	for (round = 0; round < 2; round++) {
		ASSERT_EQ(0, down());
		drop_caches();
		ASSERT_EQ(0, up("rw", "ro", "ro2"));
		for (i = ARRAY_SIZE(paths); i--; )
			EXPECT_EQ(before[i], st_of(paths[i]).st_ino) { TH_LOG("path %u", i); }
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

TEST_F(u, no_false_hard_links)
{
	/* File systems made alike have alike inode numbers. */
	static uint64_t inos[4000];
	static const char * const branches[] = { "rw", "ro", "ro2" };
	int b, i, n = 0, same = 0;

	for (i = 0; i < 300; i++) {
		for (b = 0; b < 3; b++) {
			ASSERT_EQ(0, write_file(path_of("%s/%s.%d", branches[b], branches[b], i), ""));
		}
	}
	ASSERT_EQ(0, shell("mkdir ro/d ro2/d2 rw/d3"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	for (i = 0; i < 300; i++)
		for (b = 0; b < 3; b++)
			inos[n++] = ino(path_of("u/%s.%d", branches[b], i));
	inos[n++] = ino("u");
	inos[n++] = ino("u/d");
	inos[n++] = ino("u/d2");
	inos[n++] = ino("u/d3");
	qsort(inos, n, sizeof(*inos), compare);
	for (i = 1; i < n; i++)
		same += inos[i] == inos[i - 1];
	EXPECT_EQ(0, same);
	EXPECT_NE(0, inos[0]);
}

TEST_F(u, new_number_for_a_new_file)
{
	uint64_t a, b;

	ASSERT_EQ(0, write_file("ro/f", "old"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, append_file("u/f", "x"));	/* copied up */
	a = ino("u/f");
	int fd = open("u/f", O_RDONLY);		/* keeps the number in use */
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(unlink("u/f")));
	ASSERT_EQ(0, write_file("u/f", "new"));
	b = ino("u/f");
	EXPECT_NE(a, b);
}

TEST_F(u, true_hard_links)
{
	ASSERT_EQ(0, shell("echo x > ro/a; ln ro/a ro/b; mkdir ro/d; ln ro/a ro/d/c"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(ino("u/a"), ino("u/b"));
	EXPECT_EQ(ino("u/a"), ino("u/d/c"));
	EXPECT_EQ(3, st_of("u/a").st_nlink);
}

TEST_HARNESS_MAIN
