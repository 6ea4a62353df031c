// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on a union with lower content, and the same ones on a copy of
 * it on a filesystem that is no union: every result is the same, and so are the
 * trees from time to time.
 *
 * AUFS2_TEST_LONG=N takes N times as long.  AUFS2_TEST_SEED=N starts with another
 * seed; a failure says which it was, and what the last operations were.
 */
#include <time.h>
#include "aufs2.h"

#define SLOTS 6
#define TRACE 48

static struct {
	uint64_t random;
	long number;			/* of operations */
	int slots[2][SLOTS];		/* open files: of the union, of the model */
	bool writable[SLOTS];
	char trace[TRACE][256];
	char wrong[512];
} run;

static const char *const roots[] = { "u", "m" };

static uint32_t rnd(uint32_t below)
{
	run.random = run.random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (run.random >> 33) % below;
}

static void __attribute__((format(printf, 1, 2))) wrong(const char *fmt, ...)
{
	va_list ap;

	if (*run.wrong)
		return;
	va_start(ap, fmt);
	vsnprintf(run.wrong, sizeof(run.wrong), fmt, ap);
	va_end(ap);
}

/* A path below a root: few names, so that they meet. */
static void random_path(char *out)
{
	int depth = 1 + rnd(3);

	*out = 0;
	if (!rnd(8)) {
		sprintf(out, "/%c%c", "hi"[rnd(2)], "0123"[rnd(4)]);
		return;
	}
	while (depth--)
		sprintf(out + strlen(out), "/%c", "abcde"[rnd(5)]);
}

/* --- the operations --------------------------------------------------------- */

struct op {
	int kind;
	char a[64], b[64];
	int slot, flags;
	uint32_t x, y;
};

static uint64_t sum_of(const void *data, ssize_t len)
{
	return len < 0 ? len : (ssize_t)(mix(SUM_START, data, len) >> 2);
}

static long list_sum(const char *path)
{
	const char *names = list(path);

	return sum_of(names, strlen(names));
}

static long store(const char *path, int flags, uint32_t at, uint32_t len)
{
	char data[9000];
	/* one of them may be a FIFO */
	int fd = open(path, flags | O_NONBLOCK, 0644);
	long n;

	if (fd < 0)
		return -errno;
	memset(data, 'A' + at % 26, len);
	n = E(pwrite(fd, data, len, at));
	close(fd);
	return n;
}

static long load(int fd, uint32_t at)
{
	static char data[70000];
	ssize_t n = pread(fd, data, sizeof(data) - at, at);

	return n < 0 ? -errno : (long)sum_of(data, n);
}

static long map_and_store(int fd, uint32_t at)
{
	struct stat st;
	char *map;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= (off_t)at)
		return -ENXIO;
	map = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	map[at] = 'm';
	return E(munmap(map, st.st_size));
}

static long open_slot(int side, const struct op *op, const char *path)
{
	int *fd = &run.slots[side][op->slot];

	if (*fd >= 0)
		close(*fd);
	*fd = open(path, op->flags | O_NONBLOCK, 0644);
	return *fd < 0 ? -errno : 0;
}

static long tmpfile_link(const char *dir, const char *name, uint32_t x)
{
	int fd = open(dir, O_TMPFILE | O_RDWR, 0600);
	long err;

	if (fd < 0)
		return -errno;
	dprintf(fd, "%u", x);
	err = E(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, name,
		       AT_SYMLINK_FOLLOW));
	close(fd);
	return err;
}

static long times(const char *path, uint32_t x)
{
	struct timespec ts[2] = { { .tv_sec = x }, { .tv_sec = x / 2 } };
	long err = E(utimensat(AT_FDCWD, path, ts, AT_SYMLINK_NOFOLLOW));

	return err ?: st_of(path).st_mtim.tv_sec;
}

static const int open_flags[] = {
	O_RDONLY, O_RDONLY, O_RDWR, O_RDWR | O_CREAT, O_RDWR | O_TRUNC,
	O_RDWR | O_APPEND, O_WRONLY | O_CREAT | O_EXCL, O_RDONLY | O_TRUNC,
};

