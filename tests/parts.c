// SPDX-License-Identifier: GPL-2.0
/*
 * A writable branch that is not one place for rename(2): a directory in it is of a project of its own,
 * as quotas have it, and nothing can be moved into it from elsewhere.  Catches: EXDEV from what is
 * no rename.
 */
#include "aufs2.h"
#include <linux/fscrypt.h>

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
	ASSERT_EQ(0, shell("touch -d @1000 u/home"));
	EXPECT_EQ(0, E(chmod("u/home/d", 0700)));
	EXPECT_EQ(0, E(lchown("u/home/l", 3, 4)));
	EXPECT_EQ(0, E(chmod("u/home/p", 0600)));
	EXPECT_EQ(0, E(chmod("u/home/f", 0600)));
	EXPECT_EQ(1000, st_of("u/home").st_mtime);
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

/* Has what is made in the directory encrypted, by a key of which the filesystem is told: 0 or -errno. */
static long encrypt(const char *dir)
{
	static struct { struct fscrypt_add_key_arg arg; __u8 raw[64]; } key = {
		.arg = { .key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER, .raw_size = 64 },
		.raw = "no secret",
	};
	struct fscrypt_policy_v2 policy = {
		.version = FSCRYPT_POLICY_V2,
		.contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS,
		.filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS,
		.flags = FSCRYPT_POLICY_FLAGS_PAD_32,
	};
	int fd = open(dir, O_RDONLY | O_CLOEXEC);
	long err = E(ioctl(fd, FS_IOC_ADD_ENCRYPTION_KEY, &key));

	memcpy(policy.master_key_identifier, key.arg.key_spec.u.identifier,
	       sizeof(policy.master_key_identifier));
	if (!err)
		err = E(ioctl(fd, FS_IOC_SET_ENCRYPTION_POLICY, &policy));
	close(fd);
	return err;
}

/* Nothing moves into a directory whose key it was not made with. */
TEST_F(u, encrypted)
{
	char link[8];
	long err;

	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("truncate -s 64M e.img && mkfs.ext4 -q -O encrypt e.img && mkdir e && mount -o loop e.img e"));
	ASSERT_EQ(0, shell("mkdir e/home e/other"));
	err = encrypt("e/home");
	if (err == -EOPNOTSUPP) {
		EXPECT_EQ(0, E(umount2("e", 0)));
		SKIP(return, "the kernel has no encryption of files");
	}
	EXPECT_EQ(0, err);
	ASSERT_EQ(-EXDEV, E(rename("e/other", "e/home/other")));
	ASSERT_EQ(0, up("e=rw", "ro"));
	EXPECT_EQ(0, E(chmod("u/home/d", 0700)));
	EXPECT_EQ(0, E(lchown("u/home/l", 3, 4)));
	EXPECT_EQ(0, E(chmod("u/home/p", 0600)));
	EXPECT_EQ(0, append_file("u/home/f", "+"));
	EXPECT_EQ(0, append_file("u/home/d/sub/f", "+"));
	EXPECT_STREQ("low+", read_file("u/home/f"));
	EXPECT_EQ(0, write_file("u/home/d/new", "x"));
	EXPECT_EQ(0, E(rename("u/home/d", "u/home/e")));
	EXPECT_EQ(0, E(rename("u/home/p", "u/home/q")));
	EXPECT_STREQ("f new sub", list("u/home/e"));
	EXPECT_STREQ("e f l q", list("u/home"));
	EXPECT_EQ(0, E(unlink("u/home/f")));
	EXPECT_EQ(0, shell("rm -r u/home/e"));
	EXPECT_EQ(0, E(mkdir("u/home/d", 0755)));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("e=rw", "ro"));
	EXPECT_STREQ("d l q", list("u/home"));
	EXPECT_STREQ("", list("u/home/d"));
	EXPECT_EQ(1, E(readlink("u/home/l", link, sizeof(link))));
	EXPECT_EQ('f', *link);
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount2("e", 0)));
}

/* What could not be renamed has changed no directory. */
TEST_F(u, times_of_what_is_not_renamed)
{
	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, shell("echo low > ro/low; mkdir ro/dir ro/dir/in"));
	ASSERT_EQ(0, up("x=rw", "ro"));
	ASSERT_EQ(0, shell("rm -r u/home/d/*; touch -d @1000 u/home u/home/d; touch -d @2000 u"));
	EXPECT_EQ(-EXDEV, E(rename("u/other", "u/home/d")));
	EXPECT_EQ(-EXDEV, E(rename("u/low", "u/home/low")));
	EXPECT_EQ(-EXDEV, E(rename("u/dir", "u/home/d")));
	EXPECT_EQ(1000, st_of("u/home/d").st_mtime);
	EXPECT_EQ(1000, st_of("u/home").st_mtime);
	EXPECT_EQ(2000, st_of("u").st_mtime);
	EXPECT_STREQ("", list("u/home/d"));
	EXPECT_STREQ("low\n", read_file("u/low"));
}

/* What an overlay has below itself cannot be moved there, either. */
TEST_F(u, overlay)
{
	int moved;

	ASSERT_EQ(0, down_to_change());
	shell("modprobe -q overlay");
	if (!fs_registered("overlay"))
		SKIP(return, "no overlayfs here");
	ASSERT_EQ(0, shell("mkdir -p ov/lo/d/s ov/lo/e ov/up ov/w ov/m; echo -n 1 > ov/lo/d/f; echo -n 2 > ov/lo/d/s/g;"
			   "mkdir -p ro/d ro/r; echo -n 3 > ro/d/r; echo -n 4 > ro/r/f"));
	ASSERT_EQ(0, E(mount("none", "ov/m", "overlay", 0, path_of("lowerdir=%s/ov/lo,upperdir=%s/ov/up,workdir=%s/ov/w",
								 area, area, area))));
	ASSERT_EQ(0, up("ov/m=rw", "ro"));
	EXPECT_EQ(0, E(chmod("u/d", 0700)));
	EXPECT_EQ(0, append_file("u/d/f", "+"));
	EXPECT_EQ(0, append_file("u/d/r", "+"));
	EXPECT_EQ(0, E(rename("u/d/f", "u/d/f2")));
	EXPECT_EQ(0, E(rename("u/r", "u/r2")));
	/* mv copies then, as it does on the overlay itself */
	moved = E(rename("u/d/s", "u/d/t"));
	EXPECT_TRUE(!moved || moved == -EXDEV);
	EXPECT_EQ(0, shell("[ -d u/d/t ] || mv u/d/s u/d/t"));
	EXPECT_STREQ("f2 r t", list("u/d"));
	EXPECT_STREQ("g", list("u/d/t"));
	EXPECT_EQ(0, E(rmdir("u/e")));
	EXPECT_EQ(0, E(unlink("u/d/t/g")));
	EXPECT_EQ(0, E(rmdir("u/d/t")));
	EXPECT_EQ(0, shell("rm -r u/d"));
	EXPECT_EQ(0, E(mkdir("u/d", 0755)));
	EXPECT_STREQ("", list("u/d"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("ov/m=rw", "ro"));
	EXPECT_STREQ("", list("u/d"));
	EXPECT_STREQ("4", read_file("u/r2/f"));
	EXPECT_STREQ("ENOENT", kind("u/e"));
	EXPECT_STREQ("ENOENT", kind("u/r"));
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount2("ov/m", 0)));
}

TEST_HARNESS_MAIN
