// SPDX-License-Identifier: GPL-2.0
/*
 * Maps of the union's files, by each engine, give what maps of a file on the
 * branch give: each test asks the same of both, and compares the answers.
 */
#include "aufs2_mmap.h"
#include <linux/futex.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <libgen.h>

#define PAGES 16

static const char *const lettered[] = { "ro/low", "rw/up", "nat/low", "nat/up" };

FIXTURE(u) { int unused; };
FIXTURE_VARIANT(u) { const char *options; bool swaps; };
FIXTURE_VARIANT_ADD(u, direct) { .options = "mmap=direct" };
FIXTURE_VARIANT_ADD(u, fault) { .options = "mmap=fault", .swaps = true };
FIXTURE_VARIANT_ADD(u, direct_front) { .options = "mmap=direct,mmap_path=union" };
FIXTURE_VARIANT_ADD(u, fault_path) { .options = "mmap=fault,mmap_path=union", .swaps = true };
FIXTURE_SETUP(u)
{
	if (reference())
		SKIP(return, "engines are the union's");
	page = sysconf(_SC_PAGESIZE);
	size = PAGES * page;
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, make_branch("nat"));
	for (size_t i = 0; i < ARRAY_SIZE(lettered); i++)
		ASSERT_EQ(0, put_letters(lettered[i]));
	ASSERT_EQ(0, union_mount(variant->options, 0, (const char * const []){ "rw", "ro", NULL }));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static void compare(struct __test_metadata *_metadata, behaviour *of, const char *name)
{
	struct answer native = { "" }, ours = { "" };
	char path[64];

	snprintf(path, sizeof(path), "nat/%s", name);
	ask(&native, of, path);
	snprintf(path, sizeof(path), "u/%s", name);
	ask(&ours, of, path);
	EXPECT_STREQ(native.text, ours.text);
	EXPECT_NE(0, *native.text);
	EXPECT_EQ(NULL, strstr(native.text, "status:")) { TH_LOG("the child died"); }
	ksft_print_msg("%s\n", native.text);
}

/* A test that compares for a lower file and one of the writable branch. */
#define BEHAVIOUR(name) \
static void name(struct answer *a, const char *path); \
TEST_F(u, name) \
{ \
	compare(_metadata, name, "low"); \
	compare(_metadata, name, "up"); \
} \
static void name(struct answer *a, const char *path)

BEHAVIOUR(shared)
{
	char *p = map(a, path, O_RDWR, RW, MAP_SHARED), c[3] = "";
	int fd = open(path, O_RDWR);

	look(a, p, PAGES);
	p[page] = 'X';
	p[5 * page + 1] = 'Y';
	DO(a, pread(fd, c, 1, page));
	say(a, "%c ", c[0]);
	DO(a, pwrite(fd, "Z", 1, 2 * page));
	look(a, p, PAGES);
	DO(a, msync(p, size, MS_SYNC));
	DO(a, msync(p, size, MS_ASYNC));
	DO(a, msync(p, size, MS_INVALIDATE));
	DO(a, msync(p + 1, size, MS_SYNC));
	say(a, "dirty:%ld ", smaps_of(p, "Pss") > 0 ? 1L : 0L);
	DO(a, munmap(p, size));
	say(a, "%.1s", read_file(path) + page);
}

BEHAVIOUR(private)
{
	char *p = map(a, path, O_RDONLY, RW, MAP_PRIVATE);

	p[0] = 'P';
	p[3 * page] = 'P';
	look(a, p, PAGES);
	DO(a, madvise(p, page, MADV_DONTNEED));
	look(a, p, PAGES);
	say(a, "anon:%ld ", smaps_of(p, "Anonymous"));
	DO(a, msync(p, size, MS_SYNC));
	/* what is written shows in the pages that are not copied */
	close(open(path, O_RDWR));
	p = map(a, path, O_RDONLY, RW, MAP_PRIVATE);
	look(a, p, 2);
	poke(p + page, 'P');
	put(path, 0, "W");
	look(a, p, 2);
}

