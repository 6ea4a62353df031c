// SPDX-License-Identifier: GPL-2.0
/* POSIX ACLs: what they allow on the union, and that they are copied up. */
#include "aufs2.h"
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

struct acl {
	struct posix_acl_xattr_header h;
	struct posix_acl_xattr_entry e[5];
};

/* u::rw- u:NOBODY:`nobody` g::r-- m::rwx o::`other` */
static struct acl acl_of(int nobody, int other)
{
	struct acl a = {
		.h = { POSIX_ACL_XATTR_VERSION },
		.e = {
			{ ACL_USER_OBJ, 7, -1 },
			{ ACL_USER, nobody, NOBODY },
			{ ACL_GROUP_OBJ, 4, -1 },
			{ ACL_MASK, 7, -1 },
			{ ACL_OTHER, other, -1 },
		},
	};

	return a;
}

static int set(const char *path, const char *name, int nobody, int other)
{
	struct acl a = acl_of(nobody, other);

	return E(setxattr(path, name, &a, sizeof(a), 0));
}

/* The permission of NOBODY in an ACL, or -errno. */
static int get(const char *path, const char *name)
{
	struct acl a;
	long n = E(getxattr(path, name, &a, sizeof(a)));
	unsigned int i;

	if (n < 0)
		return n;
	for (i = 0; i < (n - sizeof(a.h)) / sizeof(a.e[0]); i++) {
		if (a.e[i].e_tag == ACL_USER && a.e[i].e_id == NOBODY)
			return a.e[i].e_perm;
	}
	return -ENODATA;
}

AUFS2_FIXTURE

TEST_F(u, of_a_lower_file)
{
	ASSERT_EQ(0, shell("echo -n a > ro/allowed; echo -n d > ro/denied"));
	ASSERT_EQ(0, E(chmod("ro/allowed", 0600)));
	ASSERT_EQ(0, set("ro/allowed", ACCESS, 4, 0));
	ASSERT_EQ(0, set("ro/denied", ACCESS, 0, 4));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(4, get("u/allowed", ACCESS));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_STREQ("a", read_file("u/allowed"));
	EXPECT_STREQ("EACCES", read_file("u/denied"));
	EXPECT_EQ(-EACCES, E(open("u/allowed", O_WRONLY)));
	ASSERT_EQ(0, become(0));
}

TEST_F(u, survive_copy_up)
{
	ASSERT_EQ(0, shell("mkdir ro/d; echo -n x > ro/d/f"));
	ASSERT_EQ(0, set("ro/d/f", ACCESS, 6, 0));
	ASSERT_EQ(0, set("ro/d", ACCESS, 5, 0));
	ASSERT_EQ(0, set("ro/d", DEFAULT, 7, 0));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(0, append_file("u/d/f", "+"));
	EXPECT_STREQ("x+", read_file("u/d/f"));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(6, get("u/d/f", ACCESS));
	EXPECT_EQ(6, get("rw/d/f", ACCESS));
	EXPECT_EQ(5, get("rw/d", ACCESS));
	EXPECT_EQ(7, get("rw/d", DEFAULT));
	EXPECT_EQ(st_of("ro/d").st_mode, st_of("u/d").st_mode);
	EXPECT_EQ(st_of("ro/d/f").st_mode, st_of("u/d/f").st_mode);
}

