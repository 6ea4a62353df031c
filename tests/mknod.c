// SPDX-License-Identifier: GPL-2.0
/* Making devices, fifos, sockets and symbolic links. */
#include "aufs2.h"
#include <sys/socket.h>
#include <sys/un.h>

AUFS2_FIXTURE

TEST_F(u, nodes)
{
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, E(mknod("u/c", S_IFCHR | 0620, makedev(1, 3))));
	EXPECT_EQ(0, E(mknod("u/b", S_IFBLK | 0600, makedev(7, 99))));
	EXPECT_EQ(0, E(mknod("u/p", S_IFIFO | 0644, 0)));
	EXPECT_EQ(0, E(mknod("u/s", S_IFSOCK | 0644, 0)));
	EXPECT_EQ(0, E(mknod("u/f", S_IFREG | 0640, 0)));
	EXPECT_EQ(S_IFCHR | 0600, st_of("u/c").st_mode & ~020);
	EXPECT_EQ(makedev(1, 3), st_of("u/c").st_rdev);
	EXPECT_EQ(makedev(1, 3), st_of("rw/c").st_rdev);
	EXPECT_EQ(makedev(7, 99), st_of("u/b").st_rdev);
	EXPECT_STREQ("fifo", kind("rw/p"));
	EXPECT_STREQ("sock", kind("rw/s"));
	EXPECT_EQ(S_IFREG | 0640, st_of("rw/f").st_mode);
	EXPECT_EQ(-EEXIST, E(mknod("u/c", S_IFCHR | 0600, makedev(1, 5))));
	EXPECT_EQ(0, put("u/c", 0, "into /dev/null"));
}

TEST_F(u, zero_device)
{
	/* overlayfs refuses it, for it is its whiteout */
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, E(mknod("u/c", S_IFCHR | 0600, makedev(0, 0))));
	EXPECT_STREQ("chr", kind("u/c"));
	EXPECT_STREQ("c", list("u"));
}

TEST_F(u, over_a_whiteout)
{
	ASSERT_EQ(0, shell("touch ro/x ro/y"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/x")));
	ASSERT_EQ(0, E(unlink("u/y")));
	EXPECT_EQ(0, E(mknod("u/x", S_IFIFO | 0644, 0)));
	EXPECT_EQ(0, E(symlink("to", "u/y")));
	EXPECT_STREQ("fifo", kind("u/x"));
	EXPECT_STREQ("symlink", kind("u/y"));
	EXPECT_STREQ("x y", list("u"));
	EXPECT_FALSE(is_whiteout("rw/x"));
	EXPECT_FALSE(is_whiteout("rw/y"));
}

TEST_F(u, not_by_others)
{
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(chmod("u", 0777)));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EPERM, E(mknod("u/c", S_IFCHR | 0666, makedev(1, 3))));
	EXPECT_EQ(0, E(mknod("u/p", S_IFIFO | 0666, 0)));
	EXPECT_EQ(0, E(symlink("x", "u/l")));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(NOBODY, st_of("u/p").st_uid);
	EXPECT_EQ(NOBODY, st_of("u/l").st_uid);
}

TEST_F(u, symlinks)
{
	char longest[4096], back[4097];

	ASSERT_EQ(0, E(symlink("f", "ro/lower")));
	ASSERT_EQ(0, up("rw", "ro"));
	memset(longest, 'x', sizeof(longest));
	longest[1023] = 0;
	ASSERT_EQ(0, E(symlink(longest, "u/long")));
	EXPECT_EQ(1023, E(readlink("u/long", back, sizeof(back))));
	EXPECT_EQ(0, memcmp(longest, back, 1023));
	EXPECT_EQ(1023, st_of("u/long").st_size);
	/* cut, not refused */
	EXPECT_EQ(10, E(readlink("u/long", back, 10)));
	EXPECT_EQ(0, write_file("u/f", "target"));
	EXPECT_STREQ("target", read_file("u/lower"));
	EXPECT_EQ(-EEXIST, E(symlink("y", "u/lower")));
	EXPECT_EQ(-ELOOP, E(open("u/lower", O_RDONLY | O_NOFOLLOW)));
	EXPECT_EQ(0, E(symlink("loop", "u/loop")));
	EXPECT_EQ(-ELOOP, E(open("u/loop", O_RDONLY)));
	/* times and owner of the link itself */
	EXPECT_EQ(0, E(lchown("u/lower", 3, 4)));
	EXPECT_EQ(3, st_of("u/lower").st_uid);
	EXPECT_EQ(1, E(readlink("u/lower", back, 10)));
	EXPECT_STREQ("symlink", kind("rw/lower"));
}

TEST_F(u, fifo_of_a_lower_branch_works)
{
	char c = 0;
	int r, w;

	ASSERT_EQ(0, E(mkfifo("ro/p", 0644)));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, r = open("u/p", O_RDONLY | O_NONBLOCK));
	ASSERT_LE(0, w = open("u/p", O_WRONLY));
	EXPECT_EQ(1, E(write(w, "!", 1)));
	EXPECT_EQ(1, E(read(r, &c, 1)));
	EXPECT_EQ('!', c);
}

TEST_F(u, socket_in_the_union)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "u/sock" };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);

	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(bind(s, (void *)&sa, sizeof(sa))));
	ASSERT_EQ(0, E(listen(s, 1)));
	EXPECT_EQ(0, E(connect(c, (void *)&sa, sizeof(sa))));
	EXPECT_STREQ("sock", kind("rw/sock"));
	/* still there after the node's attributes changed */
	EXPECT_EQ(0, E(chmod("u/sock", 0600)));
	close(c);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	close(accept(s, NULL, NULL));
	EXPECT_EQ(0, E(connect(c, (void *)&sa, sizeof(sa))));
}

TEST_HARNESS_MAIN
