/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The operations of fuzz_ops, each done on a union and on a copy of it that is none, and the
 * comparison of the two.
 */
#ifndef AUFS2_FUZZ_H
#define AUFS2_FUZZ_H

#include "aufs2.h"
#include <grp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define SLOTS 6
/* the times that are set are before this, and what is written has one after it */
#define LONG_AGO 1000000000

enum kind {
	CREATE, STORE, APPEND, TRUNCATE, UNLINK, MKDIR, RMDIR, RENAME, LINK, SYMLINK, CHMOD,
	CHOWN, TIMES, SETXATTR, REMOVEXATTR, ACL, FLAGS, LIST, READ, MKNOD, TMPFILE, READLINK,
	REMOVEALL, OPEN, PREAD, PWRITE, MAP, FSYNC, FTRUNCATE, FCHMOD, FCHOWN, FTIMES, FSETXATTR,
	FACL, FFLAGS, FSTAT, FLIST, FMAKE, FUNLINK, FLINK, SAME,
	RANDOM,				/* how many of them can happen at any time */
	TIMER = RANDOM, DROP, MOUNT_AGAIN, COMPARE, KINDS
};

/* How often each happens, compared with the others. */
static const struct { const char *name; int weight; } kinds[KINDS] = {
	[CREATE] = { "create", 12 }, [STORE] = { "store", 12 }, [APPEND] = { "append", 10 },
	[TRUNCATE] = { "truncate", 8 }, [UNLINK] = { "unlink", 10 }, [MKDIR] = { "mkdir", 16 },
	[RMDIR] = { "rmdir", 10 }, [RENAME] = { "rename", 16 }, [LINK] = { "link", 12 },
	[SYMLINK] = { "symlink", 8 }, [CHMOD] = { "chmod", 10 }, [CHOWN] = { "chown", 8 },
	[TIMES] = { "times", 8 }, [SETXATTR] = { "setxattr", 8 },
	[REMOVEXATTR] = { "removexattr", 6 }, [ACL] = { "acl", 8 }, [FLAGS] = { "flags", 6 },
	[LIST] = { "list", 8 }, [READ] = { "read", 8 }, [MKNOD] = { "mknod", 10 },
	[TMPFILE] = { "tmpfile", 6 }, [READLINK] = { "readlink", 4 },
	[REMOVEALL] = { "removeall", 1 }, [OPEN] = { "open", 24 }, [PREAD] = { "pread", 6 },
	[PWRITE] = { "pwrite", 8 }, [MAP] = { "map", 6 }, [FSYNC] = { "fsync", 3 },
	[FTRUNCATE] = { "ftruncate", 5 }, [FCHMOD] = { "fchmod", 7 }, [FCHOWN] = { "fchown", 6 },
	[FTIMES] = { "ftimes", 6 }, [FSETXATTR] = { "fsetxattr", 6 }, [FACL] = { "facl", 5 },
	[FFLAGS] = { "fflags", 4 }, [FSTAT] = { "fstat", 12 }, [FLIST] = { "flist", 5 },
	[FMAKE] = { "fmake", 6 }, [FUNLINK] = { "funlink", 4 }, [FLINK] = { "flink", 4 },
	[SAME] = { "same", 6 }, [TIMER] = { "timer" }, [DROP] = { "drop caches" },
	[MOUNT_AGAIN] = { "mount again" }, [COMPARE] = { "compare" },
};

struct op {
	uint8_t kind, user, slot;
	uint8_t before;		/* done to this directory, but 1, before the mount */
	char a[12], b[12];
	int flags;
	uint32_t x, y;
	long is[2];		/* the results, when it was done last */
};

/* What is under way. */
static struct {
	int slots[2][SLOTS];	/* open files: of the union, of the model */
	bool guessed;		/* since a mount, numbers of links may include names that were removed */
	bool is_unusable;	/* what the branches are on does not work natively, either */
	bool signals;
	char wrong[512];
} now;

static const char *const roots[] = { "u", "m" };

static void __attribute__((format(printf, 1, 2))) wrong(const char *fmt, ...)
{
	va_list ap;

	if (*now.wrong)
		return;
	va_start(ap, fmt);
	vsnprintf(now.wrong, sizeof(now.wrong), fmt, ap);
	va_end(ap);
}

/* --- parts of operations ----------------------------------------------------- */

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

