// SPDX-License-Identifier: GPL-2.0
/* Idmapped mounts of the union. */
#include "aufs2.h"

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif

FIXTURE(u) { int unused; };

/* A user namespace that maps 0..9999 to 100000... */
static int user_ns(void)
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
	err = err ?: put(path_of("/proc/%d/uid_map", child), 0, "0 100000 10000");
	err = err ?: put(path_of("/proc/%d/gid_map", child), 0, "0 100000 10000");
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
	ns = user_ns();
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

TEST_HARNESS_MAIN
