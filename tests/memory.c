// SPDX-License-Identifier: GPL-2.0
/*
 * A filesystem with a page cache of its own: read, write and mappings have the same
 * pages, those that are cut off or punched out are unmapped and zeroed in the page
 * cache and where they are kept, and what is in them comes back from there and from
 * swap.
 */
#include "aufs2_memory.h"

FIXTURE(u) { bool swaps; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong;

	if (self->swaps) {
		put(path_of("%s/.cg/cgroup.procs", area), 0, path_of("%d", getpid()));
		rmdir(path_of("%s/.cg/memory", area));
		umount2(path_of("%s/.cg", area), MNT_DETACH);
	}
	wrong = area_leave();
	if (self->swaps)
		EXPECT_EQ(0, swap_off());
	EXPECT_STREQ("", wrong ?: "");
}

#define MOUNT() MOUNT_WITH(NULL)

/* How many pages are cached, and dirty. */
static long cached(int fd, long *dirty)
{
	struct { uint64_t nr_cache, nr_dirty, more[3]; } counts = { 0 };
	struct { uint64_t off, len; } all = { 0, 0 };

	if (syscall(451 /* SYS_cachestat */, fd, &all, &counts, 0))
		return -1;
	if (dirty)
		*dirty = counts.nr_dirty;
	return counts.nr_cache;
}

TEST_F(u, files_that_are_always_there)
{
	struct stat st;
	char c;
	int fd;

	MOUNT();
	EXPECT_EQ(0, shell("test \"$(ls u | tr -d '\\n')\" = 01234567"));
	ASSERT_EQ(0, E(stat("u/3", &st)));
	EXPECT_TRUE(S_ISREG(st.st_mode));
	EXPECT_EQ(0, st.st_size);
	EXPECT_EQ(-ENOENT, E(stat("u/8", &st)));
	EXPECT_EQ(-ENOENT, E(stat("u/33", &st)));
	EXPECT_GT(0, E(open("u/x", O_CREAT | O_RDWR, 0644)));
	ASSERT_LE(0, fd = open("u/3", O_RDWR));
	EXPECT_EQ(0, E(read(fd, &c, 1)));
	EXPECT_EQ(-EINVAL, E(open("u/3", O_RDWR | O_DIRECT)));
	EXPECT_EQ(-EISDIR, E(open("u", O_RDWR)));
	/* what is dirty does not keep it from being unmounted, nor is it there when mounted anew */
	ASSERT_EQ(0, fill(fd, 0, 10 * PAGE, 'x'));
	close(fd);
	ASSERT_EQ(0, E(umount("u")));
	MOUNT();
	ASSERT_EQ(0, E(stat("u/3", &st)));
	EXPECT_EQ(0, st.st_size);
	ASSERT_EQ(0, E(umount("u")));
}

TEST_F(u, one_page_for_all)
{
	char *p, *q, c;
	int fd, other;

	MOUNT();
	ASSERT_LE(0, fd = open("u/0", O_RDWR));
	ASSERT_LE(0, other = open("u/0", O_RDONLY));
	ASSERT_EQ(0, fill(fd, 0, 3 * PAGE, 'a'));
	p = map(fd, 3 * PAGE);
	q = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE, other, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ('a', p[2 * PAGE]);
	p[PAGE] = 'm';
	EXPECT_EQ(1, E(pread(other, &c, 1, PAGE)));
	EXPECT_EQ('m', c);
	EXPECT_EQ('m', q[PAGE]);
	EXPECT_EQ(1, E(pwrite(fd, "w", 1, PAGE + 1)));
	EXPECT_EQ('w', p[PAGE + 1]);
	EXPECT_EQ('w', q[PAGE + 1]);
	/* a descriptor that cannot write maps nothing that can be written to */
	EXPECT_EQ(MAP_FAILED, map(other, PAGE));
	/* mapped pages that were written out can be dirtied again, and are written out again */
	ASSERT_EQ(0, E(msync(p, 3 * PAGE, MS_SYNC)));
	p[PAGE] = 'n';
	munmap(p, 3 * PAGE);
	munmap(q, 3 * PAGE);
	ASSERT_EQ(0, drop(fd));
	EXPECT_EQ(0, cached(fd, NULL));
	EXPECT_EQ(1, E(pread(other, &c, 1, PAGE)));
	EXPECT_EQ('n', c);
	EXPECT_EQ(1, E(pread(other, &c, 1, PAGE + 1)));
	EXPECT_EQ('w', c);
	close(fd);
	close(other);
	ASSERT_EQ(0, E(umount("u")));
}

