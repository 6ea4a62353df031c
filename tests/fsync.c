// SPDX-License-Identifier: GPL-2.0
/* fsync, fdatasync, syncfs, sync_file_range, msync. */
#include "aufs2.h"
#include <sys/mman.h>

#define WRITEBACK "/proc/sys/vm/dirty_writeback_centisecs"

FIXTURE(u) { char writeback[32]; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	if (*self->writeback)
		put(WRITEBACK, 0, self->writeback);
	EXPECT_STREQ("", wrong ?: "");
}

TEST_F(u, files)
{
	int fd;

	ASSERT_EQ(0, write_file("ro/f", "text"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	EXPECT_EQ(0, E(fsync(fd)));
	EXPECT_EQ(0, E(fdatasync(fd)));
	close(fd);
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	ASSERT_LE(0, fd = open("u/f", O_RDWR));
	EXPECT_EQ(1, E(pwrite(fd, "T", 1, 0)));
	EXPECT_EQ(0, E(fsync(fd)));
	EXPECT_EQ(0, E(fdatasync(fd)));
	EXPECT_EQ(0, E(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)));
	EXPECT_STREQ("Text", read_file("rw/f"));
}

TEST_F(u, directories)
{
	int fd;

	ASSERT_EQ(0, shell("mkdir ro/low ro/merged rw/merged"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/low", O_RDONLY | O_DIRECTORY));
	EXPECT_EQ(0, E(fsync(fd)));
	ASSERT_EQ(0, write_file("u/low/f", "x"));
	EXPECT_EQ(0, E(fsync(fd)));
	EXPECT_EQ(0, E(fdatasync(fd)));
	ASSERT_LE(0, fd = open("u/merged", O_RDONLY | O_DIRECTORY));
	EXPECT_EQ(0, E(fsync(fd)));
}

TEST_F(u, syncfs)
{
	int fd;

	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/f", "text"));
	ASSERT_LE(0, fd = open("u", O_RDONLY | O_DIRECTORY));
	EXPECT_EQ(0, E(syncfs(fd)));
	EXPECT_STREQ("text", read_file("rw/f"));
}

TEST_F(u, syncing_descriptors)
{
	int fd;

	ASSERT_EQ(0, write_file("ro/f", "text"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_RDWR | O_SYNC));
	EXPECT_EQ(2, E(pwrite(fd, "TE", 2, 0)));
	ASSERT_LE(0, fd = open("u/f", O_RDWR | O_DSYNC));
	EXPECT_EQ(2, E(pwrite(fd, "XT", 2, 2)));
	EXPECT_STREQ("TEXT", read_file("rw/f"));
	struct iovec iov = { "t", 1 };

	EXPECT_EQ(1, E(pwritev2(fd, &iov, 1, 0, RWF_DSYNC)));
	EXPECT_STREQ("tEXT", read_file("rw/f"));
}

TEST_F(u, pipes_and_path_descriptors)
{
	int fd;

	ASSERT_EQ(0, shell("mkfifo ro/p; touch ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/p", O_RDWR));
	EXPECT_EQ(-EINVAL, E(fsync(fd)));
	ASSERT_LE(0, fd = open("u/f", O_PATH));
	EXPECT_EQ(-EBADF, E(fsync(fd)));
}

TEST_F(u, data_reaches_the_device)
{
	/* written, synced, and read from the branch past its page cache */
	char *buf = NULL;
	int fd;

	if (on_tmpfs())
		SKIP(return, "tmpfs has no device");
	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 4096));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_CREAT | O_RDWR, 0644));
	memset(buf, 'd', 4096);
	ASSERT_EQ(4096, E(write(fd, buf, 4096)));
	ASSERT_EQ(0, E(fsync(fd)));
	ASSERT_LE(0, fd = open("rw/f", O_RDONLY | O_DIRECT));
	memset(buf, 0, 4096);
	ASSERT_EQ(4096, E(read(fd, buf, 4096)));
	EXPECT_EQ('d', buf[4095]);
}

/* dirty_pages: of the file PATH of a branch; -1 where the kernel cannot say. */
static long dirty_pages(const char *path)
{
	struct { unsigned long long off, len; } all = { 0, 0 };
	struct { unsigned long long cache, dirty, writeback, evicted, recent; } pages;
	int fd = open(path, O_RDONLY);
	long ret;

	if (fd < 0)
		return -1;
	ret = syscall(451 /* cachestat */, fd, &all, &pages, 0);
	close(fd);
	return ret ? -1 : (long)(pages.dirty + pages.writeback);
}

/* Nothing is written out by itself until the end of the test, so that a page that is dirty stays so. */
static int stop_writeback(FIXTURE_DATA(u) *self)
{
	snprintf(self->writeback, sizeof(self->writeback), "%s", read_file(WRITEBACK));
	return put(WRITEBACK, 0, "0");
}

static long do_fsync(int fd)
{
	return E(fsync(fd));
}

static long do_fdatasync(int fd)
{
	return E(fdatasync(fd));
}

static long do_syncfs(int fd)
{
	return E(syncfs(fd));
}

