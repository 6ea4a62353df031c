// SPDX-License-Identifier: GPL-2.0
/*
 * What was acknowledged is on the disk: the machine "goes down" by a shutdown of the
 * branch's filesystem that writes no log, and what is there after the next mount is
 * compared with what the calls had promised.
 */
#include "aufs2_mvdown.h"
#include <sys/mman.h>

AUFS2_FIXTURE

#ifndef FS_IOC_SHUTDOWN
#define FS_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#endif
#define NO_LOG_FLUSH 2

static const char *kind_of_disk;

/* A disk with the writable branch; the other is in memory. */
static const char *disk_made(const char *type)
{
	const char *why = make_fs(type, path_of("%s/disk", area));

	kind_of_disk = type;
	if (!why && shell("mkdir disk/rw"))
		why = "no directory";
	return why;
}

static int union_on_disk(const char *more, unsigned long flags)
{
	return union_mount(more, flags, (const char * const []){ "disk/rw=rw", "ro", NULL });
}

/* The machine goes down now, and comes up again, without the union. */
static int power_cut(void)
{
	uint32_t how = NO_LOG_FLUSH;
	int fd = open("disk", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 ? -errno : E(ioctl(fd, FS_IOC_SHUTDOWN, &how));

	close(fd);
	close_range(3, ~0U, 0);
	down();
	err = err ?: E(umount2("disk", 0));
	if (!err && shell("mount -t %s -o loop %s/disk.img %s/disk", kind_of_disk, area, area))
		err = -EIO;
	return err;
}

static int by_write(int fd) { return E(pwrite(fd, "new", 3, 0)) != 3; }
static int by_fsync(int fd) { return by_write(fd) ? -EIO : E(fsync(fd)); }
static int by_fdatasync(int fd) { return by_write(fd) ? -EIO : E(fdatasync(fd)); }
static int by_syncfs(int fd) { return by_write(fd) ? -EIO : E(syncfs(fd)); }

static int by_rwf_dsync(int fd)
{
	struct iovec iov = { "new", 3 };

	return E(pwritev2(fd, &iov, 1, 0, RWF_DSYNC)) != 3;
}

static int by_splice(int fd)
{
	loff_t at = 0;
	int p[2];

	if (pipe(p) || write(p[1], "new", 3) != 3)
		return -errno;
	return E(splice(p[0], NULL, fd, &at, 3, 0)) != 3;
}

static int by_copy(int fd)
{
	int from = open("u/source", O_RDONLY);

	return E(copy_file_range(from, NULL, fd, NULL, 3, 0)) != 3;
}

static int by_msync(int fd)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int err;

	if (p == MAP_FAILED)
		return -errno;
	memcpy(p, "new", 3);
	err = E(msync(p, 4096, MS_SYNC));
	munmap(p, 4096);
	return err;
}

/* The name is the branch's from the copy-up on, whoever asks again later. */
static int by_second_descriptor(int fd)
{
	int again;

	drop_caches();
	if (pwrite(fd, "old", 3, 0) != 3)
		return -errno;
	again = open("u/f", O_RDWR);
	return by_fdatasync(again);
}

static const struct way {
	const char *name;
	int (*write)(int fd);
	int flags;
	unsigned long mount;
	bool is_plain;		/* done with AUFS2_TEST_LONG only: no filesystem is special */
} ways[] = {
	{ "fsync", by_fsync, 0, 0, true },
	{ "fdatasync", by_fdatasync },
	{ "syncfs", by_syncfs, 0, 0, true },
	{ "O_SYNC", by_write, O_SYNC, 0, true },
	{ "O_DSYNC", by_write, O_DSYNC },
	{ "RWF_DSYNC", by_rwf_dsync },
	{ "splice to O_DSYNC", by_splice, O_DSYNC, 0, true },
	{ "copy_file_range to O_DSYNC", by_copy, O_DSYNC },
	{ "msync", by_msync },
	{ "another descriptor", by_second_descriptor },
	{ "-o sync", by_write, 0, MS_SYNCHRONOUS },
	{ "-o sync, splice", by_splice, 0, MS_SYNCHRONOUS, true },
};

/* A file that is there before: 16 KiB that begin with "old". */
static int old_files(void)
{
	return shell("printf new > ro/source; { printf old; head -c 16381 /dev/zero; } > ro/f");
}

