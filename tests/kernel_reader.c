// SPDX-License-Identifier: GPL-2.0
/*
 * Files of the union that the kernel itself reads, by the page cache that they
 * show: swap files, and images that are mounted without a loop device.
 */
#include "aufs2.h"
#include <sys/swap.h>

AUFS2_FIXTURE

/* The filesystem of the branch would take the union's file for one of its own. */
TEST_F(u, swap_file)
{
	int fd;

	AUFS2_ONLY("asks for the page cache of the branch");
	ASSERT_EQ(0, shell("head -c 1M /dev/zero > rw/f && head -c 1M /dev/zero > ro/g"));
	ASSERT_EQ(0, shell("mkswap rw/f && mkswap ro/g"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-EINVAL, E(swapon("u/f", 0)));
	EXPECT_EQ(-EINVAL, E(swapon("u/g", 0)));
	EXPECT_EQ(-EINVAL, E(swapoff("u/f")));
	/* and it is a file like others after that */
	EXPECT_EQ(0, append_file("u/f", "x"));
	ASSERT_LE(0, fd = open("u/f", O_RDWR | O_EXCL));
	EXPECT_EQ(1, E(pwrite(fd, "y", 1, 0)));
	EXPECT_EQ('y', *read_file("rw/f"));
}

/* mount(2), not mount(8), which would make a loop device. */
static long mount_image(const char *image)
{
	return E(mount(image, "m", "erofs", MS_RDONLY, ""));
}

static bool no_images(void)
{
	shell("modprobe -q erofs");
	if (!have("mkfs.erofs") || !fs_registered("erofs"))
		return true;
	return shell("mkdir m tree && echo text > tree/t && head -c 300000 /dev/urandom > tree/big && mkfs.erofs image tree");
}

/* Refused where filesystems are stacked, so that a loop device is made, which works. */
static void by_loop(struct __test_metadata *_metadata)
{
	EXPECT_EQ(-ENOTBLK, mount_image("u/image"));
	shell("modprobe -q loop");
	ASSERT_EQ(0, shell("mount -t erofs -o loop,ro u/image m"));
	drop_caches();
	EXPECT_STREQ("text\n", read_file("m/t"));
	EXPECT_EQ(checksum("tree/big"), checksum("m/big"));
	EXPECT_EQ(0, E(umount("m")));
}

TEST_F(u, image)
{
	if (no_images())
		SKIP(return, "no erofs");
	ASSERT_EQ(0, shell("cp image ro/image"));
	ASSERT_EQ(0, up("rw", "ro"));
	by_loop(_metadata);
}

/* FUSE finds its own data in the file that it is given. */
TEST_F(u, image_on_fuse)
{
	if (no_images())
		SKIP(return, "no erofs");
	shell("modprobe -q fuse");
	if (!have("fuse-overlayfs") || !fs_registered("fuse"))
		SKIP(return, "no fuse-overlayfs");
	ASSERT_EQ(0, shell("mkdir l x w v && cp image l/ && fuse-overlayfs -o lowerdir=l,upperdir=x,workdir=w v"));
	ASSERT_EQ(0, up("rw", "v=ro"));
	by_loop(_metadata);
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount("v")));
}

TEST_HARNESS_MAIN