TEST_F(u, set_on_the_union)
{
	ASSERT_EQ(0, shell("echo -n x > ro/f; chmod 600 ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-ENODATA, get("u/f", ACCESS));
	ASSERT_EQ(0, set("u/f", ACCESS, 4, 0));
	EXPECT_EQ(4, get("u/f", ACCESS));
	/* the group bits are the mask */
	EXPECT_EQ(0770, st_of("u/f").st_mode & 0777);
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_STREQ("x", read_file("u/f"));
	EXPECT_EQ(-EPERM, set("u/f", ACCESS, 7, 7));
	ASSERT_EQ(0, become(0));
	/* chmod changes the mask: nobody is out */
	ASSERT_EQ(0, E(chmod("u/f", 0700)));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_STREQ("EACCES", read_file("u/f"));
	ASSERT_EQ(0, become(0));
	ASSERT_EQ(0, E(removexattr("u/f", ACCESS)));
	EXPECT_EQ(-ENODATA, get("u/f", ACCESS));
}

TEST_F(u, default_is_inherited)
{
	ASSERT_EQ(0, shell("mkdir ro/d"));
	ASSERT_EQ(0, set("ro/d", DEFAULT, 7, 0));
	ASSERT_EQ(0, up("rw", "ro"));
	umask(077);
	EXPECT_EQ(0, write_file("u/d/f", "x"));
	EXPECT_EQ(0, E(mkdir("u/d/sub", 0777)));
	umask(022);
	EXPECT_EQ(7, get("u/d/f", ACCESS));
	EXPECT_EQ(7, get("u/d/sub", DEFAULT));
	EXPECT_EQ(7, get("u/d/sub", ACCESS));
	/* the umask does not count where there is a default ACL */
	EXPECT_EQ(0770, st_of("u/d/sub").st_mode & 0777);
	/* 0644 asked for: the mask is cut to r-- and others get nothing */
	EXPECT_EQ(0640, st_of("u/d/f").st_mode & 0777);
}

TEST_F(u, default_does_not_leak_into_copy_ups)
{
	/* what is copied up keeps its own, and gets none from its parent */
	ASSERT_EQ(0, shell("mkdir ro/d; echo x > ro/d/f; chmod 644 ro/d/f"));
	ASSERT_EQ(0, set("ro/d", DEFAULT, 7, 7));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, append_file("u/d/f", "+"));
	EXPECT_EQ(-ENODATA, get("u/d/f", ACCESS));
	EXPECT_EQ(0644, st_of("u/d/f").st_mode & 0777);
}

TEST_F(u, default_only_on_directories)
{
	ASSERT_EQ(0, shell("echo x > ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-EACCES, set("u/f", DEFAULT, 7, 7));
}

/* Catches: a copy that gives the group what the mask lets others have. */
TEST_F(u, that_the_copy_cannot_have)
{
	struct acl a = acl_of(6, 0);

	AUFS2_ONLY("it has no branch attributes");
	a.e[2].e_perm = 0;
	a.e[3].e_perm = 6;
	ASSERT_EQ(0, E(mkdir("none", 0755)));
	ASSERT_EQ(0, E(mount("none", "none", "ramfs", 0, "mode=755")));
	ASSERT_EQ(0, write_file("ro/f", "x") | write_file("ro/plain", "x"));
	ASSERT_EQ(0, E(setxattr("ro/f", ACCESS, &a, sizeof(a), 0)));
	EXPECT_EQ(0760, st_of("ro/f").st_mode & 0777);
	ASSERT_EQ(0, up("none=rw", "ro"));
	EXPECT_EQ(-EOPNOTSUPP, append_file("u/f", "+"));
	EXPECT_EQ(-EOPNOTSUPP, E(chown("u/f", 1, 1)));
	EXPECT_STREQ("ENOENT", kind("none/f"));
	EXPECT_EQ(0, append_file("u/plain", "+"));
	EXPECT_EQ(0644, st_of("none/plain").st_mode & 0777);
	/* Who may lose them says so, and nobody gets more by it. */
	EXPECT_EQ(0, shell("mount -i -o remount,mod:%s/none=rw+icexsys u", area));
	EXPECT_EQ(0, append_file("u/f", "+"));
	EXPECT_EQ(0700, st_of("none/f").st_mode & 0777);
	EXPECT_EQ(0700, st_of("u/f").st_mode & 0777);
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("none", 0)));
}

/* Catches: ACLs of a branch that comes later that only show, and `acl` and `noacl` that do. */
TEST_F(u, of_a_branch_that_comes)
{
	AUFS2_ONLY("branches stay there");
	ASSERT_EQ(0, E(mkdir("none", 0755)));
	ASSERT_EQ(0, E(mount("none", "none", "ramfs", 0, "mode=755")));
	ASSERT_EQ(0, write_file("ro/f", "secret"));
	ASSERT_EQ(0, set("ro/f", ACCESS, 0, 0));
	/* The mask is what the mode has for the group. */
	ASSERT_EQ(0, E(chown("ro/f", 0, NOBODY)));
	EXPECT_EQ(0770, st_of("ro/f").st_mode & 0777);
	ASSERT_EQ(0, up("none=rw"));
	EXPECT_EQ(0, shell("mount -i -o remount,append:%s/ro=ro u", area));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_STREQ("EACCES", read_file("u/f"));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(0, shell("mount -i -o remount,noacl u"));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_STREQ("secret", read_file("u/f"));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(0, shell("mount -i -o remount,acl u"));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_STREQ("EACCES", read_file("u/f"));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(0, shell("mount -i -o remount,del:%s/ro u", area));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("none", 0)));
}

TEST_HARNESS_MAIN
