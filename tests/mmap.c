// SPDX-License-Identifier: GPL-2.0
/* Memory maps: coherence, SIGBUS, msync, mremap, populate, and /proc/PID/maps. */
#include "aufs2.h"
#include <setjmp.h>

#define PAGES 16

FIXTURE(u) { long page; long size; };
FIXTURE_SETUP(u)
{
	self->page = sysconf(_SC_PAGESIZE);
	self->size = PAGES * self->page;
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("head -c %ld /dev/zero | tr '\\0' l > ro/f; cp ro/f rw/g", self->size));
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static sigjmp_buf jump;
static void * volatile fault_at;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	fault_at = info->si_addr;
	siglongjmp(jump, sig);
}

/* Reads a byte, or says which signal came. */
static int peek(const volatile char *p)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	int sig;

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sig = sigsetjmp(jump, 1);
	return sig ? -sig : (unsigned char)*p;
}

static char *map(const char *path, int flags, int prot, int kind, long size)
{
	int fd = open(path, flags | O_CLOEXEC);
	char *p = mmap(NULL, size, prot, kind, fd, 0);
	int err = errno;

	close(fd);
	errno = err;
	return p;
}

TEST_F(u, shared_read_of_a_lower_file)
{
	char *p = map("u/f", O_RDONLY, PROT_READ, MAP_SHARED, self->size);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ('l', p[0]);
	EXPECT_EQ('l', p[self->size - 1]);
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	munmap(p, self->size);
}

TEST_F(u, coherent_with_read_and_write)
{
	int fd = open("u/g", O_RDWR);
	char *a, *b, c;

	ASSERT_LE(0, fd);
	a = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = map("u/g", O_RDONLY, PROT_READ, MAP_SHARED, self->size);
	ASSERT_NE(MAP_FAILED, a);
	ASSERT_NE(MAP_FAILED, b);
	a[100] = 'M';
	EXPECT_EQ('M', b[100]);
	ASSERT_EQ(1, E(pread(fd, &c, 1, 100)));
	EXPECT_EQ('M', c);
	ASSERT_EQ(1, E(pwrite(fd, "W", 1, 101)));
	EXPECT_EQ('W', a[101]);
	EXPECT_EQ('W', b[101]);
	ASSERT_EQ(0, E(msync(a, self->size, MS_SYNC)));
	EXPECT_EQ('M', read_file("rw/g")[100]);
	munmap(a, self->size);
	munmap(b, self->size);
}

TEST_F(u, shared_write_of_a_lower_file)
{
	char *p = map("u/f", O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED, self->size);
	char *q;

	ASSERT_NE(MAP_FAILED, p);
	p[self->page] = 'X';
	q = map("u/f", O_RDONLY, PROT_READ, MAP_SHARED, self->size);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ('X', q[self->page]);
	munmap(p, self->size);
	munmap(q, self->size);
	drop_caches();
	EXPECT_EQ('X', read_file("u/f")[self->page]);
	EXPECT_EQ('l', read_file("ro/f")[self->page]);
}

TEST_F(u, store_sets_the_time)
{
	char *p;

	ASSERT_EQ(0, shell("touch -d @1000 u/g"));
	p = map("u/g", O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED, self->size);
	ASSERT_NE(MAP_FAILED, p);
	p[0] = 'T';
	ASSERT_EQ(0, E(msync(p, self->size, MS_SYNC)));
	munmap(p, self->size);
	if (!on_tmpfs())	/* which has no page_mkwrite */
		EXPECT_LT(1000, st_of("u/g").st_mtim.tv_sec);
	EXPECT_EQ(st_of("rw/g").st_mtim.tv_sec, st_of("u/g").st_mtim.tv_sec);
	EXPECT_EQ('T', *read_file("rw/g"));
}

