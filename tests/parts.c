// SPDX-License-Identifier: GPL-2.0
/*
 * A writable branch that is not one place for rename(2): a directory in it is of a project of its own,
 * as quotas have it, and nothing can be moved into it from elsewhere.  Catches: EXDEV from what is
 * no rename.
 */
#include "aufs2.h"

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	const char *why;
	struct fsxattr fsx = { 0 };
	int fd;

	ASSERT_EQ(0, area_enter());
	if (reference())
		SKIP(return, "not on overlayfs: it cannot");
	why = make_fs("xfs", path_of("%s/x", area));
	if (why)
		SKIP(return, "%s", why);
	area_mounts[area_mounted++] = strdup(path_of("%s/x", area));
	ASSERT_EQ(0, E(mkdir("x/home", 0755)));
	ASSERT_LE(0, fd = open("x/home", O_RDONLY | O_CLOEXEC));
	ASSERT_EQ(0, E(ioctl(fd, FS_IOC_FSGETXATTR, &fsx)));
	fsx.fsx_projid = 5;
	fsx.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	ASSERT_EQ(0, E(ioctl(fd, FS_IOC_FSSETXATTR, &fsx)));
	close(fd);
	ASSERT_EQ(0, E(mkdir("x/other", 0755)));
	ASSERT_EQ(-EXDEV, E(rename("x/other", "x/home/other")));
	ASSERT_EQ(0, shell("mkdir -p ro/home/d/sub; echo -n low | tee ro/home/f ro/home/d/f ro/home/d/sub/f;"
			   "ln -s f ro/home/l; mkfifo ro/home/p; touch -d @1000 ro/home ro/home/d"));
	ASSERT_EQ(0, up("x=rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

TEST_F(u, attributes)
{
	EXPECT_EQ(0, E(chmod("u/home/d", 0700)));
	EXPECT_EQ(0, E(lchown("u/home/l", 3, 4)));
	EXPECT_EQ(0, E(chmod("u/home/p", 0600)));
	EXPECT_EQ(0, E(chmod("u/home/f", 0600)));
	EXPECT_EQ(0700, st_of("u/home/d").st_mode & 07777);
	EXPECT_EQ(3, st_of("u/home/l").st_uid);
	EXPECT_EQ(0600, st_of("u/home/p").st_mode & 07777);
	EXPECT_STREQ("d f l p", list("x/home"));
	EXPECT_STREQ("", list("x/.wh..wh.orph"));
}

static struct fsxattr fsx_of(const char *path)
{
	struct fsxattr fsx = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ioctl(fd, FS_IOC_FSGETXATTR, &fsx);
	close(fd);
	return fsx;
}

/* Who changes one flag of a lower object has said nothing of the project that the copy comes to. */
TEST_F(u, flags)
{
	struct fsxattr fsx;
	int fd, flags;

	ASSERT_LE(0, fd = open("u/home/d", O_RDONLY | O_CLOEXEC));
	ASSERT_EQ(0, E(ioctl(fd, FS_IOC_GETFLAGS, &flags)));
	flags |= FS_NODUMP_FL;
	EXPECT_EQ(0, E(ioctl(fd, FS_IOC_SETFLAGS, &flags)));
	close(fd);
	fsx = fsx_of("x/home/d");
	EXPECT_EQ(5, fsx.fsx_projid);
	EXPECT_EQ(FS_XFLAG_PROJINHERIT | FS_XFLAG_NODUMP, fsx.fsx_xflags & (FS_XFLAG_PROJINHERIT | FS_XFLAG_NODUMP));
	ASSERT_LE(0, fd = open("u/home/d/sub", O_RDONLY | O_CLOEXEC));
	ASSERT_EQ(0, E(ioctl(fd, FS_IOC_FSGETXATTR, &fsx)));
	fsx.fsx_xflags |= FS_XFLAG_NODUMP;
	EXPECT_EQ(0, E(ioctl(fd, FS_IOC_FSSETXATTR, &fsx)));
	fsx = fsx_of("x/home/d/sub");
	EXPECT_EQ(5, fsx.fsx_projid);
	EXPECT_EQ(FS_XFLAG_PROJINHERIT | FS_XFLAG_NODUMP, fsx.fsx_xflags & (FS_XFLAG_PROJINHERIT | FS_XFLAG_NODUMP));
	/* Who does say something gets it. */
	fsx.fsx_projid = 6;
	fsx.fsx_xflags &= ~FS_XFLAG_PROJINHERIT;
	EXPECT_EQ(0, E(ioctl(fd, FS_IOC_FSSETXATTR, &fsx)));
	EXPECT_EQ(6, fsx_of("x/home/d/sub").fsx_projid);
	EXPECT_EQ(0, fsx_of("x/home/d/sub").fsx_xflags & FS_XFLAG_PROJINHERIT);
	close(fd);
}

TEST_F(u, making_and_removing)
{
	EXPECT_EQ(0, write_file("u/home/d/new", "x"));
	EXPECT_EQ(0, append_file("u/home/d/sub/f", "+"));
	EXPECT_STREQ("low+", read_file("u/home/d/sub/f"));
	EXPECT_EQ(0, E(unlink("u/home/f")));
	EXPECT_EQ(0, shell("rm -r u/home/d"));
	EXPECT_STREQ("l p", list("u/home"));
	EXPECT_EQ(0, E(mkdir("u/home/d", 0755)));
	EXPECT_STREQ("", list("u/home/d"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("x=rw", "ro"));
	EXPECT_STREQ("", list("u/home/d"));
	EXPECT_STREQ("d l p", list("u/home"));
}

TEST_F(u, renaming_within)
{
	EXPECT_EQ(0, E(rename("u/home/d", "u/home/e")));
	EXPECT_EQ(0, E(rename("u/home/p", "u/home/q")));
	EXPECT_EQ(0, E(rename("u/home/l", "u/home/e/l")));
	EXPECT_STREQ("f l sub", list("u/home/e"));
	EXPECT_STREQ("e f q", list("u/home"));
}

TEST_HARNESS_MAIN
