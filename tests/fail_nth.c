// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation fails once: an operation is done with its first allocation
 * failing, then with its second, and so on until it needs no more. Each time it
 * succeeds, or fails for want of memory without having done anything: its objects
 * are those of another turn, which nobody has touched, and doing it again succeeds.
 *
 * Wants a kernel with fault injection, such as the debug kernel.
 */
#include "aufs2_fail.h"
#include "aufs2_mvdown.h"
#include <linux/fs.h>
#include <sys/xattr.h>

/* --- operations, each on objects of its own per turn --------------------------------- */

#define TURNS 400
/* For which there are objects on the lower branch; the last ones are those that nobody touches. */
#define TURNS_WITH_OBJECTS 150

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
	/* Undoes prepare() where that is no matter of the turn's objects, or NULL. */
	long (*restore)(int n);
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


/* --- what else is done to files ------------------------------------------------------- */

static long prepare_xattr(int n)
{
	return append_file(p("u/x%d", n), "") ?: E(setxattr(p("u/x%d", n), "trusted.a", "v", 1, 0));
}
static long go_removexattr(int n) { return E(removexattr(p("u/x%d", n), "trusted.a")); }
static bool done_removexattr(int n)
{
	char value[2];

	return is_copied(n) && getxattr(p("u/x%d", n), "trusted.a", value, 2) < 0;
}

/* An ACL with an entry for a user more than the mode says. */
static const struct {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[5];
} acl = { 2, { { 1, 6, -1 }, { 2, 4, 7 }, { 4, 4, -1 }, { 0x10, 4, -1 }, { 0x20, 0, -1 } } };
#define ACCESS "system.posix_acl_access"

static long go_set_acl(int n) { return E(setxattr(p("u/x%d", n), ACCESS, &acl, sizeof(acl), 0)); }
static bool done_set_acl(int n)
{
	char got[sizeof(acl)];

	return is_copied(n) && getxattr(p("u/x%d", n), ACCESS, got, sizeof(got)) == sizeof(acl) &&
	       !memcmp(got, &acl, sizeof(acl));
}
static long prepare_acl(int n) { return go_set_acl(n); }
static long go_get_acl(int n)
{
	char got[sizeof(acl)];

	return E(getxattr(p("u/x%d", n), ACCESS, got, sizeof(got))) == sizeof(acl) ? 0 : -errno;
}

