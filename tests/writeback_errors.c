// SPDX-License-Identifier: GPL-2.0
/*
 * What was written comes to be written out later, and that fails: who is told of it, and how often.
 *
 * The disk of the writable branch fails all writes to the blocks of one file (by device mapper), which are allocated
 * already: its filesystem has nothing to complain of but data.  Several descriptors are open on that file, from
 * before it was copied up and from after, by either of its names; each is asked by one of the calls that tell of such
 * errors, once and once more, whoever is asked first.  The same is done with a file of the same disk that is in no
 * union, and with the union each descriptor must say what it says there.  Then the disk works again: what is written
 * is on it, and all say so.
 *
 * Catches: an error that is told to nobody, or not to one who has had the file open; one that is told again and
 * again, or of before a file was opened.
 */
#include "aufs2_dm.h"
#include <linux/aio_abi.h>
#include <linux/fiemap.h>
#include <linux/io_uring.h>
#include <sys/mman.h>

#define SIZE 65536
#define SECTOR 512
#define DISK_NAME "aufs2-errors"

static const char *type;	/* of the disk */
static off_t disk_size;
static char loop[64];		/* the device below */
static unsigned int disk_minor;
static char writeback[16];

/* --- the disk ---------------------------------------------------------------------------- */

/* A part of the disk, of which all writes fail, or none. */
struct part { uint64_t from, to; bool fails; };

/* A command about the device, with what it is to be made of.  0 or -errno. */
static long disk_command(unsigned long command, const struct part *parts, int count, uint32_t flags)
{
	static char data[8192] __attribute__((aligned(8)));
	char *at = data;
	long err;
	int i;

	memset(data, 0, sizeof(data));
	for (i = 0; i < count; i++) {
		struct dm_target_spec *spec = (struct dm_target_spec *)at;

		spec->sector_start = parts[i].from;
		spec->length = parts[i].to - parts[i].from;
		/* flakey would fail the flushes of all of the disk, too */
		strcpy(spec->target_type, parts[i].fails ? "error" : "linear");
		if (!parts[i].fails)
			sprintf(at + sizeof(*spec), "%s %llu", loop, (unsigned long long)parts[i].from);
		spec->next = (sizeof(*spec) + strlen(at + sizeof(*spec)) + 8) & ~7;
		at += spec->next;
	}
	err = dm_command(DISK_NAME, command, flags, data, at - data, count);
	if (command != DM_DEV_CREATE || err < 0)
		return err;
	disk_minor = err;
	return 0;
}

/* Makes the disk of these parts.  What waits to be written goes on waiting. */
static long disk_of(const struct part *parts, int count)
{
	return disk_command(DM_TABLE_LOAD, parts, count, 0) ?:
	       disk_command(DM_DEV_SUSPEND, NULL, 0, DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG | DM_NOFLUSH_FLAG) ?:
	       disk_command(DM_DEV_SUSPEND, NULL, 0, 0);
}

static long disk_works(void)
{
	struct part all = { 0, disk_size / SECTOR, false };

	return disk_of(&all, 1);
}

/* Where a file is cannot be written to. */
static long disk_fails(const char *path)
{
	struct { struct fiemap map; struct fiemap_extent extents[16]; } f = {
		.map = { .fm_length = ~0ULL, .fm_flags = FIEMAP_FLAG_SYNC, .fm_extent_count = 16 },
	};
	struct part parts[33];
	uint64_t end = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), count = 0;
	unsigned int i, j;
	long err = E(ioctl(fd, FS_IOC_FIEMAP, &f));

	close(fd);
	if (err)
		return err;
	for (i = 0; i < f.map.fm_mapped_extents; i++) {
		struct fiemap_extent *e = NULL;

		/* in the order of the disk */
		for (j = 0; j < f.map.fm_mapped_extents; j++)
			if (f.extents[j].fe_physical >= end * SECTOR &&
			    (!e || f.extents[j].fe_physical < e->fe_physical))
				e = &f.extents[j];
		if (!e || e->fe_flags & (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_SHARED))
			return -EUCLEAN;
		if (end < e->fe_physical / SECTOR)
			parts[count++] = (struct part){ end, e->fe_physical / SECTOR, false };
		end = (e->fe_physical + e->fe_length) / SECTOR;
		parts[count++] = (struct part){ e->fe_physical / SECTOR, end, true };
	}
	parts[count++] = (struct part){ end, disk_size / SECTOR, false };
	return count > 1 ? disk_of(parts, count) : -ENODATA;
}

