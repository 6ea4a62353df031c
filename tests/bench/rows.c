// SPDX-License-Identifier: GPL-2.0
/*
 * The rows: operations on names, on data and on mappings.
 */
#include "bench.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static char names[2048][64];	/* paths made beforehand: only the kernel is measured */
static char others[2048][64];
static char buffer[1 << 17] __attribute__((aligned(PAGE)));
static struct stat st;

/* Makes the paths `format`, of a number, in `dir`. */
static void make_paths(char (*paths)[64], const char *dir, const char *format, int n)
{
	for (int i = 0; i < n; i++) {
		int len = snprintf(paths[i], sizeof(names[0]), "%s/", dir);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(paths[i] + len, sizeof(names[0]) - len, format, i);
#pragma GCC diagnostic pop
	}
}

static void make_names(const char *dir, const char *format, int n)
{
	make_paths(names, dir, format, n);
}

/* --- names ----------------------------------------------------------------- */

/* Names that this view was not asked for, while the branch's names are cached. */
static double stat_first(const struct view *v)
{
	make_names("/b/lower", "s/f%05d", 1600);
	for (int i = 0; i < 1600; i++)
		must(!stat(names[i], &st));
	make_names("/s", "f%05d", 1600);
	must(!stat(at("/s", "f%05d", STAT_FILES - 1), &st));
	return BENCH(8, 200, must(!stat(names[i], &st)));
}

static double stat_cached(const struct view *v)
{
	const char *path = at("/s", "f00000");

	must(!stat(path, &st));
	return BENCH(15, 200, must(!stat(path, &st)));
}

/* What a directory more on the way costs. */
static double path_component(const struct view *v)
{
	const char *path = at(v->ro, "1/2/3/4/5/6/7/8/f");
	const char *near = at(v->ro, "program");
	double cost;

	must(!stat(path, &st) && !stat(near, &st));
	cost = BENCH(15, 200, must(!stat(path, &st)));
	return (cost - BENCH(15, 200, must(!stat(near, &st)))) / 8;
}

static double negative_new(const struct view *v)
{
	char format[32];

	/* Nor may another view have asked the branch for them. */
	snprintf(format, sizeof(format), "n%d%%05d", v->kind);
	make_names("/s", format, 1600);
	must(stat(at("/s", "other"), &st));
	return BENCH(8, 200, must(stat(names[i], &st) && errno == ENOENT));
}

static double negative_cached(const struct view *v)
{
	const char *path = at("/s", "nothing");

	must(stat(path, &st));
	return BENCH(15, 200, must(stat(path, &st)));
}

static double open_close(const struct view *v)
{
	const char *path = at("/s", "f00001");
	int fd;

	must(!stat(path, &st));
	return BENCH(15, 200, must((fd = open(path, O_RDONLY)) >= 0 && !close(fd)));
}

/* In a list of LIST_ENTRIES, `.` and `..`: every record has 19 bytes before the name. */
#define LIST_BYTES (LIST_ENTRIES * 32L + 2 * 24)

/* Reads a directory, and returns how long its entries are. */
static long list(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	long n, sum = 0;

	if (fd < 0)
		return -1;
	while ((n = syscall(SYS_getdents64, fd, buffer, 1 << 15)) > 0)
		sum += n;
	close(fd);
	return n ? -1 : sum;
}

static double readdir_first(const struct view *v)
{
	return BENCH(LISTS, 1, must(list(at(v->rw, "list%d", i)) == LIST_BYTES)) / LIST_ENTRIES;
}

static double readdir_again(const struct view *v)
{
	const char *path = at(v->rw, "list0");

	must(list(path) == LIST_BYTES);
	return BENCH(5, 1, must(list(path) == LIST_BYTES)) / LIST_ENTRIES;
}

static double create_in(const char *path)
{
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	must(fd >= 0 && !close(fd) && !unlink(path));
	return BENCH(40, 15, must((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644)) >= 0 &&
				  !close(fd) && !unlink(path)));
}

static double create_unlink(const struct view *v)
{
	return create_in(at(v->rw, "up/new"));
}

static double create_unlink_merged(const struct view *v)
{
	return create_in(at(v->rw, "w/new"));
}

static double mkdir_in(const char *path)
{
	must(!mkdir(path, 0755) && !rmdir(path));
	return BENCH(40, 15, must(!mkdir(path, 0755) && !rmdir(path)));
}

static double mkdir_rmdir(const struct view *v)
{
	return mkdir_in(at(v->rw, "up/newdir"));
}

static double mkdir_rmdir_merged(const struct view *v)
{
	return mkdir_in(at(v->rw, "w/newdir"));
}

