// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation fails once: an operation is done with its first allocation
 * failing, then with its second, and so on until it needs no more. Each time it
 * succeeds, or fails for want of memory without having done anything, so that
 * doing it again succeeds.
 *
 * Wants a kernel with fault injection, such as the debug kernel.
 */
#include "aufs2.h"

/* --- fault injection -------------------------------------------------------------- */

static int fail_nth = -1;

static void set(const char *attribute, const char *value)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		put(path_of("/sys/kernel/debug/%s/%s", kinds[i], attribute), 0, value);
}

static void __attribute__((constructor(1001))) set_up(void)
{
	if (access("/proc/self/fail-nth", F_OK))
		skip_program("no fault injection in this kernel");
	if (access("/sys/kernel/debug/failslab", F_OK))
		mount("debugfs", "/sys/kernel/debug", "debugfs", 0, "");
	if (access("/sys/kernel/debug/failslab", F_OK))
		skip_program("allocations cannot be made to fail in this kernel");
	set("ignore-gfp-wait", "0");
	set("ignore-gfp-highmem", "0");
	set("min-order", "0");
	/* the stack of each failure would fill the log */
	set("verbose", "0");
}

static void inject(int n)
{
	char text[16];
	int len = sprintf(text, "%d", n);

	if (pwrite(fail_nth, text, len, 0) != len)
		_exit(KSFT_FAIL);
}

/* Whether it happened; none happens from now on. */
static bool injected(void)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		_exit(KSFT_FAIL);
	if (atoi(text))
		inject(0);
	return !atoi(text);
}

/* --- operations, each on objects of its own per turn --------------------------------- */

#define TURNS 400

struct op {
	const char *name;
	/* What each turn finds on the lower branch. */
	const char *lower;
	/* Prepares turn n, if need be. */
	long (*prepare)(int n);
	long (*go)(int n);
	/* Whether turn n has had its effect; NULL: the result says it. */
	bool (*done)(int n);
	/* More options of the union, or NULL. */
	const char *options;
};