/* A filesystem on the disk, at `disk`.  NULL, or why there is none. */
static const char *disk_made(void)
{
	struct part all = { 0, 0, false };
	int fd, err;

	type = strcmp(test_fs(), "xfs") ? "ext4" : "xfs";
	disk_size = strcmp(type, "xfs") ? 64 << 20 : 320 << 20;
	all.to = disk_size / SECTOR;
	if (!have(path_of("mkfs.%s", type)))
		return "no mkfs";
	shell("modprobe -q loop; modprobe -q dm-mod; modprobe -q %s", type);
	if (access("/dev/mapper/control", F_OK))
		return "no device mapper in this kernel";
	/* in memory, whatever the branches of other programs are on */
	if (shell("mkdir disk && truncate -s %lld /mnt/errors.img && mkfs.%s -q %s /mnt/errors.img && "
		  "losetup -f --show /mnt/errors.img > /mnt/errors.loop", (long long)disk_size, type,
		  strcmp(type, "xfs") ? "-E lazy_itable_init=0,lazy_journal_init=1" : ""))
		return "no image";
	snprintf(loop, sizeof(loop), "%s", read_file("/mnt/errors.loop"));
	loop[strcspn(loop, "\n")] = 0;
	err = disk_command(DM_DEV_CREATE, NULL, 0, 0) ?: disk_command(DM_TABLE_LOAD, &all, 1, 0) ?:
	      disk_command(DM_DEV_SUSPEND, NULL, 0, 0);
	err = err ?: E(mount(path_of("/dev/dm-%u", disk_minor), "disk", type, 0, ""));
	if (err)
		return path_of("the disk: %s", errno_name(-err));
	/* nothing is written out by a clock */
	snprintf(writeback, sizeof(writeback), "%s", read_file("/proc/sys/vm/dirty_writeback_centisecs"));
	fd = put("/proc/sys/vm/dirty_writeback_centisecs", 0, "0");
	return fd ? "writing out cannot be stopped" : NULL;
}

static void disk_gone(void)
{
	int i;

	put("/proc/sys/vm/dirty_writeback_centisecs", 0, writeback);
	umount2("disk", 0);
	for (i = 0; disk_command(DM_DEV_REMOVE, NULL, 0, 0) == -EBUSY && i < 50; i++)
		usleep(20000);
	shell("losetup -d %s; rm -f /mnt/errors.img /mnt/errors.loop", loop);
}

/* --- who is asked ------------------------------------------------------------------------ */

enum who { WRITER, READER, LINK, SYNC, BEFORE, USED, DIRECTORY, LATE, PEOPLE };

static const char *const who_names[] = {
	[WRITER] = "who has written", [READER] = "a reader from after the copy-up",
	[LINK] = "who has it by another name",
	[SYNC] = "who writes at once", [BEFORE] = "a reader from before the copy-up",
	[USED] = "one who has read since", [DIRECTORY] = "a directory", [LATE] = "who opened it after the failure",
};

struct person { int fd; char *map; };

static char block[SIZE] __attribute__((aligned(4096)));

static long ask_fsync(struct person *who) { return E(fsync(who->fd)); }
static long ask_fdatasync(struct person *who) { return E(fdatasync(who->fd)); }
static long ask_syncfs(struct person *who) { return E(syncfs(who->fd)); }
static long ask_close(struct person *who) { return E(close(dup(who->fd))); }

static long ask_msync(struct person *who)
{
	return who->map == MAP_FAILED ? -ENODEV : E(msync(who->map, SIZE, MS_SYNC));
}

static long ask_range(struct person *who)
{
	return E(sync_file_range(who->fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				 SYNC_FILE_RANGE_WAIT_AFTER));
}

static long ask_write(struct person *who)
{
	return E(pwrite(who->fd, block, 4096, 0));
}

static long ask_write_dsync(struct person *who)
{
	struct iovec iov = { block, 4096 };

	return E(pwritev2(who->fd, &iov, 1, 0, RWF_DSYNC));
}