static void promises(struct __test_metadata *_metadata, const char *type)
{
	const char *why = disk_made(type), *is;
	unsigned int i;

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, old_files());
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct way *way = &ways[i];
		int fd;

		if (long_ms(1) == 1 && (way->is_plain || (!strcmp(type, "xfs") && i % 4 != 0)))
			continue;
		ASSERT_EQ(0, union_on_disk("", way->mount));
		ASSERT_LE(0, fd = open("u/f", O_RDWR | way->flags));
		EXPECT_EQ(0, way->write(fd)) TH_LOG("%s on %s", way->name, type);
		ASSERT_EQ(0, power_cut());
		ASSERT_EQ(0, union_on_disk("", 0));
		is = read_file("u/f");
		EXPECT_STREQ("new", is) TH_LOG("%s on %s", way->name, type);
		EXPECT_EQ(16384, st_of("u/f").st_size);
		ASSERT_EQ(0, down());
		ASSERT_EQ(0, shell("rm -rf disk/rw; mkdir disk/rw; sync"));
	}
	EXPECT_EQ(0, E(umount("disk")));
}

TEST_F(u, what_is_promised_on_ext4)
{
	promises(_metadata, "ext4");
}

TEST_F(u, what_is_promised_on_xfs)
{
	promises(_metadata, "xfs");
}

/* A long name whose object has gone stays gone. */
static void long_names(struct __test_metadata *_metadata, const char *type)
{
	const char *why = disk_made(type), *name;

	AUFS2_ONLY("its whiteouts are other ones");
	if (why)
		SKIP(return, "%s", why);
	name = path_of("u/%0255d", 0);
	ASSERT_EQ(0, shell("echo low > ro/%0255d; echo up > disk/rw/%0255d; sync", 0, 0));
	ASSERT_EQ(0, union_on_disk("", 0));
	ASSERT_EQ(0, E(unlink(name)));
	/* somebody else has the log written out */
	ASSERT_EQ(0, shell("echo x > disk/x; sync disk/x"));
	ASSERT_EQ(0, power_cut());
	ASSERT_EQ(0, union_on_disk("", 0));
	EXPECT_STREQ("ENOENT", kind(name));
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount("disk")));
}

TEST_F(u, a_long_name_stays_gone_on_ext4)
{
	long_names(_metadata, "ext4");
}

TEST_F(u, a_long_name_stays_gone_on_xfs)
{
	long_names(_metadata, "xfs");
}

/* A copy has its data before it has its name, also if nobody asks for that. */
static void copies(struct __test_metadata *_metadata, const char *type)
{
	const char *why = disk_made(type);

	AUFS2_ONLY("it has the data written out if it is asked to");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, old_files());
	ASSERT_EQ(0, union_on_disk("", 0));
	ASSERT_EQ(0, E(close(open("u/f", O_RDWR))));
	ASSERT_EQ(0, E(chmod("u/source", 0600)));
	/* somebody else has the log written out */
	ASSERT_EQ(0, shell("echo x > disk/x; sync disk/x"));
	ASSERT_EQ(0, power_cut());
	EXPECT_STREQ("file", kind("disk/rw/f"));
	ASSERT_EQ(0, union_on_disk("", 0));
	EXPECT_STREQ("old", read_file("u/f"));
	EXPECT_EQ(16384, st_of("u/f").st_size);
	EXPECT_STREQ("new", read_file("u/source"));
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount("disk")));
}

TEST_F(u, a_copy_shows_with_its_data_on_ext4)
{
	copies(_metadata, "ext4");
}

TEST_F(u, a_copy_shows_with_its_data_on_xfs)
{
	copies(_metadata, "xfs");
}

/* What has been done to names, once the directory was synced; the whiteouts are in it. */
static void names(struct __test_metadata *_metadata, const char *type)
{
	const char *why = disk_made(type);
	int fd;

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("mkdir -p ro/d/sub; echo f > ro/d/f; printf g > ro/d/g; echo x > ro/d/sub/x"));
	ASSERT_EQ(0, union_on_disk("", 0));
	ASSERT_EQ(0, E(unlink("u/d/f")));
	ASSERT_EQ(0, E(rename("u/d/g", "u/d/h")));
	ASSERT_EQ(0, shell("rm -r u/d/sub; mkdir u/d/sub"));
	ASSERT_EQ(0, write_file("u/d/new", ""));
	ASSERT_LE(0, fd = open("u/d", O_RDONLY | O_DIRECTORY));
	EXPECT_EQ(0, E(fsync(fd)));
	ASSERT_EQ(0, power_cut());
	ASSERT_EQ(0, union_on_disk("", 0));
	EXPECT_STREQ("h new sub", list("u/d"));
	EXPECT_STREQ("", list("u/d/sub"));
	EXPECT_STREQ("g", read_file("u/d/h"));
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount("disk")));
}

TEST_F(u, names_of_a_synced_directory_on_ext4)
{
	names(_metadata, "ext4");
}

TEST_F(u, names_of_a_synced_directory_on_xfs)
{
	names(_metadata, "xfs");
}