static double rename_in(const char *a, const char *b)
{
	must(!rename(a, b) && !rename(b, a));
	return BENCH(40, 15, must(!rename(a, b) && !rename(b, a))) / 2;
}

static double rename_upper(const struct view *v)
{
	return rename_in(at(v->rw, "up/old0"), at(v->rw, "up/old1"));
}

static double rename_upper_merged(const struct view *v)
{
	return rename_in(at(v->rw, "w/old0"), at(v->rw, "w/old1"));
}

static double rename_lower(const struct view *v)
{
	make_names(v->rw, "c/rename%d", COPIES);
	make_paths(others, v->rw, "c/renamed%d", COPIES);
	return BENCH(COPIES, 1, must(!rename(names[i], others[i])));
}

static double rename_lower_dir(const struct view *v)
{
	make_names(v->rw, "c/dir%d", COPIES);
	make_paths(others, v->rw, "c/dirmoved%d", COPIES);
	return BENCH(COPIES, 1, must(!rename(names[i], others[i])));
}

static double unlink_lower(const struct view *v)
{
	make_names(v->rw, "c/unlink%d", COPIES);
	return BENCH(COPIES, 1, must(!unlink(names[i])));
}

/* --- data ------------------------------------------------------------------ */

static double read_at(const struct view *v, size_t size)
{
	int fd = open(at(v->ro, "data"), O_RDONLY);
	double cost;

	must(fd >= 0);
	for (int n = 0; n < DATA_SIZE / (1 << 17); n++)
		must(read(fd, buffer, sizeof(buffer)) == sizeof(buffer));
	cost = BENCH(15, 60, must(pread(fd, buffer, size, (off_t)i % 64 * size) == (ssize_t)size));
	close(fd);
	return cost;
}

static double read_4k(const struct view *v)
{
	return read_at(v, PAGE);
}

static double read_128k(const struct view *v)
{
	return read_at(v, 1 << 17);
}

static double pread_random(const struct view *v)
{
	int fd = open(at(v->ro, "data"), O_RDONLY);
	uint32_t seed = 1;
	double cost;

	must(fd >= 0);
	cost = BENCH(15, 100, seed = seed * 1664525 + 1013904223;
		     must(pread(fd, buffer, 512, seed % (DATA_SIZE - 512)) == 512));
	close(fd);
	return cost;
}

static double write_at(const struct view *v, size_t size)
{
	int fd = open(at(v->rw, "w/data"), O_WRONLY);
	double cost;

	must(fd >= 0);
	for (int n = 0; n < 64; n++)
		must(pwrite(fd, buffer, size, n * size) == (ssize_t)size);
	cost = BENCH(15, 60, must(pwrite(fd, buffer, size, (off_t)i % 64 * size) == (ssize_t)size));
	close(fd);
	return cost;
}

static double write_4k(const struct view *v)
{
	return write_at(v, PAGE);
}

static double write_128k(const struct view *v)
{
	return write_at(v, 1 << 17);
}

static double fsync_4k(const struct view *v)
{
	int fd = open(at(v->rw, "w/data"), O_WRONLY);
	double cost;

	must(fd >= 0);
	must(pwrite(fd, buffer, PAGE, 0) == PAGE && !fsync(fd));
	cost = BENCH(15, 20, must(pwrite(fd, buffer, PAGE, 0) == PAGE && !fsync(fd)));
	close(fd);
	return cost;
}

/* --- copy-up ---------------------------------------------------------------- */

static double chmod_lower(const struct view *v)
{
	make_names(v->rw, "c/copy0.%d", COPIES);
	return BENCH(COPIES, 1, must(!chmod(names[i], 0600)));
}

/* What a copy of a file costs natively, written out before it gets its name. */
static int copy_file(const char *from, const char *to, bool sync_it)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0644);
	ssize_t n;

	if (in < 0 || out < 0)
		return -1;
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, n) != n)
			return -1;
	if (n || (sync_it && fsync(out)))
		return -1;
	close(in);
	return close(out);
}

static double copy_up(const struct view *v, int size, int n)
{
	int fd;

	if (v->kind == NATIVE) {
		if (n == 1)
			return BENCH(1, 1, must(!copy_file(at(v->ro, "c/copy%d.0", size),
							   at(v->rw, "c/copied%d.%d", size, i), true)));
		return BENCH(LARGE_COPIES, 1, must(!copy_file(at(v->ro, "c/copy%d.%d", size, i),
						   at(v->rw, "c/copied%d.%d", size, i), true)));
	}
	if (n == 1)
		return BENCH(1, 1, must((fd = open(at(v->rw, "c/copy%d.%d", size, i), O_WRONLY)) >= 0 &&
					!close(fd)));
	return BENCH(LARGE_COPIES, 1, must((fd = open(at(v->rw, "c/copy%d.%d", size, i), O_WRONLY)) >= 0 &&
				!close(fd)));
}

