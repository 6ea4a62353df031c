// SPDX-License-Identifier: GPL-2.0
/*
 * Maps of files on the file systems that a union has as a lower branch, by each
 * engine, give what maps without a union give. mmap_native asks more, of those that
 * can be written to; this is for images, FUSE and other unions of directories.
 */
#include "aufs2_mmap.h"
#include <sys/resource.h>
#include <sys/uio.h>

#define PAGES 16

/* Puts what is in `tree` on another file system, at `v`. */
static const char * const squashfs[] = {
	"mksquashfs tree img -noappend -quiet", "mount -t squashfs -o loop,ro img v", NULL
};
static const char * const erofs[] = {
	"mkfs.erofs img tree", "mount -t erofs -o loop,ro img v", NULL
};
static const char * const btrfs[] = {
	"truncate -s 256M img", "mkfs.btrfs -q img", "mount -t btrfs -o loop img v",
	"cp -a tree/. v", NULL
};
static const char * const overlay[] = {
	"mkdir x w", "mount -t overlay none -o lowerdir=tree,upperdir=x,workdir=w v", NULL
};
static const char * const fuse[] = {
	"mkdir x w", "fuse-overlayfs -o lowerdir=tree,upperdir=x,workdir=w v", NULL
};

FIXTURE(u) { int unused; };
FIXTURE_VARIANT(u) { const char *type; const char * const *steps; bool writes; };
FIXTURE_VARIANT_ADD(u, squashfs) { .type = "squashfs", .steps = squashfs };
FIXTURE_VARIANT_ADD(u, erofs) { .type = "erofs", .steps = erofs };
FIXTURE_VARIANT_ADD(u, btrfs) { .type = "btrfs", .steps = btrfs, .writes = true };
FIXTURE_VARIANT_ADD(u, overlayfs) { .type = "overlay", .steps = overlay, .writes = true };
FIXTURE_VARIANT_ADD(u, fuse) { .type = "fuse", .steps = fuse, .writes = true };
FIXTURE_SETUP(u)
{
	static const unsigned char answer[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	int fd, i;

	if (reference())
		SKIP(return, "engines are the union's");
	page = sysconf(_SC_PAGESIZE);
	size = PAGES * page;
	ASSERT_EQ(0, area_enter());
	shell("modprobe -q loop; modprobe -q %s", variant->type);
	if (!fs_registered(variant->type))
		SKIP(return, "no %s in this kernel", variant->type);
	ASSERT_EQ(0, shell("mkdir tree v"));
	ASSERT_EQ(0, put_letters("tree/f"));
	ASSERT_EQ(0, put_letters("tree/short"));
	ASSERT_EQ(0, E(truncate("tree/short", 3 * page + 100)));
	ASSERT_EQ(0, put_letters("tree/code"));
	fd = open("tree/code", O_WRONLY | O_CLOEXEC);
	ASSERT_EQ(sizeof(answer), pwrite(fd, answer, sizeof(answer), page));
	close(fd);
	for (i = 0; variant->steps[i]; i++) {
		char program[64];

		sscanf(variant->steps[i], "%63s", program);
		if (!have(program))
			SKIP(return, "no %s", program);
		ASSERT_EQ(0, shell("%s", variant->steps[i])) { TH_LOG("%s", variant->steps[i]); }
	}
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	umount2(path_of("%s/v", area), MNT_DETACH);
	EXPECT_STREQ("", wrong ?: "");
}

/* A file below `dir`, open only for reading: what is written to is copied up. */
static char *at(const char *dir, const char *name)
{
	return path_of("%s/%s", dir, name);
}

static void shared(struct answer *a, const char *dir)
{
	char *p = map(a, at(dir, "f"), O_RDONLY, PROT_READ, MAP_SHARED);

	look(a, p, PAGES);
	result(a, "store", poke(p, 'W'));
	DO(a, mprotect(p, size, RW));
	DO(a, msync(p, size, MS_SYNC));
	DO(a, mprotect(p, page, PROT_NONE));
	look(a, p, 2);
	DO(a, munmap(p + page, size - 2 * page));
	look(a, p + size - page, 1);
}

static void private(struct answer *a, const char *dir)
{
	char *p = map(a, at(dir, "f"), O_RDONLY, RW, MAP_PRIVATE);

	poke(p, 'P');
	poke(p + 3 * page, 'P');
	look(a, p, PAGES);
	say(a, "anon:%ld ", smaps_of(p, "Anonymous"));
	DO(a, madvise(p, page, MADV_DONTNEED));
	look(a, p, PAGES);
	say(a, "%.1s ", read_file(at(dir, "f")) + 3 * page);
}

static void populated(struct answer *a, const char *dir)
{
	char *p = map(a, at(dir, "f"), O_RDONLY, PROT_READ, MAP_SHARED | MAP_POPULATE);

	say(a, "rss:%ld ", smaps_of(p, "Rss"));
	resident(a, p, PAGES);
	munmap(p, size);
	p = map(a, at(dir, "f"), O_RDONLY, RW, MAP_PRIVATE | MAP_POPULATE);
	say(a, "rss:%ld anon:%ld ", smaps_of(p, "Rss"), smaps_of(p, "Anonymous"));
	munmap(p, size);
	p = map(a, at(dir, "f"), O_RDONLY, PROT_READ, MAP_SHARED);
	DO(a, mlock(p, size / 2));
	say(a, "locked:%ld rss:%ld ", smaps_of(p, "Locked"), smaps_of(p, "Rss"));
	DO(a, munlock(p, size));
	look(a, p, PAGES);
}

static void advice(struct answer *a, const char *dir)
{
	char *p = map(a, at(dir, "f"), O_RDONLY, PROT_READ, MAP_SHARED);

	DO(a, madvise(p, size, MADV_WILLNEED));
	look(a, p, PAGES);
	DO(a, madvise(p, size, MADV_COLD));
	DO(a, madvise(p, size, MADV_PAGEOUT));
	look(a, p, PAGES);
	DO(a, madvise(p, size, MADV_DONTNEED));
	say(a, "rss:%ld ", smaps_of(p, "Rss"));
	DO(a, madvise(p, size, MADV_POPULATE_READ));
	say(a, "rss:%ld ", smaps_of(p, "Rss"));
	DO(a, madvise(p, size, MADV_POPULATE_WRITE));
	DO(a, madvise(p, size, MADV_FREE));
	DO(a, madvise(p, size, MADV_REMOVE));
	DO(a, madvise(p, size, MADV_HUGEPAGE));
	DO(a, madvise(p, size, MADV_COLLAPSE));
	DO(a, madvise(p, page, MADV_GUARD_INSTALL));
	look(a, p, 2);
	DO(a, madvise(p, page, MADV_GUARD_REMOVE));
	look(a, p, PAGES);
}

static void moved(struct answer *a, const char *dir)
{
	char *p = map_at(a, at(dir, "f"), O_RDONLY, PROT_READ, MAP_SHARED, 4 * page, 2 * page), *q;

	look(a, p, 4);
	q = mremap(p, 4 * page, 8 * page, MREMAP_MAYMOVE);
	result(a, "grow", q == MAP_FAILED ? -errno : 0);
	look(a, q, 8);
	p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	q = mremap(q, 8 * page, 8 * page, MREMAP_MAYMOVE | MREMAP_FIXED, p);
	result(a, "move", q == MAP_FAILED ? -errno : q == p ? 1 : 0);
	look(a, q, 8);
	q = mremap(p, 0, 2 * page, MREMAP_MAYMOVE);
	result(a, "again", q == MAP_FAILED ? -errno : 0);
	look(a, q, 2);
	DO(a, remap_file_pages(p, page, 0, 7, 0));
}

static void past_the_end(struct answer *a, const char *dir)
{
	char *p = map(a, at(dir, "short"), O_RDONLY, PROT_READ, MAP_SHARED);
	char *q = map(a, at(dir, "short"), O_RDONLY, RW, MAP_PRIVATE);

	look(a, p, 6);
	say(a, "%d %d %d ", peek(p + 3 * page + 99), peek(p + 3 * page + 100), peek(p + 4 * page - 1));
	look(a, q, 6);
	result(a, "store", poke(q + 4 * page, 'x') == -SIGBUS);
	DO(a, madvise(p, size, MADV_POPULATE_READ));
}

static void code(struct answer *a, const char *dir)
{
#ifdef __x86_64__
	int (*f)(void);

	f = (void *)map_at(a, at(dir, "code"), O_RDONLY, PROT_READ | PROT_EXEC, MAP_PRIVATE, page, page);
	say(a, "%d ", f());
	f = (void *)map_at(a, at(dir, "code"), O_RDONLY, PROT_READ | PROT_EXEC, MAP_SHARED, page, page);
	say(a, "%d", f());
#else
	say(a, "no code for this machine");
#endif
}

static void forked(struct answer *a, const char *dir)
{
	char *s = map(a, at(dir, "f"), O_RDONLY, PROT_READ, MAP_SHARED);
	char *p = map(a, at(dir, "f"), O_RDONLY, RW, MAP_PRIVATE);
	int status;

	poke(p, 'p');
	if (!fork()) {
		poke(p + page, 'C');
		munmap(s + 8 * page, page);
		_exit(peek(s + page) == 'b' && peek(p) == 'p' && peek(p + 2 * page) == 'c' ? 0 : 1);
	}
	wait(&status);
	say(a, "child:%#x ", status);
	look(a, s, PAGES);
	look(a, p, PAGES);
}

static void by_others(struct answer *a, const char *dir)
{
	char *s = map(a, at(dir, "f"), O_RDONLY, PROT_READ, MAP_SHARED);
	char *p = map(a, at(dir, "f"), O_RDONLY, RW, MAP_PRIVATE), got[5] = "";
	struct iovec local = { got, 4 }, remote = { s, 4 };
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	int fd = open(at(dir, "f"), O_RDONLY | O_CLOEXEC);

	DO(a, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	say(a, "%s ", got);
	DO(a, pwrite(mem, "B", 1, (long)s + page));
	DO(a, pwrite(mem, "B", 1, (long)p + page));
	look(a, s, 4);
	look(a, p, 4);
	/* from the file to a map of it */
	DO(a, pread(fd, p, 2 * page, 4 * page));
	DO(a, pread(fd, s, 2 * page, 4 * page));
	look(a, p, 4);
}

/* How many faults it takes to touch every page, which are in memory, anew. */
static long faults_of_pages(char *p)
{
	struct rusage before, after;

	madvise(p, size, MADV_DONTNEED);
	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < PAGES; i++)
		peek(p + i * page);
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt;
}

/* What is written to: each file of these is its behaviour's own. */
static void stores(struct answer *a, const char *dir)
{
	int fd = open(at(dir, "f"), O_RDWR | O_CLOEXEC);
	char *s = mmap(NULL, size, RW, MAP_SHARED, fd, 0), c[3] = "";
	char *p = mmap(NULL, size, RW, MAP_PRIVATE, fd, 0);

	result(a, "map", s == MAP_FAILED || p == MAP_FAILED ? -errno : 0);
	if (s == MAP_FAILED || p == MAP_FAILED)
		return;
	look(a, s, PAGES);
	result(a, "store", poke(s + page, 'X'));
	result(a, "store", poke(p + 2 * page, 'P'));
	DO(a, pread(fd, c, 1, page));
	DO(a, pwrite(fd, "Z", 1, 3 * page));
	say(a, "%c ", c[0]);
	DO(a, msync(s, size, MS_SYNC));
	DO(a, fsync(fd));
	look(a, s, PAGES);
	look(a, p, PAGES);
	DO(a, madvise(s, size, MADV_DONTNEED));
	look(a, s, PAGES);
	close(fd);
	result(a, "store", poke(s + 4 * page, 'Y'));
	DO(a, munmap(s, size));
	drop_caches();
	say(a, "%.1s ", read_file(at(dir, "f")) + page);
	s = map(a, at(dir, "f"), O_RDONLY, PROT_READ, MAP_SHARED);
	look(a, s, PAGES);
}

static void cut(struct answer *a, const char *dir)
{
	int fd = open(at(dir, "code"), O_RDWR | O_CLOEXEC);
	char *s = mmap(NULL, size, RW, MAP_SHARED, fd, 0);

	result(a, "map", s == MAP_FAILED ? -errno : 0);
	poke(s + 9 * page, 'S');
	DO(a, ftruncate(fd, 5 * page + 10));
	look(a, s, PAGES);
	result(a, "store", poke(s + 7 * page, 'x'));
	say(a, "%d ", peek(s + 5 * page + 10));
	DO(a, ftruncate(fd, size));
	look(a, s, PAGES);
	DO(a, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page, 2 * page));
	look(a, s, PAGES);
	DO(a, madvise(s + 3 * page, page, MADV_REMOVE));
	look(a, s, PAGES);
	close(fd);
}