/* A rename on one branch, when something is in its way on another, whose disk knows nothing of the first one's. */
static void across(struct __test_metadata *_metadata, const char *type)
{
	const char *why = disk_made(type), *is;
	int round;

	AUFS2_ONLY("one writable branch");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, write_file("ro/f", "lower"));
	for (round = 0; round < 3; round++) {
		/* a file is in the way, or a whiteout, on the other branch; or a whiteout on the disk itself */
		const char *const branches[][4] = { { "rw=rw", "disk/rw=rw", "ro" }, { "disk/rw=rw", "rw=rw", "ro" } };
		const char *low = round == 2 ? "rw" : "disk/rw", *top = round == 2 ? "disk/rw" : "rw";

		ASSERT_EQ(0, write_file(path_of("%s/tmp", low), "new"));
		ASSERT_EQ(0, round ? whiteout(path_of("%s/f", top)) : write_file(path_of("%s/f", top), "old"));
		ASSERT_EQ(0, shell("sync -f disk"));
		ASSERT_EQ(0, union_mount("", 0, branches[round == 2]));
		ASSERT_EQ(0, E(rename("u/tmp", "u/f")));
		ASSERT_EQ(0, power_cut());
		ASSERT_EQ(0, union_mount("", 0, branches[round == 2]));
		is = read_file("u/f");
		EXPECT_STREQ("new", is) TH_LOG("%d on %s", round, type);
		EXPECT_STREQ("ENOENT", kind("u/tmp"));
		ASSERT_EQ(0, down());
		ASSERT_EQ(0, shell("rm -rf disk/rw rw; mkdir disk/rw rw; sync"));
	}
	EXPECT_EQ(0, E(umount("disk")));
}

TEST_F(u, what_is_renamed_below_another_branch_on_ext4)
{
	across(_metadata, "ext4");
}

TEST_F(u, what_is_renamed_below_another_branch_on_xfs)
{
	across(_metadata, "xfs");
}

/* What the union is not to write to any more has all that was written to it, as it is not asked for afterwards. */
static void last_writes(struct __test_metadata *_metadata, const char *type)
{
	static const char *const ends[] = { "ro", "mod:%s/disk/rw=ro", "del:%s/disk/rw" };
	const char *why = disk_made(type);
	char options[512];
	unsigned int i;

	AUFS2_ONLY("it is about branches");
	if (why)
		SKIP(return, "%s", why);
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		ASSERT_EQ(0, union_on_disk("", 0));
		ASSERT_EQ(0, write_file("u/f", "new"));
		snprintf(options, sizeof(options), ends[i], area);
		ASSERT_EQ(0, shell("mount -i -o remount,%s u && sync -f u", options)) TH_LOG("%s", ends[i]);
		ASSERT_EQ(0, power_cut());
		EXPECT_STREQ("new", read_file("disk/rw/f")) TH_LOG("%s on %s", ends[i], type);
		ASSERT_EQ(0, shell("rm -rf disk/rw; mkdir disk/rw; sync"));
	}
	EXPECT_EQ(0, E(umount("disk")));
}

/* The same of a filesystem that wants to be asked for names, as those of servers do: it cannot be shut down. */
TEST_F(u, what_is_not_written_to_any_more_on_vfat)
{
	const char *why = disk_made("vfat");

	AUFS2_ONLY("it is about branches");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, union_on_disk("", 0));
	ASSERT_EQ(0, write_file("u/f", "on the disk by now"));
	EXPECT_NE(0, shell("grep -aq 'on the disk by now' disk.img"));
	ASSERT_EQ(0, shell("mount -i -o remount,del:%s/disk/rw u", area));
	EXPECT_EQ(0, shell("grep -aq 'on the disk by now' disk.img"));
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount("disk")));
}

TEST_F(u, what_is_not_written_to_any_more_on_ext4)
{
	last_writes(_metadata, "ext4");
}

TEST_F(u, what_is_not_written_to_any_more_on_xfs)
{
	last_writes(_metadata, "xfs");
}

/* A file that is moved down is there before it is no longer above, where nothing is lost. */
static void moves(struct __test_metadata *_metadata, const char *type)
{
	const char *why = disk_made(type);

	AUFS2_ONLY("the command is aufs's");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, union_mount("", 0, (const char * const []){ "rw=rw", "disk/rw=rw", "ro", NULL }));
	ASSERT_EQ(0, write_file("u/f", "moved"));
	ASSERT_EQ(0, move_down("u/f", 0));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	ASSERT_EQ(0, power_cut());
	EXPECT_STREQ("moved", read_file("disk/rw/f"));
	EXPECT_EQ(0, E(umount("disk")));
}

TEST_F(u, what_is_moved_down_to_ext4)
{
	moves(_metadata, "ext4");
}

TEST_F(u, what_is_moved_down_to_xfs)
{
	moves(_metadata, "xfs");
}

