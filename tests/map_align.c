// SPDX-License-Identifier: GPL-2.0
/*
 * A map of a file with huge folios is placed where it can be mapped by one PMD,
 * as without a union.
 */
#include "aufs2.h"

#define PMD (2UL << 20)

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

/* The address modulo PMD where the kernel puts 8 MB of a file. */
static long placed(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = mmap(NULL, 8 << 20, PROT_READ, MAP_SHARED, fd, 0);
	long where = p == MAP_FAILED ? -errno : (long)((unsigned long)p % PMD);

	if (p != MAP_FAILED)
		munmap(p, 8 << 20);
	close(fd);
	return where;
}

TEST_F(u, as_without_a_union)
{
	long native;

	if (on_tmpfs()) {
		/* huge folios by its own option */
		ASSERT_EQ(0, E(umount("ro")));
		ASSERT_EQ(0, E(mount("branch", "ro", "tmpfs", 0, "huge=always,mode=755")));
	}
	ASSERT_EQ(0, shell("head -c 8M /dev/zero > ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	/* something odd-sized in between, so that alignment is no accident */
	void *gap = mmap(NULL, 12288, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	native = placed("ro/f");
	if (native)
		SKIP(return, "%s does not align on its own (%#lx)", test_fs(), native);
	EXPECT_EQ(0, placed("u/f"));
	EXPECT_EQ(0, append_file("u/f", ""));
	munmap(gap, 12288);
	gap = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT_EQ(placed("rw/f"), placed("u/f"));
	munmap(gap, 4096);
}

/* Kilobytes of the map at p that are mapped by PMDs, from smaps. */
static long by_pmd(void *p)
{
	char line[256], start[32];
	long kb, total = 0;
	bool in = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	while (f && fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr(line, '-') < strchr(line, ' '))
			in = !strncmp(line, start, strlen(start));
		else if (in && (sscanf(line, "FilePmdMapped: %ld", &kb) == 1 ||
				sscanf(line, "ShmemPmdMapped: %ld", &kb) == 1))
			total += kb;
	}
	if (f)
		fclose(f);
	return total;
}

static long mapped_by_pmd(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = mmap(NULL, 8 << 20, PROT_READ, MAP_SHARED, fd, 0);
	long kb, i;

	if (p == MAP_FAILED)
		return -errno;
	for (i = 0; i < 8 << 20; i += 4096)
		*(volatile char *)(p + i);
	kb = by_pmd(p);
	munmap(p, 8 << 20);
	close(fd);
	return kb;
}

TEST_F(u, really_mapped_by_pmds)
{
	long native;

	if (on_tmpfs()) {
		ASSERT_EQ(0, E(umount("ro")));
		ASSERT_EQ(0, E(mount("branch", "ro", "tmpfs", 0, "huge=always,mode=755")));
	}
	ASSERT_EQ(0, shell("head -c 8M /dev/zero > ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	native = mapped_by_pmd("ro/f");
	if (native <= 0)
		SKIP(return, "%s does not map by PMDs here", test_fs());
	EXPECT_EQ(native, mapped_by_pmd("u/f"));
}

TEST_HARNESS_MAIN
