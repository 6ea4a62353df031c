// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes immutable or append-only on its branch, past the union, or ceases to be: whatever
 * is done by the union, or by a descriptor from before, ends as it does natively.
 */
#include "aufs2.h"
#include <sys/mman.h>

AUFS2_FIXTURE

#define PROTECTED (FS_IMMUTABLE_FL | FS_APPEND_FL)
#define NOAPPEND 0x20	/* RWF_NOAPPEND */

static int set(const char *path, int on)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), flags = 0, err;

	err = fd < 0 ? -errno : E(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags = (flags & ~PROTECTED) | on;
	err = err ?: E(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	close(fd);
	return err;
}

static long splice_in(int fd)
{
	int ends[2];
	long err = E(pipe(ends));

	if (err)
		return err;
	err = E(write(ends[1], "!", 1));
	err = err < 0 ? err : E(splice(ends[0], NULL, fd, NULL, 1, 0));
	close(ends[0]);
	close(ends[1]);
	return err;
}

static long map(int fd, int prot)
{
	char *at = mmap(NULL, 4096, prot, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	if (prot & PROT_WRITE)
		*at = '!';
	return E(munmap(at, 4096));
}

enum way { OPEN, OPEN_APPEND, OPEN_TRUNC, OPEN_READ, TRUNCATE, CHMOD, UTIMES, UNLINK, RENAME, LINK, APPEND,
	   FTRUNCATE, FCHMOD, FALLOCATE, PUNCH, NOT_APPENDING, ONCE_NOT_APPENDING, SPLICE, MAP, MAP_READ };

static const struct { enum way way; const char *name; } ways[] = {
	{ OPEN, "open" }, { OPEN_APPEND, "open to append" }, { OPEN_TRUNC, "open to truncate" },
	{ OPEN_READ, "open to read" }, { TRUNCATE, "truncate" }, { CHMOD, "chmod" }, { UTIMES, "utimes" },
	{ UNLINK, "unlink" }, { RENAME, "rename" }, { LINK, "link" }, { APPEND, "append by a descriptor" },
	{ FTRUNCATE, "ftruncate" }, { FCHMOD, "fchmod" }, { FALLOCATE, "fallocate" },
	{ PUNCH, "punch a hole" }, { NOT_APPENDING, "write after F_SETFL" },
	{ ONCE_NOT_APPENDING, "write with RWF_NOAPPEND" }, { SPLICE, "splice after F_SETFL" },
	{ MAP, "map" }, { MAP_READ, "map to read" },
};

/* Does it to PATH, or by FD, which has it open to read and append: 0 or more, or -errno. */
static long go(enum way way, const char *path, int fd)
{
	struct iovec one = { "!", 1 };
	int flags = fcntl(fd, F_GETFL) & ~O_APPEND;

	switch (way) {
	case OPEN: return can_open(path, O_WRONLY);
	case OPEN_APPEND: return can_open(path, O_WRONLY | O_APPEND);
	case OPEN_TRUNC: return can_open(path, O_WRONLY | O_APPEND | O_TRUNC);
	case OPEN_READ: return can_open(path, O_RDONLY);
	case TRUNCATE: return E(truncate(path, 0));
	case CHMOD: return E(chmod(path, 0600));
	case UTIMES: return E(utimensat(AT_FDCWD, path, (struct timespec [2]){ { 1, 0 }, { 1, 0 } }, 0));
	case UNLINK: return E(unlink(path));
	case RENAME: return E(rename(path, path_of("%s.moved", path)));
	case LINK: return E(link(path, path_of("%s.link", path)));
	case APPEND: return E(write(fd, "+", 1));
	case FTRUNCATE: return E(ftruncate(fd, 0));
	case FCHMOD: return E(fchmod(fd, 0600));
	case FALLOCATE: return E(fallocate(fd, 0, 0, 8192));
	case PUNCH: return E(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	case NOT_APPENDING: return E(fcntl(fd, F_SETFL, flags)) ?: E(pwrite(fd, "!", 1, 0));
	case ONCE_NOT_APPENDING: return E(pwritev2(fd, &one, 1, 0, NOAPPEND));
	case SPLICE: return E(fcntl(fd, F_SETFL, flags)) ?: splice_in(fd);
	case MAP: return map(fd, PROT_READ | PROT_WRITE);
	case MAP_READ: return map(fd, PROT_READ);
	}
	return 0;
}

/* One way of changing one that has got FLAG, which it had not when it was opened; or had, and lost it. */
static void one(struct __test_metadata *_metadata, int number, int flag, bool lost)
{
	const char *const native = path_of("rw/native%d", number), *below = path_of("rw/f%d", number);
	const char *const path = path_of("u/f%d", number);
	long expected, got, size;
	int fds[2];

	fds[0] = open(native, O_RDWR | O_APPEND | O_CLOEXEC);
	fds[1] = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	ASSERT_LE(0, fds[0]);
	ASSERT_LE(0, fds[1]);
	ASSERT_EQ(0, set(native, flag) | set(below, flag));
	if (lost) {
		/* the union notices, whether it may be written */
		EXPECT_EQ(go(APPEND, native, fds[0]), go(APPEND, path, fds[1]));
		EXPECT_EQ(go(TRUNCATE, native, fds[0]), go(TRUNCATE, path, fds[1]));
		ASSERT_EQ(0, set(native, 0) | set(below, 0));
		/* and that it may again when the name is used next: a descriptor asks nobody */
		EXPECT_EQ(0, E(access(path, F_OK)));
	}
	expected = go(ways[number].way, native, fds[0]);
	got = go(ways[number].way, path, fds[1]);
	EXPECT_EQ(expected, got) TH_LOG("%s", ways[number].name);
	size = st_of(native).st_size;
	EXPECT_EQ(size, st_of(below).st_size) TH_LOG("%s", ways[number].name);
	EXPECT_STREQ(read_file(native), read_file(below)) TH_LOG("%s", ways[number].name);
	close(fds[0]);
	close(fds[1]);
	if (access(native, F_OK) == 0)
		set(native, 0);
	if (access(below, F_OK) == 0)
		set(below, 0);
}

static void all(struct __test_metadata *_metadata, int flag, bool lost)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++)
		ASSERT_EQ(0, write_file(path_of("rw/f%d", i), "up") | write_file(path_of("rw/native%d", i), "up"));
	if (set("rw/f0", FS_APPEND_FL) || set("rw/f0", 0))
		SKIP(return, "%s has none", test_fs());
	ASSERT_EQ(0, up("rw", "ro"));
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		one(_metadata, i, flag, lost);
}

TEST_F(u, append_only)
{
	all(_metadata, FS_APPEND_FL, false);
}

TEST_F(u, immutable)
{
	all(_metadata, FS_IMMUTABLE_FL, false);
}

TEST_F(u, append_only_no_more)
{
	all(_metadata, FS_APPEND_FL, true);
}

TEST_F(u, immutable_no_more)
{
	all(_metadata, FS_IMMUTABLE_FL, true);
}

/* Catches: a copy that has not got the data, of what then is found to be protected. */
TEST_F(u, what_is_refused_is_not_lost)
{
	static const char * const flags[] = { "+a", "+i" };
	char path[64];
	int fd, i;

	AUFS2_ONLY("it does not look for changes of branches");
	for (i = 0; i < 2; i++) {
		area_unseal();
		ASSERT_EQ(0, write_file(path_of("ro/f%d", i), "low"));
		ASSERT_EQ(0, up("rw", "ro"));
		/* the name is not looked at again by this */
		ASSERT_LE(0, fd = open(path_of("u/f%d", i), O_PATH | O_CLOEXEC));
		if (shell("chattr %s ro/f%d", flags[i], i))
			SKIP(return, "no protected files here");
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		EXPECT_EQ(-EPERM, E(truncate(path, 0))) TH_LOG("%s", flags[i]);
		EXPECT_STREQ("low", read_file(path_of("u/f%d", i))) TH_LOG("%s", flags[i]);
		close(fd);
		EXPECT_EQ(0, shell("chattr -ai ro/f%d; chattr -ai rw/f%d 2>/dev/null; true", i, i));
		area_seal();
		ASSERT_EQ(0, down());
	}
}

TEST_HARNESS_MAIN