static char *p(const char *format, int n)
{
	char *b = buffer();

	/* The formats are those below, with one number or two. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(b, 8192, format, n, n);
#pragma GCC diagnostic pop
	return b;
}

static int held = -1;

static long hold(long fd)
{
	held = fd;
	return fd < 0 ? -errno : 0;
}

static void let_go(void)
{
	if (held >= 0)
		close(held);
	held = -1;
}

static bool gone(const char *path)
{
	return access(path, F_OK) && errno == ENOENT;
}

static bool says(const char *path, const char *text)
{
	return !strcmp(read_file(path), text);
}

static long go_lookup(int n) { return E(access(p("u/x%d/y", n), F_OK)); }
static long go_missing(int n)
{
	long err = E(access(p("u/none%d", n), F_OK));

	return err == -ENOENT ? 0 : err;
}

static long go_create(int n) { return hold(open(p("u/new%d", n), O_CREAT | O_WRONLY, 0644)); }
static bool done_create(int n) { return says(p("u/new%d", n), ""); }
static long go_mkdir(int n) { return E(mkdir(p("u/new%d", n), 0755)); }
static bool done_mkdir(int n) { return !strcmp(list(p("u/new%d", n)), ""); }
static long go_mknod(int n) { return E(mknod(p("u/new%d", n), S_IFIFO | 0600, 0)); }
static bool done_mknod(int n) { return !strcmp(kind(p("u/new%d", n)), "fifo"); }
static long go_symlink(int n) { return E(symlink("target", p("u/new%d", n))); }
static bool done_symlink(int n) { return !strcmp(kind(p("u/new%d", n)), "symlink"); }
static long go_in_lower_dir(int n) { return E(mkdir(p("u/x%d/new", n), 0755)); }
static bool done_in_lower_dir(int n) { return !strcmp(list(p("u/x%d", n)), "new y"); }

static long go_tmpfile(int n)
{
	(void)n;
	return hold(open("u", O_TMPFILE | O_RDWR, 0600));
}

static long go_open_write(int n) { return hold(open(p("u/x%d", n), O_WRONLY)); }
static bool is_copied(int n) { return says(p("u/x%d", n), "data") && says(p("rw/x%d", n), "data"); }
static long go_open_trunc(int n) { return hold(open(p("u/x%d", n), O_WRONLY | O_TRUNC)); }
static bool is_empty(int n) { return says(p("u/x%d", n), "") && says(p("rw/x%d", n), ""); }
static long go_chmod(int n) { return E(chmod(p("u/x%d", n), 0600)); }
static bool done_chmod(int n) { return is_copied(n) && (st_of(p("u/x%d", n)).st_mode & 0777) == 0600; }
static long go_truncate(int n) { return E(truncate(p("u/x%d", n), 2)); }
static bool done_truncate(int n) { return says(p("u/x%d", n), "da"); }
static long go_setxattr(int n) { return E(setxattr(p("u/x%d", n), "trusted.a", "v", 1, 0)); }
static bool done_setxattr(int n)
{
	char value[2];

	return is_copied(n) && getxattr(p("u/x%d", n), "trusted.a", value, 2) == 1;
}

static long go_unlink(int n) { return E(unlink(p("u/x%d", n))); }
static bool done_unlink(int n) { return gone(p("u/x%d", n)) && is_whiteout(p("rw/x%d", n)); }
static long prepare_upper(int n) { return write_file(p("u/up%d", n), "data"); }
static long go_unlink_upper(int n) { return E(unlink(p("u/up%d", n))); }
static bool done_unlink_upper(int n) { return gone(p("u/up%d", n)) && gone(p("rw/up%d", n)); }
static bool done_unlink_linked(int n)
{
	return gone(p("u/x%d", n)) && st_of(p("u/x%d.link", n)).st_nlink == 1;
}
static long go_rmdir(int n) { return E(rmdir(p("u/x%d", n))); }
static long prepare_emptied(int n) { return E(unlink(p("u/x%d/y", n))); }

static long go_link(int n) { return E(link(p("u/x%d", n), p("u/new%d", n))); }
static bool done_link(int n)
{
	return says(p("u/new%d", n), "data") && st_of(p("u/x%d", n)).st_nlink == 2;
}
static long go_rename(int n) { return E(rename(p("u/x%d", n), p("u/new%d", n))); }
static bool done_rename(int n) { return gone(p("u/x%d", n)) && says(p("u/new%d", n), "data"); }
static bool done_rename_dir(int n)
{
	return gone(p("u/x%d", n)) && says(p("u/new%d/y", n), "data") &&
	       !strcmp(list(p("u/new%d", n)), "y");
}
static long go_replace(int n) { return E(rename(p("u/x%d", n), p("u/x%d.old", n))); }
static bool done_replace(int n) { return gone(p("u/x%d", n)) && says(p("u/x%d.old", n), "data"); }
static long go_exchange(int n)
{
	return E(renameat2(AT_FDCWD, p("u/x%d", n), AT_FDCWD, p("u/x%d.old", n),
			   RENAME_EXCHANGE));
}
static bool done_exchange(int n) { return says(p("u/x%d", n), "old") && says(p("u/x%d.old", n), "data"); }

static long go_readdir(int n)
{
	char entries[1024];
	int fd = open(p("u/x%d", n), O_RDONLY | O_DIRECTORY);
	long err;

	if (fd < 0)
		return -errno;
	err = E(syscall(SYS_getdents64, fd, entries, sizeof(entries)));
	close(fd);
	return err < 0 ? err : 0;
}
static bool done_readdir(int n) { return !strcmp(list(p("u/x%d", n)), "y"); }

static long prepare_open(int n) { return hold(open(p("u/x%d", n), O_RDONLY)); }
static long go_read(int n)
{
	char got[8] = "";
	long len = E(pread(held, got, sizeof(got), 0));

	(void)n;
	return len < 0 ? len : strcmp(got, "data") ? -EIO : 0;
}
static void *map;
static long go_mmap(int n)
{
	(void)n;
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, held, 0);
	return map == MAP_FAILED ? -errno : 0;
}
static bool done_mmap(int n)
{
	bool right = !strncmp(map, "data", 4);

	(void)n;
	munmap(map, 4096);
	return right;
}
static void stays(int sig) { (void)sig; }
/* A map that is written to, moved and given up in part. */
static long go_mmap_write(int n)
{
	char *moved, *place;

	(void)n;
	signal(SIGBUS, stays);
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, held, 0);
	if (map == MAP_FAILED)
		return -errno;
	/* a fault without memory is tried again */
	memcpy(map, "DATA", 4);
	place = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	moved = place == MAP_FAILED ? place
				    : mremap(map, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	if (moved == MAP_FAILED || munmap(moved + 4096, 4096)) {
		long err = -errno;

		if (place != MAP_FAILED)
			munmap(place, 8192);
		munmap(map, 8192);
		return err;
	}
	map = moved;
	return 0;
}
static bool done_mmap_write(int n)
{
	bool right = !strncmp(map, "DATA", 4) && says(p("u/x%d", n), "DATA") && says(p("ro/x%d", n), "data");

	munmap(map, 4096);
	return right;
}
static long prepare_open_write(int n) { return hold(open(p("u/x%d", n), O_RDWR)); }
static long go_write(int n)
{
	long len = E(pwrite(held, "DATA", 4, 0));

	(void)n;
	return len < 0 ? len : len == 4 ? 0 : -EIO;
}
static bool done_write(int n) { return says(p("u/x%d", n), "DATA"); }
/* A descriptor from before the copy-up follows it. */
static long prepare_follow(int n) { return prepare_open(n) ?: append_file(p("u/x%d", n), ""); }

static long go_readlink(int n)
{
	char target[16];
	long len = E(readlink(p("u/x%d", n), target, sizeof(target)));

	return len < 0 ? len : 0;
}
static long go_listxattr(int n)
{
	char names[256];
	long len = E(listxattr(p("u/x%d", n), names, sizeof(names)));

	return len < 0 ? len : 0;
}
static long go_statfs(int n)
{
	struct statfs st;

	(void)n;
	return E(statfs("u", &st));
}
static long go_mount(int n)
{
	char opts[512];

	(void)n;
	snprintf(opts, sizeof(opts), "br:%s/rw2=rw:%s/ro=ro:%s/ro2=ro", area, area, area);
	return E(mount("none", "u2", "aufs2", 0, opts));
}
static bool done_mount(int n)
{
	bool right = says("u2/file", "data");

	(void)n;
	return !umount("u2") && right;
}
static long go_remount(int n)
{
	(void)n;
	return E(mount("none", "u", NULL, MS_REMOUNT, "udba=reval"));
}

static void make_lower(const char *what, int n)
{
	write_file("ro/file", "data");
	if (!strcmp(what, "dir")) {
		mkdir(p("ro/x%d", n), 0755);
		write_file(p("ro/x%d/y", n), "data");
	} else if (!strcmp(what, "symlink")) {
		symlink("target", p("ro/x%d", n));
	} else if (*what) {
		write_file(p("ro/x%d", n), "data");
	}
	if (!strcmp(what, "links"))
		link(p("ro/x%d", n), p("ro/x%d.link", n));
	if (!strcmp(what, "two"))
		write_file(p("ro/x%d.old", n), "old");
}

static bool is_want_of_memory(const struct op *op, long err)
{
	/*
	 * tmpfs says ENOSPC when it gets no memory for an inode, and
	 * clone_private_mount() EINVAL when it gets none for a mount.
	 */
	return err == -ENOMEM || err == -ENOSPC || (err == -EINVAL && op->go == go_mount);
}

/* One turn; says whether there was an allocation to fail, or what is wrong. */
static const char *turn(const struct op *op, int n, bool *more)
{
	long err;

	if (op->prepare) {
		err = op->prepare(n);
		if (err)
			return path_of("%s: cannot prepare turn %d: %ld", op->name, n, err);
	}
	/* prepare() may hold a descriptor that the operation wants. */
	inject(n);
	err = op->go(n);
	*more = injected();
	if (err && !(*more && is_want_of_memory(op, err)))
		return path_of("%s: turn %d fails with %s", op->name, n, errno_name(-err));
	if (err) {
		err = op->go(n);
		if (err)
			return path_of("%s: turn %d failed, and the next time with %s", op->name,
				       n, errno_name(-err));
	}
	if (op->done && !op->done(n))
		return path_of("%s: turn %d has not done what it should", op->name, n);
	let_go();
	return NULL;
}

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_LE(0, fail_nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC));
	/* What does not fail anything shows nothing. */
	inject(1);
	ASSERT_NE(0, E(mkdir("nothing", 0755)));
	ASSERT_TRUE(injected());
	ASSERT_EQ(0, E(mkdir("rw2", 0755)));
	ASSERT_EQ(0, E(mkdir("u2", 0755)));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static const char *all_turns(const struct op *op)
{
	const char *wrong = NULL;
	bool more = true;
	uint64_t sum;
	int n;

	for (n = 1; n <= TURNS; n++)
		make_lower(op->lower, n);
	if (union_mount(op->options ?: "", 0, (const char * const []){ "rw", "ro", "ro2", NULL }))
		return "cannot mount";
	for (n = 1; n <= TURNS && more && !wrong; n++)
		wrong = turn(op, n, &more);
	ksft_print_msg("%s: %d allocations failed\n", op->name, n - 2);
	/* The sum of a mount's is far above that. */
	if (!wrong && !strcmp(op->name, "mount") && n - 2 < 10)
		return "too few allocations failed";
	if (wrong)
		return wrong;
	if (more)
		return path_of("%s: there is no end to its allocations", op->name);
	/* What shows is what is on the branches; but how many links there are is forgotten. */
	sum = strcmp(op->lower, "links") ? tree_checksum("u") : 0;
	if (down() || up("rw", "ro", "ro2"))
		return "cannot mount again";
	return !sum || sum == tree_checksum("u") ? "" : path_of("%s: mounted again, the union differs", op->name);
}

