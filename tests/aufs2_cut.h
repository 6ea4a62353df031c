/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk whose writes are recorded, and what is on it when the power is cut at any of them.
 *
 * The filesystem is on a device of device mapper's log-writes, which has each write in a log once a flush, or FUA,
 * has made it durable, and marks in between.  Afterwards the log is applied to a copy of what was there at first,
 * write by write; at each point that copy, as the disk is then, can be mounted.
 *
 *	disk.img	what is written to		log.img		the log
 *	kept.img	the disk as far as the log	work.img	a copy of that, to be mounted
 *			has been applied		base.img	an empty filesystem
 */
#ifndef AUFS2_TEST_CUT_H
#define AUFS2_TEST_CUT_H

#include "aufs2_dm.h"
#include <linux/loop.h>

#define CUT_SECTOR 512
#define CUT_NAME "aufs2-cut"

/* An entry of the log. */
struct cut_write {
	uint64_t sector, sectors, flags;
	off_t data;		/* where it is in the log */
	char mark[48];		/* if it is a mark */
};

/* Of dm-log-writes. */
#define CUT_FLUSH	(1 << 0)
#define CUT_FUA		(1 << 1)
#define CUT_DISCARD	(1 << 2)
#define CUT_MARK	(1 << 3)

enum { CUT_DISK, CUT_LOG, CUT_WORK, CUT_KEPT, CUT_BASE, CUT_IMAGES };

static struct {
	const char *type;
	char dir[64];
	int images[CUT_IMAGES];
	int loops[CUT_WORK + 1];	/* their numbers */
	unsigned int device;		/* of device mapper, its number */
	struct cut_write *writes;
	int count;
} cut;

static const struct { const char *type; off_t size; const char *mkfs, *options; } cut_kinds[] = {
	/* nothing is written out by a clock */
	{ "ext4", 32 << 20, "mkfs.ext4 -q -N 4096 -E lazy_itable_init=0,lazy_journal_init=1",
	  "commit=600,noinit_itable" },
	{ "xfs", 320 << 20, "mkfs.xfs -q", "" },
	{ "btrfs", 256 << 20, "mkfs.btrfs -q", "commit=600,nodiscard" },
};

static int cut_kind(void)
{
	int i = ARRAY_SIZE(cut_kinds) - 1;

	while (i > 0 && strcmp(cut_kinds[i].type, cut.type))
		i--;
	return i;
}

/* --- device mapper ---------------------------------------------------------- */

/* A command about the device, with a target or a message to it.  0 or -errno. */
static long cut_command(unsigned long command, const char *text)
{
	static char data[1024] __attribute__((aligned(8)));
	struct dm_target_spec *spec = (struct dm_target_spec *)data;
	int targets = command == DM_TABLE_LOAD;
	long err;

	memset(data, 0, sizeof(data));
	if (targets) {
		spec->length = cut_kinds[cut_kind()].size / CUT_SECTOR;
		strcpy(spec->target_type, "log-writes");
		strcpy(data + sizeof(*spec), text);
	} else if (command == DM_TARGET_MSG) {
		strcpy(((struct dm_target_msg *)data)->message, text);
	}
	err = dm_command(CUT_NAME, command, 0, data, text ? sizeof(data) : 0, targets);
	if (command != DM_DEV_CREATE || err < 0)
		return err;
	cut.device = err;
	return 0;
}

/* Notes in the log that this is where it is. */
static void __attribute__((format(printf, 1, 2))) cut_mark(const char *fmt, ...)
{
	char text[64] = "mark ";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + 5, sizeof(text) - 5, fmt, ap);
	va_end(ap);
	if (cut_command(DM_TARGET_MSG, text))
		fail_program("no mark can be made in the log: %m");
}

/* --- images ------------------------------------------------------------------ */

