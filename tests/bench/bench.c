// SPDX-License-Identifier: GPL-2.0
/*
 * Counts instructions of operations natively, through overlayfs and through
 * the union, on the same inodes, in a machine that counts instructions:
 *
 *	bench [--fs FS]... [--views LIST] [--union KEY=VALUE] [--profile] [ROW...]
 *
 *	bench --contention [--views LIST]
 *
 * prints a line "ROW FS VIEW INSTRUCTIONS" for each.  A row that a view cannot
 * do has no line.  --profile stops for a debugger at the start of each round.
 */
#include "bench.h"
#include <fcntl.h>
#include <linux/random.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

const char *union_key, *union_value;
double loop_cost;
bool profiled;

static const char *current;		/* what is measured, for complaints */
static const char *wanted[64];
static int wanted_count;
static bool contention;

double median(double *samples, int n)
{
	for (int i = 1; i < n; i++)
		for (int j = i; j > 0 && samples[j] < samples[j - 1]; j--) {
			double swap = samples[j];

			samples[j] = samples[j - 1];
			samples[j - 1] = swap;
		}
	return n % 2 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
}

void complain(const char *what)
{
	printf("# %s: %s: %s\n", current, what, strerrordesc_np(errno) ?: "?");
	fflush(stdout);
}

/* Where the debugger stops. */
void __attribute__((noinline)) profile_mark(void)
{
	asm volatile("");
}

static void die(const char *what)
{
	printf("# %s: %s\n", what, strerrordesc_np(errno) ?: "?");
	exit(1);
}

/*
 * The machine has no source of randomness, and one that waits for it pays for each random number
 * by hashing what there is: a new slab, whose objects are shuffled, would cost 7 k instructions.
 */
static void seed_random(void)
{
	struct {
		struct rand_pool_info info;
		unsigned char bytes[64];
	} pool = { .info = { .entropy_count = 512, .buf_size = sizeof(pool.bytes) } };
	int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);

	memset(pool.info.buf, 0x5a, sizeof(pool.bytes));
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) || close(fd))
		die("no randomness");
}

/* Two million instructions have to be counted as that. */
static void check_counter(void)
{
	double cost = BENCH_ROUNDS(9, 1, uint64_t n = 1000000,
				   asm volatile("1: dec %0; jnz 1b" : "+r"(n)), (void)0);

	if (cost < 1999000 || cost > 2010000) {
		printf("# this machine does not count instructions: %.0f for 2000000\n", cost);
		exit(4);
	}
}

static bool is_wanted(const struct row *row)
{
	for (int i = 0; i < wanted_count; i++)
		if (!strcmp(wanted[i], row->name))
			return true;
	return !wanted_count;
}

static bool any_wanted(const struct row *row)
{
	for (; row->name; row++)
		if (is_wanted(row))
			return true;
	return false;
}

static void measure(const struct row *row, const struct view *v, const char *fs, int depth)
{
	char name[64];
	double cost;

	if (!is_wanted(row))
		return;
	snprintf(name, sizeof(name), depth ? "%s_%d" : "%s", row->name, depth);
	current = name;
	cost = row->run(v);
	if (!isnan(cost))
		printf("%s %s %s %.1f\n", name, fs, kind_names[v->kind], cost);
	fflush(stdout);
}

/* Branches that come and go: not a matter of their filesystem, and nothing overlayfs does. */
static void measure_branches(const char *fs, unsigned int views)
{
	struct view v;

	current = "branches";
	if (make_many())
		die("the many files cannot be made");
	for (enum kind kind = NATIVE; kind < KINDS; kind++) {
		if (!(views & 1 << kind) || kind == OVERLAYFS)
			continue;
		if (show_many(&v, kind))
			die(kind_names[kind]);
		for (const struct row *row = branch_rows; row->name; row++)
			measure(row, &v, fs, 0);
		if (hide())
			die("umount");
	}
}

static void measure_fs(const char *fs, unsigned int views)
{
	static const int depths[] = DEPTHS;
	struct view v;

	current = fs;
	if (make_files(fs))
		die("the files cannot be made");
	for (enum kind kind = NATIVE; kind < KINDS; kind++) {
		if (!(views & 1 << kind) || !any_wanted(rows))
			continue;
		if (show(&v, kind, fs))
			die(kind_names[kind]);
		if (contention) {
			contend(&v);
			if (hide())
				die("umount");
			continue;
		}
		/* What was started before is done. */
		sync();
		sleep(5);
		for (const struct row *row = rows; row->name; row++)
			measure(row, &v, fs, 0);
		if (hide())
			die("umount");
	}
	for (enum kind kind = NATIVE; kind < KINDS && !contention; kind++) {
		if (!(views & 1 << kind) || !any_wanted(depth_rows))
			continue;
		for (size_t i = 0; i < sizeof(depths) / sizeof(*depths); i++) {
			if (show_deep(&v, kind, depths[i])) {
				complain("union of many branches");
				continue;
			}
			for (const struct row *row = depth_rows; row->name; row++)
				measure(row, &v, fs, depths[i]);
			if (hide())
				die("umount");
		}
	}
	if (!strcmp(fs, "tmpfs") && any_wanted(branch_rows))
		measure_branches(fs, views);
	if (umount2("/b", 0))
		die("umount of the branches");
}

static unsigned int parse_views(const char *list)
{
	unsigned int views = 0;

	for (enum kind kind = NATIVE; kind < KINDS; kind++) {
		size_t len = strlen(kind_names[kind]);

		for (const char *at = list; (at = strstr(at, kind_names[kind])); at += len)
			if (!at[len] || at[len] == ',')
				views |= 1 << kind;
	}
	return views;
}

int main(int argc, char **argv)
{
	const char *filesystems[4] = { 0 };
	unsigned int views = ~0U;
	int count_fs = 0;
	bool profile = false;

	if (argc > 1 && !strcmp(argv[1], "exit"))
		_exit(0);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--fs") && i + 1 < argc && count_fs < 4)
			filesystems[count_fs++] = argv[++i];
		else if (!strcmp(argv[i], "--views") && i + 1 < argc)
			views = parse_views(argv[++i]);
		else if (!strcmp(argv[i], "--union") && i + 1 < argc && strchr(argv[i + 1], '='))
			union_key = strsep(&argv[++i], "="), union_value = argv[i];
		else if (!strcmp(argv[i], "--contention"))
			contention = true;
		else if (!strcmp(argv[i], "--profile"))
			profile = true;
		else if (wanted_count < 64)
			wanted[wanted_count++] = argv[i];
	}
	if (!count_fs)
		filesystems[count_fs++] = "tmpfs";
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("no mount namespace");
	umask(022);
	seed_random();
	/* Threads that the boot started come to rest; it costs nothing here. */
	sleep(20);
	if (!contention)
		check_counter();
	loop_cost = BENCH(15, 1000, (void)0);
	profiled = profile;
	for (int i = 0; i < count_fs; i++)
		measure_fs(filesystems[i], views);
	return 0;
}
