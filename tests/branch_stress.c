// SPDX-License-Identifier: GPL-2.0
/*
 * Branches are added, removed, moved and swapped as fast as they will go, while
 * others look names up, read, map, list directories and write.
 *
 * The oracle asks, per lookup and per read, whether what was seen existed at
 * some moment between its start and its end.  Layers that were there all the
 * time have to show; layers that were never there must not; what nobody removes
 * is always there.  The filesystem of a layer that is removed goes when it is unmounted.
 *
 * One worker does as a compiler: it runs a program of the union on files of the union, writes
 * what that says beside the final name, and renames.  Another renames directories with
 * something in them, its own and one of the base.
 *
 * Catches: an open that does not enter the branch's gate (tests/lock_patches/gate.patch); a removal
 * that does not wait for those who have just closed a file there; and seldom, so that it is
 * one for long runs, a refresh that looks without Node::state and publishes with it.
 */
#include "aufs2.h"
#include <stdatomic.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define LAYERS	4
#define FILES	8
#define COMMON	24
#define OWN	6
#define SIZE	8192

enum state { ABSENT, CHANGING, PRESENT };

/* What the changer has done to a layer; seq changes with every change. */
struct mark {
	atomic_uint state;
	atomic_uint seq;
};

enum {
	READS, OPENS, LOOKUPS, LISTS, MAPS, WRITES, CWDS, BUILDS, RENAMES, ADDS, DELS, SWAPS, MOVES,
	BUSY, KINDS
};
static const char * const kinds[KINDS] = {
	"reads", "opens", "lookups", "lists", "maps", "writes", "relative lookups", "builds",
	"renames of directories",
	"adds", "dels", "swaps", "moves", "busy",
};
/* What a run has to have done at least, however slow the machine is. */
static const unsigned int floors[KINDS] = { 40, 40, 40, 8, 8, 8, 20, 2, 4, 3, 2, 0, 0, 0 };

static struct shared {
	struct mark layers[LAYERS];
	struct mark any;	/* whether there is one, whichever it is */
	atomic_int stop;
	atomic_uint counts[KINDS];
	atomic_int failed;
	char why[256];
} *shared;

struct seen {
	unsigned int state[LAYERS + 1], seq[LAYERS + 1];
};

static struct mark *mark_of(unsigned int i)
{
	return i == LAYERS ? &shared->any : &shared->layers[i];
}

static void look(struct seen *seen)
{
	for (unsigned int i = 0; i <= LAYERS; i++) {
		/* the number first: a change in between shows as one later */
		seen->seq[i] = atomic_load(&mark_of(i)->seq);
		seen->state[i] = atomic_load(&mark_of(i)->state);
	}
}

/* Whether layer i has been in this state ever since. */
static bool always(const struct seen *seen, unsigned int i, enum state state)
{
	return seen->state[i] == state && atomic_load(&mark_of(i)->seq) == seen->seq[i];
}

static void set(struct mark *mark, enum state state)
{
	atomic_store(&mark->state, state);
	atomic_fetch_add(&mark->seq, 1);
}

static void __attribute__((format(printf, 1, 2))) wrong(const char *format, ...)
{
	va_list ap;

	if (!atomic_exchange(&shared->failed, 1)) {
		va_start(ap, format);
		vsnprintf(shared->why, sizeof(shared->why), format, ap);
		va_end(ap);
	}
	atomic_store(&shared->stop, 1);
}

static bool done(unsigned int kind)
{
	atomic_fetch_add(&shared->counts[kind], 1);
	return atomic_load(&shared->stop);
}

/* Whose content it is: a layer's number, LAYERS for the base, -1 for a mixture. */
static int owner(const char *data, ssize_t n)
{
	if (n != SIZE || memchr(data, 0, n))
		return -1;
	for (ssize_t i = 1; i < n; i++)
		if (data[i] != data[0])
			return -1;
	return data[0] == 'z' ? LAYERS : data[0] - 'a';
}

static void judge(const struct seen *before, int who, const char *what, unsigned int k)
{
	if (who < 0 || who > LAYERS) {
		wrong("%s %u: not one content", what, k);
	} else if (who < LAYERS && always(before, who, ABSENT)) {
		wrong("%s %u: layer %d, which was not there", what, k, who);
	} else if (who == LAYERS) {
		for (unsigned int i = 0; i < LAYERS; i++)
			if (always(before, i, PRESENT))
				wrong("%s %u: the base, below layer %u", what, k, i);
	}
}