/* Makes TO the same as FROM; what are holes stay holes. */
static int cut_copy(int from, int to)
{
	static char buf[65536];
	off_t size = lseek(from, 0, SEEK_END), at = 0, end;
	ssize_t n;

	if (fallocate(to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size))
		return -errno;
	while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
		end = lseek(from, at, SEEK_HOLE);
		for (; at < end; at += n) {
			n = pread(from, buf, end - at < (off_t)sizeof(buf) ? end - at : (off_t)sizeof(buf), at);
			if (n <= 0 || pwrite(to, buf, n, at) != n)
				return -EIO;
		}
	}
	return 0;
}

/* A loop device of an image; its number, or -errno. */
static int cut_loop(int image)
{
	struct loop_config config = { .fd = image };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), number, fd, err = -EBUSY, tries;

	for (tries = 0; err == -EBUSY && tries < 10; tries++) {
		number = E(ioctl(control, LOOP_CTL_GET_FREE));
		fd = open(path_of("/dev/loop%d", number), O_RDWR | O_CLOEXEC);
		err = fd < 0 ? -errno : E(ioctl(fd, LOOP_CONFIGURE, &config));
		close(fd);
	}
	close(control);
	return err ?: number;
}

/* Sets all up for disks of that type.  Returns NULL or why there is none. */
static const char *cut_open(const char *type)
{
	static const char *const names[] = { "disk", "log", "work", "kept", "base" };
	off_t size;
	int i;

	cut.type = type;
	size = cut_kinds[cut_kind()].size;
	if (!have(path_of("mkfs.%s", type)))
		return "no mkfs";
	/* in memory, whatever the branches of other programs are on */
	snprintf(cut.dir, sizeof(cut.dir), "/mnt/cut%d", getpid());
	if (mkdir(cut.dir, 0755) || mkdir("disk", 0755))
		return "no room";
	shell("modprobe -q loop; modprobe -q dm-log-writes; modprobe -q %s", type);
	if (access("/sys/module/dm_log_writes", F_OK) || access("/dev/mapper/control", F_OK))
		return "no dm-log-writes in this kernel";
	for (i = 0; i < CUT_IMAGES; i++) {
		cut.images[i] = open(path_of("%s/%s.img", cut.dir, names[i]), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (cut.images[i] < 0 || ftruncate(cut.images[i], i == CUT_LOG ? 512 << 20 : size))
			return "no images";
		if (i > CUT_WORK)
			continue;
		cut.loops[i] = cut_loop(cut.images[i]);
		if (cut.loops[i] < 0)
			return "no loop devices";
	}
	/* zeroes that were written are holes as well */
	if (shell("%s %s/base.img && fallocate -d %s/base.img", cut_kinds[cut_kind()].mkfs, cut.dir, cut.dir))
		return "mkfs failed";
	return NULL;
}

static void cut_close(void)
{
	int i, fd;

	cut_command(DM_DEV_REMOVE, NULL);
	for (i = 0; i <= CUT_WORK; i++) {
		fd = open(path_of("/dev/loop%d", cut.loops[i]), O_RDWR | O_CLOEXEC);
		ioctl(fd, LOOP_CLR_FD);
		close(fd);
	}
	for (i = 0; i < CUT_IMAGES; i++)
		close(cut.images[i]);
	shell("rm -rf %s", cut.dir);
	free(cut.writes);
}

/* --- mounting ------------------------------------------------------------------ */

static int cut_mount(const char *device, const char *options)
{
	return E(mount(device, "disk", cut.type, 0, options));
}

static int cut_unmount(void)
{
	int err = E(umount2("disk", 0)), fd;

	if (strcmp(cut.type, "btrfs"))
		return err;
	/* it would know the next copy by its number */
	fd = open("/dev/btrfs-control", O_RDWR | O_CLOEXEC);
	ioctl(fd, _IOC(_IOC_WRITE, 0x94, 5, 4096), (char [4096]){ 0 });
	close(fd);
	return err;
}

/* An empty filesystem at disk, of which nothing is recorded yet. */
static int cut_empty(void)
{
	return cut_copy(cut.images[CUT_BASE], cut.images[CUT_DISK]) ?:
	       cut_mount(path_of("/dev/loop%d", cut.loops[CUT_DISK]), "");
}

/* From here on, what is written to it is. */
static int cut_record(void)
{
	int err = cut_unmount() ?: cut_copy(cut.images[CUT_DISK], cut.images[CUT_KEPT]);

	if (!err && fallocate(cut.images[CUT_LOG], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 512 << 20))
		err = -errno;
	err = err ?: cut_command(DM_DEV_CREATE, NULL);
	err = err ?: cut_command(DM_TABLE_LOAD, path_of("/dev/loop%d /dev/loop%d", cut.loops[CUT_DISK],
							cut.loops[CUT_LOG]));
	/* without DM_SUSPEND_FLAG, it begins */
	err = err ?: cut_command(DM_DEV_SUSPEND, NULL);
	return err ?: cut_mount(path_of("/dev/dm-%u", cut.device), cut_kinds[cut_kind()].options);
}

/* Reads the log. */
static int cut_read(void)
{
	struct { uint64_t magic, version, entries; uint32_t sector; } super;
	struct { uint64_t sector, sectors, flags, length; char mark[CUT_SECTOR - 32]; } entry;
	int log = cut.images[CUT_LOG];
	off_t at = CUT_SECTOR;

	if (pread(log, &super, sizeof(super), 0) != sizeof(super) || super.magic != 0x6a736677736872ULL ||
	    super.sector != CUT_SECTOR)
		return -EINVAL;
	free(cut.writes);
	cut.writes = calloc(super.entries, sizeof(*cut.writes));
	for (cut.count = 0; cut.count < (int)super.entries; cut.count++) {
		struct cut_write *write = &cut.writes[cut.count];

		if (pread(log, &entry, sizeof(entry), at) != sizeof(entry))
			return -EIO;
		at += CUT_SECTOR;
		*write = (struct cut_write){ entry.sector, entry.sectors, entry.flags, at };
		if (entry.flags & CUT_MARK)
			snprintf(write->mark, sizeof(write->mark), "%.*s", (int)entry.length, entry.mark);
		if (!(entry.flags & CUT_DISCARD))
			at += entry.sectors * CUT_SECTOR;
	}
	return cut.count && !strcmp(cut.writes[cut.count - 1].mark, "dm-log-writes-end") ? 0 : -ENOSPC;
}

/* The end of what is recorded. */
static int cut_recorded(void)
{
	int err = cut_unmount(), tries;

	for (tries = 0; !err && (err = cut_command(DM_DEV_REMOVE, NULL)) == -EBUSY && tries < 50; tries++) {
		usleep(20000);
		err = 0;
	}
	return err ?: cut_read();
}

/* Does a write of the log, from its sector FROM on as many as COUNT, to an image. */
static int cut_write(int image, const struct cut_write *write, uint64_t from, uint64_t count)
{
	static char buf[65536];
	off_t at = (write->sector + from) * CUT_SECTOR, data = write->data + from * CUT_SECTOR;
	ssize_t n;

	if (write->flags & CUT_DISCARD)
		return count && fallocate(image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
					  count * CUT_SECTOR) ? -errno : 0;
	for (count *= CUT_SECTOR; count; count -= n, at += n, data += n) {
		n = pread(cut.images[CUT_LOG], buf, count < sizeof(buf) ? count : sizeof(buf), data);
		if (n <= 0 || pwrite(image, buf, n, at) != n)
			return -EIO;
	}
	return 0;
}

/* One more write has come to the disk. */
static int cut_apply(const struct cut_write *write)
{
	return cut_write(cut.images[CUT_KEPT], write, 0, write->sectors);
}

/* The power is cut: what there is then is to be mounted. */
static int cut_power(void)
{
	return cut_copy(cut.images[CUT_KEPT], cut.images[CUT_WORK]);
}

/* And comes again. */
static int cut_boot(void)
{
	return cut_mount(path_of("/dev/loop%d", cut.loops[CUT_WORK]), "");
}

#endif /* AUFS2_TEST_CUT_H */
