// SPDX-License-Identifier: GPL-2.0
/* FIFREEZE and FITHAW. */
#include "aufs2.h"
#include <linux/fs.h>

AUFS2_FIXTURE

/* Starts a writer and says whether it waits. */
static bool writer_waits(pid_t *child, const char *path)
{
	int i;

	*child = fork();
	if (!*child)
		_exit(write_file(path, "x") ? 1 : 0);
	for (i = 0; i < 50; i++) {
		usleep(2000);
		if (waitpid(*child, NULL, WNOHANG | WNOWAIT) > 0)
			return false;
	}
	return true;
}

TEST_F(u, of_the_union)
{
	int fd, status, err;
	pid_t child;
	bool waits;

	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u", O_RDONLY | O_DIRECTORY));
	err = E(ioctl(fd, FIFREEZE, 0));
	if (reference() && err == -EOPNOTSUPP)
		SKIP(return, "not on overlayfs");
	ASSERT_EQ(0, err);
	waits = writer_waits(&child, "u/new");
	EXPECT_STREQ("low", read_file("u/f"));
	EXPECT_EQ(-EBUSY, E(ioctl(fd, FIFREEZE, 0)));
	ASSERT_EQ(0, E(ioctl(fd, FITHAW, 0)));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(waits);
	EXPECT_EQ(0, status);
	EXPECT_STREQ("x", read_file("u/new"));
	EXPECT_EQ(-EINVAL, E(ioctl(fd, FITHAW, 0)));
}

TEST_F(u, of_the_writable_branch)
{
	int fd, status, err;
	pid_t child;
	bool waits;

	if (on_tmpfs())
		SKIP(return, "tmpfs cannot be frozen");
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("rw", O_RDONLY | O_DIRECTORY));
	err = E(ioctl(fd, FIFREEZE, 0));
	ASSERT_EQ(0, err);
	waits = writer_waits(&child, "u/new");
	ASSERT_EQ(0, E(ioctl(fd, FITHAW, 0)));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(waits);
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
