// SPDX-License-Identifier: GPL-2.0
/*
 * privmap=snapshot, of the sample filesystem with a page cache of its own: a private
 * mapping shows a file as it was when it was mapped, whatever is written to it, cut
 * off, punched out or stored by others, and whatever is dropped from memory.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "aufs2_memory.h"

AUFS2_FIXTURE

#define MOUNT_SNAPSHOTS() MOUNT_WITH("privmap=snapshot")

static char *map_private(int fd, long size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
}

/* How many bytes there are not C. */
static long differ(const char *p, long len, char c)
{
	long wrong = 0, i;

	for (i = 0; i < len; i++)
		wrong += p[i] != c;
	return wrong;
}

/* Drops all pages that nobody has mapped, so that they have to be read again. */
static int drop_all(void)
{
	return shell("sync; echo 3 > /proc/sys/vm/drop_caches");
}

TEST_F(u, private_mappings_show_the_file_as_it_was)
{
	int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, fd, status;
	char *p, *q, *r;
	pid_t child;

	MOUNT_SNAPSHOTS();
	ASSERT_LE(0, fd = open("u/0", O_RDWR));
	ASSERT_EQ(0, fill(fd, 0, 4 * PAGE + 10, 'a'));
	p = map_private(fd, 5 * PAGE);
	ASSERT_NE(MAP_FAILED, p);
	/* what was looked at, and what was not */
	EXPECT_EQ('a', p[0]);
	ASSERT_EQ(0, fill(fd, 0, 2 * PAGE, 'b'));
	EXPECT_EQ(0, others(fd, 0, 2 * PAGE, 'b'));
	EXPECT_EQ(0, differ(p, 4 * PAGE + 10, 'a'));
	EXPECT_EQ(0, differ(p + 4 * PAGE + 10, PAGE - 10, 0));
	/* who maps it now sees what is there now */
	q = map_private(fd, 5 * PAGE);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(0, differ(q, 2 * PAGE, 'b'));
	EXPECT_EQ(0, differ(q + 2 * PAGE, 2 * PAGE + 10, 'a'));
	/* nothing of a file goes from a view when it goes from the file */
	ASSERT_EQ(0, E(fallocate(fd, hole, PAGE, 2 * PAGE)));
	ASSERT_EQ(0, E(ftruncate(fd, 100)));
	r = map_private(fd, PAGE);
	ASSERT_NE(MAP_FAILED, r);
	ASSERT_EQ(0, E(ftruncate(fd, 0)));
	ASSERT_EQ(0, E(madvise(p, 5 * PAGE, MADV_DONTNEED)));
	ASSERT_EQ(0, E(madvise(q, 5 * PAGE, MADV_DONTNEED)));
	ASSERT_EQ(0, drop_all());
	EXPECT_EQ(0, differ(p, 4 * PAGE + 10, 'a'));
	EXPECT_EQ(0, differ(q, 2 * PAGE, 'b'));
	EXPECT_EQ(0, differ(q + 2 * PAGE, 2 * PAGE + 10, 'a'));
	EXPECT_EQ(0, differ(r, 100, 'b'));
	EXPECT_EQ(0, differ(r + 100, PAGE - 100, 0));
	/* nor does it come */
	ASSERT_EQ(0, fill(fd, 0, 8 * PAGE, 'c'));
	EXPECT_EQ(0, differ(r + 100, PAGE - 100, 0));
	EXPECT_EQ(0, differ(q + 4 * PAGE + 10, PAGE - 10, 0));
	/* what is stored is the process's own, and what it has of the file is its child's, too */
	q[0] = 'q';
	child = fork();
	if (!child) {
		q[PAGE] = 'k';
		_exit(q[0] != 'q' || q[1] != 'b' || differ(p, 4 * PAGE, 'a') ||
		      munmap(p, 5 * PAGE) || pwrite(fd, "d", 1, 0) != 1 || q[2] != 'b');
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ('b', q[PAGE]);
	EXPECT_EQ(0, differ(p, 4 * PAGE, 'a'));
	EXPECT_EQ(0, others(fd, 0, 1, 'd'));
	/* the one in the middle goes */
	munmap(q, 5 * PAGE);
	ASSERT_EQ(0, E(madvise(p, 5 * PAGE, MADV_DONTNEED)));
	ASSERT_EQ(0, drop_all());
	EXPECT_EQ(0, differ(p, 4 * PAGE + 10, 'a'));
	EXPECT_EQ(0, differ(r, 100, 'b'));
	munmap(p, 5 * PAGE);
	munmap(r, PAGE);
	close(fd);
	ASSERT_EQ(0, E(umount("u")));
}

TEST_F(u, stores_of_others_do_not_show)
{
	char *before, *after, *shared, buffer[64];
	int fd;

	MOUNT_SNAPSHOTS();
	ASSERT_LE(0, fd = open("u/1", O_RDWR));
	ASSERT_EQ(0, fill(fd, 0, 3 * PAGE, 'a'));
	before = map_private(fd, 3 * PAGE);
	ASSERT_NE(MAP_FAILED, before);
	shared = map(fd, 3 * PAGE);
	ASSERT_NE(MAP_FAILED, shared);
	shared[PAGE] = 'b';
	after = map_private(fd, 3 * PAGE);
	ASSERT_NE(MAP_FAILED, after);
	shared[PAGE + 1] = shared[2 * PAGE] = 'c';
	EXPECT_EQ(0, differ(before, 3 * PAGE, 'a'));
	EXPECT_EQ('b', after[PAGE]);
	EXPECT_EQ('a', after[PAGE + 1]);
	EXPECT_EQ(0, differ(after + 2 * PAGE, PAGE, 'a'));
	/* nor do those behind the end, which are not in the file */
	ASSERT_EQ(0, E(ftruncate(fd, 2 * PAGE + 10)));
	shared[2 * PAGE + 50] = 'c';
	munmap(after, 3 * PAGE);
	after = map_private(fd, 3 * PAGE);
	ASSERT_NE(MAP_FAILED, after);
	EXPECT_EQ(0, differ(after + 2 * PAGE + 10, PAGE - 10, 0));
	ASSERT_EQ(0, E(ftruncate(fd, 3 * PAGE)));
	/* a mapping is what is written to its own file */
	ASSERT_EQ(PAGE, E(pwrite(fd, before + PAGE, PAGE, 2 * PAGE)));
	EXPECT_EQ(0, others(fd, 2 * PAGE, PAGE, 'a'));
	munmap(before, 3 * PAGE);
	before = map_private(fd, 3 * PAGE);
	ASSERT_NE(MAP_FAILED, before);
	ASSERT_EQ(PAGE, E(pwrite(fd, before + 2 * PAGE, PAGE, PAGE)));
	EXPECT_EQ('c', before[PAGE + 1]);
	EXPECT_EQ('a', shared[PAGE + 1]);
	/* it is shown by the name of the file */
	snprintf(buffer, sizeof(buffer), "%lx-", (long)before);
	EXPECT_EQ(0, shell("grep -q '^%s.*/u/1$' /proc/%d/maps", buffer, getpid()));
	munmap(before, 3 * PAGE);
	munmap(after, 3 * PAGE);
	munmap(shared, 3 * PAGE);
	close(fd);
	ASSERT_EQ(0, E(umount("u")));
	EXPECT_EQ(-EINVAL, E(mount("none", "u", "aufs2_memory", 0, "privmap=other")));
}

TEST_F(u, programs_are_mapped_as_they_were)
{
	MOUNT_SNAPSHOTS();
	ASSERT_EQ(0, shell("cat $(command -v cat) > u/2 && chmod 755 u/2"));
	ASSERT_EQ(0, drop_all());
	EXPECT_EQ(0, shell("test \"$(echo text | u/2)\" = text"));
	ASSERT_EQ(0, E(umount("u")));
}

enum { VIEWS = 10, LONGEST = 16 * PAGE };

/* A private mapping, and what it has to show. */
struct view {
	char *p;
	long size;
	char expected[LONGEST];
};

TEST_F(u, snapshots_at_random)
{
	int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, fd, op, k, status;
	static struct view views[VIEWS];
	static char bytes[LONGEST];
	size_t rounds = long_ms(2000), round, at, len, i;
	unsigned int seed = sample_from() ?: 1;
	char *shared = NULL;
	struct view *view;
	pid_t child;

	MOUNT_SNAPSHOTS();
	ASSERT_LE(0, fd = open("u/3", O_RDWR));
	TH_LOG("seed %u", seed);
	for (round = 0; round < rounds; round++) {
		op = rand_r(&seed) % 16;
		at = rand_r(&seed) % LONGEST;
		len = 1 + rand_r(&seed) % (rand_r(&seed) % 2 ? 200 : LONGEST);
		if (len > LONGEST - at)
			len = LONGEST - at;
		view = &views[rand_r(&seed) % VIEWS];
		switch (op) {
		case 0 ... 3:
			memset(bytes, 'A' + round % 26, len);
			ASSERT_EQ(len, E(pwrite(fd, bytes, len, at)));
			break;
		case 4:
			ASSERT_EQ(0, E(ftruncate(fd, at)));
			break;
		case 5:
			ASSERT_EQ(0, E(fallocate(fd, hole, at, len)));
			break;
		case 6:
			ASSERT_EQ(0, drop(fd));
			break;
		case 7:
			if (round % 8 == 0) {
				ASSERT_EQ(0, drop_all());
			}
			break;
		case 8:
			/* for the second half of the time, somebody has it mapped, now and then */
			if (round < rounds / 2)
				break;
			if (shared)
				munmap(shared, LONGEST);
			shared = shared ? NULL : map(fd, LONGEST);
			break;
		case 9:
			for (i = at; shared && i < at + len && (long)i < lseek(fd, 0, SEEK_END); i++)
				shared[i] = 'a' + round % 26;
			break;
		case 10 ... 11:
			for (i = at; view->p && i < at + len && (long)i < view->size; i++)
				view->p[i] = view->expected[i] = '0' + round % 10;
			break;
		case 12:
			if (!view->p)
				break;
			child = fork();
			if (!child)
				_exit(memcmp(view->p, view->expected, view->size) != 0);
			ASSERT_EQ(child, waitpid(child, &status, 0));
			ASSERT_EQ(0, status);
			break;
		default:
			if (view->p) {
				munmap(view->p, LONGEST);
				view->p = NULL;
				break;
			}
			view->size = E(pread(fd, view->expected, LONGEST, 0));
			ASSERT_LE(0, view->size);
			view->p = map_private(fd, LONGEST);
			ASSERT_NE(MAP_FAILED, view->p);
		}
		for (k = 0; k < VIEWS; k++) {
			if (!views[k].p || (round + k) % 4)
				continue;
			ASSERT_EQ(0, memcmp(views[k].p, views[k].expected, views[k].size)) {
				TH_LOG("round %zu, operation %d of %zu bytes at %zu, view %d", round,
				       op, len, at, k);
			}
		}
	}
	for (k = 0; k < VIEWS; k++) {
		if (views[k].p)
			munmap(views[k].p, LONGEST);
	}
	if (shared)
		munmap(shared, LONGEST);
	close(fd);
	ASSERT_EQ(0, E(umount("u")));
}

static volatile bool stop;
static int raced;

static void *write_all_the_time(void *arg)
{
	unsigned int seed = (long)arg;
	char c;

	while (!stop) {
		c = 'a' + rand_r(&seed) % 26;
		switch (rand_r(&seed) % 8) {
		case 0:
			if (ftruncate(raced, rand_r(&seed) % LONGEST))
				stop = true;
			break;
		case 1:
			if (drop(raced))
				stop = true;
			break;
		default:
			fill(raced, rand_r(&seed) % LONGEST, 5000, c);
		}
	}
	return NULL;
}

/* Whatever is written while it is mapped: what is shown afterwards does not change any more. */
TEST_F(u, a_view_is_stable)
{
	static char first[LONGEST + 5000];
	long rounds = long_ms(400), round;
	pthread_t writers[2];
	struct stat st;
	char *p, *q;
	int i;

	MOUNT_SNAPSHOTS();
	ASSERT_LE(0, raced = open("u/4", O_RDWR));
	stop = false;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_create(&writers[i], NULL, write_all_the_time, (void *)(i + 1L)));
	}
	for (round = 0; round < rounds && !stop; round++) {
		p = map_private(raced, sizeof(first));
		ASSERT_NE(MAP_FAILED, p);
		/* how long it was is what is not SIGBUS */
		for (st.st_size = 0; st.st_size < (long)sizeof(first); st.st_size += PAGE) {
			if (is_unmapped(p + st.st_size))
				break;
		}
		memcpy(first, p, st.st_size);
		q = map_private(raced, PAGE);
		ASSERT_NE(MAP_FAILED, q);
		if (round % 16 == 0) {
			ASSERT_EQ(0, drop_all());
		}
		ASSERT_EQ(0, E(madvise(p, sizeof(first), MADV_DONTNEED)));
		EXPECT_EQ(0, memcmp(first, p, st.st_size));
		munmap(p, sizeof(first));
		munmap(q, PAGE);
	}
	EXPECT_FALSE(stop);
	stop = true;
	for (i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	close(raced);
	ASSERT_EQ(0, E(umount("u")));
}

TEST_HARNESS_MAIN
