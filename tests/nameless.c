// SPDX-License-Identifier: GPL-2.0
/*
 * What is done to an object by a descriptor of it, be the object what it may, and whether or not it
 * has its name any more: a table, compared with the plain filesystem that the branches are on.
 */
#include "aufs2.h"
#include <sys/socket.h>
#include <sys/un.h>

AUFS2_FIXTURE

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#endif

struct at_args {
	uint64_t value;
	uint32_t size, flags;
};

enum kind { FILE_, DIR_, LINK_, FIFO_, SOCK_, CHR_, KINDS };
static const char *const kinds[] = { "file", "dir", "symlink", "fifo", "socket", "chr" };

enum loss { KEPT, REMOVED, REPLACED, RENAMED, LOSSES };
static const char *const losses[] = { "kept", "removed", "replaced", "renamed" };

static int make(enum kind kind, const char *path)
{
	struct sockaddr_un address = { AF_UNIX };
	int fd, err;

	switch (kind) {
	case FILE_:
		return write_file(path, "text");
	case DIR_:
		return E(mkdir(path, 0755));
	case LINK_:
		return E(symlink("target", path));
	case FIFO_:
		return E(mkfifo(path, 0644));
	case SOCK_:
		snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		err = E(bind(fd, (void *)&address, sizeof(address)));
		close(fd);
		return err ?: E(chmod(path, 0644));
	default:
		return E(mknod(path, S_IFCHR | 0644, makedev(1, 3)));
	}
}

static int lose(enum kind kind, enum loss loss, const char *path)
{
	char other[4200];

	snprintf(other, sizeof(other), "%s.other", path);
	switch (loss) {
	case REMOVED:
		return kind == DIR_ ? E(rmdir(path)) : E(unlink(path));
	case REPLACED:
		return make(kind, other) ?: E(rename(other, path));
	case RENAMED:
		return E(rename(path, other));
	default:
		return 0;
	}
}

static long op_chmod(int fd)
{
	return E(fchmod(fd, 0600));
}

static long op_chmodat(int fd)
{
	return E(syscall(SYS_fchmodat2, fd, "", 0600, AT_EMPTY_PATH));
}

static long op_chown(int fd)
{
	return E(fchown(fd, 7, 8));
}

static long op_chownat(int fd)
{
	return E(fchownat(fd, "", 7, 8, AT_EMPTY_PATH));
}

static const struct timespec then[2] = { { 1000, 0 }, { 2000, 0 } };

static long op_utimens(int fd)
{
	return E(futimens(fd, then));
}

static long op_utimensat(int fd)
{
	return E(utimensat(fd, "", then, AT_EMPTY_PATH));
}

static long op_setxattr(int fd)
{
	return E(fsetxattr(fd, "trusted.x", "value", 5, 0));
}

static long op_setxattrat(int fd)
{
	struct at_args args = { (uintptr_t)"value", 5, 0 };

	return E(syscall(SYS_setxattrat, fd, "", AT_EMPTY_PATH, "trusted.x", &args, sizeof(args)));
}

static long op_getxattr(int fd)
{
	return E(fgetxattr(fd, "trusted.old", NULL, 0));
}

static long op_getxattrat(int fd)
{
	struct at_args args = { 0, 0, 0 };

	return E(syscall(SYS_getxattrat, fd, "", AT_EMPTY_PATH, "trusted.old", &args, sizeof(args)));
}

static long op_flags(int fd)
{
	int flags = 0;

	return E(ioctl(fd, FS_IOC_GETFLAGS, &flags)) ?:
	       (flags |= FS_NODUMP_FL, E(ioctl(fd, FS_IOC_SETFLAGS, &flags)));
}

static long op_readlink(int fd)
{
	char target[16];

	return E(readlinkat(fd, "", target, sizeof(target)));
}

static long op_sync(int fd)
{
	return E(fsync(fd));
}

static long op_create_in(int fd)
{
	return E(mkdirat(fd, "in", 0755));
}

static long op_fchdir(int fd)
{
	long err = E(fchdir(fd));

	/* The working directory is the object's, by a name that every directory has. */
	err = err ?: E(chmod(".", 0700));
	if (chdir(area))
		return -EIO;
	return err;
}

static const struct {
	const char *name;
	long (*run)(int fd);
} ops[] = {
	{ "fchmod", op_chmod }, { "fchmodat2", op_chmodat }, { "fchown", op_chown },
	{ "fchownat", op_chownat }, { "futimens", op_utimens }, { "utimensat", op_utimensat },
	{ "fsetxattr", op_setxattr }, { "setxattrat", op_setxattrat },
	{ "fgetxattr", op_getxattr }, { "getxattrat", op_getxattrat },
	{ "flags", op_flags }, { "readlinkat", op_readlink }, { "fsync", op_sync },
	{ "mkdirat", op_create_in }, { "fchdir", op_fchdir },
};