TEST_F(u, private)
{
	char *p = map("u/f", O_RDONLY, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->size);

	ASSERT_NE(MAP_FAILED, p);
	p[0] = 'P';
	EXPECT_EQ('l', *read_file("u/f"));
	EXPECT_EQ('P', p[0]);
	EXPECT_EQ('l', p[self->page]);
	ASSERT_EQ(0, E(madvise(p, self->page, MADV_DONTNEED)));
	EXPECT_EQ('l', p[0]);
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	munmap(p, self->size);
}

TEST_F(u, fork)
{
	char *s = map("u/g", O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED, self->size);
	char *p = map("u/g", O_RDWR, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->size);
	int status;
	pid_t child;

	ASSERT_NE(MAP_FAILED, s);
	ASSERT_NE(MAP_FAILED, p);
	p[10] = 'a';
	child = fork();
	if (!child) {
		s[0] = 'c';
		p[10] = 'c';
		_exit(p[11] != 'l');
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ('c', s[0]);
	EXPECT_EQ('a', p[10]);
	munmap(s, self->size);
	munmap(p, self->size);
}

TEST_F(u, sigbus_at_the_right_byte)
{
	int fd = open("u/g", O_RDWR);
	char *p = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ('l', peek(p + self->size - 1));
	ASSERT_EQ(0, E(ftruncate(fd, 4 * self->page + 100)));
	EXPECT_EQ('l', peek(p + 4 * self->page + 99));
	EXPECT_EQ(0, peek(p + 4 * self->page + 100)) TH_LOG("the rest of the page is zero");
	EXPECT_EQ(0, peek(p + 5 * self->page - 1));
	EXPECT_EQ(-SIGBUS, peek(p + 5 * self->page));
	EXPECT_EQ(p + 5 * self->page, fault_at);
	EXPECT_EQ(-SIGBUS, peek(p + self->size - 1));
	/* and back */
	ASSERT_EQ(0, E(ftruncate(fd, self->size)));
	EXPECT_EQ(0, peek(p + 5 * self->page));
	EXPECT_EQ('l', peek(p));
	/* what was stored past the end is found by extending or not, as there */
	int ref = open(".mirror", O_CREAT | O_RDWR, 0644);
	char *m = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_SHARED, ref, 0);

	ASSERT_EQ(0, E(ftruncate(ref, 100)));
	ASSERT_EQ(0, E(ftruncate(fd, 100)));
	m[200] = 'Z';
	p[200] = 'Z';
	ASSERT_EQ(0, E(ftruncate(ref, 300)));
	ASSERT_EQ(0, E(ftruncate(fd, 300)));
	EXPECT_EQ(peek(m + 200), peek(p + 200));
	munmap(m, self->page);
	munmap(p, self->size);
}

TEST_F(u, beyond_the_end)
{
	char *p = map("u/f", O_RDONLY, PROT_READ, MAP_PRIVATE, 2 * self->size);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ('l', peek(p + self->size - 1));
	EXPECT_EQ(-SIGBUS, peek(p + self->size));
	munmap(p, 2 * self->size);
}

TEST_F(u, punched_hole_is_seen)
{
	int fd = open("u/g", O_RDWR);
	char *p = mmap(NULL, self->size, PROT_READ, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ('l', p[2 * self->page]);
	ASSERT_EQ(0, E(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 2 * self->page, self->page)));
	EXPECT_EQ(0, p[2 * self->page]);
	EXPECT_EQ('l', p[3 * self->page]);
	munmap(p, self->size);
}

TEST_F(u, populate_lock_and_mincore)
{
	unsigned char vec[PAGES] = { 0 };
	int fd = open("u/f", O_RDONLY), i;
	char *p = mmap(NULL, self->size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, E(mincore(p, self->size, vec)));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(1, vec[i] & 1) { TH_LOG("page %d", i); }
	}
	EXPECT_EQ(0, E(mlock(p, self->size)));
	EXPECT_EQ(0, E(munlock(p, self->size)));
	munmap(p, self->size);
}