static void direct_io(struct answer *a, const char *dir)
{
	int fd = open(at(dir, "short"), O_RDWR | O_DIRECT | O_CLOEXEC);
	char *s = map(a, at(dir, "short"), O_RDWR, RW, MAP_SHARED), *b;

	result(a, "open", fd < 0 ? -errno : 0);
	b = mmap(NULL, size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(b, 'D', page);
	look(a, s, 4);
	result(a, "store", poke(s + 2 * page, 'M'));
	DO(a, pwrite(fd, b, page, page));
	look(a, s, 4);
	DO(a, pread(fd, b, page, 2 * page));
	look(a, b, 1);
	close(fd);
}

static const struct { const char *name; behaviour *of; } writers[] = {
	{ "stores", stores }, { "cut", cut }, { "direct_io", direct_io },
};

static const struct { const char *name; behaviour *of; } behaviours[] = {
	{ "shared", shared }, { "private", private }, { "populated", populated },
	{ "advice", advice }, { "moved", moved }, { "past_the_end", past_the_end },
	{ "code", code }, { "forked", forked }, { "by_others", by_others },
};

TEST_F(u, as_without_a_union)
{
	static const char * const engines[] = {
		"mmap=direct", "mmap=fault", "mmap=direct,mmap_path=union", "mmap=fault,mmap_path=union"
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		ASSERT_EQ(0, union_mount(engines[i], 0, (const char * const []){ "rw", "v=ro", NULL }));
		for (j = 0; j < ARRAY_SIZE(behaviours); j++) {
			struct answer native = { "" }, ours = { "" };

			ask(&native, behaviours[j].of, "v");
			ask(&ours, behaviours[j].of, "u");
			EXPECT_STREQ(native.text, ours.text) {
				TH_LOG("%s, %s", behaviours[j].name, engines[i]);
			}
			EXPECT_NE(0, *native.text);
			EXPECT_EQ(NULL, strstr(native.text, "status:")) { TH_LOG("the child died"); }
			if (!i)
				ksft_print_msg("%s: %s\n", behaviours[j].name, native.text);
		}
		ASSERT_EQ(0, down());
		EXPECT_STREQ("", list("rw"));
	}
	EXPECT_EQ(0, E(umount("v")));
}

/* The same filesystems as the branch that is written to. */
TEST_F(u, as_a_writable_branch)
{
	static const char * const engines[] = { "mmap=direct", "mmap=fault", "mmap=fault,mmap_path=union" };
	unsigned int i, j;

	if (!variant->writes)
		SKIP(return, "is read only");
	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		ASSERT_EQ(0, shell("mkdir v/nat v/our && cp tree/* v/nat && cp tree/* v/our"));
		ASSERT_EQ(0, union_mount(engines[i], 0, (const char * const []){ "v=rw", "ro", NULL }));
		for (j = 0; j < ARRAY_SIZE(writers); j++) {
			struct answer native = { "" }, ours = { "" };

			ask(&native, writers[j].of, "v/nat");
			ask(&ours, writers[j].of, "u/our");
			EXPECT_STREQ(native.text, ours.text) {
				TH_LOG("%s, %s", writers[j].name, engines[i]);
			}
			EXPECT_EQ(NULL, strstr(native.text, "status:")) { TH_LOG("the child died"); }
			if (!i)
				ksft_print_msg("%s: %s\n", writers[j].name, native.text);
		}
		ASSERT_EQ(0, down());
		EXPECT_EQ(0, shell("diff -r v/nat v/our"));
		ASSERT_EQ(0, shell("rm -rf v/nat v/our"));
	}
	EXPECT_EQ(0, E(umount("v")));
}

/* Handlers of FUSE would keep others waiting for a server: served directly, as is said. */
TEST_F(u, what_the_fault_engine_leaves_alone)
{
	char *p, *q;

	if (strcmp(variant->type, "fuse"))
		SKIP(return, "is of FUSE");
	ASSERT_EQ(0, union_mount("mmap=fault", 0, (const char * const []){ "rw", "v=ro", NULL }));
	for (int i = 0; i < 2; i++) {
		struct answer a = { "" };

		p = map(&a, "v/f", O_RDONLY, PROT_READ, MAP_SHARED);
		q = map(&a, "u/f", O_RDONLY, PROT_READ, MAP_SHARED);
		look(&a, p, PAGES);
		/* not one for each page; but one more where the places are not aligned alike */
		EXPECT_GE(1, labs(faults_of_pages(p) - faults_of_pages(q)));
		munmap(p, size);
		munmap(q, size);
	}
	/* once for the module */
	EXPECT_EQ(0, shell("test $(dmesg | grep -c 'mapped directly, without a file in front') -eq 1"));
}

TEST_HARNESS_MAIN
