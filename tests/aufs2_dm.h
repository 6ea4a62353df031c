/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Device mapper, as far as tests make disks with it: one command about one device.
 */
#ifndef AUFS2_TEST_DM_H
#define AUFS2_TEST_DM_H

#include "aufs2.h"
#include <linux/dm-ioctl.h>

/*
 * COMMAND about the device NAME, with FLAGS and LEN bytes of DATA, which are TARGETS targets or a message.  -errno; or
 * else the minor number of the device that is made, and 0 of others.
 */
static long dm_command(const char *name, unsigned long command, uint32_t flags, const void *data, size_t len,
		       int targets)
{
	static char buf[16384] __attribute__((aligned(8)));
	struct dm_ioctl *io = (struct dm_ioctl *)buf;
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	long err;

	if (fd < 0)
		return -errno;
	memset(buf, 0, sizeof(buf));
	memcpy(io->version, (uint32_t []){ DM_VERSION_MAJOR, 0, 0 }, sizeof(io->version));
	io->data_size = sizeof(buf);
	io->data_start = sizeof(*io);
	io->target_count = targets;
	io->flags = flags;
	strcpy(io->name, name);
	if (len)
		memcpy(io + 1, data, len);
	err = E(ioctl(fd, command, io));
	close(fd);
	return err || command != DM_DEV_CREATE ? err : (long)minor(io->dev);
}

#endif /* AUFS2_TEST_DM_H */