static long do_range(int fd)
{
	return E(sync_file_range(fd, 0, 4 * 4096, SYNC_FILE_RANGE_WAIT_BEFORE |
				 SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
}

static long do_sync(int fd)
{
	sync();
	return 0;
}

/* Four dirty pages of a file by writing, and what is left of them after the call; or what failed. */
static const char *written_and_synced(const char *path, const char *real, long (*call)(int))
{
	static const char text[4 * 4096] = "text";
	int fd = open(path, O_RDWR | O_CLOEXEC);
	long before, err, after;

	if (fd < 0)
		return errno_name(errno);
	if (pwrite(fd, text, sizeof(text), 0) != sizeof(text))
		return "it cannot be written";
	before = dirty_pages(real);
	err = call(fd);
	after = dirty_pages(real);
	close(fd);
	return path_of("%ld, %ld, %ld", before, err, after);
}

/* The same by a mapping and msync(2). */
static const char *mapped_and_synced(const char *path, const char *real, int flags)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), i;
	char *p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	long before, err, after;

	if (fd < 0 || p == MAP_FAILED)
		return errno_name(errno);
	for (i = 0; i < 4; i++)
		p[i * 4096] = 'm';
	before = dirty_pages(real);
	err = E(msync(p, 4 * 4096, flags));
	after = dirty_pages(real);
	munmap(p, 4 * 4096);
	close(fd);
	return path_of("%d, %ld, %ld", before > 0, err, after);
}

TEST_F(u, what_is_synced_is_clean)
{
	static const struct { const char *name; long (*call)(int); } calls[] = {
		{ "fsync", do_fsync }, { "fdatasync", do_fdatasync }, { "syncfs", do_syncfs },
		{ "sync_file_range", do_range }, { "sync", do_sync },
	};
	const char *native;
	unsigned int i;

	if (on_tmpfs())
		SKIP(return, "what is on tmpfs is always dirty");
	ASSERT_EQ(0, shell("head -c 16384 /dev/zero > ro/low; cp ro/low rw/up; cp ro/low native; sync"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, stop_writeback(self));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		native = written_and_synced("native", "native", calls[i].call);
		EXPECT_STREQ("4, 0, 0", native) { TH_LOG("%s", calls[i].name); }
		EXPECT_STREQ(native, written_and_synced("u/up", "rw/up", calls[i].call)) {
			TH_LOG("%s", calls[i].name);
		}
		/* the first of them copies it up */
		EXPECT_STREQ(native, written_and_synced("u/low", "rw/low", calls[i].call)) {
			TH_LOG("%s of a lower file", calls[i].name);
		}
	}
	EXPECT_STREQ(mapped_and_synced("native", "native", MS_SYNC),
		     mapped_and_synced("u/up", "rw/up", MS_SYNC));
	EXPECT_STREQ(mapped_and_synced("native", "native", MS_SYNC),
		     mapped_and_synced("u/low", "rw/low", MS_SYNC));
}

TEST_F(u, nothing_is_written_out_if_volatile)
{
	int fd;

	if (on_tmpfs())
		SKIP(return, "what is on tmpfs is always dirty");
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_CREAT | O_RDWR | O_SYNC, 0644));
	ASSERT_EQ(4, E(pwrite(fd, "text", 4, 0)));
	EXPECT_EQ(0, dirty_pages("rw/f"));
	/* with the descriptor that was open, and with one that comes */
	ASSERT_EQ(0, shell("mount -o remount,fsync=volatile u"));
	ASSERT_EQ(4, E(pwrite(fd, "TEXT", 4, 0)));
	EXPECT_EQ(1, dirty_pages("rw/f"));
	ASSERT_LE(0, fd = open("u/g", O_CREAT | O_RDWR | O_DSYNC, 0644));
	ASSERT_EQ(4, E(pwrite(fd, "text", 4, 0)));
	EXPECT_EQ(1, dirty_pages("rw/g"));
	ASSERT_EQ(0, shell("mount -o remount,fsync=auto u"));
	ASSERT_EQ(4, E(pwrite(fd, "TEXT", 4, 0)));
	EXPECT_EQ(0, dirty_pages("rw/g"));
}

/* log_forces: how often XFS has had its logs written out. */
static long log_forces(void)
{
	char line[256];
	long forces = -1;
	FILE *stats = fopen("/sys/fs/xfs/stats/stats", "r");

	while (stats && fgets(line, sizeof(line), stats))
		if (sscanf(line, "log %*d %*d %*d %ld", &forces) == 1)
			break;
	if (stats)
		fclose(stats);
	return forces;
}

TEST_F(u, shared_blocks_are_on_the_disk_already)
{
	long before, after;
	int fd;

	if (strcmp(test_fs(), "xfs"))
		SKIP(return, "files share blocks on xfs only");
	ASSERT_EQ(0, shell("head -c 64K /dev/zero > ro/auto; cp ro/auto ro/strict; sync"));
	ASSERT_EQ(0, up("rw", "ro"));
	before = log_forces();
	ASSERT_LE(0, before);
	ASSERT_LE(0, fd = open("u/auto", O_WRONLY));
	EXPECT_EQ(before, log_forces());
	close(fd);
	ASSERT_EQ(0, shell("mount -o remount,fsync=strict u"));
	before = log_forces();
	ASSERT_LE(0, fd = open("u/strict", O_WRONLY));
	after = log_forces();
	EXPECT_LT(before, after);
	close(fd);
}

TEST_HARNESS_MAIN
