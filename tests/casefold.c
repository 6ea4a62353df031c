// SPDX-License-Identifier: GPL-2.0
/* Directories that find names in other cases: the union refuses them. */
#include "aufs2.h"

AUFS2_FIXTURE

static long ignore_case(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY), flags = 0;
	long err = E(ioctl(fd, FS_IOC_GETFLAGS, &flags));

	flags |= FS_CASEFOLD_FL;
	err = err ?: E(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	close(fd);
	return err;
}

/* A disk with a directory `any` that does, if there is one. */
static bool has_disk(void)
{
	return !shell("mkdir disk; truncate -s 64M img && "
		      "mkfs.ext4 -q -O casefold -E lazy_itable_init=1,lazy_journal_init=1 img && "
		      "modprobe -q loop; mount -o loop img disk && mkdir disk/any disk/rw disk/ro") &&
	       !ignore_case("disk/any");
}

TEST_F(u, branches)
{
	AUFS2_ONLY("it takes them where all are so");
	if (!has_disk())
		SKIP(return, "no ext4 with such directories");
	EXPECT_EQ(-EINVAL, up("disk/any=rw", "ro"));
	EXPECT_EQ(-EINVAL, up("rw", "disk/any=ro"));
	EXPECT_EQ(-EINVAL, NEW_MOUNT(PARAM("br", path_of("%s/rw", area)),
				     PARAM("br", path_of("%s/disk/any", area))));
	EXPECT_NE(NULL, strstr(fs_log, "ignores the case of names"));
	ASSERT_EQ(0, up("disk/rw=rw", "ro"));
	EXPECT_NE(0, shell("mount -o remount,append:%s/disk/any=ro u", area));
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount("disk")));
}

TEST_F(u, directories_below)
{
	AUFS2_ONLY("it says so otherwise");
	if (!has_disk())
		SKIP(return, "no ext4 with such directories");
	ASSERT_EQ(0, shell("mkdir disk/ro/any disk/ro/plain disk/ro/later"));
	ASSERT_EQ(0, ignore_case("disk/ro/any"));
	ASSERT_EQ(0, shell("echo x > disk/ro/any/File; echo y > disk/ro/plain/f"));
	ASSERT_EQ(0, up("disk/rw=rw", "disk/ro=ro"));
	EXPECT_EQ(-EOPNOTSUPP, can_open("u/any", O_RDONLY));
	EXPECT_EQ(-EOPNOTSUPP, can_open("u/any/File", O_RDWR));
	EXPECT_EQ(-EOPNOTSUPP, E(rmdir("u/any")));
	EXPECT_STREQ("y\n", read_file("u/plain/f"));
	/* nor can one be made so */
	EXPECT_EQ(-EOPNOTSUPP, ignore_case("u/later"));
	ASSERT_EQ(0, E(mkdir("u/new", 0755)));
	EXPECT_EQ(-EOPNOTSUPP, ignore_case("u/new"));
	EXPECT_EQ(0, down());
	EXPECT_EQ(0, E(umount("disk")));
}

TEST_HARNESS_MAIN