static const unsigned int rename_flags[] = {
	0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT,
};

static const char *const kinds[] = {
	"create", "store", "append", "truncate", "unlink", "mkdir", "rmdir", "rename",
	"link", "symlink", "chmod", "chown", "times", "setxattr", "removexattr", "list",
	"read", "mknod", "tmpfile", "open", "pread", "pwrite", "ftruncate", "fchmod",
	"map", "fsync", "readlink", "removeall",
};
enum {
	CREATE, STORE, APPEND, TRUNCATE, UNLINK, MKDIR, RMDIR, RENAME, LINK, SYMLINK, CHMOD,
	CHOWN, TIMES, SETXATTR, REMOVEXATTR, LIST, READ, MKNOD, TMPFILE, OPEN, PREAD,
	PWRITE, FTRUNCATE, FCHMOD, MAP, FSYNC, READLINK, REMOVEALL, KINDS
};

static long perform(int side, const struct op *op)
{
	char a[96], b[96], text[64] = "";
	int fd = run.slots[side][op->slot];

	sprintf(a, "%s%s", roots[side], op->a);
	sprintf(b, "%s%s", roots[side], op->b);
	switch (op->kind) {
	case CREATE: return store(a, O_WRONLY | O_CREAT | O_EXCL, 0, op->y);
	case STORE: return store(a, O_WRONLY, op->x, op->y);
	case APPEND: return store(a, O_WRONLY | O_APPEND | O_CREAT, 0, op->y % 100);
	case TRUNCATE: return E(truncate(a, op->x));
	case UNLINK: return E(unlink(a));
	case MKDIR: return E(mkdir(a, 0755));
	case RMDIR: return E(rmdir(a));
	case RENAME: return E(renameat2(AT_FDCWD, a, AT_FDCWD, b,
					rename_flags[op->flags % ARRAY_SIZE(rename_flags)]));
	case LINK: return E(linkat(AT_FDCWD, a, AT_FDCWD, b, 0));
	case SYMLINK: return E(symlink(op->b + 1, a));
	case CHMOD: return E(chmod(a, 0400 | (op->x & 07377)));
	case CHOWN: return E(lchown(a, op->x % 5, op->y % 5));
	case TIMES: return times(a, op->x);
	case SETXATTR: return E(setxattr(a, op->x % 2 ? "user.x" : "user.y", &op->x, 4, 0));
	case REMOVEXATTR: return E(removexattr(a, op->x % 2 ? "user.x" : "user.y"));
	case LIST: return list_sum(a);
	case READ: return checksum(a) >> 2;
	case MKNOD: return E(mknod(a, S_IFIFO | 0600, 0));
	case TMPFILE: return tmpfile_link(a, b, op->x);
	case OPEN: return open_slot(side, op, a);
	case PREAD: return fd < 0 ? 0 : load(fd, op->x);
	case PWRITE: return fd < 0 ? 0 : E(pwrite(fd, op->b, sizeof(op->b), op->x));
	case FTRUNCATE: return fd < 0 ? 0 : E(ftruncate(fd, op->x));
	case FCHMOD: return fd < 0 ? 0 : E(fchmod(fd, 0400 | (op->x & 0377)));
	case MAP: return fd < 0 ? 0 : map_and_store(fd, op->x);
	case FSYNC: return fd < 0 ? 0 : E(fsync(fd));
	case READLINK: return E(readlink(a, text, sizeof(text))) ^ sum_of(text, strlen(text));
	case REMOVEALL: return shell("rm -rf %s", a);
	}
	return 0;
}