BEHAVIOUR(populate)
{
	char *p = map(a, path, O_RDONLY, PROT_READ, MAP_SHARED | MAP_POPULATE);

	say(a, "rss:%ld ", smaps_of(p, "Rss"));
	resident(a, p, PAGES);
	munmap(p, size);
	p = map(a, path, O_RDWR, RW, MAP_SHARED | MAP_POPULATE);
	say(a, "rss:%ld ", smaps_of(p, "Rss"));
	munmap(p, size);
	p = map(a, path, O_RDWR, RW, MAP_PRIVATE | MAP_POPULATE);
	say(a, "rss:%ld anon:%ld ", smaps_of(p, "Rss"), smaps_of(p, "Anonymous"));
	look(a, p, PAGES);
}

BEHAVIOUR(locked)
{
	char *p = map(a, path, O_RDONLY, PROT_READ, MAP_SHARED);

	DO(a, mlock(p, size / 2));
	say(a, "locked:%ld rss:%ld ", smaps_of(p, "Locked"), smaps_of(p, "Rss"));
	DO(a, munlock(p, size));
	say(a, "locked:%ld ", smaps_of(p, "Locked"));
	munmap(p, size);
	p = map(a, path, O_RDWR, RW, MAP_PRIVATE);
	DO(a, mlock2(p, size, MLOCK_ONFAULT));
	poke(p, 'L');
	say(a, "anon:%ld ", smaps_of(p, "Anonymous"));
	DO(a, mlockall(MCL_CURRENT | MCL_FUTURE));
	p = map(a, path, O_RDONLY, PROT_READ, MAP_SHARED | MAP_LOCKED);
	say(a, "locked:%ld ", smaps_of(p, "Locked"));
	DO(a, munlockall());
}

BEHAVIOUR(advice)
{
	char *p = map(a, path, O_RDWR, RW, MAP_SHARED);

	look(a, p, PAGES);
	DO(a, madvise(p, size, MADV_WILLNEED));
	DO(a, madvise(p, size, MADV_COLD));
	look(a, p, PAGES);
	DO(a, madvise(p, size, MADV_PAGEOUT));
	look(a, p, PAGES);
	DO(a, madvise(p, size, MADV_DONTNEED));
	say(a, "rss:%ld ", smaps_of(p, "Rss"));
	look(a, p, PAGES);
	DO(a, madvise(p, size, MADV_FREE));
	DO(a, madvise(p, size, MADV_POPULATE_READ));
	say(a, "rss:%ld ", smaps_of(p, "Rss"));
	DO(a, madvise(p, size, MADV_POPULATE_WRITE));
	DO(a, madvise(p, size, MADV_MERGEABLE));
	DO(a, madvise(p, size, MADV_HUGEPAGE));
	DO(a, madvise(p, size, MADV_NOHUGEPAGE));
	DO(a, madvise(p, size, MADV_RANDOM));
	DO(a, madvise(p, size, MADV_SEQUENTIAL));
	DO(a, madvise(p, size, MADV_DONTDUMP));
	DO(a, madvise(p, size, MADV_WIPEONFORK));
	DO(a, madvise(p, size, MADV_DONTNEED_LOCKED));
	DO(a, madvise(p, page, MADV_GUARD_INSTALL));
	look(a, p, 2);
	DO(a, madvise(p, page, MADV_GUARD_REMOVE));
	look(a, p, 2);
	DO(a, madvise(p + 2 * page, 3 * page, MADV_REMOVE));
	look(a, p, PAGES);
	munmap(p, size);
	p = map(a, path, O_RDONLY, PROT_READ, MAP_SHARED);
	DO(a, madvise(p, page, MADV_REMOVE));
	DO(a, madvise(p, page, MADV_POPULATE_WRITE));
	look(a, p, PAGES);
}

/* A page may be busy for the moment, with the file system as well. */
static int collapse(char *p, long len)
{
	int err, tries;

	for (tries = 0; tries < 100; tries++) {
		err = E(madvise(p, len, MADV_COLLAPSE));
		if (err != -EAGAIN && err != -EBUSY)
			break;
		usleep(10000);
	}
	return err;
}

