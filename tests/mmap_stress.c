// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that fault one map while others do to it, and to its file, all that can
 * be done. What is read has to be what was written, and /proc has to show the
 * union's path at every moment.
 *
 * On disks, where a first store waits for ->page_mkwrite, one engine of the three is
 * tried, to save time.
 *
 * Environment:
 *	AUFS2_TEST_LONG		how many times 6 seconds each engine is tried (default 1)
 */
#include "aufs2.h"
#include <linux/fs.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define PAGES	64
#define RW	(PROT_READ | PROT_WRITE)
#define MAGIC	0x6175667332UL
#define LOWER	500
/* Where nothing else is mapped by itself: the kernel fills from the top. */
#define REGION	((char *)0x2000000000)

FIXTURE(u) { int unused; };
FIXTURE_VARIANT(u) { const char *options; bool alone; };
FIXTURE_VARIANT_ADD(u, direct) { .options = "mmap=direct" };
FIXTURE_VARIANT_ADD(u, fault) { .options = "mmap=fault", .alone = true };
FIXTURE_VARIANT_ADD(u, fault_path) { .options = "mmap=fault,mmap_path=union" };
FIXTURE_SETUP(u)
{
	char text[8193] = "";

	if (reference())
		SKIP(return, "engines are the union's");
	if (!on_tmpfs() && !variant->alone && long_ms(1) == 1)
		SKIP(return, "on disks by one engine, but with AUFS2_TEST_LONG");
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("head -c %ld /dev/zero > ro/f; cp ro/f rw/g",
			   PAGES * sysconf(_SC_PAGESIZE)));
	ASSERT_EQ(0, E(mkdir("ro/d", 0755)));
	memset(text, 'l', sizeof(text) - 1);
	for (int i = 1; i <= LOWER; i++) {
		ASSERT_EQ(0, put(path_of("ro/d/%d", i), O_CREAT, text));
	}
	ASSERT_EQ(0, union_mount(variant->options, 0, (const char * const []){ "rw", "ro", NULL }));
}

static bool have_swap, have_cgroup, have_uprobes;

static void tear_down_pressure(struct __test_metadata *_metadata)
{
	put("/mnt/cgroup/cgroup.procs", 0, path_of("%d", getpid()));
	rmdir("/mnt/cgroup/stress");
	umount2("/mnt/cgroup", MNT_DETACH);
	if (have_swap)
		EXPECT_EQ(0, swap_off());
}

FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	tear_down_pressure(_metadata);
	EXPECT_STREQ("", wrong ?: "");
}

static long page;
static int file;			/* u/g, for writing */
static atomic_bool stop;
static atomic_ulong bad_data, bad_path, bad_other;
static char first_bad[256];
static char prefix[300];		/* of the path of all files of the union */
static unsigned int union_major, union_minor;

enum kind {
	FAULT, MAP, MREMAP, MPROTECT, TRUNCATE, FORK, COPY_UP, MAPS, QUERY, MADVISE, GUP, MSYNC,
	RECLAIM, MIGRATE, PROBE, KINDS
};
static const char * const names[KINDS] = {
	"faults", "maps", "mremaps", "mprotects", "truncations", "forks", "copy-ups",
	"reads of /proc", "queries", "madvises", "reads by others", "msyncs", "reclaims", "migrations",
	"probes"
};
static atomic_ulong done[KINDS];
static atomic_ulong probed;		/* how many of the probes there were */

static __thread sigjmp_buf jump;
static __thread unsigned int seed;

static unsigned int rnd(unsigned int below)
{
	return rand_r(&seed) % below;
}

static void wrong(atomic_ulong *count, const char *fmt, ...)
{
	va_list ap;

	if ((*count)++)
		return;
	va_start(ap, fmt);
	vsnprintf(first_bad, sizeof(first_bad), fmt, ap);
	va_end(ap);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	char *at = info->si_addr;

	if (at < REGION || at >= REGION + PAGES * page) {
		signal(sig, SIG_DFL);	/* a mistake in this program */
		return;
	}
	siglongjmp(jump, sig);
}

/* A random part of the region. */
static char *part(long *len)
{
	unsigned int from = rnd(PAGES), pages = 1 + rnd(PAGES - from < 16 ? PAGES - from : 16);

	*len = pages * page;
	return REGION + from * page;
}