static void one_op(void)
{
	struct op op = { 0 };
	long is[2];
	int side;

	op.kind = rnd(KINDS);
	/* Trees have to grow at times, and files to be made. */
	if (op.kind == REMOVEALL && rnd(20))
		op.kind = MKDIR;
	random_path(op.a);
	random_path(op.b);
	op.slot = rnd(SLOTS);
	op.x = rnd(4) ? rnd(200) : rnd(65536);
	op.y = rnd(4) ? rnd(200) : rnd(9000);
	op.flags = op.kind == OPEN ? open_flags[rnd(ARRAY_SIZE(open_flags))] : (int)rnd(64);
	for (side = 0; side < 2; side++)
		is[side] = perform(side, &op);
	snprintf(run.trace[run.number % TRACE], sizeof(run.trace[0]),
		 "%ld: %s %s %s slot %d flags %#o x %u y %u: %ld", run.number,
		 kinds[op.kind], op.a, op.b, op.slot, op.flags, op.x, op.y, is[0]);
	if (is[0] != is[1])
		wrong("operation %ld (%s) is %ld on the union and should be %ld",
		      run.number, kinds[op.kind], is[0], is[1]);
	run.number++;
}

/* --- the comparison ------------------------------------------------------------ */

static struct { ino_t ino[2]; } seen[4096];
static int seen_count;

/* Numbers are one to one: objects that are one in the model are one in the union. */
static void compare_identity(const char *path, const struct stat *st)
{
	int i;

	for (i = 0; i < seen_count; i++) {
		if ((seen[i].ino[0] == st[0].st_ino) != (seen[i].ino[1] == st[1].st_ino)) {
			wrong("%s: is another object than it should be", path);
			return;
		}
		if (seen[i].ino[0] == st[0].st_ino)
			return;
	}
	if (seen_count < (int)ARRAY_SIZE(seen)) {
		seen[seen_count].ino[0] = st[0].st_ino;
		seen[seen_count++].ino[1] = st[1].st_ino;
	}
}

static void compare_xattrs(const char *path, const char *const *full)
{
	static const char *const names[] = { "user.x", "user.y" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		uint32_t value[2] = { 0 };
		long len[2];
		int side;

		for (side = 0; side < 2; side++)
			len[side] = E(lgetxattr(full[side], names[i], &value[side], 4));
		if (len[0] != len[1] || value[0] != value[1])
			wrong("%s: %s differs", path, names[i]);
	}
}