static long make_node(const char *path, uint32_t x)
{
	struct sockaddr_un address = { AF_UNIX };
	long err;
	int fd;

	if (x % 4 == 1)
		return E(mknod(path, S_IFCHR | 0644, makedev(1, 3)));
	if (x % 4 != 2)
		return E(mknod(path, S_IFIFO | 0600, 0));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	err = E(bind(fd, (void *)&address, sizeof(address)));
	close(fd);
	return err;
}

static long open_slot(int *fd, const struct op *op, const char *path)
{
	if (*fd >= 0)
		close(*fd);
	*fd = open(path, op->flags | O_NONBLOCK | O_CLOEXEC, 0644);
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

/* The time of the last change, as far as it can be compared. */
static long mtime_of(const struct stat *st)
{
	return st->st_mtim.tv_sec < LONG_AGO ? st->st_mtim.tv_sec : LONG_AGO;
}

static long times(int fd, const char *path, int flags, uint32_t x)
{
	struct timespec ts[2] = { { .tv_sec = x }, { .tv_sec = x / 2 } };

	return E(utimensat(fd, path, ts, flags));
}

static const char *xattr_of(uint32_t x)
{
	return x % 4 == 3 ? "trusted.x" : x % 2 ? "user.x" : "user.y";
}

/* Sets, or takes away, an ACL of the kernel's format. */
static long set_acl(int fd, const char *path, const struct op *op)
{
	const char *name = op->flags & 1 ? "system.posix_acl_default" : "system.posix_acl_access";
	struct { uint16_t tag, perm; uint32_t id; } e[7];
	char value[64];
	uint32_t bits = op->y, version = 2;
	int n = 0;

	if (op->x % 4 == 0)
		return fd < 0 ? E(removexattr(path, name)) : E(fremovexattr(fd, name));
#define ENTRY(t, i) (e[n].tag = (t), e[n].id = (i), e[n].perm = bits & 7, bits >>= 3, n++)
	ENTRY(1, -1);
	e[0].perm |= 4;
	if (op->x & 4)
		ENTRY(2, 1);
	ENTRY(4, -1);
	if (op->x & 8)
		ENTRY(8, 2);
	if (op->x & 12)
		ENTRY(16, -1);
	ENTRY(32, -1);
#undef ENTRY
	memcpy(value, &version, 4);
	memcpy(value + 4, e, n * 8);
	return fd < 0 ? E(setxattr(path, name, value, 4 + n * 8, 0)) :
			E(fsetxattr(fd, name, value, 4 + n * 8, 0));
}

#define FLAGS_COMPARED (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL)

static long flags_of(int fd)
{
	int flags = 0;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags) ? 0 : flags & FLAGS_COMPARED;
}