#define OP(name_, lower_, prepare_, go_, done_) OP_WITH(name_, NULL, lower_, prepare_, go_, done_)
#define OP_WITH(name_, options_, lower_, prepare_, go_, done_) \
TEST_F(u, name_) \
{ \
	static const struct op op = { #name_, lower_, prepare_, go_, done_, options_ }; \
 \
	EXPECT_STREQ("", all_turns(&op)); \
}

OP(mount, "", NULL, go_mount, done_mount)
OP(remount, "", NULL, go_remount, NULL)
OP(statfs, "", NULL, go_statfs, NULL)
OP(lookup, "dir", NULL, go_lookup, NULL)
OP(lookup_of_nothing, "", NULL, go_missing, NULL)
OP(create, "", NULL, go_create, done_create)
OP(mkdir, "", NULL, go_mkdir, done_mkdir)
OP(mknod, "", NULL, go_mknod, done_mknod)
OP(symlink, "", NULL, go_symlink, done_symlink)
OP(mkdir_in_a_lower_directory, "dir", NULL, go_in_lower_dir, done_in_lower_dir)
OP(tmpfile, "", NULL, go_tmpfile, NULL)
OP(open_for_writing, "file", NULL, go_open_write, is_copied)
OP(open_with_o_trunc, "file", NULL, go_open_trunc, is_empty)
OP(chmod, "file", NULL, go_chmod, done_chmod)
OP(truncate, "file", NULL, go_truncate, done_truncate)
OP(setxattr, "file", NULL, go_setxattr, done_setxattr)
OP(unlink, "file", NULL, go_unlink, done_unlink)
OP(unlink_of_an_upper_file, "", prepare_upper, go_unlink_upper, done_unlink_upper)
OP(unlink_of_one_of_two_links, "links", NULL, go_unlink, done_unlink_linked)
OP(rmdir, "dir", prepare_emptied, go_rmdir, done_unlink)
OP(link, "file", NULL, go_link, done_link)
OP(rename, "file", NULL, go_rename, done_rename)
OP(rename_of_a_directory, "dir", NULL, go_rename, done_rename_dir)
OP(rename_that_replaces, "two", NULL, go_replace, done_replace)
OP(exchange, "two", NULL, go_exchange, done_exchange)
OP(readdir, "dir", NULL, go_readdir, done_readdir)
OP(read, "file", prepare_open, go_read, NULL)
OP(read_after_a_copy_up, "file", prepare_follow, go_read, NULL)
OP(write, "file", prepare_open_write, go_write, done_write)
OP(mmap, "file", prepare_open, go_mmap, done_mmap)
OP_WITH(mmap_to_write, "mmap=direct", "file", prepare_open_write, go_mmap_write, done_mmap_write)
OP_WITH(mmap_to_write_fault, "mmap=fault", "file", prepare_open_write, go_mmap_write, done_mmap_write)
OP_WITH(mmap_to_write_path, "mmap=direct,mmap_path=union", "file", prepare_open_write, go_mmap_write, done_mmap_write)
OP_WITH(mmap_to_write_fault_path, "mmap=fault,mmap_path=union", "file", prepare_open_write, go_mmap_write, done_mmap_write)
OP(readlink, "symlink", NULL, go_readlink, NULL)
OP(listxattr, "file", NULL, go_listxattr, NULL)

TEST_HARNESS_MAIN