TEST_F(u, contents_are_kept_elsewhere)
{
	long size = 4 << 20, dirty = -1, i, wrong = 0;
	long *p;
	int fd;

	MOUNT();
	ASSERT_LE(0, fd = open("u/1", O_RDWR));
	/* with a hole, and an end within a page */
	ASSERT_EQ(0, E(ftruncate(fd, size + 100)));
	p = (long *)map(fd, size);
	ASSERT_NE(MAP_FAILED, (char *)p);
	for (i = 0; i < size; i += 2 * PAGE)
		p[i / sizeof(long)] = i + 1;
	EXPECT_LT(0, cached(fd, &dirty));
	EXPECT_LT(0, dirty);
	munmap(p, size);
	ASSERT_EQ(0, E(fsync(fd)));
	EXPECT_LE(size / PAGE / 2, cached(fd, &dirty));
	EXPECT_EQ(0, dirty);
	ASSERT_EQ(0, drop(fd));
	EXPECT_EQ(0, cached(fd, &dirty));
	p = (long *)map(fd, size);
	ASSERT_NE(MAP_FAILED, (char *)p);
	for (i = 0; i < size; i += PAGE)
		wrong += p[i / sizeof(long)] != (i % (2 * PAGE) ? 0 : i + 1);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, others(fd, size, 100, 0));
	munmap(p, size);
	/* all of the page cache may be dropped, by anybody */
	ASSERT_EQ(0, shell("sync; echo 3 > /proc/sys/vm/drop_caches"));
	EXPECT_EQ(0, others(fd, PAGE, PAGE, 0));
	close(fd);
	ASSERT_LE(0, fd = open("u/1", O_RDWR));
	EXPECT_EQ(8, E(pread(fd, &i, 8, 4 * PAGE)));
	EXPECT_EQ(4 * PAGE + 1, i);
	close(fd);
	ASSERT_EQ(0, E(umount("u")));
}

/* Whether pages are cached, or were dropped, must not make a difference: MASK says when they are. */
static bool step(int fd, int mask, int number)
{
	return !(mask & 1 << number) || !drop(fd);
}

TEST_F(u, truncation_zeroes_and_unmaps)
{
	char *p;
	int fd, mask;

	MOUNT();
	ASSERT_LE(0, fd = open("u/2", O_RDWR));
	for (mask = 0; mask < 16; mask++) {
		ASSERT_EQ(0, E(ftruncate(fd, 0)));
		ASSERT_EQ(0, fill(fd, 0, 4 * PAGE, 'a'));
		ASSERT_TRUE(step(fd, mask, 0));
		p = map(fd, 4 * PAGE);
		ASSERT_NE(MAP_FAILED, p);
		/* some are mapped, and some are not */
		if (mask & 8)
			p[PAGE] = p[3 * PAGE] = 'a';
		ASSERT_EQ(0, E(ftruncate(fd, PAGE + 15)));
		ASSERT_TRUE(step(fd, mask, 1));
		EXPECT_EQ('a', p[PAGE + 14]);
		EXPECT_EQ(0, p[PAGE + 15]);
		EXPECT_TRUE(is_unmapped(p + 2 * PAGE));
		EXPECT_TRUE(is_unmapped(p + 3 * PAGE));
		ASSERT_EQ(0, E(ftruncate(fd, 4 * PAGE)));
		ASSERT_TRUE(step(fd, mask, 2));
		EXPECT_EQ(0, others(fd, 0, PAGE + 15, 'a'));
		EXPECT_EQ(0, others(fd, PAGE + 15, 3 * PAGE - 15, 0));
		EXPECT_EQ(0, p[3 * PAGE]);
		munmap(p, 4 * PAGE);
	}
	EXPECT_EQ(-EINVAL, E(ftruncate(fd, -1)));
	close(fd);
	ASSERT_LE(0, fd = open("u/2", O_RDWR | O_TRUNC));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_END));
	close(fd);
	ASSERT_EQ(0, E(umount("u")));
}