/* The first word of each page is 0 or says which it is; the second one counts. */
static void stamp(long from, long to)
{
	unsigned long word;

	for (; from < to; from++) {
		word = MAGIC << 16 | from;
		if (pwrite(file, &word, sizeof(word), from * page) < 0 && errno != ENOSPC)
			wrong(&bad_other, "pwrite: %s", errno_name(errno));
	}
}

static bool good(unsigned long word)
{
	return !word || (word >> 16 == MAGIC && (word & 0xffff) < PAGES);
}

static void touch(void)
{
	volatile unsigned long *p = (void *)(REGION + rnd(PAGES) * page);
	unsigned long word;

	if (sigsetjmp(jump, 0))
		return;
	word = *p;
	if (!good(word))
		wrong(&bad_data, "read %lx", word);
	done[FAULT]++;
	if (rnd(2))
		p[1]++;
}

static void fault(void)
{
	touch();
}

static void do_map(void)
{
	long len;
	char *p = part(&len);
	int kind = rnd(4) ? MAP_SHARED : MAP_PRIVATE;

	switch (rnd(4)) {
	case 0:
		munmap(p, len);
		break;
	case 1:
		p = REGION, len = PAGES * page;
		/* fall through */
	default:
		/* where it was, for the most part; on a union, what is mapped anew is not merged */
		if (mmap(p, len, RW, kind | MAP_FIXED | (rnd(3) ? 0 : MAP_POPULATE), file,
			 p - REGION) == MAP_FAILED && errno != ENOMEM)
			wrong(&bad_other, "mmap: %s", errno_name(errno));
	}
	done[MAP]++;
}

static void do_mremap(void)
{
	long len, other;
	char *from = part(&len), *to = part(&other);

	if (len > other)
		len = other;
	if (rnd(2))
		mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	else if (rnd(2))
		mremap(from, 0, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	else
		mremap(from, len, 1 + rnd(len), 0);
	if (!rnd(8))
		syscall(SYS_remap_file_pages, from, page, 0, rnd(PAGES), 0);
	done[MREMAP]++;
}

static void do_mprotect(void)
{
	static const int prots[] = { PROT_READ, RW, RW, RW, PROT_NONE, PROT_READ | PROT_EXEC };
	long len;
	char *p = part(&len);

	mprotect(p, len, prots[rnd(ARRAY_SIZE(prots))]);
	done[MPROTECT]++;
}

static void do_truncate(void)
{
	long to = rnd(PAGES);

	if (rnd(2)) {
		/* never into the first word */
		if (ftruncate(file, to * page + 8 + rnd(page - 8)) || ftruncate(file, PAGES * page))
			wrong(&bad_other, "ftruncate: %s", errno_name(errno));
		stamp(to, PAGES);
	} else {
		fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, to * page, 4 * page);
		stamp(to, to + 4 < PAGES ? to + 4 : PAGES);
	}
	done[TRUNCATE]++;
	usleep(2000);
}

static void do_fork(void)
{
	int i, status = 0;
	pid_t child = fork();

	if (!child) {
		unsigned long before = bad_data;

		for (i = 0; i < 20; i++)
			touch();
		munmap(REGION + 8 * page, 8 * page);
		for (i = 0; i < 20; i++)
			touch();
		_exit(bad_data != before);
	}
	if (child < 0)
		return;
	waitpid(child, &status, 0);
	if (status)
		wrong(&bad_data, "in a child: status %#x", status);
	done[FORK]++;
}

/* A map of a lower file, which threads fault while the file is copied up. */
struct lower { volatile char *map; atomic_bool stop; atomic_ulong rounds; };

static void *fault_lower(void *arg)
{
	struct lower *lower = arg;

	while (!lower->stop) {
		for (int i = 0; i < 2; i++)
			if (lower->map[i * page] != 'l')
				wrong(&bad_data, "a map of a lower file has %d at its copy-up",
				      lower->map[i * page]);
		madvise((void *)lower->map, 2 * page, MADV_DONTNEED);
		lower->rounds++;
	}
	return NULL;
}

/* Until the map was gone through once more. */
static void wait_for_faults(struct lower *lower)
{
	unsigned long seen = lower->rounds;

	while (!stop && lower->rounds < seen + 2)
		sched_yield();
}