/* Everything that fstat(2) and others tell of the object afterwards. */
static void describe(char *out, size_t size, enum kind kind, long result, int fd)
{
	char target[16] = "", value[16] = "", listed[64] = "";
	struct stat st;
	int err = E(fstat(fd, &st));

	if (kind == LINK_ && readlinkat(fd, "", target, sizeof(target) - 1) < 0)
		strcpy(target, errno_name(errno));
	if (fgetxattr(fd, "trusted.x", value, sizeof(value) - 1) < 0)
		strcpy(value, errno_name(errno));
	if (kind == DIR_)
		snprintf(listed, sizeof(listed), "%s", list(path_of("/proc/self/fd/%d", fd)));
	snprintf(out, size, "%s fstat=%d mode=%o nlink=%ld size=%ld %d:%d mtime=%d rdev=%lx -> %s x=%s %s",
		 result < 0 ? errno_name(-result) : "ok", err, st.st_mode,
		 kind == DIR_ ? !!st.st_nlink : (long)st.st_nlink,
		 kind == DIR_ ? 0 : (long)st.st_size, st.st_uid, st.st_gid,
		 st.st_mtim.tv_sec == 2000, (long)st.st_rdev, target, value, listed);
}

static void one(char *out, size_t size, enum kind kind, enum loss loss, unsigned int op,
		bool o_path, const char *path)
{
	int fd = E(open(path, (o_path ? O_PATH : kind == FIFO_ ? O_RDWR : O_RDONLY) |
				      O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
	long err;

	if (fd < 0) {
		snprintf(out, size, "open: %s", errno_name(-fd));
		return;
	}
	err = lose(kind, loss, path);
	if (err)
		snprintf(out, size, "lose: %s", errno_name(-err));
	else
		describe(out, size, kind, ops[op].run(fd), fd);
	close(fd);
}

/* The rows of one kind of object. */
static void table(struct __test_metadata *_metadata, enum kind kind)
{
	char native[400], here[400], name[64], path[4096];
	unsigned int op, loss, o_path, pass;

	AUFS2_ONLY("the plain filesystem is what it is compared with");
	ASSERT_EQ(0, E(mkdir("native", 0755)));
	for (pass = 0; pass < 2; pass++) {
		for (op = 0; op < ARRAY_SIZE(ops); op++)
		for (loss = 0; loss < LOSSES; loss++)
		for (o_path = 0; o_path < 2; o_path++) {
			/* A device is read, and a socket cannot be opened. */
			if (!o_path && (kind == LINK_ || kind == SOCK_ || kind == CHR_))
				continue;
			snprintf(name, sizeof(name), "%u.%u.%u", op, loss, o_path);
			if (!pass) {
				snprintf(path, sizeof(path), "ro/%s", name);
				ASSERT_EQ(0, make(kind, path));
				lsetxattr(path, "trusted.old", "o", 1, 0);
				snprintf(path, sizeof(path), "native/%s", name);
				ASSERT_EQ(0, make(kind, path));
				lsetxattr(path, "trusted.old", "o", 1, 0);
				continue;
			}
			snprintf(path, sizeof(path), "native/%s", name);
			one(native, sizeof(native), kind, loss, op, o_path, path);
			snprintf(path, sizeof(path), "u/%s", name);
			one(here, sizeof(here), kind, loss, op, o_path, path);
			EXPECT_STREQ(native, here)
				TH_LOG("%s of a %s that is %s%s", ops[op].name, kinds[kind],
				       losses[loss], o_path ? ", O_PATH" : "");
		}
		if (!pass)
			ASSERT_EQ(0, up("rw", "ro"));
	}
	if (!access("rw/.wh..wh.orph", F_OK))
		EXPECT_STREQ("", list("rw/.wh..wh.orph"));
}

TEST_F(u, files)
{
	table(_metadata, FILE_);
}

TEST_F(u, directories)
{
	table(_metadata, DIR_);
}

TEST_F(u, symbolic_links)
{
	table(_metadata, LINK_);
}

TEST_F(u, fifos)
{
	table(_metadata, FIFO_);
}

TEST_F(u, sockets)
{
	table(_metadata, SOCK_);
}

TEST_F(u, devices)
{
	table(_metadata, CHR_);
}

/* A directory of both branches that is removed has no links, and nothing in it. */
TEST_F(u, a_merged_directory)
{
	struct stat st;
	int fd;

	ASSERT_EQ(0, shell("mkdir rw/d ro/d; echo x > ro/d/low; echo y > rw/d/high"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	ASSERT_EQ(0, E(unlink("u/d/low")) | E(unlink("u/d/high")));
	ASSERT_EQ(0, E(rmdir("u/d")));
	ASSERT_EQ(0, E(fstat(fd, &st)));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(0, E(fchmod(fd, 0700)));
	EXPECT_EQ(0, E(fsetxattr(fd, "trusted.x", "y", 1, 0)));
	EXPECT_STREQ("(0 of . and ..) ", list(path_of("/proc/self/fd/%d", fd)));
	close(fd);
}

/* Catches: a symbolic link without a target, which XFS takes for damage. */
TEST_F(u, xfs_stays_clean)
{
	const char *why;
	int fd;

	AUFS2_ONLY("it leaves such links alone");
	if (!have("xfs_repair"))
		SKIP(return, "no xfs_repair");
	why = make_fs("xfs", path_of("%s/x", area));
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, E(symlink("target", "ro/l")));
	ASSERT_EQ(0, up("x=rw", "ro"));
	ASSERT_LE(0, fd = open("u/l", O_PATH | O_NOFOLLOW | O_CLOEXEC));
	ASSERT_EQ(0, E(unlink("u/l")));
	EXPECT_EQ(0, op_utimensat(fd));
	EXPECT_EQ(6, op_readlink(fd));
	close(fd);
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("x", 0)));
	EXPECT_EQ(0, shell("xfs_repair -n x.img"));
}

TEST_HARNESS_MAIN