/* What a mapping has stored behind the end of the file is not in it when it becomes longer. */
TEST_F(u, extension_zeroes_what_was_stored_behind_the_end)
{
	char *p;
	int fd, mask, how;

	MOUNT();
	ASSERT_LE(0, fd = open("u/3", O_RDWR));
	for (how = 0; how < 3; how++) {
		for (mask = 0; mask < 4; mask++) {
			ASSERT_EQ(0, E(ftruncate(fd, 0)));
			ASSERT_EQ(0, fill(fd, 0, PAGE + 10, 'a'));
			p = map(fd, 2 * PAGE);
			ASSERT_NE(MAP_FAILED, p);
			memset(p + PAGE + 5, 'b', 100);
			/* written out with that, or not */
			if (mask & 1) {
				ASSERT_EQ(0, E(fsync(fd)));
			}
			if (mask & 2) {
				munmap(p, 2 * PAGE);
				ASSERT_EQ(0, drop(fd));
				p = NULL;
			}
			/* longer, longer by what is far behind, and by what is in the same page */
			if (how == 0) {
				ASSERT_EQ(0, E(ftruncate(fd, 3 * PAGE)));
			} else {
				ASSERT_EQ(1, E(pwrite(fd, "c", 1, how == 1 ? 2 * PAGE : PAGE + 50)));
			}
			EXPECT_EQ(0, others(fd, PAGE + 5, 5, 'b'));
			EXPECT_EQ(0, others(fd, PAGE + 10, 40, 0));
			if (how != 2) {
				EXPECT_EQ(0, others(fd, PAGE + 10, PAGE - 10, 0));
			}
			if (p)
				munmap(p, 2 * PAGE);
			ASSERT_EQ(0, drop(fd));
			EXPECT_EQ(0, others(fd, PAGE + 10, 40, 0));
		}
	}
	close(fd);
	ASSERT_EQ(0, E(umount("u")));
}

TEST_F(u, holes_are_punched)
{
	int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, fd, mask;
	char *p;

	MOUNT();
	ASSERT_LE(0, fd = open("u/4", O_RDWR));
	EXPECT_EQ(-EOPNOTSUPP, E(fallocate(fd, 0, 0, PAGE)));
	for (mask = 0; mask < 4; mask++) {
		ASSERT_EQ(0, fill(fd, 0, 5 * PAGE, 'a'));
		ASSERT_TRUE(step(fd, mask, 0));
		p = map(fd, 5 * PAGE);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ('a', p[2 * PAGE]);
		ASSERT_EQ(0, E(fallocate(fd, hole, PAGE + 10, 2 * PAGE)));
		ASSERT_TRUE(step(fd, mask, 1));
		EXPECT_EQ('a', p[PAGE + 9]);
		EXPECT_EQ(0, p[PAGE + 10]);
		EXPECT_EQ(0, p[2 * PAGE]);
		EXPECT_EQ(0, p[3 * PAGE + 9]);
		EXPECT_EQ('a', p[3 * PAGE + 10]);
		munmap(p, 5 * PAGE);
		EXPECT_EQ(0, others(fd, PAGE + 10, 2 * PAGE, 0));
		EXPECT_EQ(0, others(fd, 3 * PAGE + 10, 2 * PAGE - 10, 'a'));
		EXPECT_EQ(5 * PAGE, lseek(fd, 0, SEEK_END));
	}
	close(fd);
	ASSERT_EQ(0, E(umount("u")));
}