static double copy_up_1m(const struct view *v)
{
	return copy_up(v, 1, LARGE_COPIES);
}

static double copy_up_64m(const struct view *v)
{
	return copy_up(v, 2, 1);
}

/* As copy_file(), but the copy shares the blocks. */
static int clone_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (in < 0 || out < 0 || ioctl(out, FICLONE, in) || fsync(out))
		return -1;
	close(in);
	return close(out);
}

/* Of a file of 64 MiB. */
static double copy_up_reflink(const struct view *v)
{
	int fd;

	if (!has_reflinks(v->fs))
		return NAN;
	if (v->kind == NATIVE)
		return BENCH(CLONES, 1, must(!clone_file(at(v->ro, "c/clone%d", i),
							 at(v->rw, "c/cloned%d", i))));
	return BENCH(CLONES, 1, must((fd = open(at(v->rw, "c/clone%d", i), O_WRONLY)) >= 0 &&
				     !close(fd)));
}

/* --- mappings ---------------------------------------------------------------- */

static double mmap_munmap(const struct view *v)
{
	int fd = open(at(v->ro, "data"), O_RDONLY);
	double cost;
	void *p;

	must(fd >= 0);
	cost = BENCH(15, 60, must((p = mmap(NULL, DATA_SIZE, PROT_READ, MAP_SHARED, fd, 0)) !=
				  MAP_FAILED && !munmap(p, DATA_SIZE)));
	close(fd);
	return cost;
}

/* One fault a page, or one for what fault-around maps with it; the cost is of a page. */
static double fault(const char *path, int open_flags, int prot, int map_flags)
{
	const size_t size = 4 << 20;
	int fd = open(path, open_flags);
	volatile char *p = NULL;
	double cost;

	must(fd >= 0);
	for (size_t n = 0; n < DATA_SIZE; n += sizeof(buffer))
		must(pread(fd, buffer, sizeof(buffer), n) == sizeof(buffer));
	cost = BENCH_ROUNDS(8, size / PAGE,
			    if (prot & PROT_WRITE && map_flags == MAP_SHARED)
				    must(!fsync(fd));
			    must((p = mmap(NULL, size, prot, map_flags, fd, 0)) != MAP_FAILED),
			    if (prot & PROT_WRITE)
				    p[i * (size_t)PAGE % size] = 1;
			    else
				    (void)p[i * (size_t)PAGE % size],
			    must(!munmap((void *)p, size)));
	close(fd);
	return cost;
}

static double fault_shared_read(const struct view *v)
{
	return fault(at(v->ro, "data"), O_RDONLY, PROT_READ, MAP_SHARED);
}

static double fault_private_read(const struct view *v)
{
	return fault(at(v->ro, "data"), O_RDONLY, PROT_READ, MAP_PRIVATE);
}

