// SPDX-License-Identifier: GPL-2.0
/*
 * Who may do what when the branch goes, or comes, that an object's owner and mode are from.
 *
 * Catches: inodes that keep the permissions of a branch that is gone, while stat shows those
 * of what is left.
 */
#include "aufs2.h"
#include <grp.h>
#include <sys/wait.h>

AUFS2_FIXTURE

static int change(const char *how, const char *branch)
{
	return shell("mount -i -o remount,%s:%s/%s u", how, area, branch);
}

static void drop_privileges(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(255);
}

/* What open(2) of a path says to somebody without privileges. */
static int open_as_nobody(const char *path, int flags)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		drop_privileges();
		_exit(open(path, flags) < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

TEST_F(u, of_a_working_directory)
{
	AUFS2_ONLY("branches stay there");
	ASSERT_EQ(0, E(mkdir("ro2/d", 0755)));
	ASSERT_EQ(0, E(mkdir("ro/d", 0700)));
	ASSERT_EQ(0, write_file("ro/d/secret", "x"));
	ASSERT_EQ(0, up("rw", "ro2", "ro"));
	ASSERT_EQ(0, E(chdir("u/d")));
	EXPECT_EQ(0, open_as_nobody(".", O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(0, shell("cd ../..; mount -i -o remount,del:%s/ro2 u", area));
	EXPECT_EQ(-EACCES, open_as_nobody(".", O_RDONLY | O_DIRECTORY));
	EXPECT_EQ(-EACCES, open_as_nobody("secret", O_RDONLY));
	EXPECT_EQ(0700, st_of(".").st_mode & 07777);
	ASSERT_EQ(0, E(chdir(area)));
	EXPECT_EQ(-EACCES, open_as_nobody("u/d/secret", O_RDONLY));
}

TEST_F(u, of_a_file)
{
	int fd;

	AUFS2_ONLY("branches stay there");
	ASSERT_EQ(0, write_file("ro2/f", "public"));
	ASSERT_EQ(0, write_file("ro/f", "secret"));
	ASSERT_EQ(0, E(chmod("ro/f", 0600)));
	ASSERT_EQ(0, up("rw", "ro2", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_PATH));
	EXPECT_EQ(0, open_as_nobody("u/f", O_RDONLY));
	ASSERT_EQ(0, change("del", "ro2"));
	EXPECT_EQ(-EACCES, open_as_nobody("u/f", O_RDONLY));
	EXPECT_EQ(-EACCES, open_as_nobody(path_of("/proc/self/fd/%d", fd), O_RDONLY));
	EXPECT_STREQ("secret", read_file("u/f"));
	close(fd);
}

TEST_F(u, set_id)
{
	int fd, status;
	pid_t pid;

	AUFS2_ONLY("branches stay there");
	ASSERT_EQ(0, shell("cp /usr/bin/id ro/id; cp /usr/bin/id ro2/id; chmod 4755 ro2/id"));
	ASSERT_EQ(0, up("rw", "ro2", "ro"));
	ASSERT_LE(0, fd = open("u/id", O_PATH));
	ASSERT_EQ(0, change("del", "ro2"));
	pid = fork();
	if (!pid) {
		drop_privileges();
		_exit(shell("test $(u/id -u) = %d", NOBODY));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	close(fd);
}

TEST_F(u, of_the_root)
{
	AUFS2_ONLY("branches stay there");
	ASSERT_EQ(0, E(chmod("ro2", 0700)));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, open_as_nobody("u", O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(0, shell("mount -i -o remount,prepend:%s/ro2=ro u", area));
	EXPECT_EQ(0700, st_of("u").st_mode & 07777);
	EXPECT_EQ(-EACCES, open_as_nobody("u", O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(0, change("del", "ro2"));
	EXPECT_EQ(0, open_as_nobody("u", O_RDONLY | O_DIRECTORY));
}

TEST_HARNESS_MAIN
