// SPDX-License-Identifier: GPL-2.0
/* Inode flags (chattr): FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR. */
#include "aufs2.h"
#include <linux/fs.h>

FIXTURE(u) { int has; };
FIXTURE_SETUP(u)
{
	int fd, flags = 0;

	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir ro/d rw/d; echo -n low > ro/f; echo -n up > rw/g"));
	ASSERT_LE(0, fd = open("rw/g", O_RDONLY));
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		SKIP(return, "%s has none", test_fs());
	close(fd);
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	static const char * const all[] = { "u/f", "u/g", "u/d" };
	unsigned int i;
	int fd, flags = 0;

	for (i = 0; i < 3; i++) {
		fd = open(all[i], O_RDONLY);
		if (fd >= 0 && !ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
			flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
			ioctl(fd, FS_IOC_SETFLAGS, &flags);
		}
		close(fd);
	}
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static int get(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), flags = 0, err;

	err = fd < 0 ? -errno : E(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	close(fd);
	return err ?: flags;
}

static int set(const char *path, int on, int off)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), flags = 0, err;

	err = fd < 0 ? -errno : E(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags = (flags | on) & ~off;
	err = err ?: E(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	close(fd);
	return err;
}

TEST_F(u, upper_file)
{
	ASSERT_EQ(0, set("u/g", FS_NODUMP_FL | FS_NOATIME_FL, 0));
	EXPECT_EQ(FS_NODUMP_FL | FS_NOATIME_FL, get("u/g") & (FS_NODUMP_FL | FS_NOATIME_FL));
	EXPECT_EQ(FS_NODUMP_FL | FS_NOATIME_FL, get("rw/g") & (FS_NODUMP_FL | FS_NOATIME_FL));
	ASSERT_EQ(0, set("u/g", 0, FS_NODUMP_FL));
	EXPECT_EQ(0, get("u/g") & FS_NODUMP_FL);
}

TEST_F(u, immutable)
{
	ASSERT_EQ(0, set("u/g", FS_IMMUTABLE_FL, 0));
	EXPECT_EQ(-EPERM, E(open("u/g", O_WRONLY)));
	EXPECT_EQ(-EPERM, E(unlink("u/g")));
	EXPECT_EQ(-EPERM, E(chmod("u/g", 0600)));
	EXPECT_EQ(-EPERM, E(link("u/g", "u/h")));
	EXPECT_EQ(-EPERM, E(rename("u/g", "u/h")));
	EXPECT_EQ(-EPERM, E(truncate("u/g", 0)));
	ASSERT_EQ(0, set("u/g", 0, FS_IMMUTABLE_FL));
	EXPECT_EQ(0, append_file("u/g", "+"));
	EXPECT_STREQ("up+", read_file("u/g"));
}

TEST_F(u, append_only)
{
	ASSERT_EQ(0, set("u/g", FS_APPEND_FL, 0));
	EXPECT_EQ(-EPERM, E(open("u/g", O_WRONLY)));
	EXPECT_EQ(-EPERM, E(truncate("u/g", 0)));
	EXPECT_EQ(0, append_file("u/g", "+"));
	EXPECT_EQ(-EPERM, E(unlink("u/g")));
	ASSERT_EQ(0, set("u/g", 0, FS_APPEND_FL));
	EXPECT_STREQ("up+", read_file("u/g"));
}

TEST_F(u, lower_file_is_copied_up)
{
	ASSERT_EQ(0, set("u/f", FS_NODUMP_FL, 0));
	EXPECT_EQ(FS_NODUMP_FL, get("u/f") & FS_NODUMP_FL);
	EXPECT_EQ(0, get("ro/f") & FS_NODUMP_FL);
	EXPECT_STREQ("low", read_file("rw/f"));
}

TEST_F(u, kept_at_copy_up)
{
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, set("ro/f", FS_NODUMP_FL | FS_NOATIME_FL, 0));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(FS_NODUMP_FL | FS_NOATIME_FL, get("u/f") & (FS_NODUMP_FL | FS_NOATIME_FL));
	ASSERT_EQ(0, append_file("u/f", "+"));
	EXPECT_EQ(FS_NOATIME_FL, get("u/f") & FS_NOATIME_FL);
}

TEST_F(u, extended)
{
	struct fsxattr fsx = { 0 };
	int fd = open("u/g", O_RDONLY), err;

	err = E(ioctl(fd, FS_IOC_FSGETXATTR, &fsx));
	ASSERT_EQ(0, err);
	fsx.fsx_xflags |= FS_XFLAG_NODUMP;
	ASSERT_EQ(0, E(ioctl(fd, FS_IOC_FSSETXATTR, &fsx)));
	EXPECT_TRUE(get("u/g") & FS_NODUMP_FL);
}

TEST_F(u, permission)
{
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_GT(0, set("u/f", FS_NODUMP_FL, 0));
	EXPECT_GT(0, set("u/g", FS_NODUMP_FL, 0));
	ASSERT_EQ(0, become(0));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
}

TEST_F(u, directories)
{
	ASSERT_EQ(0, set("u/d", FS_NODUMP_FL, 0));
	EXPECT_TRUE(get("u/d") & FS_NODUMP_FL);
	EXPECT_TRUE(get("rw/d") & FS_NODUMP_FL);
}

TEST_HARNESS_MAIN