static long go_chattr(int n)
{
	int fd = open(p("u/x%d", n), O_RDONLY), flags = FS_NODUMP_FL;
	long err;

	if (fd < 0)
		return -errno;
	err = E(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	close(fd);
	return err;
}
static bool done_chattr(int n)
{
	int fd = open(p("u/x%d", n), O_RDONLY), flags = 0;

	ioctl(fd, FS_IOC_GETFLAGS, &flags);
	close(fd);
	return is_copied(n) && (flags & FS_NODUMP_FL);
}

static long go_fallocate(int n)
{
	(void)n;
	return E(fallocate(held, 0, 0, 100));
}
static bool done_fallocate(int n) { return st_of(p("u/x%d", n)).st_size == 100; }

static long go_copy_range(int n)
{
	int to = open(p("u/new%d", n), O_CREAT | O_WRONLY, 0644);
	long len;

	if (to < 0)
		return -errno;
	len = E(copy_file_range(held, &(loff_t){ 0 }, to, NULL, 4, 0));
	close(to);
	return len < 0 ? len : len == 4 ? 0 : -EIO;
}
static bool done_copy_range(int n) { return says(p("u/new%d", n), "data"); }

static long go_fsync(int n)
{
	(void)n;
	return E(fsync(held));
}
static long go_utimens(int n)
{
	struct timespec times[2] = { { 1, 0 }, { 2, 0 } };

	return E(utimensat(AT_FDCWD, p("u/x%d", n), times, 0));
}
static bool done_utimens(int n) { return is_copied(n) && st_of(p("u/x%d", n)).st_mtime == 2; }
static long go_chown(int n) { return E(chown(p("u/x%d", n), 7, 8)); }
static bool done_chown(int n) { return is_copied(n) && st_of(p("u/x%d", n)).st_uid == 7; }
static long go_stat(int n)
{
	struct stat st;

	return E(stat(p("u/x%d", n), &st));
}
static long go_write_by_a_link(int n) { return hold(open(p("u/x%d.link", n), O_WRONLY)); }
static bool done_write_by_a_link(int n)
{
	return says(p("u/x%d", n), "data") && says(p("rw/x%d.link", n), "data") &&
	       st_of(p("u/x%d", n)).st_ino == st_of(p("u/x%d.link", n)).st_ino &&
	       st_of(p("u/x%d", n)).st_nlink == 2;
}
/* Of a copy by its name, so that the other one means what has none on the branch. */
static long prepare_copied(int n) { return append_file(p("u/x%d", n), ""); }

/* --- branches ------------------------------------------------------------------------- */

static long change(const char *options) { return E(mount("none", "u", NULL, MS_REMOUNT, options)); }
static long add(int n) { (void)n; return change(path_of("add:1:%s/more=ro", area)); }
static long del(int n) { (void)n; return change(path_of("del:%s/more", area)); }
static long make_rw(int n)
{
	(void)n;
	/* then it may change */
	area_sums[1] = 0;
	return change(path_of("mod:%s/ro2=rw", area));
}
static long make_ro(int n) { (void)n; return change(path_of("mod:%s/ro2=ro", area)); }
static long move_last(int n) { (void)n; return change(path_of("mv:2:%s/more", area)); }
static bool done_add(int n) { return says("u/only", "more") && !del(n); }
static bool done_del(int n) { (void)n; return gone("u/only"); }
static bool done_make_rw(int n) { return !make_ro(n); }
static bool done_make_ro(int n) { (void)n; return true; }
static bool done_move(int n) { return says("u/file", "data") && !del(n); }

static long prepare_u2(int n) { return go_mount(n); }
static long go_umount(int n) { (void)n; return E(umount("u2")); }
static bool done_umount(int n) { (void)n; return gone("u2/file"); }

static long prepare_to_move(int n) { return make_rw(n) ?: write_file(p("u/up%d", n), "data"); }
static long go_mvdown(int n) { return move_down(p("u/up%d", n), 0); }
static bool done_mvdown(int n)
{
	bool moved = gone(p("rw/up%d", n)) && says(p("ro2/up%d", n), "data") && says(p("u/up%d", n), "data");

	return moved && !unlink(p("u/up%d", n)) && !make_ro(n);
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
	return err == -ENOMEM || err == -ENOSPC || (err == -EINVAL && (op->go == go_mount || op->go == add));
}

/* The flags that chattr(1) sets, of what can be opened for that. */
static int bits_of(const char *path, const struct stat *st)
{
	int bits = 0, fd = S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return 0;
	if (ioctl(fd, FS_IOC_GETFLAGS, &bits))
		bits = -1;
	close(fd);
	return bits;
}

/* What there is of turn N, but for its number: on the branches, too, what is in the making. */
static const char *state(int n)
{
	static const char *const names[] = {
		"u/x%d", "u/x%d/y", "u/x%d.old", "u/x%d.link", "u/new%d", "u/new%d/y", "u/up%d", NULL
	};
	static char text[4096];
	size_t i, len = 0;

	for (i = 0; names[i]; i++) {
		const char *path = p(names[i], n), *what = kind(path);
		struct stat st = st_of(path);
		char value[64];
		ssize_t flag, named;
		int bits;

		if (!strcmp(what, "ENOENT") || !strcmp(what, "ENOTDIR"))
			continue;
		flag = lgetxattr(path, "trusted.a", value, sizeof(value));
		named = lgetxattr(path, ACCESS, value, sizeof(value));
		bits = bits_of(path, &st);
		/* that of a directory is another one once it is merged */
		if (S_ISDIR(st.st_mode))
			st.st_nlink = 1;
		len += snprintf(text + len, sizeof(text) - len, "%s: %s %o %d:%d %lu links %zd %zd %x '%s'\n",
				names[i], what, st.st_mode, (int)st.st_uid, (int)st.st_gid, (unsigned long)st.st_nlink,
				flag, named, bits, strcmp(what, "file") ? "" : read_file(path));
	}
	len += snprintf(text + len, sizeof(text) - len, "u2: %s, in the making: %s\n", list("u2"),
			access("rw/.wh..wh.orph", F_OK) ? "" : list("rw/.wh..wh.orph"));
	return text;
}

/*
 * Whether it is more than one step: as on any filesystem, a file that was made or truncated stays so when
 * it cannot be opened then, and what was stored in a map when that cannot be moved.
 */
static bool has_steps(const struct op *op)
{
	return op->go == go_create || op->go == go_open_trunc || op->go == go_mmap_write ||
	       op->go == go_copy_range;
}

/* What a turn is before it, as another one has it: to look at its own would be to find it in the caches. */
static const char *before;

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
		const char *now = state(n);

		if (strcmp(before, now) && !has_steps(op))
			return path_of("%s: turn %d failed, and has left\n%s\nof\n%s", op->name, n, now, before);
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
	ASSERT_TRUE(can_inject());
	ASSERT_EQ(0, E(mkdir("rw2", 0755)));
	ASSERT_EQ(0, E(mkdir("u2", 0755)));
	ASSERT_EQ(0, E(mkdir("more", 0755)));
	ASSERT_EQ(0, write_file("more/only", "more"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

/* Whether it needs no memory, so that nothing fails. */
static bool is_spared(const struct op *op)
{
	static const char *const spared[] = { "read", "write", "fsync", "fallocate", NULL };

	for (int i = 0; spared[i]; i++)
		if (!strcmp(op->name, spared[i]))
			return true;
	return false;
}

static const char *all_turns(const struct op *op)
{
	int n, turns = *op->lower ? TURNS_WITH_OBJECTS : TURNS;
	const char *wrong = NULL;
	bool more = true;
	uint64_t sum;

	for (n = 1; n <= turns; n++)
		make_lower(op->lower, n);
	if (union_mount(op->options ?: "", 0, (const char * const []){ "rw", "ro", "ro2", NULL }))
		return "cannot mount";
	if (op->prepare && op->prepare(turns))
		return "cannot prepare the turn to compare with";
	before = strdup(state(turns));
	let_go();
	if (op->restore && op->restore(turns))
		return "cannot undo that";
	for (n = 1; n < turns && more && !wrong; n++)
		wrong = turn(op, n, &more);
	ksft_print_msg("%s: %d allocations failed\n", op->name, n - 2);
	if (wrong)
		return wrong;
	/* The sum of a mount's is far above that. */
	if (n - 2 < (strcmp(op->name, "mount") ? !is_spared(op) : 10))
		return "too few allocations failed";
	if (more)
		return path_of("%s: there is no end to its allocations", op->name);
	/* What shows is what is on the branches; but of what was not copied up, it is forgotten how many links went. */
	sum = strcmp(op->name, "unlink_of_one_of_two_links") ? tree_checksum("u") : 0;
	if (down() || up("rw", "ro", "ro2"))
		return "cannot mount again";
	return !sum || sum == tree_checksum("u") ? "" : path_of("%s: mounted again, the union differs", op->name);
}

#define OP(name_, ...) OP_WITH(name_, NULL, __VA_ARGS__)
#define OP_WITH(name_, options_, ...) OP_OF(name_, options_, NULL, __VA_ARGS__)
#define OP_OF(name_, options_, restore_, lower_, prepare_, go_, done_) \
TEST_F(u, name_) \
{ \
	static const struct op op = { #name_, lower_, prepare_, go_, done_, options_, restore_ }; \
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
OP(removexattr, "file", prepare_xattr, go_removexattr, done_removexattr)
OP(set_acl, "file", NULL, go_set_acl, done_set_acl)
OP(get_acl, "file", prepare_acl, go_get_acl, NULL)
OP(chattr, "file", NULL, go_chattr, done_chattr)
OP(chown, "file", NULL, go_chown, done_chown)
OP(utimens, "file", NULL, go_utimens, done_utimens)
OP(stat, "file", NULL, go_stat, NULL)
OP(fallocate, "file", prepare_open_write, go_fallocate, done_fallocate)
OP(fsync, "file", prepare_open_write, go_fsync, NULL)
OP(copy_range, "file", prepare_open, go_copy_range, done_copy_range)
OP(open_for_writing_by_a_link, "links", NULL, go_write_by_a_link, done_write_by_a_link)
OP(open_of_the_other_link, "links", prepare_copied, go_write_by_a_link, done_write_by_a_link)
OP(unlink_of_the_other_link, "links", prepare_copied, go_unlink, done_unlink_linked)
OP(add, "", NULL, add, done_add)
OP_OF(del, NULL, del, "", add, del, done_del)
OP(become_writable, "", NULL, make_rw, done_make_rw)
OP_OF(become_readonly, NULL, make_ro, "", make_rw, make_ro, done_make_ro)
OP_OF(move, NULL, del, "", add, move_last, done_move)
OP_OF(umount, NULL, go_umount, "", prepare_u2, go_umount, done_umount)
OP_OF(move_down, NULL, make_ro, "", prepare_to_move, go_mvdown, done_mvdown)

TEST_HARNESS_MAIN
