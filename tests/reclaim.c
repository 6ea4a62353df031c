// SPDX-License-Identifier: GPL-2.0
/*
 * What is cached of a union goes when memory is wanted, whatever is done in it meanwhile.
 *
 * Catches: on a kernel with lockdep, what may not be taken where memory is reclaimed, as memory is
 * asked for with it held.
 */
#include "aufs2.h"

/* So that what is asked for is taken from what is cached, too. */
static const struct { const char *path, *value; } settings[] = {
	{ "/proc/sys/vm/vfs_cache_pressure", "1000" },
	{ "/proc/sys/vm/min_slab_ratio", "0" },
	{ "/proc/sys/vm/min_unmapped_ratio", "0" },
};

FIXTURE(u) { char before[ARRAY_SIZE(settings)][32]; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	for (unsigned int i = 0; i < ARRAY_SIZE(settings); i++) {
		/* a kernel without NUMA has not all of them */
		if (access(settings[i].path, W_OK))
			continue;
		snprintf(self->before[i], sizeof(self->before[i]), "%s", read_file(settings[i].path));
		ASSERT_EQ(0, put(settings[i].path, 0, settings[i].value));
	}
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	for (unsigned int i = 0; i < ARRAY_SIZE(settings); i++)
		if (*self->before[i])
			put(settings[i].path, 0, self->before[i]);
	EXPECT_STREQ("", wrong ?: "");
}

#define FILES 800

#define RECLAIM "/sys/devices/system/node/node0/reclaim"

/* How many inodes a union has cached, by its counters. */
static long inodes(void)
{
	static char command[] = "awk '$1 == \"inodes\" { print $2 }' /sys/kernel/debug/aufs2/si_*/counters";
	FILE *f = popen(command, "r");
	long count = -1;

	if (!f || fscanf(f, "%ld", &count) != 1)
		count = -1;
	if (f)
		pclose(f);
	return count;
}

/* Has the kernel take back what it can, as if all that were wanted; until the union has few inodes. */
static long reclaim(long few)
{
	long count = -1;

	for (int i = 0; i < 40; i++) {
		count = inodes();
		if (count <= few)
			break;
		/* as much as there is, which is an error where there is less */
		put(RECLAIM, 0, "4G");
	}
	return count;
}

/* All that a union caches of objects: stacks, listings, earlier stacks, marks, numbers. */
static int use(void)
{
	return shell("ls -lR u > /dev/null && "
		     "for i in $(seq 40); do echo x >> u/d/$i; ln u/d/$i u/e/$i; chmod 600 u/d/1$i; "
		     "mv u/d/1$i u/e/m$i; rm u/d/2$i; mkdir u/e/d$i; echo y > u/e/d$i/f; done && "
		     "rm u/e/d1/f && rmdir u/e/d1 && mv u/e/d2 u/d/d2 && find u -ls > /dev/null");
}

static void inodes_go(struct __test_metadata *_metadata, const char *options)
{
	long before, after;

	AUFS2_ONLY("it counts the inodes of a union");
	if (access(RECLAIM, W_OK))
		SKIP(return, "no " RECLAIM);
	shell("mount -t debugfs none /sys/kernel/debug 2> /dev/null");
	ASSERT_EQ(0, shell("mkdir ro/d ro/e; cd ro/d; seq %d | xargs touch; ln 1 ../e/other; ln 3 ../e/of3",
			   FILES));
	ASSERT_EQ(0, union_mount(options, 0, (const char * const []){ "rw", "ro", NULL }));
	ASSERT_EQ(0, use());
	before = inodes();
	ASSERT_LT(FILES, before);
	after = reclaim(FILES / 10);
	EXPECT_GE(FILES / 10, after);
	EXPECT_EQ(0, shell("test \"$(cat u/d/5 u/e/5 | tr -d '\\n')\" = xx && test ! -e u/d/240"));
	/* what goes while it is used */
	ASSERT_EQ(0, shell("mkdir u/again && for i in $(seq 10); do echo z > u/again/$i; "
			   "echo 4M > " RECLAIM "; mv u/again/$i u/d/z$i; find u/e > /dev/null; done 2> /dev/null; "
			   "test \"$(ls u/again | wc -l)\" = 0"));
	ASSERT_EQ(0, down());
}

TEST_F(u, inodes_go)
{
	inodes_go(_metadata, "");
}

/* Without a mark in each directory of a branch. */
TEST_F(u, inodes_go_that_are_not_watched)
{
	inodes_go(_metadata, "udba=none");
}

TEST_HARNESS_MAIN