static void reader(unsigned int seed)
{
	char path[64], data[SIZE + 1];
	struct seen before;
	int fd;

	do {
		unsigned int k = rand_r(&seed) % FILES;

		snprintf(path, sizeof(path), "u/over_%u", k);
		look(&before);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			return wrong("open over_%u: %m", k);
		judge(&before, owner(data, pread(fd, data, sizeof(data), 0)), "read", k);
		close(fd);
	} while (!done(READS));
}

/* Has a file open for a while, without looking at what it is. */
static void opener(unsigned int seed)
{
	int fd;

	do {
		fd = open("u/over_0", O_RDONLY);
		if (fd < 0)
			return wrong("open over_0: %m");
		usleep(rand_r(&seed) % 4000);
		close(fd);
	} while (!done(OPENS));
}

static void looker(unsigned int seed)
{
	struct seen before;
	char path[64];
	struct stat st;

	do {
		unsigned int k = rand_r(&seed) % FILES;
		int err;

		snprintf(path, sizeof(path), "u/deep/er/only_%u", k);
		look(&before);
		err = stat(path, &st) ? errno : 0;
		if (err && err != ENOENT)
			return wrong("stat only_%u: %s", k, strerror(err));
		if (err && always(&before, LAYERS, PRESENT))
			return wrong("only_%u: not there, in all the swaps", k);
		if (!err && always(&before, LAYERS, ABSENT))
			return wrong("only_%u: there without a layer", k);
		if (access("u/mnt/f", F_OK))
			return wrong("what is mounted in the union: %m");
	} while (!done(LOOKUPS));
}

static void lister(unsigned int seed)
{
	unsigned char common[COMMON], own[LAYERS][OWN];
	struct seen before;
	unsigned int a, b;
	struct dirent *d;
	DIR *dir;

	do {
		memset(common, 0, sizeof(common));
		memset(own, 0, sizeof(own));
		look(&before);
		dir = opendir("u/d");
		if (!dir)
			return wrong("opendir: %m");
		while (errno = 0, d = readdir(dir)) {
			if (sscanf(d->d_name, "common_%u", &a) == 1 && a < COMMON)
				common[a]++;
			else if (sscanf(d->d_name, "own_%u_%u", &a, &b) == 2 &&
				 a < LAYERS && b < OWN)
				own[a][b]++;
		}
		if (errno)
			return wrong("readdir: %m");
		closedir(dir);
		for (a = 0; a < COMMON; a++)
			if (common[a] != 1)
				return wrong("common_%u listed %u times", a, common[a]);
		for (a = 0; a < LAYERS; a++)
			for (b = 0; b < OWN; b++)
				if (own[a][b] > 1 ||
				    (own[a][b] && always(&before, a, ABSENT)) ||
				    (!own[a][b] && always(&before, a, PRESENT)))
					return wrong("own_%u_%u listed %u times", a, b,
						     own[a][b]);
	} while (!done(LISTS));
}