/* What cannot be changed shall not be the most of the tree: they go as often as they come. */
static long set_flags(int fd, uint32_t x)
{
	struct stat st;
	int flags = 0;
	long err = E(ioctl(fd, FS_IOC_GETFLAGS, &flags));

	/* Other objects have flags on some filesystems only. */
	if (!fstat(fd, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return -ENOTTY;
	if (x % 8 == 0)
		flags |= FS_IMMUTABLE_FL;
	else if (x % 8 == 1)
		flags |= FS_APPEND_FL;
	else if (x % 8 == 2)
		flags ^= FS_NODUMP_FL;
	else
		flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	return err ?: E(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

static long set_flags_at(const char *path, uint32_t x)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	long err = fd < 0 ? -errno : set_flags(fd, x);

	if (fd >= 0)
		close(fd);
	return err;
}

/* rm -rf, in any order; whether something is left. */
static long remove_all(const char *path, int depth)
{
	char below[320];
	struct dirent *de;
	struct stat st;
	DIR *d;

	if (lstat(path, &st))
		return -errno;
	d = S_ISDIR(st.st_mode) ? opendir(path) : NULL;
	while (d && depth < 12 && (de = readdir(d))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, de->d_name);
		if (unlink(below))
			remove_all(below, depth + 1);
	}
	if (d)
		closedir(d);
	if (unlink(path) && errno == EISDIR)
		rmdir(path);
	return !lstat(path, &st);
}

/* What fstat(2) says, as far as it can be compared. */
static long state_sum(int fd)
{
	struct stat st;
	long all[8] = { 0 };

	if (fstat(fd, &st))
		return -errno;
	all[0] = st.st_mode;
	all[1] = st.st_uid;
	all[2] = st.st_gid;
	all[3] = S_ISDIR(st.st_mode) ? !!st.st_nlink : now.guessed ? 0 : (long)st.st_nlink;
	all[4] = S_ISDIR(st.st_mode) ? 0 : (long)st.st_size;
	all[5] = st.st_rdev;
	all[6] = mtime_of(&st);
	return sum_of(all, sizeof(all));
}

static long list_fd(int fd)
{
	int dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long sum = dir < 0 ? -errno : list_sum(path_of("/proc/self/fd/%d", dir));

	if (dir >= 0)
		close(dir);
	return sum;
}

static long make_in(int dir, const char *name, uint32_t x)
{
	int fd;

	if (x % 2)
		return E(mkdirat(dir, name, 0755));
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static long same(int fd, const char *path)
{
	struct stat st, there;

	if (fstat(fd, &st) || lstat(path, &there))
		return -errno;
	return is_same(&st, &there);
}

static const int open_flags[] = {
	O_RDONLY, O_RDONLY, O_RDWR, O_RDWR | O_CREAT, O_RDWR | O_TRUNC,
	O_RDWR | O_APPEND, O_WRONLY | O_CREAT | O_EXCL, O_RDONLY | O_TRUNC,
	O_RDONLY | O_DIRECTORY, O_PATH | O_NOFOLLOW, O_PATH | O_NOFOLLOW, O_PATH,
};

static const unsigned int rename_flags[] = {
	0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT,
};

/* --- the operations ----------------------------------------------------------- */

/* By a descriptor. */
static long perform_fd(int fd, const struct op *op, const char *a, const char *b)
{
	uint32_t x = op->x;

	switch (op->kind) {
	case PREAD: return load(fd, x);
	case PWRITE: return E(pwrite(fd, op->b, sizeof(op->b), x));
	case MAP: return map_and_store(fd, x);
	case FSYNC: return E(fsync(fd));
	case FTRUNCATE: return E(ftruncate(fd, x));
	case FCHMOD: return op->flags & 1 ? E(fchmod(fd, 0400 | (x & 0377))) :
		E(syscall(SYS_fchmodat2, fd, "", 0400 | (x & 07377), AT_EMPTY_PATH));
	case FCHOWN: return E(fchownat(fd, "", x % 5, op->y % 5, AT_EMPTY_PATH));
	case FTIMES: return times(fd, "", AT_EMPTY_PATH, x);
	case FSETXATTR: return E(fsetxattr(fd, xattr_of(x), &x, 4, 0));
	case FACL: return set_acl(fd, NULL, op);
	case FFLAGS: return set_flags(fd, x);
	case FSTAT: return state_sum(fd);
	case FLIST: return list_fd(fd);
	case FMAKE: return make_in(fd, strrchr(op->b, '/') + 1, x);
	case FUNLINK: return E(unlinkat(fd, strrchr(op->b, '/') + 1, x % 2 ? AT_REMOVEDIR : 0));
	case FLINK: return E(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, b,
				    AT_SYMLINK_FOLLOW));
	case SAME: return same(fd, a);
	}
	return 0;
}

/* What OP comes to in this directory; FD is its slot. */
static long perform(const char *root, int *fd, const struct op *op)
{
	char a[32], b[32], text[64] = "";
	uint32_t x = op->x;

	snprintf(a, sizeof(a), "%s%s", root, op->a);
	snprintf(b, sizeof(b), "%s%s", root, op->b);
	switch (op->kind) {
	case CREATE: return store(a, O_WRONLY | O_CREAT | O_EXCL, 0, op->y);
	case STORE: return store(a, O_WRONLY, x, op->y);
	case APPEND: return store(a, O_WRONLY | O_APPEND | O_CREAT, 0, op->y % 100);
	case TRUNCATE: return E(truncate(a, x));
	case UNLINK: return E(unlink(a));
	case MKDIR: return E(mkdir(a, op->flags & 1 ? 0777 : 0755));
	case RMDIR: return E(rmdir(a));
	case RENAME: return E(renameat2(AT_FDCWD, a, AT_FDCWD, b,
					rename_flags[op->flags % ARRAY_SIZE(rename_flags)]));
	case LINK: return E(linkat(AT_FDCWD, a, AT_FDCWD, b, 0));
	case SYMLINK: return E(symlink(op->b + 1, a));
	case CHMOD: return E(chmod(a, 0400 | (x & 07377)));
	case CHOWN: return E(lchown(a, x % 5, op->y % 5));
	case TIMES: return times(AT_FDCWD, a, AT_SYMLINK_NOFOLLOW, x);
	case SETXATTR: return E(lsetxattr(a, xattr_of(x), &x, 4, 0));
	case REMOVEXATTR: return E(lremovexattr(a, xattr_of(x)));
	case ACL: return set_acl(-1, a, op);
	case FLAGS: return set_flags_at(a, x);
	case LIST: return list_sum(a);
	case READ: return checksum(a) >> 2;
	case MKNOD: return make_node(a, x);
	case TMPFILE: return tmpfile_link(a, b, x);
	case READLINK: return E(readlink(a, text, sizeof(text))) ^ sum_of(text, strlen(text));
	case REMOVEALL: return remove_all(a, 0);
	case OPEN: return open_slot(fd, op, a);
	default: return *fd < 0 ? 0 : perform_fd(*fd, op, a, b);
	}
}

/* As root, or as a user who is in one more group. */
static void act_as(unsigned int user)
{
	gid_t more = user + 2;

	if (seteuid(0) || setgroups(user ? 1 : 0, &more) || setegid(user) || seteuid(user))
		wrong("cannot become user %u", user);
}

/*
 * Whether it has changed what the name stands for, by which the branch has that name then, and
 * has it after the next mount.  Who has only asked for what is so already need not have.
 */
static bool changes_by_name(const struct op *op)
{
	switch (op->kind) {
	case STORE: case APPEND: case TRUNCATE: case CHMOD: case CHOWN: case TIMES: case SETXATTR:
		return op->is[0] >= 0;
	case OPEN:
		return op->is[0] >= 0 && !(op->flags & O_PATH) &&
		       ((op->flags & O_ACCMODE) || op->flags & O_TRUNC);
	}
	return false;
}

static void expect_on_branch(const struct op *op)
{
	int follows = op->kind == CHOWN || op->kind == TIMES || op->kind == SETXATTR ? O_NOFOLLOW : 0;
	int fd = open(path_of("u%s", op->a), O_PATH | O_CLOEXEC | follows);
	char real[256];
	struct stat st;
	ssize_t len = readlink(path_of("/proc/self/fd/%d", fd), real, sizeof(real) - 1);

	if (fd < 0)
		return;
	/* what is written to a device or a FIFO is not in the object */
	if (len < 0 || fstat(fd, &st) || ((op->kind <= APPEND || op->kind == OPEN) && !S_ISREG(st.st_mode))) {
		close(fd);
		return;
	}
	close(fd);
	real[len] = 0;
	len = strlen(area) + 2;
	if (lstat(path_of("rw%s", real + len), &st))
		wrong("%s: was changed by this name, which the branch has not", real + len);
}

/* Does it on both sides, and compares what it came to. */
static void perform_both(struct op *op, long number)
{
	int side;

	act_as(op->user);
	for (side = 0; side < 2; side++)
		op->is[side] = perform(roots[side], &now.slots[side][op->slot], op);
	act_as(0);
	/* A lower branch without attributes says so, and not that it does not have this one. */
	if (op->is[0] == -EOPNOTSUPP && op->is[1] == -ENODATA)
		op->is[0] = -ENODATA;
	/* Filesystems have either for a directory that is not empty. */
	if (op->is[0] == -ENOTEMPTY && op->is[1] == -EEXIST)
		op->is[0] = -EEXIST;
	if (op->is[0] != op->is[1])
		wrong("operation %ld (%s) is %ld on the union and should be %ld", number,
		      kinds[op->kind].name, op->is[0], op->is[1]);
	else if (!reference() && changes_by_name(op))
		expect_on_branch(op);
}

/* --- the comparison ------------------------------------------------------------ */

static struct stat seen[4096][2];
static int seen_count;

/* Numbers are one to one: objects that are one in the model are one in the union. */
static void compare_identity(const char *path, const struct stat *st)
{
	int i;

	for (i = 0; i < seen_count; i++) {
		if (is_same(&seen[i][0], &st[0]) != is_same(&seen[i][1], &st[1])) {
			wrong("%s: is another object than it should be", path);
			return;
		}
		if (is_same(&seen[i][0], &st[0]))
			return;
	}
	if (seen_count < (int)ARRAY_SIZE(seen))
		memcpy(seen[seen_count++], st, 2 * sizeof(*st));
}

/* All extended attributes that this program knows of: names and values, in any order. */
static const char *xattrs_of(const char *path)
{
	static const char *const names[] = { "user.x", "user.y", "trusted.x",
					     "system.posix_acl_access", "system.posix_acl_default" };
	char listed[512], *out = buffer();
	unsigned char value[128];
	size_t i, len = 0;
	ssize_t n, k;

	if (llistxattr(path, listed, sizeof(listed)) == 0)
		return out;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		n = lgetxattr(path, names[i], value, sizeof(value));
		if (n < 0)
			continue;
		len += sprintf(out + len, "%s=", names[i]);
		for (k = 0; k < n; k++)
			len += sprintf(out + len, "%02x", value[k]);
		strcpy(out + len++, " ");
	}
	return out;
}

static void compare_flags(const char *path, const char *const *full)
{
	long flags[2];
	int side, fd;

	for (side = 0; side < 2; side++) {
		fd = open(full[side], O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
		flags[side] = fd < 0 ? -errno : flags_of(fd);
		if (fd >= 0)
			close(fd);
	}
	if (flags[0] != flags[1])
		wrong("%s: flags %#lx, and should be %#lx", path, flags[0], flags[1]);
}

/* Compares all that can be compared of one object. */
static void compare_one(const char *path, const char *const *full, struct stat *st)
{
	char target[2][64] = { "", "" };
	const char *xattrs[2];
	int side;

	if (st[0].st_mode != st[1].st_mode || st[0].st_uid != st[1].st_uid ||
	    st[0].st_gid != st[1].st_gid || st[0].st_rdev != st[1].st_rdev)
		wrong("%s: mode %o owner %d:%d, and should be %o %d:%d", path, st[0].st_mode,
		      st[0].st_uid, st[0].st_gid, st[1].st_mode, st[1].st_uid, st[1].st_gid);
	if (mtime_of(&st[0]) != mtime_of(&st[1]))
		wrong("%s: changed at %ld, and should be %ld", path, mtime_of(&st[0]),
		      mtime_of(&st[1]));
	if (*path)
		compare_identity(path, st);
	for (side = 0; side < 2; side++)
		xattrs[side] = xattrs_of(full[side]);
	if (strcmp(xattrs[0], xattrs[1]))
		wrong("%s: attributes '%s', and should have '%s'", path, xattrs[0], xattrs[1]);
	if (S_ISREG(st[0].st_mode) || S_ISDIR(st[0].st_mode))
		compare_flags(path, full);
	if (S_ISDIR(st[0].st_mode))
		return;
	if (st[0].st_size != st[1].st_size || (!now.guessed && st[0].st_nlink != st[1].st_nlink))
		wrong("%s: size %ld links %ld, and should be %ld %ld", path,
		      (long)st[0].st_size, (long)st[0].st_nlink,
		      (long)st[1].st_size, (long)st[1].st_nlink);
	if (S_ISREG(st[0].st_mode) && checksum(full[0]) != checksum(full[1]))
		wrong("%s: the data differ", path);
	for (side = 0; S_ISLNK(st[0].st_mode) && side < 2; side++)
		if (readlink(full[side], target[side], sizeof(target[0]) - 1) < 0)
			wrong("%s: %s", full[side], errno_name(errno));
	if (strcmp(target[0], target[1]))
		wrong("%s: is a link to '%s', and should be to '%s'", path, target[0], target[1]);
}

static void compare_tree(const char *path)
{
	char full[2][256], names[2][4096], *name, *rest;
	const char *const at[2] = { full[0], full[1] };
	struct stat st[2];
	int side;

	if (*now.wrong)
		return;
	for (side = 0; side < 2; side++) {
		snprintf(full[side], sizeof(full[0]), "%s%s", roots[side], path);
		if (lstat(full[side], &st[side]))
			return wrong("%s: %s", full[side], errno_name(errno));
	}
	compare_one(path, at, st);
	if (!S_ISDIR(st[0].st_mode))
		return;
	for (side = 0; side < 2; side++)
		snprintf(names[side], sizeof(names[0]), "%s", list(full[side]));
	if (strcmp(names[0], names[1]))
		return wrong("%s: has '%s', and should have '%s'", path, names[0], names[1]);
	for (name = strtok_r(names[0], " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
		char below[240];

		snprintf(below, sizeof(below), "%s/%s", path, name);
		compare_tree(below);
	}
}

/* Compares everything.  Names that are gone may have been given to others since the last time. */
static void compare(void)
{
	seen_count = 0;
	compare_tree("");
}

#endif /* AUFS2_FUZZ_H */
