// SPDX-License-Identifier: GPL-2.0
/*
 * privmap=snapshot, with every allocation failing once while something is kept: who could not
 * have it kept has changed nothing, what is mapped shows what it did, and doing it again succeeds.
 *
 * Wants a kernel with fault injection, such as the debug kernel.
 */
#include "aufs2_privmap.h"
#include "aufs2_fail.h"

#define TURNS 400

static const long from = PAGE + 100, len = 50, size = 4 * PAGE + 77;

/* Of more than one step, of which the first stays done when the next one cannot be. */
static bool has_steps(enum way way)
{
	return way == EMPTY || way == LONGER || way == SHARED;
}

/* What is in the file. */
static int read_all(int fd, struct view *now)
{
	now->size = pread(fd, now->expected, LONGEST, 0);
	return now->size < 0 ? -errno : 0;
}

static bool is_same(const struct view *a, const struct view *b)
{
	return a->size == b->size && !memcmp(a->expected, b->expected, a->size);
}

TEST_F(u, whatever_changes_the_file)
{
	static struct view before, now;
	int fd, err = 0, again, n, failed;
	bool more;

	ASSERT_TRUE(can_inject());
	ASSERT_EQ(0, mount_snapshots());
	for (enum way way = 0; way < WAYS; way++) {
		/* the fork would fail, and nothing that the other process does */
		if (way == OTHER)
			continue;
		for (n = 1, failed = 0, more = true; more && n < TURNS; n++) {
			ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
			ASSERT_EQ(0, fill(fd, 0, size, 0));
			if (is_by_shared(way)) {
				shared = mmap(NULL, LONGEST, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
				ASSERT_NE(MAP_FAILED, shared);
			}
			ASSERT_EQ(0, look(&before, fd, 0));
			inject(n);
			err = change(fd, way, from, len, 1);
			more = injected();
			ASSERT_EQ(-1, differs(&before)) {
				TH_LOG("%s, turn %d: %d", names[way], n, err);
			}
			ASSERT_EQ(0, read_all(fd, &now));
			if (err && more) {
				failed++;
				ASSERT_TRUE(is_same(&before, &now) || has_steps(way)) {
					TH_LOG("%s, turn %d: %d", names[way], n, err);
				}
				again = change(fd, way, from, len, 1);
				ASSERT_TRUE(!again || again == -EOPNOTSUPP || again == -EINVAL) {
					TH_LOG("%s, turn %d: %d, and %d again", names[way], n, err, again);
				}
				ASSERT_EQ(-1, differs(&before));
			}
			munmap(before.p, LONGEST);
			if (is_by_shared(way))
				munmap(shared, LONGEST);
			close(fd);
			/* what is left of it would be mapped so that it can be written to */
			ASSERT_EQ(0, E(unlink("u/file")));
		}
		TH_LOG("%s: %d failed of %d", names[way], failed, n - 2);
		EXPECT_FALSE(more);
		/*
		 * Nothing is kept for what cannot be done there, for room where there is some already, and
		 * for what can be stored to when the view is made, which has all of it then.
		 */
		if (!err && way != ALLOCATE && !is_by_shared(way))
			EXPECT_LT(0, failed) { TH_LOG("%s", names[way]); }
	}
	EXPECT_EQ(0, counter("kept-pages"));
	EXPECT_EQ(0, down());
}

/* What cannot be mapped is not, and what is shows the file as it is then. */
TEST_F(u, private_mappings)
{
	static struct view before, now;
	int fd, n, failed = 0;
	bool more = true;

	ASSERT_TRUE(can_inject());
	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	for (n = 1; more && n < TURNS; n++) {
		ASSERT_EQ(0, fill(fd, 0, size, n % 50));
		ASSERT_EQ(0, read_all(fd, &now));
		inject(n);
		before.p = mmap(NULL, LONGEST, PROT_READ, MAP_PRIVATE, fd, 0);
		more = injected();
		if (before.p == MAP_FAILED) {
			ASSERT_TRUE(more);
			failed++;
			ASSERT_EQ(0, look(&before, fd, 0));
		} else {
			memcpy(before.expected, now.expected, LONGEST);
			before.size = now.size;
		}
		ASSERT_EQ(0, fill(fd, 0, size, n % 50 + 1));
		ASSERT_EQ(-1, differs(&before));
		munmap(before.p, LONGEST);
	}
	TH_LOG("%d failed of %d", failed, n - 2);
	EXPECT_LT(0, failed);
	EXPECT_FALSE(more);
	close(fd);
	EXPECT_EQ(0, counter("views"));
	EXPECT_EQ(0, counter("kept-pages"));
	EXPECT_EQ(0, down());
}

TEST_HARNESS_MAIN
