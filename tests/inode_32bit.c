// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers fit into 32 bits where those of the branches do: 32-bit programs get EOVERFLOW from stat(2)
 * and getdents(2) for others.  Where the kernel has no 32-bit system calls, the numbers are looked at
 * all the same.
 */
#include "aufs2.h"
#include <ftw.h>
#include <setjmp.h>
#include <sys/mman.h>

AUFS2_FIXTURE

static char *low;		/* memory that 32 bits can point at */
static bool has_32bit;

#define PATH_AT		0
#define BUFFER_AT	4096
#define LOW_SIZE	(4096 + 65536)

static long call32(long number, unsigned long a, unsigned long b, unsigned long c)
{
#ifdef __x86_64__
	long ret;

	asm volatile("int $0x80" : "=a" (ret) : "a" (number), "b" (a), "c" (b), "d" (c)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
#else
	return -ENOSYS;
#endif
}

static sigjmp_buf no_32bit;

static void on_fault(int signal)
{
	siglongjmp(no_32bit, 1);
}

static unsigned long low_path(const char *path)
{
	snprintf(low + PATH_AT, BUFFER_AT, "%s", path);
	return (unsigned long)low + PATH_AT;
}

/* The first of all: whether there are such system calls. */
static void probe(void)
{
#ifdef __x86_64__
	void (*old)(int) = signal(SIGSEGV, on_fault);

	low = mmap(NULL, LOW_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
		   -1, 0);
	if (low == MAP_FAILED)
		return;
	if (!sigsetjmp(no_32bit, 1))
		has_32bit = call32(20 /* getpid */, 0, 0, 0) == getpid();
	signal(SIGSEGV, old);
#endif
	if (!has_32bit)
		ksft_print_msg("no 32-bit system calls\n");
}

static int stat32(const char *path)
{
	return call32(107 /* lstat */, low_path(path), (unsigned long)low + BUFFER_AT, 0);
}

/* getdents(2) to the end: how many entries there are, or -errno. */
static int list32(const char *path)
{
	int n, at, count = 0, fd = call32(5 /* open */, low_path(path), O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd;
	while ((n = call32(141, fd, (unsigned long)low + BUFFER_AT, 65536)) > 0)
		for (at = 0; at < n; count++)
			at += *(unsigned short *)(low + BUFFER_AT + at + 8);
	close(fd);
	return n ?: count;
}

static int wrong, objects;

static int look(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct dirent *entry;
	int err = 0;
	DIR *dir;

	objects++;
	if (st->st_ino >> 32) {
		ksft_print_msg("%s has number %#llx\n", path, (unsigned long long)st->st_ino);
		wrong++;
	}
	if (has_32bit)
		err = stat32(path);
	if (!err && has_32bit && S_ISDIR(st->st_mode))
		err = list32(path);
	if (err < 0) {
		ksft_print_msg("%s: %s\n", path, errno_name(-err));
		wrong++;
	}
	if (!S_ISDIR(st->st_mode))
		return 0;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		struct stat at;

		if (!strcmp(entry->d_name, "..") && ftw->level == 0)
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &at, AT_SYMLINK_NOFOLLOW) ||
		    at.st_ino != entry->d_ino) {
			ksft_print_msg("%s/%s is listed as %#llx\n", path, entry->d_name,
				       (unsigned long long)entry->d_ino);
			wrong++;
		}
	}
	if (dir)
		closedir(dir);
	return 0;
}

/* How much in the union has a number that is too large, or is listed with another one. */
static int wrong_numbers(void)
{
	wrong = objects = 0;
	return nftw("u", look, 16, FTW_PHYS) ? -errno : wrong;
}

static void fill(const char *dir, const char *name)
{
	shell("cd %s && mkdir -p d %s.d && echo -n %s >%s && ln %s d/%s.link && ln -s x %s.d/l && "
	      "mkfifo d/%s.fifo", dir, name, name, name, name, name, name, name);
}

TEST_F_TIMEOUT(u, several_filesystems, 120)
{
	static const char * const names[] = { "ro", "ro2", "e", "s" };
	uint64_t before[ARRAY_SIZE(names)];
	const char *why;
	unsigned int i;

	AUFS2_ONLY("it is about branches");
	probe();
	why = make_fs("ext4", path_of("%s/e", area));
	if (why)
		SKIP(return, "%s", why);
	for (i = 0; i < 3; i++)
		fill(names[i], names[i]);
	ASSERT_EQ(0, shell("mkdir m"));
	fill("m", "s");
	why = make_squashfs("m", "s");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("rm -rf m"));
	ASSERT_EQ(0, up("rw", "ro", "s", "e", "ro2"));
	EXPECT_EQ(0, wrong_numbers());
	for (i = 0; i < ARRAY_SIZE(names); i++)
		before[i] = st_of(path_of("u/%s", names[i])).st_ino;
	ASSERT_EQ(0, down());
	drop_caches();
	ASSERT_EQ(0, up("rw", "ro", "s", "e", "ro2"));
	for (i = ARRAY_SIZE(names); i--; )
		EXPECT_EQ(before[i], st_of(path_of("u/%s", names[i])).st_ino) { TH_LOG("%s", names[i] ?: ""); }
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(0, append_file(path_of("u/%s", names[i]), "+"));
		EXPECT_EQ(before[i], st_of(path_of("u/%s", names[i])).st_ino) { TH_LOG("%s", names[i] ?: ""); }
	}
	ASSERT_EQ(0, shell("mv u/s.d u/moved; mkdir u/n; touch u/n/f; mv u/e u/n/"));
	EXPECT_EQ(0, wrong_numbers());
	drop_caches();
	EXPECT_EQ(0, wrong_numbers());
	EXPECT_LE(20, objects);
	EXPECT_EQ(before[2], st_of("u/n/e").st_ino);
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("umount e s"));
}

