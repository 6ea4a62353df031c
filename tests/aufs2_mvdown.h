/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moving a file down to a lower writable branch: the command of aufs, by its numbers.
 */
#ifndef AUFS2_TEST_MVDOWN_H
#define AUFS2_TEST_MVDOWN_H

#include "aufs2.h"

struct aufs_stfs {
	uint64_t f_blocks, f_bavail, f_files, f_ffree;
};

struct aufs_stbr {
	int16_t brid;
	int16_t bindex;
	struct aufs_stfs stfs;
} __attribute__((aligned(8)));

struct aufs_mvdown {
	uint32_t flags;
	struct aufs_stbr stbr[2];
	int8_t au_errno;
} __attribute__((aligned(8)));

#define AUFS_CTL_MVDOWN	_IOWR('A', 4, struct aufs_mvdown)

enum {
	OPAQUE = 1, WHITEOUT, BETWEEN, BOTTOM, NOUPPER, NOLOWERBR,
};

#define OWLOWER		(1 << 1)
#define KUPPER		(1 << 2)
#define ROLOWER		(1 << 3)
#define ROLOWER_R	(1 << 4)
#define ROUPPER		(1 << 5)
#define ROUPPER_R	(1 << 6)
#define BRID_UPPER	(1 << 7)
#define BRID_LOWER	(1 << 8)
#define FHSM_LOWER	(1 << 9)
#define STFS		(1 << 10)
#define STFS_FAILED	(1 << 11)
#define AT_BOTTOM	(1 << 12)

/* What the last one has answered. */
static struct aufs_mvdown answer;

/* Has the file at PATH moved down: 0 or -errno. */
static long move_down(const char *path, uint32_t flags)
{
	int fd = open(path, O_RDONLY);
	long err;

	if (fd < 0)
		return -errno;
	memset(&answer, 0, sizeof(answer));
	answer.flags = flags;
	err = E(ioctl(fd, AUFS_CTL_MVDOWN, &answer));
	close(fd);
	return err;
}

#endif /* AUFS2_TEST_MVDOWN_H */