TEST_F(u, mremap)
{
	int fd = open("u/g", O_RDWR);
	char *p = mmap(NULL, 4 * self->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *q;

	ASSERT_NE(MAP_FAILED, p);
	p[0] = '1';
	q = mremap(p, 4 * self->page, 8 * self->page, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ('1', q[0]);
	q[7 * self->page] = '8';
	EXPECT_EQ(0, E(msync(q, 8 * self->page, MS_ASYNC)));
	p = mremap(q, 8 * self->page, self->page, 0);
	EXPECT_EQ(q, p);
	p = map("u/g", O_RDONLY, PROT_READ, MAP_SHARED, self->size);
	EXPECT_EQ('8', p[7 * self->page]);
	munmap(p, self->size);
	munmap(q, self->page);
}

TEST_F(u, offset_and_split)
{
	int fd = open("u/g", O_RDWR);
	char *p;

	ASSERT_EQ(1, E(pwrite(fd, "o", 1, 8 * self->page)));
	p = mmap(NULL, 8 * self->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8 * self->page);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ('o', p[0]);
	ASSERT_EQ(0, E(munmap(p + 2 * self->page, self->page)));
	ASSERT_EQ(0, E(mprotect(p + 4 * self->page, self->page, PROT_READ)));
	EXPECT_EQ(-SIGSEGV, peek(p + 2 * self->page));
	EXPECT_EQ('l', peek(p + 3 * self->page));
	p[5 * self->page] = 'e';
	char c;

	ASSERT_EQ(1, E(pread(fd, &c, 1, 13 * self->page)));
	EXPECT_EQ('e', c);
	munmap(p, 8 * self->page);
}

TEST_F(u, descriptor_may_be_closed_and_name_gone)
{
	char *p = map("u/f", O_RDONLY, PROT_READ, MAP_SHARED, self->size);
	char *q = map("u/g", O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED, self->size);

	ASSERT_EQ(0, E(unlink("u/f")));
	ASSERT_EQ(0, E(unlink("u/g")));
	drop_caches();
	EXPECT_EQ('l', p[self->page]);
	q[self->page] = 'x';
	EXPECT_EQ(0, E(msync(q, self->size, MS_SYNC)));
	EXPECT_EQ('x', q[self->page]);
	/* a map keeps the union from being unmounted */
	EXPECT_EQ(-EBUSY, E(umount2("u", 0)));
	munmap(p, self->size);
	munmap(q, self->size);
}

TEST_F(u, maps_during_a_copy_up)
{
	/* one map from before stays as it was mapped, one from after is new */
	char *before = map("u/f", O_RDONLY, PROT_READ, MAP_PRIVATE, self->size), *after;

	ASSERT_EQ('l', before[0]);
	ASSERT_EQ(0, put("u/f", 0, "new"));
	after = map("u/f", O_RDONLY, PROT_READ, MAP_PRIVATE, self->size);
	EXPECT_EQ('n', after[0]);
	EXPECT_EQ('l', after[3]);
	/* on a plain filesystem it is the same page */
	EXPECT_EQ(plain() ? 'n' : 'l', before[0]);
	drop_caches();
	EXPECT_EQ(plain() ? 'n' : 'l', before[0]);
	munmap(before, self->size);
	munmap(after, self->size);
}

TEST_F(u, into_itself)
{
	/* write(2) from a map of the same page: no deadlock */
	int fd = open("u/g", O_RDWR);
	char *p = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, p);
	p[0] = 'I';
	EXPECT_EQ(self->page, E(pwrite(fd, p, self->page, self->page)));
	EXPECT_EQ('I', p[self->page]);
	EXPECT_EQ(self->page, E(pread(fd, p + 2 * self->page, self->page, 0)));
	EXPECT_EQ('I', p[2 * self->page]);
	munmap(p, self->size);
}

TEST_F(u, refusals)
{
	int r = open("u/f", O_RDONLY), w = open("u/g", O_WRONLY), d = open("u", O_RDONLY | O_DIRECTORY);

	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page, PROT_WRITE, MAP_SHARED, r, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page, PROT_READ, MAP_PRIVATE, w, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page, PROT_READ, MAP_PRIVATE, d, 0));
	EXPECT_EQ(ENODEV, errno);
}

TEST_HARNESS_MAIN