/* A huge page is made of small ones, which wants 2 MiB that are aligned in file and memory. */
BEHAVIOUR(collapsed)
{
	const long huge = 2 << 20;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char *p, *q;

	DO(a, ftruncate(fd, 0));
	DO(a, ftruncate(fd, huge));
	for (long i = 0; i < huge; i += page)
		if (pwrite(fd, "h", 1, i) != 1)
			result(a, "write", -errno);
	DO(a, fsync(fd));
	q = mmap(NULL, 2 * huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	q = (char *)(((unsigned long)q + huge - 1) & -huge);
	p = mmap(q, huge, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	result(a, "map", p == MAP_FAILED ? -errno : 0);
	look(a, p, 16);
	result(a, "collapse", collapse(p, huge));
	say(a, "shmem:%ld file:%ld ", smaps_of(p, "ShmemPmdMapped"), smaps_of(p, "FilePmdMapped"));
	look(a, p, 512);
	result(a, "store", poke(p + 5 * page, 'H'));
	DO(a, pread(fd, p + 6 * page, 1, 5 * page));
	DO(a, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page, page));
	DO(a, madvise(p + 9 * page, page, MADV_DONTNEED));
	look(a, p, 16);
	DO(a, munmap(p + page, page));
	look(a, p + 2 * page, 14);
	munmap(p, huge);
	/* of what is only read, and executed */
	close(fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	p = mmap(q, huge, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
	result(a, "map", p == MAP_FAILED ? -errno : 0);
	result(a, "collapse", collapse(p, huge));
	look(a, p, 16);
}

BEHAVIOUR(moved)
{
	char *p = map_at(a, path, O_RDWR, RW, MAP_SHARED, 4 * page, 2 * page), *q;

	look(a, p, 4);
	q = mremap(p, 4 * page, 8 * page, MREMAP_MAYMOVE);
	result(a, "grow", q == MAP_FAILED ? -errno : 0);
	look(a, q, 8);
	q[7 * page] = 'M';
	p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	q = mremap(q, 8 * page, 8 * page, MREMAP_MAYMOVE | MREMAP_FIXED, p);
	result(a, "move", q == MAP_FAILED ? -errno : q == p ? 1 : 0);
	look(a, q, 8);
	q = mremap(q, 8 * page, 2 * page, 0);
	result(a, "shrink", q == MAP_FAILED ? -errno : q == p ? 1 : 0);
	/* a second one of the same */
	q = mremap(p, 0, 2 * page, MREMAP_MAYMOVE);
	result(a, "dup", q == MAP_FAILED ? -errno : 0);
	look(a, q, 2);
	q[0] = 'D';
	look(a, p, 2);
	q = mremap(p, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	result(a, "dontunmap", q == MAP_FAILED ? -errno : 0);
	look(a, q, 2);
	look(a, p, 2);
	q = mremap(p, 2 * page, 64 * page, 0);
	result(a, "in place", q == MAP_FAILED ? -errno : 0);
	/* part of a map, which is split by that */
	p = map(a, path, O_RDWR, RW, MAP_PRIVATE);
	p[4 * page] = 'S';
	q = mmap(NULL, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	q = mremap(p + 4 * page, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	result(a, "part", q == MAP_FAILED ? -errno : 0);
	look(a, q, 2);
	look(a, p, PAGES);
}

/* Several maps at once, which is possible where the kernel knows how they are placed. */
BEHAVIOUR(moved_together)
{
	char *p = map(a, path, O_RDWR, RW, MAP_SHARED), *q;

	look(a, p, PAGES);
	DO(a, mprotect(p + 4 * page, 4 * page, PROT_READ));
	q = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	result(a, "move", p == MAP_FAILED ? -errno : p == q ? 1 : 0);
	look(a, q, PAGES);
	result(a, "store", poke(q + 3 * page, 'M'));
	result(a, "store", poke(q + 4 * page, 'M'));
	look(a, q, PAGES);
}

BEHAVIOUR(nonlinear)
{
	char *p = map(a, path, O_RDWR, RW, MAP_SHARED);

	DO(a, remap_file_pages(p, page, 0, 7, 0));
	DO(a, remap_file_pages(p + page, 2 * page, 0, 12, 0));
	look(a, p, PAGES);
	p[0] = 'R';
	look(a, p, PAGES);
	DO(a, msync(p, size, MS_SYNC));
	DO(a, remap_file_pages(p, page, 0, 0, 0));
	look(a, p, PAGES);
	DO(a, remap_file_pages(p, page, 0, 1000, 0));
	say(a, "%c", peek(p) == -SIGBUS ? '!' : '?');
	munmap(p, size);
	p = map(a, path, O_RDONLY, PROT_READ, MAP_PRIVATE);
	DO(a, remap_file_pages(p, page, 0, 7, 0));
	look(a, p, PAGES);
}

BEHAVIOUR(protection)
{
	char *p = map(a, path, O_RDWR, PROT_NONE, MAP_SHARED);

	look(a, p, 2);
	DO(a, mprotect(p, size, PROT_READ));
	look(a, p, 2);
	result(a, "store", poke(p, 'W'));
	DO(a, mprotect(p + page, 3 * page, RW));
	result(a, "store", poke(p + page, 'W'));
	result(a, "store", poke(p + 4 * page, 'W'));
	DO(a, mprotect(p, size, PROT_READ | PROT_WRITE | PROT_EXEC));
	look(a, p, PAGES);
	munmap(p, size);
	p = map(a, path, O_RDONLY, PROT_READ, MAP_SHARED);
	DO(a, mprotect(p, size, RW));
	munmap(p, size);
	p = map(a, path, O_RDONLY, PROT_READ, MAP_PRIVATE);
	DO(a, mprotect(p, size, RW));
	result(a, "store", poke(p, 'W'));
	/* pages that are there already, and are made writable later */
	p = map(a, path, O_RDWR, PROT_READ, MAP_SHARED | MAP_POPULATE);
	DO(a, mprotect(p, size, RW));
	result(a, "store", poke(p + 6 * page, 'W'));
	say(a, "%.1s", read_file(path));
}

BEHAVIOUR(code)
{
#ifdef __x86_64__
	static const unsigned char answer[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	int fd = open(path, O_RDWR);
	int (*f)(void);

	DO(a, pwrite(fd, answer, sizeof(answer), page));
	close(fd);
	f = (void *)map_at(a, path, O_RDONLY, PROT_READ | PROT_EXEC, MAP_PRIVATE, page, page);
	say(a, "%d ", f());
	f = (void *)map_at(a, path, O_RDONLY, PROT_READ | PROT_EXEC, MAP_SHARED, page, page);
	say(a, "%d", f());
#else
	say(a, "no code for this machine");
#endif
}

BEHAVIOUR(truncated)
{
	char *s = map(a, path, O_RDWR, RW, MAP_SHARED);
	char *p = map(a, path, O_RDWR, RW, MAP_PRIVATE);
	int fd = open(path, O_RDWR);

	poke(p + 9 * page, 'P');
	look(a, s, PAGES);
	DO(a, ftruncate(fd, 4 * page + 100));
	look(a, s, PAGES);
	look(a, p, PAGES);
	say(a, "%d%d%d ", peek(s + 4 * page + 99), peek(s + 4 * page + 100), peek(s + 5 * page));
	result(a, "store", poke(s + 4 * page + 200, 'x'));
	result(a, "store", poke(s + 5 * page, 'x'));
	DO(a, ftruncate(fd, 8 * page));
	look(a, s, PAGES);
	DO(a, truncate(path, 0));
	look(a, s, PAGES);
	DO(a, ftruncate(fd, size));
	look(a, s, PAGES);
	look(a, p, PAGES);
}

BEHAVIOUR(holes)
{
	char *p = map(a, path, O_RDWR, RW, MAP_SHARED);
	int fd = open(path, O_RDWR);

	look(a, p, PAGES);
	DO(a, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page, 2 * page));
	look(a, p, PAGES);
	DO(a, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * page + 1, page));
	look(a, p, PAGES);
	DO(a, fallocate(fd, FALLOC_FL_ZERO_RANGE, 7 * page, page));
	look(a, p, PAGES);
	DO(a, fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4 * page));
	look(a, p, PAGES);
	DO(a, fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4 * page));
	look(a, p, PAGES);
	poke(p + page, 'H');
	DO(a, fallocate(fd, 0, 0, 2 * size));
	look(a, p, PAGES);
}

BEHAVIOUR(direct_io)
{
	char *p = map(a, path, O_RDWR, RW, MAP_SHARED), *q;
	int fd = open(path, O_RDWR | O_DIRECT);

	look(a, p, PAGES);
	q = mmap(NULL, size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(q, 'D', size);
	DO(a, pwrite(fd, q, page, page));
	look(a, p, PAGES);
	poke(p + 3 * page, 'S');
	DO(a, pread(fd, q, 8 * page, 0));
	look(a, q, 8);
	/* between two maps of the file and the file */
	DO(a, pread(fd, p + 8 * page, 2 * page, 0));
	look(a, p, PAGES);
	DO(a, pwrite(fd, p, 2 * page, 12 * page));
	look(a, p, PAGES);
}

BEHAVIOUR(forked)
{
	char *s = map(a, path, O_RDWR, RW, MAP_SHARED);
	char *p = map(a, path, O_RDWR, RW, MAP_PRIVATE);
	char *d = map(a, path, O_RDWR, RW, MAP_SHARED);
	int status;

	poke(p, 'p');
	DO(a, madvise(d, size, MADV_DONTFORK));
	if (!fork()) {
		poke(s + page, 'C');
		poke(p + page, 'C');
		poke(p, 'C');
		munmap(s + 8 * page, page);
		mremap(p, size, 2 * size, MREMAP_MAYMOVE);
		/* and again, from here */
		if (!fork())
			_exit(peek(s + page) == 'C' && peek(p + 2 * page) == 'c' ? 0 : 1);
		wait(&status);
		_exit(status || peek(d) != -SIGSEGV);
	}
	wait(&status);
	say(a, "child:%#x ", status);
	look(a, s, PAGES);
	look(a, p, PAGES);
	look(a, d, PAGES);
}

BEHAVIOUR(by_others)
{
	char *s = map(a, path, O_RDWR, RW, MAP_SHARED);
	char *p = map(a, path, O_RDONLY, PROT_READ, MAP_PRIVATE);
	char *r = map(a, path, O_RDONLY, PROT_READ, MAP_SHARED);
	struct iovec local = { "VVVV", 4 }, remote = { s, 4 };
	int mem = open("/proc/self/mem", O_RDWR), pipefd[2];
	char got[5] = "";

	DO(a, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	local.iov_base = got;
	remote.iov_base = r;
	DO(a, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	say(a, "%s ", got);
	/* a debugger may write where the task may not, but not to a file */
	DO(a, pwrite(mem, "B", 1, (long)p + page));
	DO(a, pwrite(mem, "B", 1, (long)r + page));
	DO(a, pwrite(mem, "B", 1, (long)s + 2 * page));
	look(a, p, 4);
	look(a, r, 4);
	if (!pipe(pipefd)) {
		remote.iov_base = s + 3 * page;
		DO(a, vmsplice(pipefd[1], &remote, 1, SPLICE_F_GIFT));
		DO(a, read(pipefd[0], got, 4));
		say(a, "%s ", got);
	}
	DO(a, write(pipefd[1], s + 5 * page, 4));
	DO(a, read(pipefd[0], s + 6 * page, 4));
	/* a system call that writes past the end of the file, to memory */
	DO(a, truncate(path, 4 * page));
	DO(a, write(pipefd[1], "zz", 2));
	DO(a, read(pipefd[0], s + 6 * page, 2));
	say(a, "%.2s", read_file(path));
}

BEHAVIOUR(futex)
{
	int *s = (int *)map(a, path, O_RDWR, RW, MAP_SHARED), status, tries;
	int *t = (int *)map(a, path, O_RDWR, RW, MAP_SHARED);

	*s = 1;
	if (!fork()) {
		syscall(SYS_futex, t, FUTEX_WAIT, 1, NULL, NULL, 0);
		_exit(*t == 2 ? 0 : 1);
	}
	for (tries = 0; tries < 500; tries++) {
		*s = 2;
		if (syscall(SYS_futex, s, FUTEX_WAKE, 1, NULL, NULL, 0) == 1)
			break;
		if (waitpid(-1, &status, WNOHANG) > 0)
			break;
		*s = 1;
		usleep(10000);
	}
	*s = 2;
	syscall(SYS_futex, s, FUTEX_WAKE, 1, NULL, NULL, 0);
	wait(&status);
	say(a, "%s", tries < 500 ? "woken" : "never woken");
}

BEHAVIOUR(policy)
{
	char *s = map(a, path, O_RDWR, RW, MAP_SHARED);
	unsigned long node = 1;
	int mode = -1;

	DO(a, syscall(SYS_mbind, s, 2 * page, MPOL_BIND, &node, 2UL, 0));
	DO(a, syscall(SYS_get_mempolicy, &mode, NULL, 0UL, s, MPOL_F_ADDR));
	say(a, "%d ", mode);
	DO(a, syscall(SYS_get_mempolicy, &mode, NULL, 0UL, s + 4 * page, MPOL_F_ADDR));
	say(a, "%d ", mode);
	munmap(s, size);
	/* on tmpfs it belongs to the file */
	s = map(a, path, O_RDWR, RW, MAP_SHARED);
	DO(a, syscall(SYS_get_mempolicy, &mode, NULL, 0UL, s, MPOL_F_ADDR));
	say(a, "%d ", mode);
	look(a, s, 4);
}

BEHAVIOUR(arguments)
{
	int fd = open(path, O_RDWR), ro = open(path, O_RDONLY), wo = open(path, O_WRONLY);
	int flags[] = {
		MAP_SHARED | MAP_PRIVATE, 0, MAP_SHARED_VALIDATE, MAP_SHARED_VALIDATE | MAP_SYNC,
		MAP_SHARED_VALIDATE | 1 << 30, MAP_PRIVATE | MAP_HUGETLB, MAP_SHARED | MAP_HUGETLB,
		MAP_PRIVATE | MAP_GROWSDOWN, MAP_PRIVATE | MAP_DENYWRITE, MAP_SHARED | MAP_NORESERVE,
		MAP_DROPPABLE,
	};
	unsigned int i;

	/* flags of the open file that a map does not care about, and O_PATH */
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		result(a, path_of("%#x", flags[i]), mmap(NULL, page, PROT_READ, flags[i], fd, 0) == MAP_FAILED ? -errno : 0);
	result(a, "length 0", mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno : 0);
	result(a, "offset", mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 100) == MAP_FAILED ? -errno : 0);
	result(a, "far", mmap(NULL, page, PROT_READ, MAP_SHARED, fd, LONG_MAX & -page) == MAP_FAILED ? -errno : 0);
	result(a, "over", mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, fd, -page) == MAP_FAILED ? -errno : 0);
	result(a, "huge", mmap(NULL, 1UL << 62, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno : 0);
	result(a, "ro", mmap(NULL, page, RW, MAP_SHARED, ro, 0) == MAP_FAILED ? -errno : 0);
	result(a, "ro private", mmap(NULL, page, RW, MAP_PRIVATE, ro, 0) == MAP_FAILED ? -errno : 0);
	result(a, "wo", mmap(NULL, page, PROT_READ, MAP_SHARED, wo, 0) == MAP_FAILED ? -errno : 0);
	result(a, "O_PATH", mmap(NULL, page, PROT_READ, MAP_SHARED, open(path, O_PATH), 0) == MAP_FAILED ? -errno : 0);
	result(a, "directory", mmap(NULL, page, PROT_READ, MAP_SHARED, open(dirname(strdup(path)), O_RDONLY), 0) == MAP_FAILED ? -errno : 0);
}

/* A map in the middle of another one, of another file, and many of one file. */
BEHAVIOUR(overlapping)
{
	char *p = map(a, path, O_RDWR, RW, MAP_SHARED), *q;
	int fd = open(path, O_RDWR), i;

	q = mmap(p + 4 * page, 2 * page, RW, MAP_PRIVATE | MAP_FIXED, fd, 0);
	result(a, "fixed", q == MAP_FAILED ? -errno : 0);
	look(a, p, PAGES);
	q = mmap(p + 5 * page, page, RW, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
	look(a, p, PAGES);
	q = mmap(p, page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	result(a, "noreplace", q == MAP_FAILED ? -errno : 0);
	/* an error in the middle of replacing leaves what was there, or nothing */
	q = mmap(p, 4 * page, PROT_READ, MAP_SHARED | MAP_FIXED, open(dirname(strdup(path)), O_RDONLY), 0);
	result(a, "bad", q == MAP_FAILED ? -errno : 0);
	look(a, p, PAGES);
	for (i = 0; i < 200; i++) {
		q = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, i % PAGES * page);
		if (q == MAP_FAILED || peek(q) != 'a' + i % PAGES)
			result(a, "one of many", -errno);
	}
}

static int uffd_register(char *p, long len, int mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (unsigned long)p, len }, .mode = mode };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = E(ioctl(fd, UFFDIO_API, &api)) ?: E(ioctl(fd, UFFDIO_REGISTER, &reg));
	close(fd);
	return err;
}

static void userfault(struct answer *a, const char *path)
{
	char *p = map(a, path, O_RDWR, RW, MAP_SHARED);

	result(a, "missing", uffd_register(p, size, UFFDIO_REGISTER_MODE_MISSING));
	result(a, "minor", uffd_register(p, size, UFFDIO_REGISTER_MODE_MINOR));
	result(a, "wp", uffd_register(p, size, UFFDIO_REGISTER_MODE_WP));
	look(a, p, PAGES);
}

TEST_F(u, userfault)
{
	struct answer ours = { "" };

	if (!variant->swaps) {
		compare(_metadata, userfault, "low");
		compare(_metadata, userfault, "up");
		return;
	}
	/* whose page it is would be looked for in the file of the map */
	ask(&ours, userfault, "u/low");
	EXPECT_STREQ("missing:EINVAL minor:EINVAL wp:EINVAL abcdefghijklmnop ", ours.text);
}

/* A task dies in the middle of its faults; nothing of it stays. */
TEST_F(u, killed)
{
	int i, status;
	pid_t child;

	for (i = 0; i < 20; i++) {
		child = fork();
		if (!child) {
			struct answer a = { "" };

			for (;;) {
				char *p = map(&a, i % 2 ? "u/low" : "u/up", O_RDWR, RW, MAP_SHARED);

				for (long n = 0; n < PAGES; n++)
					p[n * page]++;
				if (madvise(p, size, MADV_DONTNEED))
					_exit(1);
				munmap(p, size);
			}
		}
		usleep(1000 * (i + 1));
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
	}
}

/* What was mapped before a copy-up stays; what is mapped after it is new. */
TEST_F(u, copy_up)
{
	struct answer a = { "" };
	char *shared = map(&a, "u/low", O_RDONLY, PROT_READ, MAP_SHARED);
	char *private = map(&a, "u/low", O_RDONLY, RW, MAP_PRIVATE), *after, *among;
	int fd = open("u/low", O_RDONLY), status;

	poke(private + page, 'P');
	EXPECT_EQ('a', peek(shared));
	ASSERT_EQ(0, put("u/low", 0, "new"));
	look(&a, shared, PAGES);
	look(&a, private, PAGES);
	/* by the descriptor from before, too */
	after = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, after);
	look(&a, after, PAGES);
	/* next to each other, they are not taken for one */
	among = mmap(shared + 8 * page, page, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	ASSERT_EQ(shared + 8 * page, among);
	look(&a, shared, PAGES);
	EXPECT_STREQ("abcdefghijklmnop aPcdefghijklmnop nbcdefghijklmnop abcdefghnjklmnop ", a.text);
	/* and over a fork */
	if (!fork())
		_exit(peek(shared) != 'a' || peek(private + page) != 'P' || peek(after) != 'n');
	wait(&status);
	EXPECT_EQ(0, status);
	munmap(shared, size);
	munmap(private, size);
	munmap(after, size);
}

/* Open for writing, mapped for reading, made writable later. */
TEST_F(u, never_writes_to_the_lower_file)
{
	struct answer a = { "" };
	char *p = map(&a, "u/low", O_RDWR, PROT_READ, MAP_SHARED | MAP_POPULATE);

	ASSERT_EQ(0, E(mprotect(p, size, RW)));
	p[0] = 'W';
	EXPECT_EQ('W', *read_file("u/low"));
	EXPECT_EQ('a', *read_file("ro/low"));
	munmap(p, size);
}

TEST_HARNESS_MAIN