/* --- fsync=volatile --------------------------------------------------------- */

static const char mark[] = "disk/rw/.wh..wh.volatile";

TEST_F(u, a_volatile_branch_is_not_used_after_a_crash)
{
	const char *why = disk_made("ext4");

	AUFS2_ONLY("its mark is another one");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, old_files());
	/* an orderly end leaves nothing behind, and all is on the disk */
	ASSERT_EQ(0, union_on_disk("fsync=volatile", 0));
	EXPECT_STREQ("file", kind(mark));
	EXPECT_STREQ("ENOENT", kind("u/.wh..wh.volatile"));
	ASSERT_EQ(0, write_file("u/new", "text"));
	ASSERT_EQ(0, down());
	EXPECT_STREQ("ENOENT", kind(mark));
	ASSERT_EQ(0, power_cut());
	EXPECT_STREQ("text", read_file("disk/rw/new"));
	EXPECT_STREQ("ENOENT", kind(mark));
	/* remounts and permissions */
	ASSERT_EQ(0, union_on_disk("", 0));
	EXPECT_STREQ("ENOENT", kind(mark));
	ASSERT_EQ(0, shell("mount -o remount,fsync=volatile u"));
	EXPECT_STREQ("file", kind(mark));
	ASSERT_EQ(0, shell("mount -o remount,fsync=auto u"));
	EXPECT_STREQ("ENOENT", kind(mark));
	ASSERT_EQ(0, shell("mount -o remount,fsync=volatile u"));
	ASSERT_EQ(0, shell("mount -o remount,mod:%s/disk/rw=ro,ro u", area));
	EXPECT_STREQ("ENOENT", kind(mark));
	ASSERT_EQ(0, shell("mount -o remount,mod:%s/disk/rw=rw,rw u", area));
	EXPECT_STREQ("file", kind(mark));
	ASSERT_EQ(0, shell("mount -o remount,del:%s/disk/rw,ro u", area));
	EXPECT_STREQ("ENOENT", kind(mark));
	ASSERT_EQ(0, down());
	/* a crash */
	ASSERT_EQ(0, union_on_disk("fsync=volatile", 0));
	ASSERT_EQ(0, append_file("u/f", "more"));
	ASSERT_EQ(0, power_cut());
	EXPECT_STREQ("file", kind(mark));
	EXPECT_EQ(-EINVAL, union_on_disk("fsync=volatile", 0));
	EXPECT_EQ(-EINVAL, union_on_disk("", 0));
	EXPECT_EQ(-EINVAL, up("ro", "disk/rw=ro"));
	ASSERT_EQ(0, E(unlink(mark)));
	ASSERT_EQ(0, union_on_disk("", 0));
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount("disk")));
}

TEST_F(u, a_volatile_branch_tells_of_errors)
{
	static char block[65536];
	int fd, dir, i;

	AUFS2_ONLY("overlayfs needs another set-up");
	/* a disk that turns out to be smaller than it says */
	ASSERT_EQ(0, shell("mkdir small disk; mount -t tmpfs -o size=10M small small"));
	if (shell("truncate -s 64M small/img; mkfs.ext4 -q -O ^has_journal -E lazy_itable_init=1 small/img; "
		  "modprobe -q loop; mount -o loop small/img disk"))
		SKIP(return, "no ext4");
	ASSERT_EQ(0, shell("mkdir disk/rw; sync"));
	ASSERT_EQ(0, union_on_disk("fsync=volatile", 0));
	ASSERT_LE(0, dir = open("u", O_RDONLY | O_DIRECTORY));
	ASSERT_LE(0, fd = open("u/f", O_RDWR | O_CREAT, 0644));
	EXPECT_EQ(0, E(fsync(fd)));
	EXPECT_EQ(0, E(syncfs(fd)));
	for (i = 0; i < 300; i++)
		ASSERT_EQ(65536, E(write(fd, block + i % 2, 65536 - i % 2)) + i % 2);
	/* somebody has it written out */
	shell("sync -f disk");
	EXPECT_EQ(-ENOSPC, E(fsync(fd)));
	EXPECT_EQ(-ENOSPC, E(fdatasync(fd)));
	EXPECT_EQ(-ENOSPC, E(fsync(dir)));
	EXPECT_EQ(-ENOSPC, E(syncfs(fd)));
	/* once more, and to whoever comes */
	EXPECT_EQ(-ENOSPC, E(fsync(open("u/f", O_RDONLY))));
	close_range(3, ~0U, 0);
	EXPECT_EQ(0, down());
	EXPECT_STREQ("file", kind(mark));
	umount2("disk", MNT_DETACH);
	umount2("small", MNT_DETACH);
}

TEST_HARNESS_MAIN