static void mapper(unsigned int seed)
{
	char path[64], *map, first;
	struct seen before;
	int fd;

	do {
		unsigned int k = rand_r(&seed) % FILES;

		snprintf(path, sizeof(path), "u/over_%u", k);
		look(&before);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			return wrong("open over_%u to map: %m", k);
		map = mmap(NULL, SIZE, PROT_READ, k & 1 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
		if (map == MAP_FAILED)
			return wrong("mmap over_%u: %m", k);
		first = map[0];
		judge(&before, owner(map, SIZE), "map", k);
		close(fd);
		usleep(3000);
		/* A mapping keeps its pages, whatever becomes of the name. */
		if (map[0] != first || owner(map, SIZE) < 0)
			return wrong("mapping of over_%u has changed", k);
		munmap(map, SIZE);
		usleep(20000);
	} while (!done(MAPS));
}

/* As a package manager: a new file beside the old one, then renamed over it. */
static void writer(unsigned int seed)
{
	char tmp[64], final[64], dir[64], data[64], back[64];
	unsigned int n = 0;
	int fd;

	snprintf(tmp, sizeof(tmp), "u/d/tmp_%u", seed);
	snprintf(final, sizeof(final), "u/d/common_%u", seed % COMMON);
	snprintf(dir, sizeof(dir), "u/d/new_%u", seed);
	do {
		int len = snprintf(data, sizeof(data), "%u written %u", seed, n++);

		fd = open(tmp, O_RDWR | O_CREAT | O_EXCL, 0644);
		if (fd < 0)
			return wrong("create: %m");
		if (write(fd, data, len) != len)
			return wrong("write: %m");
		if (rename(tmp, final))
			return wrong("rename: %m");
		if (pread(fd, back, sizeof(back), 0) != len || memcmp(data, back, len))
			return wrong("the descriptor reads something else");
		close(fd);
		fd = open(final, O_RDONLY);
		if (fd < 0 || read(fd, back, sizeof(back)) != len || memcmp(data, back, len))
			return wrong("the name reads something else: %m");
		close(fd);
		if (mkdir(dir, 0755) || access(dir, F_OK) || rmdir(dir))
			return wrong("mkdir and rmdir: %m");
	} while (!done(WRITES));
}

/* Runs the union's cat on `from`, into `to`; its status. */
static int compile(const char *from, const char *to)
{
	int status, fd;
	pid_t pid = fork();

	if (!pid) {
		fd = open(to, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || dup2(fd, 1) < 0)
			_exit(1);
		execl("u/cc", "cc", from, "u/cc.conf", NULL);
		_exit(2);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid ? -1 : status;
}

/* As make and a compiler. */
static void builder(unsigned int seed)
{
	char data[2 * SIZE + 1];
	struct seen before;
	int fd, status;
	ssize_t n;

	do {
		unsigned int k = rand_r(&seed) % FILES;
		char from[64];

		snprintf(from, sizeof(from), "u/over_%u", k);
		if (mkdir("u/build", 0755))
			return wrong("mkdir build: %m");
		look(&before);
		status = compile(from, "u/build/x.o.tmp");
		if (status)
			return wrong("the compiler: status %x", status);
		if (rename("u/build/x.o.tmp", "u/build/x.o"))
			return wrong("rename x.o: %m");
		fd = open("u/build/x.o", O_RDONLY);
		n = read(fd, data, sizeof(data));
		close(fd);
		if (n != SIZE + 4 || memcmp(data + SIZE, "conf", 4))
			return wrong("x.o of over_%u has %zd bytes", k, n);
		judge(&before, owner(data, SIZE), "compile", k);
		if (unlink("u/build/x.o") || rmdir("u/build"))
			return wrong("clean: %m");
	} while (!done(BUILDS));
}

static int fill(const char *path, char c);

/* Moves a directory of its own, and one that is the base's at first. */
static void mover(unsigned int seed)
{
	const char *name[] = { "u/base_a", "u/base_b" };
	unsigned int at = 0, k;
	char path[64];

	do {
		if (mkdir("u/own_a", 0755) || mkdir("u/own_a/sub", 0755) ||
		    fill("u/own_a/sub/f", 'w'))
			return wrong("own_a: %m");
		if (rename("u/own_a", "u/own_b"))
			return wrong("rename of own_a: %m");
		if (!access("u/own_a", F_OK) || access("u/own_b/sub/f", F_OK))
			return wrong("own_b: not what was renamed");
		if (rename(name[at], name[!at]))
			return wrong("rename of %s: %m", name[at]);
		if (!access(name[at], F_OK))
			return wrong("%s: renamed, and there", name[at]);
		at = !at;
		for (k = 0; k < FILES; k++) {
			snprintf(path, sizeof(path), "%s/sub/f_%u", name[at], k);
			if (access(path, F_OK))
				return wrong("%s: %m", path);
		}
		if (unlink("u/own_b/sub/f") || rmdir("u/own_b/sub") || rmdir("u/own_b"))
			return wrong("removing own_b: %m");
	} while (!done(RENAMES));
	(void)seed;
}

static void walker(unsigned int seed)
{
	char data[SIZE + 1], path[64];
	struct seen before;
	int fd;

	if (chdir("u/d"))
		return wrong("chdir: %m");
	do {
		unsigned int k = rand_r(&seed) % FILES;

		snprintf(path, sizeof(path), "../over_%u", k);
		look(&before);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			return wrong("open %s: %m", path);
		judge(&before, owner(data, read(fd, data, sizeof(data))), "walk", k);
		close(fd);
		snprintf(path, sizeof(path), "common_%u", rand_r(&seed) % COMMON);
		if (access(path, F_OK))
			return wrong("%s: %m", path);
	} while (!done(CWDS));
}

static int remount(const char *format, ...)
{
	char options[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(options, sizeof(options), format, ap);
	va_end(ap);
	return mount("none", "u", "aufs2", MS_REMOUNT, options) ? errno : 0;
}

static unsigned int present(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < LAYERS; i++)
		n += atomic_load(&shared->layers[i].state) == PRESENT;
	return n;
}

static int fill_layer(unsigned int i);

/*
 * Layer i is removed: the union holds nothing on its filesystem, which goes when it is
 * unmounted.  It is made anew then.
 */
static void vacate(unsigned int i)
{
	struct inotify_event event = { .mask = 0 };
	char path[32];
	int in;

	if (!on_tmpfs())
		return;
	snprintf(path, sizeof(path), "l%u", i);
	in = inotify_init1(IN_NONBLOCK);
	if (in < 0 || inotify_add_watch(in, path, IN_ATTRIB) < 0)
		return wrong("watch: %m");
	if (umount2(path, 0))
		return wrong("umount of layer %u: %m", i);
	if (read(in, &event, sizeof(event)) != sizeof(event) || !(event.mask & IN_UNMOUNT))
		return wrong("layer %u is removed, and held", i);
	close(in);
	if (mount("branch", path, "tmpfs", 0, "mode=755") || fill_layer(i))
		return wrong("layer %u anew: %m", i);
}

static void add(unsigned int i, unsigned int at)
{
	unsigned int n = present();
	int err;

	if (!n)
		set(&shared->any, CHANGING);
	set(&shared->layers[i], CHANGING);
	err = remount("add:%u:%s/l%u=ro", 1 + at % (n + 1), area, i);
	if (err)
		return wrong("add: %s", strerror(err));
	set(&shared->layers[i], PRESENT);
	if (!n)
		set(&shared->any, PRESENT);
	done(ADDS);
}

static void del(unsigned int i)
{
	unsigned int n = present();
	int err;

	if (n == 1)
		set(&shared->any, CHANGING);
	set(&shared->layers[i], CHANGING);
	err = remount("del:%s/l%u", area, i);
	if (err && err != EBUSY)
		return wrong("del: %s", strerror(err));
	set(&shared->layers[i], err ? PRESENT : ABSENT);
	if (n == 1)
		set(&shared->any, err ? PRESENT : ABSENT);
	if (!err)
		vacate(i);
	done(err ? BUSY : DELS);
}

static void swap(unsigned int i, unsigned int j)
{
	int err;

	set(&shared->layers[i], CHANGING);
	set(&shared->layers[j], CHANGING);
	err = remount("del:%s/l%u,add:1:%s/l%u=ro", area, i, area, j);
	if (err && err != EBUSY)
		return wrong("swap: %s", strerror(err));
	set(&shared->layers[i], err ? PRESENT : ABSENT);
	set(&shared->layers[j], err ? ABSENT : PRESENT);
	if (!err)
		vacate(i);
	done(err ? BUSY : SWAPS);
}

static void changer(unsigned int seed)
{
	setpriority(PRIO_PROCESS, 0, -10);
	while (!atomic_load(&shared->stop)) {
		unsigned int r = rand_r(&seed), i = r % LAYERS, j = (i + 1 + (r >> 8) % 3) % LAYERS;
		bool there = atomic_load(&shared->layers[i].state) == PRESENT;
		bool other = atomic_load(&shared->layers[j].state) == PRESENT;

		switch ((r >> 16) % 8) {
		case 0 ... 3:
			if (there)
				del(i);
			else
				add(i, r >> 20);
			break;
		case 4 ... 5:
			if (there && !other)
				swap(i, j);
			break;
		default:
			if (there) {
				int err = remount("mv:%u:%s/l%u", 1 + (r >> 20) % present(), area, i);

				if (err)
					wrong("mv: %s", strerror(err));
				done(MOVES);
			}
		}
	}
}

static int fill(const char *path, char c)
{
	char data[SIZE];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	bool ok;

	memset(data, c, sizeof(data));
	ok = fd >= 0 && write(fd, data, sizeof(data)) == sizeof(data);
	close(fd);
	return ok ? 0 : -errno;
}

/* Everything that layer i has; LAYERS is the base. */
static int fill_layer(unsigned int i)
{
	char root[32], path[128];
	unsigned int k;

	snprintf(root, sizeof(root), i == LAYERS ? "ro" : "l%u", i);
	snprintf(path, sizeof(path), "%s/d", root);
	mkdir(path, 0755);
	for (k = 0; k < FILES; k++) {
		snprintf(path, sizeof(path), "%s/over_%u", root, k);
		if (fill(path, i == LAYERS ? 'z' : 'a' + i))
			return -errno;
	}
	for (k = 0; k < COMMON; k++) {
		snprintf(path, sizeof(path), "%s/d/common_%u", root, k);
		if (fill(path, 'c'))
			return -errno;
	}
	if (i == LAYERS) {
		if (mkdir("ro/base_a", 0755) || mkdir("ro/base_a/sub", 0755))
			return -errno;
		for (k = 0; k < FILES; k++) {
			snprintf(path, sizeof(path), "ro/base_a/sub/f_%u", k);
			if (fill(path, 'z'))
				return -errno;
		}
		if (shell("cp $(command -v cat) ro/cc") || write_file("ro/cc.conf", "conf"))
			return -EIO;
		snprintf(path, sizeof(path), "%s/mnt", root);
		return E(mkdir(path, 0755));
	}
	for (k = 0; k < OWN; k++) {
		snprintf(path, sizeof(path), "%s/d/own_%u_%u", root, i, k);
		if (fill(path, 'o'))
			return -errno;
	}
	snprintf(path, sizeof(path), "%s/deep", root);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/deep/er", root);
	mkdir(path, 0755);
	for (k = 0; k < FILES; k++) {
		snprintf(path, sizeof(path), "%s/deep/er/only_%u", root, k);
		if (fill(path, 'a' + i))
			return -errno;
	}
	return 0;
}

AUFS2_FIXTURE

static bool enough(void)
{
	int i = 0;

	while (i < KINDS && atomic_load(&shared->counts[i]) >= floors[i])
		i++;
	return i == KINDS;
}

TEST_F(u, come_and_go)
{
	static void (* const workers[])(unsigned int) = {
		changer, reader, looker, lister, mapper, writer, walker, reader, writer, opener,
		opener, builder, mover,
	};
	pid_t pids[ARRAY_SIZE(workers)];
	unsigned int i;
	int status;

	AUFS2_ONLY("branches do not change");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	for (i = 0; i <= LAYERS; i++)
		ASSERT_EQ(0, (i == LAYERS ? 0 : make_branch(path_of("l%u", i))) ?: fill_layer(i));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(mount("inner", "u/mnt", "tmpfs", 0, NULL)));
	ASSERT_EQ(0, fill("u/mnt/f", 'm'));
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			workers[i](i);
			_exit(0);
		}
	}
	/* Where the processors are busy otherwise, it takes longer. */
	for (long ms = long_ms(60000); (ms > 0 || (ms > -600000 && !enough())) &&
	     !atomic_load(&shared->stop); ms -= 100)
		usleep(100000);
	atomic_store(&shared->stop, 1);
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_STREQ("", shared->why);
	for (i = 0; i < KINDS; i++) {
		unsigned int n = atomic_load(&shared->counts[i]);

		TH_LOG("%u %s", n, kinds[i]);
		EXPECT_LE(floors[i], n);
	}
	/* Without users, all of them go. */
	for (i = 0; i < LAYERS; i++)
		if (atomic_load(&shared->layers[i].state) == PRESENT)
			EXPECT_EQ(0, remount("del:%s/l%u", area, i));
	EXPECT_EQ(0, E(umount("u/mnt")));
	EXPECT_EQ(-ENOENT, E(access("u/deep", F_OK)));
}

