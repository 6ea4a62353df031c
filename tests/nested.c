// SPDX-License-Identifier: GPL-2.0
/* Branches on other kinds of file systems: unions, images, FUSE. */
#include "aufs2.h"

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	shell("modprobe -q loop");
	ASSERT_EQ(0, shell("mkdir -p v tree/d/e; echo -n low > tree/f; echo -n deep > tree/d/e/g; ln tree/f tree/hard; ln -s f tree/l; head -c 100000 /dev/urandom > tree/big"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	umount2(path_of("%s/v", area), MNT_DETACH);
	EXPECT_STREQ("", wrong ?: "");
}

/* `v` is mounted with `tree` in it; puts a union on it and works there. */
static void use_as_lower(struct __test_metadata *_metadata)
{
	uint64_t sum = checksum("tree/big");
	char *p;
	int fd;

	ASSERT_EQ(0, up("rw", "v=ro"));
	EXPECT_STREQ("big d f hard l", list("u"));
	EXPECT_STREQ("deep", read_file("u/d/e/g"));
	EXPECT_STREQ("low", read_file("u/l"));
	EXPECT_EQ(2, st_of("u/f").st_nlink);
	EXPECT_EQ(sum, checksum("u/big"));
	ASSERT_LE(0, fd = open("u/big", O_RDONLY));
	p = mmap(NULL, 100000, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(sum, mix(SUM_START, p, 100000));
	munmap(p, 100000);
	EXPECT_EQ(0, append_file("u/d/e/g", "+"));
	EXPECT_STREQ("deep+", read_file("u/d/e/g"));
	EXPECT_EQ(0, append_file("u/big", "+"));
	EXPECT_EQ(100001, st_of("u/big").st_size);
	EXPECT_EQ(sum, checksum("v/big"));
	EXPECT_EQ(0, E(unlink("u/hard")));
	EXPECT_EQ(0, E(rename("u/d", "u/d2")));
	EXPECT_STREQ("big d2 f l", list("u"));
	EXPECT_STREQ("deep+", read_file("u/d2/e/g"));
	close(fd);
	EXPECT_EQ(0, down());
	/* nothing is held on it any more */
	EXPECT_EQ(0, E(umount("v")));
}

TEST_F(u, on_aufs2)
{
	AUFS2_ONLY("itself");
	ASSERT_EQ(0, E(mkdir("x", 0755)));
	ASSERT_EQ(0, E(mount("none", "v", "aufs2", 0, path_of("br:%s/x=rw:%s/tree=ro", area, area))));
	use_as_lower(_metadata);
}

TEST_F(u, aufs2_as_the_writable_branch)
{
	AUFS2_ONLY("it refuses itself as an upper");
	ASSERT_EQ(0, E(mkdir("x", 0755)));
	ASSERT_EQ(0, E(mount("none", "v", "aufs2", 0, path_of("br:%s/x=rw:%s/ro2=ro", area, area))));
	/* the inner one keeps .wh. for itself: it cannot be written to */
	int err = E(mount("none", "u", "aufs2", 0, path_of("br:%s/v=rw:%s/tree=ro", area, area)));

	if (!err) {
		union_up = true;
		EXPECT_EQ(0, write_file("u/new", "x"));
		EXPECT_EQ(0, E(unlink("u/f")));
		EXPECT_STREQ("ENOENT", kind("u/f"));
		EXPECT_EQ(0, down());
	} else {
		EXPECT_EQ(-EINVAL, err);
	}
	EXPECT_EQ(0, E(umount("v")));
}

TEST_F(u, on_overlayfs)
{
	if (!fs_registered("overlay") && shell("modprobe overlay"))
		SKIP(return, "no overlayfs in this kernel");
	ASSERT_EQ(0, shell("mkdir x w; mount -t overlay none -o lowerdir=tree,upperdir=x,workdir=w v"));
	use_as_lower(_metadata);
}

TEST_F(u, below_overlayfs)
{
	if (!fs_registered("overlay") && shell("modprobe overlay"))
		SKIP(return, "no overlayfs in this kernel");
	AUFS2_ONLY("the union is the lower layer here");
	ASSERT_EQ(0, up("rw", "tree=ro"));
	ASSERT_EQ(0, shell("mkdir x w; mount -t overlay none -o lowerdir=u,upperdir=x,workdir=w v"));
	EXPECT_STREQ("deep", read_file("v/d/e/g"));
	EXPECT_EQ(0, append_file("v/d/e/g", "+"));
	EXPECT_STREQ("deep+", read_file("v/d/e/g"));
	EXPECT_STREQ("deep", read_file("u/d/e/g"));
	EXPECT_EQ(0, E(umount("v")));
}

TEST_F(u, on_squashfs)
{
	if (!have("mksquashfs"))
		SKIP(return, "no mksquashfs");
	ASSERT_EQ(0, shell("mksquashfs tree img -noappend -quiet"));
	if (shell("mount -t squashfs -o loop,ro img v"))
		SKIP(return, "no squashfs or loop in this kernel");
	use_as_lower(_metadata);
}

TEST_F(u, on_erofs)
{
	if (!have("mkfs.erofs"))
		SKIP(return, "no mkfs.erofs");
	ASSERT_EQ(0, shell("mkfs.erofs img tree"));
	if (shell("mount -t erofs -o loop,ro img v"))
		SKIP(return, "no erofs or loop in this kernel");
	use_as_lower(_metadata);
}

TEST_F_TIMEOUT(u, on_btrfs_xfs_ext4, 120)
{
	static const char * const types[] = { "ext4", "xfs", "btrfs" };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_STREQ("", make_fs(types[i], "/mnt/one") ?: "");
		ASSERT_EQ(0, shell("cp -a tree/. /mnt/one; umount /mnt/one; mount -o loop /mnt/one.img v; rmdir v/lost+found; rm -rf rw; mkdir rw; rm -rf .work; mkdir .work"));
		use_as_lower(_metadata);
		unlink("/mnt/one.img");
	}
}

TEST_F(u, on_fuse)
{
	if (!have("fuse-overlayfs") || access("/dev/fuse", F_OK))
		SKIP(return, "no fuse-overlayfs");
	if (shell("mkdir x w; fuse-overlayfs -o lowerdir=tree,upperdir=x,workdir=w v"))
		SKIP(return, "fuse-overlayfs does not start");
	use_as_lower(_metadata);
}

TEST_F(u, mounts_below_are_not_crossed)
{
	/* a branch is one mount; what is mounted in it is not part of it */
	ASSERT_EQ(0, shell("mount -t tmpfs x tree/d/e; touch tree/d/e/other"));
	ASSERT_EQ(0, up("rw", "tree=ro"));
	EXPECT_STREQ("g", list("u/d/e"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount("tree/d/e")));
}

TEST_HARNESS_MAIN