static double fault_private_write(const struct view *v)
{
	return fault(at(v->ro, "data"), O_RDONLY, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

static double fault_shared_write(const struct view *v)
{
	return fault(at(v->rw, "w/data"), O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static int fault_around(const char *bytes)
{
	int fd = open("/sys/kernel/debug/fault_around_bytes", O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, bytes, strlen(bytes));

	close(fd);
	return n > 0 ? 0 : -1;
}

static double fault_shared_read_single(const struct view *v)
{
	double cost;

	must(!fault_around("4096"));
	cost = fault_shared_read(v);
	must(!fault_around("65536"));
	return cost;
}

static double fault_private_read_single(const struct view *v)
{
	double cost;

	must(!fault_around("4096"));
	cost = fault_private_read(v);
	must(!fault_around("65536"));
	return cost;
}

static double exec_static(const struct view *v)
{
	char *argv[] = { "program", "exit", NULL }, *envp[] = { NULL };
	const char *path = at(v->ro, "program");
	pid_t pid;
	int status;

	must(!posix_spawn(&pid, path, NULL, NULL, argv, envp) && waitpid(pid, &status, 0) == pid);
	return BENCH(8, 10, must(!posix_spawn(&pid, path, NULL, NULL, argv, envp) &&
				 waitpid(pid, &status, 0) == pid && !status));
}

/* --- depth -------------------------------------------------------------------- */

#define DEEP_WARM 50
#define DEEP_NEGATIVE 1000

/* Names in the directory of the layers that nobody else asks for. */
static void make_deep_names(const struct view *v, char letter)
{
	char format[32];

	snprintf(format, sizeof(format), "d/%c%d%03d%%05d", letter, v->kind, v->depth);
	make_names(v->ro, format, DEEP_NEGATIVE);
}

/* The directory has been seen before: some of its names were looked up. */
static double deep_warm_up(const struct view *v)
{
	make_deep_names(v, 'p');
	for (int i = 0; i < DEEP_WARM; i++)
		must(!stat(names[i], &st));
	make_deep_names(v, 'w');
	for (int i = 0; i < DEEP_WARM; i++)
		must(stat(names[i], &st));
	return 0;
}

static double deep_positive(const struct view *v)
{
	must(!isnan(deep_warm_up(v)));
	make_deep_names(v, 'p');
	return BENCH(20, (DEEP_FILES - DEEP_WARM) / 20, must(!stat(names[i + DEEP_WARM], &st)));
}

static double deep_negative(const struct view *v)
{
	must(!isnan(deep_warm_up(v)));
	make_deep_names(v, 'n');
	return BENCH(50, DEEP_NEGATIVE / 50, must(stat(names[i], &st) && errno == ENOENT));
}

/* The first name that is asked for in a directory, with what is then made for it. */
static double deep_cold(const struct view *v)
{
	make_deep_names(v, 'p');
	return BENCH(1, 1, must(!stat(names[0], &st)));
}

/* The first hundred names, with what is made on the way for those that come after. */
static double deep_warming(const struct view *v)
{
	return BENCH(1, 1, must(!isnan(deep_warm_up(v)))) / (2 * DEEP_WARM);
}

/* --- branches ----------------------------------------------------------------- */

/* Adds a branch; natively, something is bound. */
static int add_branch(const struct view *v)
{
	if (v->kind == NATIVE)
		return mount("/b/extra", "/w", NULL, MS_BIND, NULL);
	return remount_union("append:/b/extra=ro");
}

static int del_branch(const struct view *v)
{
	if (v->kind == NATIVE)
		return umount2("/w", 0);
	return remount_union("del:/b/extra");
}

static double branch_add(const struct view *v)
{
	must(!add_branch(v) && !del_branch(v));
	return BENCH_ROUNDS(5, 1, (void)0, must(!add_branch(v)), must(!del_branch(v)));
}

static double branch_del(const struct view *v)
{
	must(!add_branch(v) && !del_branch(v));
	return BENCH_ROUNDS(5, 1, must(!add_branch(v)), must(!del_branch(v)), (void)0);
}

const struct row rows[] = {
	{ "stat_first", stat_first },
	{ "stat_cached", stat_cached },
	{ "path_component", path_component },
	{ "negative_new", negative_new },
	{ "negative_cached", negative_cached },
	{ "open_close", open_close },
	{ "readdir_first", readdir_first },
	{ "readdir_again", readdir_again },
	{ "read_4k", read_4k },
	{ "read_128k", read_128k },
	{ "pread_random", pread_random },
	{ "write_4k", write_4k },
	{ "write_128k", write_128k },
	{ "fsync_4k", fsync_4k },
	{ "create_unlink", create_unlink },
	{ "create_unlink_merged", create_unlink_merged },
	{ "mkdir_rmdir", mkdir_rmdir },
	{ "mkdir_rmdir_merged", mkdir_rmdir_merged },
	{ "rename_upper", rename_upper },
	{ "rename_upper_merged", rename_upper_merged },
	{ "mmap_munmap", mmap_munmap },
	{ "fault_shared_read", fault_shared_read },
	{ "fault_shared_read_single", fault_shared_read_single },
	{ "fault_private_read", fault_private_read },
	{ "fault_private_read_single", fault_private_read_single },
	{ "fault_private_write", fault_private_write },
	{ "fault_shared_write", fault_shared_write },
	{ "exec_static", exec_static },
	{ "chmod_lower", chmod_lower },
	{ "copy_up_1m", copy_up_1m },
	{ "copy_up_64m", copy_up_64m },
	{ "copy_up_reflink", copy_up_reflink },
	{ "unlink_lower", unlink_lower },
	{ "rename_lower", rename_lower },
	{ "rename_lower_dir", rename_lower_dir },
	{ }
};

const struct row branch_rows[] = {
	{ "branch_add_100k", branch_add },
	{ "branch_del_100k", branch_del },
	{ }
};

const struct row depth_rows[] = {
	{ "depth_cold", deep_cold },
	{ "depth_warming", deep_warming },
	{ "depth_first", deep_positive },
	{ "depth_negative", deep_negative },
	{ }
};