static void do_copy_up(void)
{
	static atomic_int next;
	unsigned int number = ++next;
	struct lower lower = { .stop = false };
	pthread_t threads[2];
	char path[64], *p, *q;
	int fd, wr, started = 0;

	snprintf(path, sizeof(path), "u/d/%u", number % LOWER + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	p = mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		wrong(&bad_other, "mmap of %s: %s", path, errno_name(errno));
		return;
	}
	if (number < LOWER && *p != 'l')
		wrong(&bad_data, "%s starts with %d", path, *p);
	lower.map = p;
	/* They take their time, so not at each. */
	while (number < LOWER && number % 4 == 1 && started < 2 &&
	       !pthread_create(&threads[started], NULL, fault_lower, &lower))
		started++;
	if (started)
		wait_for_faults(&lower);
	wr = open(path, O_RDWR | O_CLOEXEC);
	q = mmap(NULL, page, RW, MAP_SHARED, wr, 0);
	if (q == MAP_FAILED) {
		wrong(&bad_other, "mmap of %s: %s", path, errno_name(errno));
	} else {
		*q = 'n';
		if (*p != 'l' && number < LOWER)
			wrong(&bad_data, "a map changed at the copy-up of %s", path);
		munmap(q, page);
	}
	close(wr);
	if (started)
		wait_for_faults(&lower);
	lower.stop = true;
	while (started)
		pthread_join(threads[--started], NULL);
	q = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
	if (q == MAP_FAILED || *q != 'n')
		wrong(&bad_data, "a new map of %s is old", path);
	munmap(q, page);
	munmap(p, 2 * page);
	close(fd);
	done[COPY_UP]++;
}

/* Every map of a file in the region is of the union, by path and device. */
static void do_maps(void)
{
	static const char * const files[] = {
		"/proc/self/maps", "/proc/self/smaps", "/proc/self/numa_maps", "/proc/self/smaps_rollup"
	};
	const char *name = files[rnd(ARRAY_SIZE(files))];
	char line[1024], *path;
	unsigned int maj, min;
	unsigned long from;
	FILE *f = fopen(name, "re");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx", &from) != 1 || (char *)from < REGION ||
		    (char *)from >= REGION + PAGES * page)
			continue;
		if (strstr(name, "numa_maps")) {
			path = strstr(line, "file=");
			if (path && strncmp(path + 5, prefix, strlen(prefix)))
				wrong(&bad_path, "numa_maps: %s", line);
			continue;
		}
		if (sscanf(line, "%*x-%*x %*s %*x %x:%x", &maj, &min) != 2)
			continue;
		path = strchr(line, '/');
		if (!path)
			continue;
		if (strncmp(path, prefix, strlen(prefix)) || maj != union_major || min != union_minor)
			wrong(&bad_path, "%s: %s", name, line);
	}
	fclose(f);
	done[MAPS]++;
}

/* The rest of /proc about maps: the pages, the files, and the marks of what was touched. */
static void do_pages(void)
{
	char to[512], name[300];
	uint64_t entries[PAGES];
	struct dirent *entry;
	unsigned long from;
	ssize_t len;
	DIR *d;
	int fd;

	switch (rnd(3)) {
	case 0:
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
		if (pread(fd, entries, sizeof(entries), (long)REGION / page * 8) != sizeof(entries))
			wrong(&bad_other, "pagemap: %s", errno_name(errno));
		close(fd);
		break;
	case 1:
		d = opendir("/proc/self/map_files");
		while (d && (entry = readdir(d))) {
			if (sscanf(entry->d_name, "%lx-", &from) != 1 || (char *)from < REGION ||
			    (char *)from >= REGION + PAGES * page)
				continue;
			snprintf(name, sizeof(name), "/proc/self/map_files/%s", entry->d_name);
			len = readlink(name, to, sizeof(to) - 1);
			to[len < 0 ? 0 : len] = 0;
			if (len > 0 && strncmp(to, prefix, strlen(prefix)))
				wrong(&bad_path, "map_files: %s", to);
		}
		if (d)
			closedir(d);
		break;
	default:
		put("/proc/self/clear_refs", 0, rnd(2) ? "1" : "3");
	}
	done[MAPS]++;
}