static void compare(const char *path)
{
	const char *full[2] = { path_of("u%s", path), path_of("m%s", path) };
	char names[2][4096], *name, *rest;
	struct stat st[2];
	int side;

	if (*run.wrong)
		return;
	for (side = 0; side < 2; side++) {
		if (lstat(full[side], &st[side])) {
			wrong("%s: %s", full[side], errno_name(errno));
			return;
		}
	}
	if (st[0].st_mode != st[1].st_mode || st[0].st_uid != st[1].st_uid ||
	    st[0].st_gid != st[1].st_gid || st[0].st_rdev != st[1].st_rdev)
		wrong("%s: mode %o owner %d:%d, and should be %o %d:%d", path, st[0].st_mode,
		      st[0].st_uid, st[0].st_gid, st[1].st_mode, st[1].st_uid, st[1].st_gid);
	if (*path)
		compare_identity(path, st);
	if (S_ISREG(st[0].st_mode) || S_ISDIR(st[0].st_mode))
		compare_xattrs(path, full);
	if (!S_ISDIR(st[0].st_mode)) {
		if (st[0].st_size != st[1].st_size || st[0].st_nlink != st[1].st_nlink)
			wrong("%s: size %ld links %ld, and should be %ld %ld", path,
			      (long)st[0].st_size, (long)st[0].st_nlink,
			      (long)st[1].st_size, (long)st[1].st_nlink);
		if (S_ISREG(st[0].st_mode) && checksum(full[0]) != checksum(full[1]))
			wrong("%s: the data differ", path);
		return;
	}
	for (side = 0; side < 2; side++)
		snprintf(names[side], sizeof(names[0]), "%s", list(full[side]));
	if (strcmp(names[0], names[1])) {
		wrong("%s: has '%s', and should have '%s'", path, names[0], names[1]);
		return;
	}
	for (name = strtok_r(names[0], " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
		char below[256];

		snprintf(below, sizeof(below), "%s/%s", path, name);
		compare(below);
	}
}

/* --- the runs ------------------------------------------------------------------ */

static void close_slots(void)
{
	int side, i;

	for (side = 0; side < 2; side++) {
		for (i = 0; i < SLOTS; i++) {
			if (run.slots[side][i] >= 0)
				close(run.slots[side][i]);
			run.slots[side][i] = -1;
		}
	}
}

/* Something on the lower branches, of which names meet. */
static void populate(bool links)
{
	static const char *const branches[] = { "ro", "ro2" };
	char path[64];
	int i, n;

	for (i = 0; i < 2; i++) {
		for (n = 0; n < 60; n++) {
			char full[96];

			random_path(path);
			sprintf(full, "%s%s", branches[i], path);
			switch (rnd(6)) {
			case 0: store(full, O_WRONLY | O_CREAT, rnd(100), rnd(9000)); break;
			case 1: store(full, O_WRONLY | O_CREAT, 0, rnd(100)); break;
			case 2: symlink("a/b", full); break;
			case 3: mkdir(full, 0700 + rnd(64)); break;
			default: mkdir(full, 0755);
			}
			if (!rnd(4))
				setxattr(full, "user.x", &n, 4, 0);
		}
	}
	/* Both names show: a link that is hidden by the branch above counts, and the model has none. */
	if (links)
		shell("rm -rf ro/[hi][0-3] ro2/[hi][0-3]");
	for (n = 0; links && n < 4; n++) {
		store(path_of("ro2/h%d", n), O_WRONLY | O_CREAT, 0, rnd(5000));
		link(path_of("ro2/h%d", n), path_of("ro2/i%d", n));
	}
}

enum { NEVER, DROP, REMOUNT };

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Runs one seed for so long; what went wrong, or "". */
static const char *fuzz(uint64_t seed, int between, long ms)
{
	long end = now_ms() + ms;
	int i;

	memset(&run, 0, sizeof(run));
	memset(run.slots, -1, sizeof(run.slots));
	run.random = seed * 0x9e3779b97f4a7c15ULL + 1;
	seen_count = 0;
	populate(between != REMOUNT);
	if (up("rw", "ro", "ro2"))
		return "cannot mount";
	if (make_branch("m") || shell("cp -a u/. m/"))
		return "cannot make the model";
	compare("");
	while (!*run.wrong && now_ms() < end) {
		for (i = 0; i < 150 && !*run.wrong; i++)
			one_op();
		if (between == DROP)
			drop_caches();
		if (between == REMOUNT) {
			close_slots();
			/* numbers may be others */
			seen_count = 0;
			if (down() || up("rw", "ro", "ro2"))
				return "cannot mount again";
		}
		if (*run.wrong)
			break;
		/* names that are gone may have been given to others */
		seen_count = 0;
		compare("");
	}
	ksft_print_msg("seed %llu: %ld operations\n", (unsigned long long)seed, run.number);
	if (*run.wrong) {
		for (i = 0; i < TRACE; i++)
			if (*run.trace[(run.number + i) % TRACE])
				ksft_print_msg("%s\n", run.trace[(run.number + i) % TRACE]);
	}
	close_slots();
	return run.wrong;
}

static uint64_t seed_of(uint64_t number)
{
	const char *given = getenv("AUFS2_TEST_SEED");

	return (given ? strtoull(given, NULL, 0) : 0) + number;
}

AUFS2_FIXTURE

TEST_F_TIMEOUT(u, warm, 100000)
{
	EXPECT_STREQ("", fuzz(seed_of(1), NEVER, long_ms(4000)));
}

TEST_F_TIMEOUT(u, caches_dropped, 100000)
{
	EXPECT_STREQ("", fuzz(seed_of(2), DROP, long_ms(4000)));
}

TEST_F_TIMEOUT(u, mounted_again, 100000)
{
	EXPECT_STREQ("", fuzz(seed_of(3), REMOUNT, long_ms(4000)));
}

TEST_HARNESS_MAIN
