// SPDX-License-Identifier: GPL-2.0
/* Idmapped mounts of the union. */
#include "aufs2.h"
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif

FIXTURE(u) { int unused; };

#define SHIFTED "0 100000 10000"
/* So that root, who makes what the union makes, is somebody there. */
#define SHIFTED_BUT_ROOT "0 0 1\n1 100001 9999"

/* A user namespace with that map, of users as of groups. */
static int user_ns(const char *map)
{
	int p[2], fd, err = 0;
	pid_t child;
	char c;

	if (pipe(p))
		return -errno;
	child = fork();
	if (!child) {
		c = unshare(CLONE_NEWUSER) ? 'x' : 'o';
		if (write(p[1], &c, 1) != 1)
			_exit(1);
		pause();
	}
	if (read(p[0], &c, 1) != 1 || c != 'o')
		err = -EPERM;
	err = err ?: put(path_of("/proc/%d/uid_map", child), 0, map);
	err = err ?: put(path_of("/proc/%d/gid_map", child), 0, map);
	fd = err ?: open(path_of("/proc/%d/ns/user", child), O_RDONLY | O_CLOEXEC);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(p[0]);
	close(p[1]);
	return fd;
}

FIXTURE_SETUP(u)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int tree, ns;

	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir ro/d v; echo -n x > ro/f; chown 5:6 ro/f; echo y > ro/d/g"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(chmod("u", 0755)));
	ns = user_ns(SHIFTED);
	ASSERT_LE(0, ns);
	attr.userns_fd = ns;
	tree = open_tree(AT_FDCWD, "u", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	ASSERT_LE(0, tree);
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr))) {
		int err = errno;

		/* overlayfs itself cannot */
		if (reference())
			SKIP(return, "%s cannot be mounted idmapped: %s", fs_name(), errno_name(err));
		ASSERT_EQ(0, -err) TH_LOG("mount_setattr");
	}
	ASSERT_EQ(0, E(move_mount(tree, "", AT_FDCWD, "v", MOVE_MOUNT_F_EMPTY_PATH)));
	close(tree);
}
FIXTURE_TEARDOWN(u)
{
	umount2("v", MNT_DETACH);
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

TEST_F(u, owners_are_shifted)
{
	EXPECT_EQ(100005, st_of("v/f").st_uid);
	EXPECT_EQ(100006, st_of("v/f").st_gid);
	EXPECT_EQ(100000, st_of("v/d").st_uid);
	EXPECT_EQ(5, st_of("u/f").st_uid);
}

TEST_F(u, new_files_are_shifted_back)
{
	ASSERT_EQ(0, become(100007));
	/* the union's root belongs to 100000 in there */
	EXPECT_EQ(-EACCES, write_file("v/new", "x"));
	ASSERT_EQ(0, become(0));
	ASSERT_EQ(0, become(100000));
	EXPECT_EQ(0, write_file("v/new", "x"));
	EXPECT_EQ(0, E(mkdir("v/d/sub", 0755)));
	EXPECT_EQ(0, append_file("v/d/g", "+"));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(0, st_of("rw/new").st_uid);
	EXPECT_EQ(0, st_of("u/d/sub").st_uid);
	EXPECT_EQ(100000, st_of("v/d/sub").st_uid);
	EXPECT_EQ(0, st_of("rw/d/g").st_uid);
}

TEST_F(u, unmapped_ids_are_refused)
{
	/* root outside is nobody inside */
	EXPECT_EQ(-EOVERFLOW, write_file("v/new", "x"));
	EXPECT_EQ(-EOVERFLOW, E(chown("v/f", 50, 50)));
	EXPECT_EQ(0, E(chown("v/f", 100050, 100051)));
	EXPECT_EQ(50, st_of("u/f").st_uid);
	EXPECT_EQ(51, st_of("rw/f").st_gid);
}

/* --- idmapped branches ---------------------------------------------------- */

#define ACCESS "system.posix_acl_access"

struct acl {
	struct posix_acl_xattr_header h;
	struct posix_acl_xattr_entry e[5];
};

static int set_acl(const char *path, uid_t uid)
{
	struct acl a = {
		.h = { POSIX_ACL_XATTR_VERSION },
		.e = {
			{ ACL_USER_OBJ, 6, -1 },
			{ ACL_USER, 0, uid },
			{ ACL_GROUP_OBJ, 4, -1 },
			{ ACL_MASK, 4, -1 },
			{ ACL_OTHER, 4, -1 },
		},
	};

	return E(setxattr(path, ACCESS, &a, sizeof(a), 0));
}

/* Of whom the ACL says something. */
static long acl_user(const char *path)
{
	struct acl a = { 0 };
	long n = E(getxattr(path, ACCESS, &a, sizeof(a)));

	return n == sizeof(a) ? a.e[1].e_id : n;
}

/* Mounts a directory idmapped somewhere else. */
static int mount_idmapped(const char *from, const char *to, const char *map)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int tree = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int ns = user_ns(map), err;

	attr.userns_fd = ns;
	err = E(mkdir(to, 0755)) ?: ns < 0 ? ns : 0;
	err = err ?: E(mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
	err = err ?: E(move_mount(tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH));
	close(tree);
	close(ns);
	return err;
}

/* Catches: ids of the disk in a copy's ACL, and in the one that is shown. */
TEST_F(u, acl_of_an_idmapped_lower_branch)
{
	AUFS2_ONLY("it is about branches");
	ASSERT_EQ(0, E(umount2("v", 0)) | down_to_change());
	ASSERT_EQ(0, set_acl("ro/f", 7));
	ASSERT_EQ(0, mount_idmapped("ro", "r", SHIFTED));
	ASSERT_EQ(100007, acl_user("r/f"));
	ASSERT_EQ(0, up("rw", "r=ro"));
	EXPECT_EQ(100007, acl_user("u/f"));
	EXPECT_EQ(0, append_file("u/f", "+"));
	EXPECT_EQ(100005, st_of("rw/f").st_uid);
	EXPECT_EQ(100007, acl_user("rw/f"));
	EXPECT_EQ(100007, acl_user("u/f"));
	EXPECT_EQ(7, acl_user("ro/f"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("r", 0)));
}

/* Catches: an ACL that is taken back on an idmapped branch with the ids of its disk. */
TEST_F(u, acl_that_is_taken_back)
{
	AUFS2_ONLY("it is about branches");
	ASSERT_EQ(0, E(umount2("v", 0)) | down());
	ASSERT_EQ(0, shell("mkdir -p top/d rw/d last/d"));
	ASSERT_EQ(0, set_acl("rw/d", 7));
	ASSERT_EQ(0, mount_idmapped("rw", "w", SHIFTED_BUT_ROOT));
	if (shell("chattr +i last/d"))
		SKIP(return, "no immutable directories here");
	ASSERT_EQ(0, up("top=rw", "w=rw", "last=rw"));
	EXPECT_EQ(-EPERM, set_acl("u/d", 100009));
	EXPECT_EQ(7, acl_user("rw/d"));
	ASSERT_EQ(0, shell("chattr -i last/d"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("w", 0)));
}

/* Catches: a copy-up that changes the ACL which the lower inode has in the cache. */
TEST_F(u, acl_on_an_idmapped_writable_branch)
{
	AUFS2_ONLY("it is about branches");
	ASSERT_EQ(0, E(umount2("v", 0)) | down_to_change());
	ASSERT_EQ(0, set_acl("ro/f", 100007) | E(chown("ro/f", 100005, 100006)));
	ASSERT_EQ(0, mount_idmapped("rw", "w", SHIFTED_BUT_ROOT));
	ASSERT_EQ(0, up("w=rw", "ro"));
	EXPECT_EQ(100007, acl_user("u/f"));
	EXPECT_EQ(0, E(chmod("u/f", 0664)));
	EXPECT_EQ(100007, acl_user("ro/f"));
	EXPECT_EQ(7, acl_user("rw/f"));
	EXPECT_EQ(100007, acl_user("u/f"));
	ASSERT_EQ(0, become(100007));
	EXPECT_STREQ("EACCES", read_file("ro/f"));
	EXPECT_STREQ("EACCES", read_file("u/f"));
	ASSERT_EQ(0, become(0));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("w", 0)));
}

TEST_HARNESS_MAIN
