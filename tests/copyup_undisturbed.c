// SPDX-License-Identifier: GPL-2.0
/*
 * Copy-up is nothing that its user does: neither his signals nor his limits stop it.  Only what
 * kills him does.
 */
#include <sys/resource.h>
#include <sys/time.h>
#include "aufs2.h"

AUFS2_FIXTURE

#define BIG (8L << 20)

/* More signals than arrive before, in and after one call that is not started over. */
#define ENOUGH 400

static volatile sig_atomic_t signals, gave_up;

static void timer(long us)
{
	struct itimerval value = { { 0, us }, { 0, us } };

	setitimer(ITIMER_REAL, &value, NULL);
}

static void on_signal(int signal)
{
	/* The call that is started over for ever ends, and the test fails. */
	if (++signals == ENOUGH) {
		gave_up = 1;
		timer(0);
	}
}

static void signals_every(long us, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGALRM, &action, NULL);
	signals = gave_up = 0;
	timer(us);
}

/* Makes a file of that size with no holes. */
static int make_big(const char *path, long size)
{
	static char b[1 << 20];
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644), err = 0;

	memset(b, 'b', sizeof(b));
	for (; size > 0 && !err; size -= sizeof(b))
		err = write(fd, b, sizeof(b)) != sizeof(b);
	close(fd);
	return err;
}

static bool is_big(const char *path, long size)
{
	static char b[1 << 20], all[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool good = fd >= 0;
	ssize_t n;

	memset(all, 'b', sizeof(all));
	while ((n = read(fd, b, sizeof(b))) > 0) {
		good &= !memcmp(b, all, n);
		size -= n;
	}
	close(fd);
	return good && n == 0 && size == 0;
}

static void three_calls(struct __test_metadata *_metadata, int flags)
{
	int fd, i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, make_big(path_of("ro/f%d", i), BIG));
	ASSERT_EQ(0, up("rw", "ro"));

	signals_every(500, flags);
	fd = E(open("u/f0", O_RDWR | O_CLOEXEC));
	timer(0);
	EXPECT_LE(0, fd) TH_LOG("open: %s after %d signals", errno_name(-fd), signals);
	EXPECT_FALSE(gave_up) TH_LOG("open");
	EXPECT_LT(0, signals) TH_LOG("open");
	close(fd);

	signals_every(500, flags);
	EXPECT_EQ(0, E(chmod("u/f1", 0600)));
	timer(0);
	EXPECT_FALSE(gave_up) TH_LOG("chmod");
	EXPECT_LT(0, signals) TH_LOG("chmod");

	signals_every(500, flags);
	EXPECT_EQ(0, E(rename("u/f2", "u/renamed")));
	timer(0);
	EXPECT_FALSE(gave_up) TH_LOG("rename");
	EXPECT_LT(0, signals) TH_LOG("rename");

	EXPECT_TRUE(is_big("rw/f0", BIG));
	EXPECT_TRUE(is_big("rw/f1", BIG));
	EXPECT_TRUE(is_big("rw/renamed", BIG));
	EXPECT_STREQ("f0 f1 renamed", list("u"));
}

TEST_F(u, signals)
{
	three_calls(_metadata, 0);
}

TEST_F(u, signals_that_restart_calls)
{
	three_calls(_metadata, SA_RESTART);
}

TEST_F(u, signals_in_a_rename_of_a_directory)
{
	ASSERT_EQ(0, E(mkdir("ro/d", 0755)));
	ASSERT_EQ(0, make_big("ro/d/1", BIG));
	ASSERT_EQ(0, make_big("ro/d/2", BIG));
	ASSERT_EQ(0, up("rw", "ro"));
	signals_every(500, 0);
	EXPECT_EQ(0, E(rename("u/d", "u/e")));
	timer(0);
	EXPECT_FALSE(gave_up);
	EXPECT_LT(0, signals);
	EXPECT_TRUE(is_big("u/e/1", BIG));
	EXPECT_TRUE(is_big("u/e/2", BIG));
}

/* --- RLIMIT_FSIZE -------------------------------------------------------- */

static int limit(long size)
{
	struct rlimit limit = { size, RLIM_INFINITY };

	return E(setrlimit(RLIMIT_FSIZE, &limit));
}

TEST_F(u, file_size_limit)
{
	struct timespec times[2] = { { 1, 0 }, { 2, 0 } };
	long size = 3 << 20;
	int fd;

	ASSERT_EQ(0, E(mkdir("ro/dir", 0755)));
	ASSERT_EQ(0, make_big("ro/dir/in", size));
	ASSERT_EQ(0, shell("cd ro; for i in chmod chown link rename utime cut open xattr held; do "
			   "cp dir/in $i; done; truncate -s 3M hole"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/held", O_RDONLY | O_CLOEXEC));
	ASSERT_EQ(0, E(unlink("u/held")));
	ASSERT_EQ(0, limit(4096));
	/* SIGXFSZ would kill the test. */
	EXPECT_EQ(0, E(chmod("u/chmod", 0600)));
	EXPECT_EQ(0, E(chown("u/chown", 1, 1)));
	EXPECT_EQ(0, E(link("u/link", "u/linked")));
	EXPECT_EQ(0, E(rename("u/rename", "u/renamed")));
	EXPECT_EQ(0, E(utimensat(AT_FDCWD, "u/utime", times, 0)));
	EXPECT_EQ(0, E(truncate("u/cut", 100000)));
	EXPECT_EQ(0, can_open("u/open", O_RDWR));
	EXPECT_EQ(0, E(setxattr("u/xattr", "trusted.x", "y", 1, 0)));
	EXPECT_EQ(0, E(chmod("u/hole", 0600)));
	EXPECT_EQ(0, E(rename("u/dir", "u/other")));
	EXPECT_EQ(0, E(fchmod(fd, 0600)));
	close(fd);
	/* What the user writes himself is held to the limit. */
	signal(SIGXFSZ, SIG_IGN);
	EXPECT_EQ(-EFBIG, append_file("u/open", "+"));
	EXPECT_EQ(-EFBIG, E(truncate("u/open", size + 1)));
	ASSERT_EQ(0, limit(RLIM_INFINITY));
	EXPECT_TRUE(is_big("rw/chmod", size));
	EXPECT_TRUE(is_big("rw/linked", size));
	EXPECT_TRUE(is_big("rw/renamed", size));
	EXPECT_TRUE(is_big("rw/other/in", size));
	EXPECT_EQ(100000, st_of("u/cut").st_size);
	EXPECT_EQ(size, st_of("rw/hole").st_size);
}

/* The whiteout of a long name is a file with something in it. */
TEST_F(u, file_size_limit_and_a_long_name)
{
	char name[256], path[260];

	memset(name, 'n', 255);
	name[255] = 0;
	snprintf(path, sizeof(path), "ro/%s", name);
	ASSERT_EQ(0, write_file(path, "x"));
	ASSERT_EQ(0, up("rw", "ro"));
	snprintf(path, sizeof(path), "u/%s", name);
	ASSERT_EQ(0, limit(0));
	EXPECT_EQ(0, E(unlink(path)));
	ASSERT_EQ(0, limit(RLIM_INFINITY));
	EXPECT_STREQ("", list("u"));
}

TEST_HARNESS_MAIN
