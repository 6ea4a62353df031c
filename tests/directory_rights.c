// SPDX-License-Identifier: GPL-2.0
/*
 * Owner, group, permission bits and ACLs of a directory that is on several writable branches: what is
 * made in it is the same wherever it is made.
 *
 * Catches: rights that are changed on the topmost branch only; a change that fails on one branch
 * and is left on another.
 */
#include "aufs2.h"
#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/ioctl.h>

#define DEFAULT "system.posix_acl_default"
#define ACCESS "system.posix_acl_access"
#define FILES 6

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir rw2 rw3; for b in rw rw2 rw3; do mkdir $b/d; chmod 755 $b/d; done"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static int several(void)
{
	return union_mount("create=rr", 0,
			   (const char * const []){ "rw", "rw2=rw", "rw3=rw", NULL });
}

/* What the files that are made now, some on each branch, have in common in their mode, and not. */
static void make_files(mode_t *all, mode_t *any, int *in_group, gid_t gid)
{
	mode_t old = umask(0);

	*all = 07777, *any = 0, *in_group = 0;
	for (int i = 0; i < FILES; i++) {
		const char *path = path_of("u/d/f%d", i);
		struct stat st;

		close(open(path, O_CREAT | O_EXCL | O_WRONLY, 0666));
		st = st_of(path);
		*all &= st.st_mode;
		*any |= st.st_mode & 07777;
		*in_group += st.st_gid == gid;
	}
	umask(old);
}

static int make_immutable(const char *path, bool on)
{
	int flags = on ? FS_IMMUTABLE_FL : 0, fd = open(path, O_RDONLY), err;

	err = E(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	close(fd);
	return err;
}

/* u::rwx g::r-x o::--- */
static int set_acl(const char *path, const char *name)
{
	struct { struct posix_acl_xattr_header h; struct posix_acl_xattr_entry e[3]; } acl = {
		.h = { POSIX_ACL_XATTR_VERSION },
		.e = { { ACL_USER_OBJ, 7, -1 }, { ACL_GROUP_OBJ, 5, -1 }, { ACL_OTHER, 0, -1 } },
	};

	return E(setxattr(path, name, &acl, sizeof(acl), 0));
}

TEST_F(u, group_and_mode)
{
	mode_t all, any;
	int in_group;

	AUFS2_ONLY("several writable branches");
	ASSERT_EQ(0, several());
	ASSERT_EQ(0, E(chown("u/d", 7, 50)));
	ASSERT_EQ(0, E(chmod("u/d", 02771)));
	make_files(&all, &any, &in_group, 50);
	EXPECT_EQ(FILES, in_group);
	EXPECT_EQ(2, (access("rw/d/f0", F_OK) + access("rw2/d/f0", F_OK) + access("rw3/d/f0", F_OK)) * -1);
	EXPECT_EQ(02771, st_of("rw/d").st_mode & 07777);
	EXPECT_EQ(02771, st_of("rw2/d").st_mode & 07777);
	EXPECT_EQ(02771, st_of("rw3/d").st_mode & 07777);
	EXPECT_EQ(7, st_of("rw3/d").st_uid);
}

TEST_F(u, default_acl)
{
	mode_t all, any;
	int in_group;

	AUFS2_ONLY("several writable branches");
	ASSERT_EQ(0, several());
	ASSERT_EQ(0, set_acl("u/d", DEFAULT));
	make_files(&all, &any, &in_group, 0);
	EXPECT_EQ(0640, all);
	EXPECT_EQ(0640, any);
	/* and when it is gone */
	ASSERT_EQ(0, E(removexattr("u/d", DEFAULT)));
	ASSERT_EQ(0, shell("rm u/d/*"));
	make_files(&all, &any, &in_group, 0);
	EXPECT_EQ(0666, all);
	EXPECT_EQ(0666, any);
}

TEST_F(u, access_acl)
{
	AUFS2_ONLY("several writable branches");
	ASSERT_EQ(0, several());
	ASSERT_EQ(0, set_acl("u/d", ACCESS));
	EXPECT_EQ(0750, st_of("rw/d").st_mode & 07777);
	EXPECT_EQ(0750, st_of("rw2/d").st_mode & 07777);
	EXPECT_EQ(0750, st_of("rw3/d").st_mode & 07777);
}

/* A branch that has no ACLs cannot be given one, and has none to be removed. */
TEST_F(u, no_acls_on_one_branch)
{
	AUFS2_ONLY("several writable branches");
	ASSERT_EQ(0, E(mount("none", "rw3", "ramfs", 0, "mode=755")));
	ASSERT_EQ(0, E(mkdir("rw3/d", 0755)));
	ASSERT_EQ(0, several());
	EXPECT_EQ(-EOPNOTSUPP, set_acl("u/d", DEFAULT));
	EXPECT_EQ(-ENODATA, E(getxattr("rw/d", DEFAULT, NULL, 0)));
	ASSERT_EQ(0, set_acl("rw/d", DEFAULT));
	EXPECT_EQ(0, E(removexattr("u/d", DEFAULT)));
	EXPECT_EQ(-ENODATA, E(getxattr("rw/d", DEFAULT, NULL, 0)));
	ASSERT_EQ(0, down());
	/* unless copies to it need none */
	ASSERT_EQ(0, up("rw=rw", "rw2=rw", "rw3=rw+icexsys", "ro"));
	EXPECT_EQ(0, set_acl("u/d", DEFAULT));
	EXPECT_LT(0, E(getxattr("rw/d", DEFAULT, NULL, 0)));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("rw3", 0)));
}

TEST_F(u, all_or_none)
{
	AUFS2_ONLY("several writable branches");
	ASSERT_EQ(0, make_immutable("rw3/d", true));
	ASSERT_EQ(0, several());
	EXPECT_EQ(-EPERM, E(chmod("u/d", 0700)));
	EXPECT_EQ(-EPERM, E(chown("u/d", 7, 50)));
	EXPECT_EQ(-EPERM, set_acl("u/d", ACCESS));
	EXPECT_EQ(-EPERM, set_acl("u/d", DEFAULT));
	for (int i = 0; i < 3; i++) {
		const char *path = (const char * const []){ "rw/d", "rw2/d", "u/d" }[i];

		EXPECT_EQ(0755, st_of(path).st_mode & 07777);
		EXPECT_EQ(0, st_of(path).st_uid);
		EXPECT_EQ(-ENODATA, E(getxattr(path, DEFAULT, NULL, 0)));
	}
	EXPECT_EQ(0, make_immutable("rw3/d", false));
	EXPECT_EQ(0, E(chmod("u/d", 0700)));
	EXPECT_EQ(0700, st_of("rw3/d").st_mode & 07777);
}

TEST_HARNESS_MAIN