static void do_query(void)
{
	static int maps = -1;
	char name[512], id[64];
	struct procmap_query q = {
		.size = sizeof(q),
		.query_flags = PROCMAP_QUERY_COVERING_OR_NEXT_VMA | PROCMAP_QUERY_FILE_BACKED_VMA,
		.query_addr = (unsigned long)REGION + rnd(PAGES) * page,
		.vma_name_addr = (unsigned long)name, .vma_name_size = sizeof(name),
		.build_id_addr = (unsigned long)id, .build_id_size = sizeof(id),
	};

	if (maps < 0)
		maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (!ioctl(maps, PROCMAP_QUERY, &q) && q.vma_start < (unsigned long)REGION + PAGES * page &&
	    (strncmp(name, prefix, strlen(prefix)) ||
	     q.dev_major != union_major || q.dev_minor != union_minor))
		wrong(&bad_path, "query: %s %x:%x", name, q.dev_major, q.dev_minor);
	done[QUERY]++;
}

static void do_madvise(void)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_REMOVE,
		MADV_COLLAPSE, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_HUGEPAGE, MADV_RANDOM,
	};
	long len;
	char *p = part(&len);
	unsigned int i = rnd(ARRAY_SIZE(advice));

	madvise(p, len, advice[i]);
	done[MADVISE]++;
}

static void do_gup(void)
{
	unsigned long words[8];
	struct iovec local = { words, sizeof(words) };
	struct iovec remote = { REGION + rnd(PAGES) * page, sizeof(words) };
	int mem = -1;

	switch (rnd(3)) {
	case 0:
		if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == sizeof(words) &&
		    !good(words[0]))
			wrong(&bad_data, "process_vm_readv: %lx", words[0]);
		break;
	case 1:
		mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
		if (pread(mem, words, sizeof(words), (long)remote.iov_base) == sizeof(words) &&
		    !good(words[0]))
			wrong(&bad_data, "/proc/self/mem: %lx", words[0]);
		/* breaks the copy-on-write of what is private */
		words[0] = 1;
		if (pwrite(mem, words, 8, (long)remote.iov_base + 16) < 0 && errno != EIO &&
		    errno != EFAULT && errno != ENOMEM)
			wrong(&bad_other, "/proc/self/mem: %s", errno_name(errno));
		break;
	default:
		/* a system call that faults in the kernel */
		if (pread(file, remote.iov_base + 24, 8, 24) < 0 && errno != EFAULT)
			wrong(&bad_other, "pread: %s", errno_name(errno));
	}
	if (mem >= 0)
		close(mem);
	done[GUP]++;
}

static void do_msync(void)
{
	long len;
	char *p = part(&len);
	unsigned char vec[PAGES];

	msync(p, len, rnd(2) ? MS_SYNC : MS_ASYNC);
	mincore(p, len, vec);
	if (rnd(2))
		mlock2(p, len, MLOCK_ONFAULT);
	munlock(REGION, PAGES * page);
	done[MSYNC]++;
}

static void do_reclaim(void)
{
	if (!have_cgroup || put("/mnt/cgroup/stress/memory.reclaim", 0, "1M") < 0)
		put("/proc/sys/vm/drop_caches", 0, "1");
	done[RECLAIM]++;
	usleep(20000);
}

/* Pages go elsewhere while they are mapped. */
static void do_migrate(void)
{
	void *pages[PAGES];
	int nodes[PAGES] = { 0 }, status[PAGES];

	for (int i = 0; i < PAGES; i++)
		pages[i] = REGION + i * page;
	if (rnd(4))
		syscall(SYS_move_pages, 0, PAGES, pages, nodes, status, 0);
	else
		put("/proc/sys/vm/compact_memory", 0, "1");
	done[MIGRATE]++;
	usleep(20000);
}

/* A breakpoint comes and goes where nothing is executed, in what is private and not writable. */
static void do_probe(void)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%sg", prefix);
	attr.type = atoi(read_file("/sys/bus/event_source/devices/uprobe/type"));
	attr.config1 = (unsigned long)path;
	attr.config2 = rnd(PAGES) * page + 2048;
	fd = attr.type ? syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC) : -1;
	if (fd >= 0)
		close(fd);
	probed += fd >= 0;
	done[PROBE]++;
	usleep(10000);
}

