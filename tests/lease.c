// SPDX-License-Identifier: GPL-2.0
/* fcntl leases: broken by opens through the union. */
#include "aufs2.h"

static volatile sig_atomic_t broken;

static void on_io(int sig)
{
	broken++;
}

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, write_file("rw/g", "up"));
	ASSERT_EQ(0, up("rw", "ro"));
	signal(SIGIO, on_io);
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

TEST_F(u, read_lease_of_an_upper_file)
{
	int fd = open("u/g", O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(fcntl(fd, F_SETLEASE, F_RDLCK)));
	EXPECT_EQ(F_RDLCK, E(fcntl(fd, F_GETLEASE)));
	EXPECT_LE(0, open("u/g", O_RDONLY | O_NONBLOCK));
	EXPECT_EQ(0, broken);
	EXPECT_EQ(-EWOULDBLOCK, E(open("u/g", O_WRONLY | O_NONBLOCK)));
	EXPECT_EQ(1, broken);
	ASSERT_EQ(0, E(fcntl(fd, F_SETLEASE, F_UNLCK)));
	EXPECT_LE(0, open("u/g", O_WRONLY | O_NONBLOCK));
}

TEST_F(u, write_lease)
{
	int fd = open("u/g", O_RDWR);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(fcntl(fd, F_SETLEASE, F_WRLCK)));
	EXPECT_EQ(-EWOULDBLOCK, E(open("u/g", O_RDONLY | O_NONBLOCK)));
	EXPECT_EQ(1, broken);
	ASSERT_EQ(0, E(fcntl(fd, F_SETLEASE, F_UNLCK)));
}

TEST_F(u, not_while_others_have_it_open)
{
	int w = open("u/g", O_RDWR), r;

	ASSERT_LE(0, w);
	ASSERT_LE(0, r = open("u/g", O_RDONLY));
	EXPECT_EQ(-EAGAIN, E(fcntl(r, F_SETLEASE, F_RDLCK)));
	EXPECT_EQ(-EAGAIN, E(fcntl(w, F_SETLEASE, F_WRLCK)));
	close(w);
	EXPECT_EQ(0, E(fcntl(r, F_SETLEASE, F_RDLCK)));
}

TEST_F(u, read_lease_of_a_lower_file)
{
	int fd = open("u/f", O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(fcntl(fd, F_SETLEASE, F_RDLCK)));
	/* it breaks where a copy-up would follow */
	EXPECT_EQ(-EWOULDBLOCK, E(open("u/f", O_WRONLY | O_NONBLOCK)));
	EXPECT_EQ(1, broken);
	ASSERT_EQ(0, E(fcntl(fd, F_SETLEASE, F_UNLCK)));
	ASSERT_EQ(0, append_file("u/f", "+"));
	/* and on a descriptor from before the copy-up */
	EXPECT_EQ(0, E(fcntl(fd, F_SETLEASE, F_RDLCK)));
	EXPECT_EQ(-EWOULDBLOCK, E(open("u/f", O_WRONLY | O_NONBLOCK)));
	EXPECT_EQ(2, broken);
	ASSERT_EQ(0, E(fcntl(fd, F_SETLEASE, F_UNLCK)));
}

TEST_F(u, truncate_breaks)
{
	int fd = open("u/g", O_RDONLY);
	pid_t child;
	int status;

	ASSERT_EQ(0, E(fcntl(fd, F_SETLEASE, F_RDLCK)));
	child = fork();
	if (!child)
		_exit(truncate("u/g", 0) ? 1 : 0);
	while (!broken && !waitpid(child, &status, WNOHANG))
		usleep(1000);
	EXPECT_EQ(1, broken);
	EXPECT_EQ(2, st_of("u/g").st_size);
	ASSERT_EQ(0, E(fcntl(fd, F_SETLEASE, F_UNLCK)));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, st_of("u/g").st_size);
}

TEST_HARNESS_MAIN