static long ask_aio(struct person *who)
{
	struct iocb cb = { .aio_fildes = who->fd, .aio_lio_opcode = IOCB_CMD_FSYNC }, *cbs = &cb;
	struct io_event event = { .res = -ENODATA };
	aio_context_t context = 0;
	long err = E(syscall(SYS_io_setup, 1, &context));

	err = err ?: E(syscall(SYS_io_submit, context, 1, &cbs));
	if (err == 1)
		err = E(syscall(SYS_io_getevents, context, 1, 1, &event, NULL)) == 1 ? event.res : -ENODATA;
	syscall(SYS_io_destroy, context);
	return err;
}

static long ask_uring(struct person *who)
{
	struct io_uring_params p = { 0 };
	struct io_uring_cqe *cqes;
	struct io_uring_sqe *sqe;
	int ring = syscall(SYS_io_uring_setup, 1, &p);
	char *sq, *cq;
	long err;

	if (ring < 0)
		return -errno;
	sq = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	sqe = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_FSYNC, .fd = who->fd };
	*(unsigned int *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((unsigned int *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	err = E(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0));
	cqes = (void *)(cq + p.cq_off.cqes);
	err = err == 1 ? cqes->res : err;
	munmap(sq, 4096);
	munmap(cq, 4096);
	munmap(sqe, 4096);
	close(ring);
	return err;
}

static const struct call { const char *name; long (*ask)(struct person *who); } calls[] = {
	{ "fsync", ask_fsync }, { "fdatasync", ask_fdatasync }, { "msync", ask_msync },
	{ "sync_file_range", ask_range }, { "syncfs", ask_syncfs }, { "close", ask_close },
	{ "write", ask_write }, { "RWF_DSYNC", ask_write_dsync }, { "fsync by AIO", ask_aio },
	{ "fsync by io_uring", ask_uring },
};

/* --- one try ------------------------------------------------------------------------------ */

/* Whatever went wrong on the disk until now is known: it is nothing to who asks from now on. */
static void all_is_known(void)
{
	int fd = open("disk", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	syncfs(fd);
	syncfs(fd);
	close(fd);
}

/* How one comes to be in a union, and how not. */
static long try_begins(bool in_union)
{
	all_is_known();
	if (shell("rm -rf disk/rw disk/native && mkdir disk/rw disk/native"))
		return -EIO;
	if (in_union)
		return union_mount("", 0, (const char * const []){ "disk/rw=rw", "ro", NULL });
	return shell("cp -a ro/. disk/native && sync -f disk") ? -EIO : 0;
}

static void hear(char *heard, const char *who, long first, long second)
{
	sprintf(heard + strlen(heard), "%s: %s, %s\n", who, first < 0 ? errno_name(-first) : "well",
		second < 0 ? errno_name(-second) : "well");
}

struct try {
	const struct call *first, *second;
	enum who begins;	/* of those who are asked */
	bool is_late;		/* it has failed before anybody asks */
	bool by_map;		/* it was written by a mapping */
};

static void map_one(struct person *who, int prot)
{
	who->map = mmap(NULL, SIZE, prot, MAP_SHARED, who->fd, 0);
}

/* What everybody hears, line by line. */
static const char *heard_in(const struct try *try, bool in_union)
{
	static char rings[2][4096];
	char *heard = rings[in_union], f[32], g[32], real[32];
	struct person people[PEOPLE], last = { -1, MAP_FAILED };
	int i, fd;

	*heard = 0;
	snprintf(f, sizeof(f), "%s/f", in_union ? "u" : "disk/native");
	snprintf(g, sizeof(g), "%s/g", in_union ? "u" : "disk/native");
	snprintf(real, sizeof(real), "%s/f", in_union ? "disk/rw" : "disk/native");
	if (try_begins(in_union))
		return "nothing can be tried";
	for (i = 0; i < PEOPLE; i++)
		people[i] = (struct person){ -1, MAP_FAILED };
	people[BEFORE].fd = open(f, O_RDONLY | O_CLOEXEC);
	people[USED].fd = open(f, O_RDONLY | O_CLOEXEC);
	map_one(&people[BEFORE], PROT_READ);
	people[DIRECTORY].fd = open(in_union ? "u" : "disk/native", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	people[WRITER].fd = open(f, O_RDWR | O_CLOEXEC);
	people[READER].fd = open(f, O_RDONLY | O_CLOEXEC);
	people[LINK].fd = open(g, O_RDWR | O_CLOEXEC);
	people[SYNC].fd = open(f, O_RDWR | O_SYNC | O_CLOEXEC);
	memset(block, 'a', SIZE);
	if (pwrite(people[USED].fd, block, 1, 0) >= 0 || pread(people[USED].fd, block, 1, 0) != 1 ||
	    pwrite(people[WRITER].fd, block, SIZE, 0) != SIZE || shell("sync -f disk"))
		strcat(heard, "what works does not\n");
	map_one(&people[USED], PROT_READ);
	map_one(&people[WRITER], PROT_READ | PROT_WRITE);
	map_one(&people[READER], PROT_READ);
	map_one(&people[LINK], PROT_READ | PROT_WRITE);
	map_one(&people[SYNC], PROT_READ | PROT_WRITE);
	if (disk_fails(real))
		strcat(heard, "the disk does not fail\n");
	memset(block, 'b', SIZE);
	if (try->by_map && people[WRITER].map != MAP_FAILED)
		memcpy(people[WRITER].map, block, SIZE);
	else if (pwrite(people[WRITER].fd, block, SIZE, 0) != SIZE)
		strcat(heard, "nothing can be written\n");
	if (try->is_late)
		sync();
	/* nobody is asked by that: it is about the file that was used last */
	if (try->first->ask == ask_range || try->second->ask == ask_range)
		(void)!pread(people[BEFORE].fd, block, 1, 0);
	people[LATE].fd = open(f, O_RDWR | O_CLOEXEC);
	map_one(&people[LATE], PROT_READ | PROT_WRITE);
	for (i = 0; i < PEOPLE; i++) {
		struct person *who = &people[(try->begins + i) % PEOPLE];
		long first = try->first->ask(who);

		hear(heard, who_names[who - people], first, try->second->ask(who));
	}
	/* It is nothing to whoever comes when it is known. */
	last.fd = open(f, O_RDWR | O_CLOEXEC);
	map_one(&last, PROT_READ | PROT_WRITE);
	hear(heard, "who comes when it is known", try->first->ask(&last), try->second->ask(&last));
	if (disk_works())
		strcat(heard, "the disk does not work\n");
	memset(block, 'c', SIZE);
	if (pwrite(people[WRITER].fd, block, SIZE, 0) != SIZE)
		strcat(heard, "nothing can be written afterwards\n");
	/* It may have been written again, and not have come to the disk again. */
	fsync(people[WRITER].fd);
	memset(block, 'd', SIZE);
	if (pwrite(people[WRITER].fd, block, SIZE, 0) != SIZE)
		strcat(heard, "nothing can be written afterwards\n");
	hear(heard, "when the disk works again", E(fsync(people[WRITER].fd)), E(fsync(people[LINK].fd)));
	fd = open(real, O_RDONLY | O_DIRECT | O_CLOEXEC);
	memset(block, 0, SIZE);
	if (pread(fd, block, SIZE, 0) != SIZE || block[0] != 'd' || block[SIZE - 1] != 'd')
		strcat(heard, "it is not on the disk\n");
	close(fd);
	for (i = 0; i < PEOPLE; i++) {
		if (people[i].map != MAP_FAILED)
			munmap(people[i].map, SIZE);
		close(people[i].fd);
	}
	if (last.map != MAP_FAILED)
		munmap(last.map, SIZE);
	close(last.fd);
	if (in_union && down())
		strcat(heard, "the union is busy\n");
	return heard;
}

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	const char *why;

	if (reference() && !plain())
		SKIP(return, "overlayfs wants a directory beside the upper one");
	ASSERT_EQ(0, area_enter());
	why = disk_made();
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("head -c %d /dev/zero > ro/f && ln ro/f ro/g && mkdir ro/d", SIZE));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
	if (!chdir(area))
		disk_gone();
	(void)!chdir("/");
}

static void compare(struct __test_metadata *_metadata, const struct try *try)
{
	const char *native = heard_in(try, false), *ours = heard_in(try, true);

	EXPECT_STREQ(native, ours) {
		TH_LOG("%s, %s; %s is asked first%s%s", try->first->name, try->second->name, who_names[try->begins],
		       try->is_late ? ", when it has failed" : "", try->by_map ? ", by a mapping" : "");
	}
}

/* Whoever begins, with each call. */
#define EACH(name, at) \
TEST_F(u, name) \
{ \
	struct try try = { &calls[at], &calls[at], 0, false, false }; \
\
	for (try.begins = 0; try.begins < PEOPLE; try.begins += try.begins == WRITER ? 1 : 3) \
		compare(_metadata, &try); \
	for (try.begins = 0, try.is_late = true; try.begins < PEOPLE; try.begins++) \
		compare(_metadata, &try); \
	try = (struct try){ &calls[at], &calls[at], BEFORE, true, true }; \
	compare(_metadata, &try); \
}
EACH(by_fsync, 0)
EACH(by_fdatasync, 1)
EACH(by_msync, 2)
EACH(by_sync_file_range, 3)
EACH(by_syncfs, 4)
EACH(by_close, 5)
EACH(by_synchronous_writes, 6)
EACH(by_writes_that_ask_for_it, 7)
EACH(by_aio, 8)
EACH(by_io_uring, 9)

/* Two calls, of which the first has told it.  A mapping has a note of its own of that, which is no other call's. */
TEST_F(u, by_one_call_and_another)
{
	static const int pairs[][2] = { { 0, 2 }, { 0, 3 }, { 0, 4 }, { 3, 0 }, { 4, 0 }, { 2, 0 }, { 7, 0 } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct try try = { &calls[pairs[i][0]], &calls[pairs[i][1]], WRITER, true, false };

		compare(_metadata, &try);
	}
}

/* A file on the disk whose blocks fail, and that has what cannot be written out.  0 or -errno. */
static long cannot_be_written_out(void)
{
	int fd = open("u/f", O_RDWR | O_CLOEXEC);
	long err;

	memset(block, 'a', SIZE);
	err = fd < 0 || pwrite(fd, block, SIZE, 0) != SIZE || shell("sync -f disk") ? -EIO : disk_fails("disk/rw/f");
	err = err ?: pwrite(fd, block, SIZE, 0) == SIZE ? 0 : -EIO;
	close(fd);
	return err;
}

/* An error that the union has told nobody of is there to be told when it has gone. */
TEST_F(u, when_the_union_goes)
{
	int fd;

	AUFS2_ONLY("overlayfs does not write out its upper filesystem when it goes");
	ASSERT_EQ(0, try_begins(true));
	ASSERT_EQ(0, cannot_be_written_out());
	sync();
	ASSERT_EQ(0, down());
	ASSERT_LE(0, fd = open("disk", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	EXPECT_EQ(-EIO, E(syncfs(fd)));
	EXPECT_EQ(0, E(syncfs(fd)));
	close(fd);
	EXPECT_EQ(0, disk_works());
}

/* What the union does not write to any more is written out for the last time. */
TEST_F(u, when_the_branch_goes)
{
	static const struct { const char *how, *before; } ends[] = {
		{ "ro", "" }, { "mod:%s/disk/rw=ro", "" }, { "del:%s/disk/rw", "" },
		{ "mod:%s/disk/rw=ro", ",fsync=volatile" }, { "del:%s/disk/rw", ",fsync=volatile" },
	};
	char options[512];
	unsigned int i;
	int fd;

	AUFS2_ONLY("it is about branches");
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		ASSERT_EQ(0, try_begins(true));
		ASSERT_EQ(0, shell("mount -i -o remount%s u", ends[i].before));
		ASSERT_EQ(0, cannot_be_written_out());
		/* not of the branch, which could not go then */
		ASSERT_LE(0, fd = open("u/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		snprintf(options, sizeof(options), ends[i].how, area);
		ASSERT_EQ(0, shell("mount -i -o remount,%s u", options));
		EXPECT_EQ(-EIO, E(syncfs(fd))) TH_LOG("%s%s", ends[i].how, ends[i].before);
		EXPECT_EQ(0, E(syncfs(fd))) TH_LOG("%s%s", ends[i].how, ends[i].before);
		close(fd);
		ASSERT_EQ(0, down());
		EXPECT_EQ(0, disk_works());
	}
}

TEST_HARNESS_MAIN