static const struct { enum kind kind; void (*work)(void); int threads; } jobs[] = {
	{ FAULT, fault, 4 }, { MAP, do_map, 1 }, { MREMAP, do_mremap, 1 }, { MPROTECT, do_mprotect, 1 },
	{ TRUNCATE, do_truncate, 1 }, { FORK, do_fork, 1 }, { COPY_UP, do_copy_up, 1 },
	{ MAPS, do_maps, 1 }, { QUERY, do_query, 1 }, { MADVISE, do_madvise, 1 }, { GUP, do_gup, 1 },
	{ MSYNC, do_msync, 1 }, { RECLAIM, do_reclaim, 1 }, { MAPS, do_pages, 1 },
	{ MIGRATE, do_migrate, 1 }, { PROBE, do_probe, 1 },
};

static void *run(void *job)
{
	unsigned long which = (unsigned long)job;

	seed = which * 7919 + gettid();
	while (!stop)
		jobs[which].work();
	return NULL;
}

/* Swap and a memory control group, so that pages of tmpfs can be reclaimed. */
static void set_up_pressure(void)
{
	have_swap = !swap_on();
	mkdir("/mnt/cgroup", 0755);
	if (mount("none", "/mnt/cgroup", "cgroup2", 0, NULL))
		return;
	put("/mnt/cgroup/cgroup.subtree_control", 0, "+memory");
	mkdir("/mnt/cgroup/stress", 0755);
	have_cgroup = put("/mnt/cgroup/stress/cgroup.procs", 0, path_of("%d", getpid())) == 0 &&
		      access("/mnt/cgroup/stress/memory.reclaim", W_OK) == 0;
}

/* How many pages were taken back from the group. */
static long taken_back(void)
{
	const char *count = strstr(read_file("/mnt/cgroup/stress/memory.stat"), "\npgsteal ");

	return count ? atol(count + 9) : -1;
}

/* What has to be done of a kind in that time, at least; less means that something hangs. */
static unsigned long least(int kind, int seconds)
{
	if (kind == FAULT)
		return 50 * seconds;
	return kind < MIGRATE ? seconds / 3 : 0;
}

static bool enough(int seconds)
{
	for (int i = 0; i < KINDS; i++)
		if (done[i] <= least(i, seconds))
			return false;
	return probed || !have_uprobes;
}

TEST_F(u, all_at_once)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	int seconds = long_ms(6000) / 1000, count = 0, i, t;
	pthread_t threads[32];
	struct stat st;

	page = sysconf(_SC_PAGESIZE);
	set_up_pressure();
	have_uprobes = !access("/sys/bus/event_source/devices/uprobe/type", F_OK);
	snprintf(prefix, sizeof(prefix), "%s/u/", area);
	file = open("u/g", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, fstat(file, &st));
	union_major = major(st.st_dev);
	union_minor = minor(st.st_dev);
	stamp(0, PAGES);
	ASSERT_EQ(REGION, mmap(REGION, PAGES * page, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0));
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	for (i = 0; i < (int)ARRAY_SIZE(jobs); i++)
		for (t = 0; t < jobs[i].threads; t++)
			ASSERT_EQ(0, pthread_create(&threads[count++], NULL, run, (void *)(long)i));
	sleep(seconds);
	/* Where the processors are busy otherwise, it takes longer. */
	for (t = 0; t < 6000 && !enough(seconds); t++)
		usleep(100000);
	stop = true;
	for (t = 0; t < count; t++)
		pthread_join(threads[t], NULL);
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	munmap(REGION, PAGES * page);
	close(file);

	for (i = 0; i < KINDS; i++) {
		ksft_print_msg("%lu %s\n", (unsigned long)done[i], names[i]);
		EXPECT_LT(least(i, seconds), done[i]) { TH_LOG("too few %s", names[i]); }
	}
	ksft_print_msg("%lu probes were placed\n", (unsigned long)probed);
	if (have_uprobes)
		EXPECT_LT(0, probed);
	ksft_print_msg("swap: %s, memory.reclaim: %s, %ld pages\n", have_swap ? "yes" : "no",
		       have_cgroup ? "yes" : "no", taken_back());
	/* the debug kernel has no zram */
	if (!access("/sys/block/zram0", F_OK))
		EXPECT_TRUE(have_swap);
	EXPECT_TRUE(have_cgroup);
	if (have_swap)
		EXPECT_LT(0, taken_back());
	EXPECT_EQ(0, bad_data) { TH_LOG("%s", first_bad); }
	EXPECT_EQ(0, bad_path) { TH_LOG("%s", first_bad); }
	EXPECT_EQ(0, bad_other) { TH_LOG("%s", first_bad); }
}

TEST_HARNESS_MAIN