/* As live systems have them, and with one that comes later. */
TEST_F_TIMEOUT(u, thirty_squashfs, 240)
{
	const char *why = NULL;
	char options[4096];
	int i, len = 0;

	AUFS2_ONLY("it is about branches");
	probe();
	ASSERT_EQ(0, shell("mkdir m"));
	fill("m", "s");
	why = make_squashfs("m", "s0");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("for i in $(seq 30); do mkdir s$i && cp s0.sqfs s$i.sqfs && "
			   "mount -t squashfs -o loop s$i.sqfs s$i || exit 1; done; umount s0; "
			   "rm -rf m"));
	len = snprintf(options, sizeof(options), "br:%s/rw=rw", area);
	for (i = 1; i < 30; i++)
		len += snprintf(options + len, sizeof(options) - len, ":%s/s%d=rr", area, i);
	area_seal();
	ASSERT_EQ(0, E(mount("none", "u", fs_name(), 0, options)));
	union_up = true;
	EXPECT_EQ(0, wrong_numbers());
	snprintf(options, sizeof(options), "remount,append:%s/s30=rr", area);
	ASSERT_EQ(0, shell("mount -i -o %s u", options));
	EXPECT_EQ(0, wrong_numbers());
	/* What was seen on these is seen on others then. */
	for (i = 1; i < 4; i++)
		ASSERT_EQ(0, shell("mount -i -o remount,del:%s/s%d u", area, i));
	EXPECT_EQ(0, wrong_numbers());
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("for i in $(seq 30); do umount s$i; done"));
}

TEST_F(u, branches_that_come_and_go)
{
	uint64_t f, g, h;

	AUFS2_ONLY("it is about branches");
	probe();
	ASSERT_EQ(0, make_branch("late"));
	ASSERT_EQ(0, shell("mkdir ro/d; touch ro/f ro/d/g late/h"));
	ASSERT_EQ(0, up("rw", "ro"));
	f = st_of("u/f").st_ino;
	g = st_of("u/d/g").st_ino;
	ASSERT_EQ(0, shell("mount -i -o remount,append:%s/late=ro u", area));
	h = st_of("u/h").st_ino;
	EXPECT_EQ(0, wrong_numbers());
	EXPECT_EQ(f, st_of("u/f").st_ino);
	ASSERT_EQ(0, shell("mount -i -o remount,del:%s/late u", area));
	ASSERT_EQ(0, shell("mount -i -o remount,append:%s/ro2=ro u", area));
	ASSERT_EQ(0, shell("mount -i -o remount,append:%s/late=ro u", area));
	drop_caches();
	EXPECT_EQ(h, st_of("u/h").st_ino);
	EXPECT_EQ(g, st_of("u/d/g").st_ino);
	EXPECT_EQ(f, st_of("u/f").st_ino);
	EXPECT_EQ(0, wrong_numbers());
	if (on_tmpfs()) {
		/* What is not there together any more has no common numbers either. */
		EXPECT_NE(f, h);
		EXPECT_NE(g, h);
	}
}

/* One filesystem below: what is in the union has the numbers that it has there. */
TEST_F(u, one_filesystem)
{
	uint64_t f;

	AUFS2_ONLY("it is about branches");
	probe();
	ASSERT_EQ(0, make_branch("t"));
	ASSERT_EQ(0, shell("mkdir t/a t/b; touch t/a/f; mkdir t/b/d; touch t/b/d/g"));
	ASSERT_EQ(0, up("t/a=rw", "t/b=ro"));
	EXPECT_EQ(0, wrong_numbers());
	EXPECT_EQ(st_of("t/a/f").st_ino, st_of("u/f").st_ino);
	EXPECT_EQ(st_of("t/b/d/g").st_ino, st_of("u/d/g").st_ino);
	f = st_of("u/d/g").st_ino;
	ASSERT_EQ(0, append_file("u/d/g", "+"));
	EXPECT_EQ(f, st_of("u/d/g").st_ino);
	EXPECT_EQ(0, wrong_numbers());
}

/* Numbers that have no room in the union are the same each time, and all different. */
TEST_F(u, wide_numbers_below)
{
	static uint64_t seen[2][500];
	int round, i, j, n = 0, same = 0;

	AUFS2_ONLY("it is about branches");
	if (shell("modprobe -q overlay"))
		SKIP(return, "no overlayfs");
	ASSERT_EQ(0, make_branch("A"));
	ASSERT_EQ(0, make_branch("B"));
	for (i = 0; i < 500; i++)
		ASSERT_EQ(0, write_file(path_of("%c/f%d", "AB"[i % 2], i), ""));
	ASSERT_EQ(0, shell("mkdir O; mount -t overlay -o xino=on,lowerdir=A:B none O"));
	ASSERT_EQ(0, up("rw", "O"));
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 500; i++)
			seen[round][i] = st_of(path_of("u/f%d", i)).st_ino;
		drop_caches();
	}
	for (i = 0; i < 500; i++) {
		n += seen[0][i] != seen[1][i];
		for (j = 0; j < i; j++)
			same += seen[0][i] == seen[0][j];
	}
	EXPECT_EQ(0, n);
	EXPECT_EQ(0, same);
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("umount O"));
}

TEST_HARNESS_MAIN
