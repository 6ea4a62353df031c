// SPDX-License-Identifier: GPL-2.0
/*
 * khugepaged puts one huge page in the place of the small ones of a file that is mapped:
 * the data stays, and the map is of the union's file as before.
 *
 * What it does by itself, on a plain file first: where it does nothing there, it need not
 * do anything on a union.
 */
#include "aufs2_mmap.h"

#define HUGE	(2L << 20)
#define THP	"/sys/kernel/mm/transparent_hugepage/"

enum column { NATIVE, DIRECT, FAULT, DIRECT_PATH, FAULT_PATH, COLUMNS };
static const char * const options[COLUMNS] = {
	[DIRECT] = "mmap=direct", [FAULT] = "mmap=fault",
	[DIRECT_PATH] = "mmap=direct,mmap_path=union", [FAULT_PATH] = "mmap=fault,mmap_path=union",
};

/* It sleeps for ten seconds, and looks at few pages at a time. */
static const struct { const char *path, *value; } knobs[] = {
	{ THP "enabled", "always" },
	{ THP "khugepaged/scan_sleep_millisecs", "10" },
	{ THP "khugepaged/alloc_sleep_millisecs", "10" },
	{ THP "khugepaged/pages_to_scan", "65536" },
};
static char before[ARRAY_SIZE(knobs)][64];

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	if (reference())
		SKIP(return, "engines are the union's");
	if (access(THP "khugepaged", F_OK))
		SKIP(return, "the kernel has no khugepaged");
	page = sysconf(_SC_PAGESIZE);
	size = HUGE;
	ASSERT_EQ(0, area_enter());
	for (unsigned int i = 0; i < ARRAY_SIZE(knobs); i++) {
		const char *text = read_file(knobs[i].path), *chosen = strchr(text, '[');

		snprintf(before[i], sizeof(before[i]), "%.*s",
			 (int)strcspn(chosen ? chosen + 1 : text, "]\n"), chosen ? chosen + 1 : text);
		ASSERT_EQ(0, put(knobs[i].path, 0, knobs[i].value));
	}
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
	for (unsigned int i = 0; i < ARRAY_SIZE(knobs); i++)
		if (*before[i])
			put(knobs[i].path, 0, before[i]);
}

/* What the kernel shows of the map at p. */
static const char *shown(void *p)
{
	char *b = buffer(), start[32];
	FILE *f = fopen("/proc/self/maps", "re");
	bool found = false;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	while (!found && f && fgets(b, 8192, f))
		found = !strncmp(b, start, strlen(start));
	if (f)
		fclose(f);
	return found ? b : "nothing";
}

static long by_huge_pages(void *p)
{
	return smaps_of(p, on_tmpfs() ? "ShmemPmdMapped" : "FilePmdMapped");
}

/* The word that each page starts with. */
static unsigned long word_of(int file, long at)
{
	return 0x6875676500000000UL | (unsigned long)file << 24 | at;
}

static int wrong_pages(volatile char *p, int file)
{
	int count = 0;

	for (long at = 0; at < HUGE / page; at++)
		count += *(volatile unsigned long *)(p + at * page) != word_of(file, at);
	return count;
}

/* Maps the file, and waits until that is done by a huge page, for so many tenths of a second. */
static char *map_huge(const char *path, int file, int tenths)
{
	char *hole = mmap(NULL, 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = (char *)(((unsigned long)hole + HUGE - 1) & -HUGE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	p = mmap(p, HUGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, HUGE, MADV_HUGEPAGE);
	while (!wrong_pages(p, file) && by_huge_pages(p) != HUGE / 1024 && tenths--)
		usleep(100000);
	return p;
}

TEST_F(u, collapses)
{
	/* Where a map asks for them; write(2) makes small ones. */
	if (on_tmpfs()) {
		ASSERT_EQ(0, E(mount("branch", "ro", "tmpfs", MS_REMOUNT, "huge=advise,mode=755")));
	}
	for (int i = 0; i < COLUMNS; i++) {
		int fd = open(path_of("ro/f%d", i), O_RDWR | O_CREAT | O_CLOEXEC, 0644);

		for (long at = 0; at < HUGE / page; at++) {
			unsigned long word = word_of(i, at);

			ASSERT_EQ(sizeof(word), pwrite(fd, &word, sizeof(word), at * page));
		}
		ASSERT_EQ(0, E(ftruncate(fd, HUGE)));
		fsync(fd);
		close(fd);
	}
	for (int i = 0; i < COLUMNS; i++) {
		const char *path = path_of("%s/f%d", i ? "u" : "ro", i);
		char was[8192], *p;

		if (i) {
			ASSERT_EQ(0, union_mount(options[i], 0, (const char * const []){ "rw", "ro", NULL }));
		}
		p = map_huge(path, i, (i ? 300 : 150) * slower());
		ASSERT_NE(NULL, p);
		EXPECT_EQ(0, wrong_pages(p, i));
		strcpy(was, shown(p));
		if (!i && by_huge_pages(p) != HUGE / 1024)
			SKIP(return, "khugepaged leaves the files of %s alone", test_fs());
		EXPECT_EQ(HUGE / 1024, by_huge_pages(p)) { TH_LOG("%s", options[i]); }
		EXPECT_NE(NULL, strstr(was, path_of("%s/%s/f%d\n", area, i ? "u" : "ro", i))) { TH_LOG("%s", was); }
		/* Mapped anew, and by what is left of it; and after the file is another one. */
		EXPECT_EQ(0, E(madvise(p, HUGE, MADV_DONTNEED)));
		EXPECT_EQ(0, wrong_pages(p, i));
		EXPECT_STREQ(was, shown(p));
		EXPECT_EQ(0, E(munmap(p + HUGE / 2, page)));
		EXPECT_EQ(word_of(i, 0), *(unsigned long *)p);
		EXPECT_EQ(word_of(i, HUGE / page - 1), *(unsigned long *)(p + HUGE - page));
		if (i) {
			EXPECT_EQ(0, put(path_of("u/f%d", i), 0, "copied up"));
			EXPECT_EQ(word_of(i, 0), *(unsigned long *)p);
			EXPECT_STREQ("copied up", path_of("%.9s", read_file(path_of("u/f%d", i))));
		}
		EXPECT_EQ(0, E(munmap(p, HUGE)));
		if (i) {
			ASSERT_EQ(0, down());
		}
	}
}

TEST_HARNESS_MAIN