/*
 * A file that somebody or other has open at any moment, but nobody for long: whoever
 * wants to open it next waits while it is decided whether the branch goes, so that it does.
 */
TEST_F(u, never_at_rest)
{
	unsigned int i, p, seen, tries, gone = 0;
	int status, err = 0;
	pid_t pids[3];
	atomic_uint *opens;

	AUFS2_ONLY("branches do not change");
	ASSERT_EQ(0, make_branch("l0") ?: fill_layer(0));
	ASSERT_EQ(0, fill_layer(LAYERS));
	ASSERT_EQ(0, up("rw", "ro"));
	opens = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		ASSERT_LE(0, pids[i] = fork());
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;) {
				int fd = open("u/over_0", O_RDONLY);

				if (fd < 0)
					_exit(1);
				opens[i]++;
				usleep(20000 + 3000 * i);
				close(fd);
			}
		}
	}
	for (i = 0; i < 10 && !err; i++) {
		ASSERT_EQ(0, remount("add:1:%s/l0=ro", area));
		/* All of them have had that one. */
		for (p = 0; p < ARRAY_SIZE(pids); p++)
			for (seen = opens[p]; opens[p] < seen + 2 && state_of(pids[p]) != 'Z';)
				usleep(1000);
		/* On a machine that is busy otherwise, one of the next ones will do. */
		for (tries = 0, err = EBUSY; tries < 10 && err == EBUSY; tries++)
			err = remount("del:%s/l0", area);
		gone += !err;
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], &status, 0);
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	EXPECT_EQ(10, gone);
}

TEST_HARNESS_MAIN