/* Whatever is done to a file is done to one of tmpfs as well. */
TEST_F(u, as_on_tmpfs)
{
	enum { MOST = 24 * PAGE };
	int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	static char expected[MOST], found[MOST];
	size_t rounds = long_ms(3000), round, at, len, size, i;
	unsigned int seed = sample_from() ?: 1;
	int fd[2], op, k;
	char *p[2];

	MOUNT();
	ASSERT_LE(0, fd[0] = open("u/5", O_RDWR));
	ASSERT_LE(0, fd[1] = open("rw/5", O_RDWR | O_CREAT, 0644));
	TH_LOG("seed %u", seed);
	for (k = 0; k < 2; k++) {
		p[k] = map(fd[k], MOST);
		ASSERT_NE(MAP_FAILED, p[k]);
	}
	for (round = 0; round < rounds; round++) {
		op = rand_r(&seed) % 12;
		at = rand_r(&seed) % MOST;
		len = 1 + rand_r(&seed) % (rand_r(&seed) % 2 ? 200 : MOST);
		if (at + len > MOST)
			len = MOST - at;
		size = lseek(fd[1], 0, SEEK_END);
		for (k = 0; k < 2; k++) {
			memset(found, 'A' + round % 26, len);
			switch (op) {
			case 0 ... 2:
				ASSERT_EQ(len, E(pwrite(fd[k], found, len, at)));
				break;
			case 3 ... 5:
				/* tmpfs leaves in the file what is stored behind its end */
				for (i = at; i < at + len && i < size; i++)
					p[k][i] = 'a' + round % 26;
				break;
			case 6 ... 7:
				ASSERT_EQ(0, E(ftruncate(fd[k], at)));
				break;
			case 8:
				ASSERT_EQ(0, E(fallocate(fd[k], hole, at, len)));
				break;
			case 9:
				ASSERT_EQ(0, E(fsync(fd[k])));
				break;
			case 10:
				ASSERT_EQ(0, E(madvise(p[k], MOST, MADV_DONTNEED)));
				ASSERT_EQ(0, drop(fd[k]));
				break;
			default:
				munmap(p[k], MOST);
				if (round % 2) {
					ASSERT_EQ(0, drop(fd[k]));
				}
				p[k] = map(fd[k], MOST);
				ASSERT_NE(MAP_FAILED, p[k]);
			}
		}
		size = lseek(fd[1], 0, SEEK_END);
		ASSERT_EQ(size, lseek(fd[0], 0, SEEK_END));
		ASSERT_EQ(size, E(pread(fd[1], expected, MOST, 0)));
		ASSERT_EQ(size, E(pread(fd[0], found, MOST, 0)));
		for (i = 0; i < size && found[i] == expected[i]; i++)
			;
		ASSERT_EQ(size, i) {
			TH_LOG("round %zu, operation %d of %zu bytes at %zu: %d, not %d", round, op,
			       len, at, found[i], expected[i]);
		}
		ASSERT_EQ(0, memcmp(p[0], p[1], size));
	}
	for (k = 0; k < 2; k++) {
		munmap(p[k], MOST);
		close(fd[k]);
	}
	ASSERT_EQ(0, E(umount("u")));
}

static long number_in(const char *path)
{
	FILE *f = fopen(path, "r");
	long number = -1;

	if (f && fscanf(f, "%ld", &number) != 1)
		number = -1;
	if (f)
		fclose(f);
	return number;
}

TEST_F(u, contents_come_back_from_swap)
{
	long size = 8 << 20, i, wrong = 0, swapped;
	long *p;
	int fd;

	MOUNT();
	if (swap_on())
		SKIP(return, "no swap on zram");
	self->swaps = true;
	ASSERT_EQ(0, E(mkdir(".cg", 0755)));
	ASSERT_EQ(0, E(mount("none", ".cg", "cgroup2", 0, NULL)));
	ASSERT_EQ(0, shell("echo +memory > .cg/cgroup.subtree_control; mkdir .cg/memory && "
			   "echo %d > .cg/memory/cgroup.procs", getpid()));
	ASSERT_LE(0, fd = open("u/6", O_RDWR));
	ASSERT_EQ(0, E(ftruncate(fd, size)));
	p = (long *)map(fd, size);
	ASSERT_NE(MAP_FAILED, (char *)p);
	for (i = 0; i < size; i += PAGE)
		p[i / sizeof(long)] = i + 1;
	munmap(p, size);
	ASSERT_EQ(0, drop(fd));
	EXPECT_EQ(0, cached(fd, NULL));
	/* as much as there is, which is no error where there is less */
	shell("echo 64M > .cg/memory/memory.reclaim");
	swapped = number_in(".cg/memory/memory.swap.current");
	EXPECT_LE(size / 2, swapped);
	p = (long *)map(fd, size);
	ASSERT_NE(MAP_FAILED, (char *)p);
	for (i = 0; i < size; i += PAGE)
		wrong += p[i / sizeof(long)] != i + 1;
	EXPECT_EQ(0, wrong);
	munmap(p, size);
	/* what is in swap is cut off as well */
	ASSERT_EQ(0, drop(fd));
	shell("echo 64M > .cg/memory/memory.reclaim");
	ASSERT_EQ(0, E(ftruncate(fd, PAGE + 4)));
	ASSERT_EQ(0, E(ftruncate(fd, size)));
	EXPECT_EQ(0, others(fd, PAGE + 4, size - PAGE - 4, 0));
	EXPECT_EQ(4, E(pread(fd, &i, 4, PAGE)));
	EXPECT_EQ(PAGE + 1, (int)i);
	close(fd);
	ASSERT_EQ(0, E(umount("u")));
}

TEST_HARNESS_MAIN
