// SPDX-License-Identifier: GPL-2.0
/* chmod, chown, utimensat: on lower files, directories and symbolic links. */
#include "aufs2.h"
#include <sys/fsuid.h>

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir -p ro/d/e; echo -n text > ro/f; ln -s f ro/l; mkfifo ro/p; touch -d @1000 ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

TEST_F(u, mode)
{
	ASSERT_EQ(0, E(chmod("u/f", 04711)));
	EXPECT_EQ(S_IFREG | 04711, st_of("u/f").st_mode);
	EXPECT_EQ(S_IFREG | 04711, st_of("rw/f").st_mode);
	EXPECT_STREQ("text", read_file("u/f"));
	/* the contents did not change, and so not their time */
	EXPECT_EQ(1000, st_of("u/f").st_mtim.tv_sec);
	ASSERT_EQ(0, E(chmod("u/d/e", 01700)));
	EXPECT_EQ(S_IFDIR | 01700, st_of("u/d/e").st_mode);
	ASSERT_EQ(0, E(chmod("u/p", 0600)));
	EXPECT_EQ(S_IFIFO | 0600, st_of("u/p").st_mode);
	/* by the link to the file */
	ASSERT_EQ(0, E(chmod("u/l", 0644)));
	EXPECT_EQ(S_IFREG | 0644, st_of("u/f").st_mode);
}

TEST_F(u, mode_by_descriptor)
{
	int fd = open("u/f", O_RDONLY), path = open("u/f", O_PATH);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(fchmod(fd, 0600)));
	EXPECT_EQ(S_IFREG | 0600, st_of("u/f").st_mode);
	EXPECT_EQ(-EBADF, E(fchmod(path, 0644)));
	ASSERT_EQ(0, E(chmod(path_of("/proc/self/fd/%d", path), 0640)));
	EXPECT_EQ(S_IFREG | 0640, st_of("u/f").st_mode);
}

TEST_F(u, owner)
{
	ASSERT_EQ(0, E(chmod("u/f", 06755)));
	ASSERT_EQ(0, E(chown("u/f", 10, 20)));
	EXPECT_EQ(10, st_of("rw/f").st_uid);
	EXPECT_EQ(20, st_of("u/f").st_gid);
	/* chown clears them, root's too */
	EXPECT_EQ(S_IFREG | 0755, st_of("u/f").st_mode);
	ASSERT_EQ(0, E(chown("u/f", -1, 30)));
	EXPECT_EQ(10, st_of("u/f").st_uid);
	EXPECT_EQ(30, st_of("u/f").st_gid);
	ASSERT_EQ(0, E(lchown("u/l", 1, 2)));
	EXPECT_EQ(1, st_of("u/l").st_uid);
	EXPECT_EQ(10, st_of("u/f").st_uid);
	ASSERT_EQ(0, E(chown("u/d", 5, 6)));
	EXPECT_EQ(5, st_of("u/d").st_uid);
	EXPECT_STREQ("e", list("u/d"));
}

TEST_F(u, permission)
{
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EPERM, E(chmod("u/f", 0777)));
	EXPECT_EQ(-EPERM, E(chown("u/f", NOBODY, -1)));
	EXPECT_EQ(-EPERM, E(utimensat(AT_FDCWD, "u/f", (struct timespec[2]){ { 1, 1 }, { 1, 1 } }, 0)));
	EXPECT_EQ(-EACCES, E(utimensat(AT_FDCWD, "u/f", NULL, 0)));
	ASSERT_EQ(0, become(0));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	ASSERT_EQ(0, E(chown("u/f", NOBODY, NOBODY)));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(0, E(chmod("u/f", 0600)));
	EXPECT_EQ(-EPERM, E(chown("u/f", 0, -1)));
	EXPECT_EQ(0, E(utimensat(AT_FDCWD, "u/f", NULL, 0)));
	ASSERT_EQ(0, become(0));
}

TEST_F(u, times)
{
	struct timespec times[2] = { { 111, 222 }, { 333, 444 } };
	struct stat st;

	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "u/f", times, 0)));
	st = st_of("u/f");
	EXPECT_EQ(111, st.st_atim.tv_sec);
	EXPECT_EQ(222, st.st_atim.tv_nsec);
	EXPECT_EQ(333, st.st_mtim.tv_sec);
	EXPECT_EQ(444, st.st_mtim.tv_nsec);
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_nsec = UTIME_NOW;
	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "u/f", times, 0)));
	st = st_of("u/f");
	EXPECT_EQ(111, st.st_atim.tv_sec);
	EXPECT_LT(1000, st.st_mtim.tv_sec);
	times[0] = (struct timespec) { 5, 6 };
	times[1] = (struct timespec) { 7, 8 };
	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "u/l", times, AT_SYMLINK_NOFOLLOW)));
	EXPECT_EQ(7, st_of("u/l").st_mtim.tv_sec);
	EXPECT_STREQ("symlink", kind("rw/l"));
	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "u/d", times, 0)));
	EXPECT_EQ(7, st_of("u/d").st_mtim.tv_sec);
	EXPECT_EQ(8, st_of("rw/d").st_mtim.tv_nsec);
}

TEST_F(u, write_clears_suid)
{
	int fd;

	ASSERT_EQ(0, E(chown("u/f", NOBODY, NOBODY)));
	ASSERT_EQ(0, E(chmod("u/f", 06777)));
	ASSERT_EQ(0, become(NOBODY));
	ASSERT_LE(0, fd = open("u/f", O_WRONLY));
	EXPECT_EQ(1, E(write(fd, "T", 1)));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(S_IFREG | 0777, st_of("u/f").st_mode);
	EXPECT_EQ(S_IFREG | 0777, st_of("rw/f").st_mode);
}

TEST_F(u, change_time_moves)
{
	struct timespec a, b;

	ASSERT_EQ(0, append_file("u/f", "+"));
	a = st_of("u/f").st_ctim;
	usleep(20000);
	ASSERT_EQ(0, E(chmod("u/f", 0600)));
	b = st_of("u/f").st_ctim;
	EXPECT_LT(a.tv_sec * 1000000000LL + a.tv_nsec, b.tv_sec * 1000000000LL + b.tv_nsec);
}

TEST_F(u, access_time)
{
	/* relatime: the first read after a write is noted */
	struct timespec times[2] = { { 100, 0 }, { 200, 0 } };
	int fd;
	char c;

	ASSERT_EQ(0, write_file("u/new", "x"));
	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "u/new", times, 0)));
	ASSERT_LE(0, fd = open("u/new", O_RDONLY));
	EXPECT_EQ(1, E(read(fd, &c, 1)));
	close(fd);
	EXPECT_LT(200, st_of("u/new").st_atim.tv_sec);
	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "u/new", times, 0)));
	ASSERT_LE(0, fd = open("u/new", O_RDONLY | O_NOATIME));
	EXPECT_EQ(1, E(read(fd, &c, 1)));
	close(fd);
	EXPECT_EQ(100, st_of("u/new").st_atim.tv_sec);
}

TEST_F(u, immediately_visible_to_open_descriptors)
{
	struct stat st;
	int fd = open("u/f", O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(chmod("u/f", 0604)));
	ASSERT_EQ(0, E(chown("u/f", 77, 78)));
	ASSERT_EQ(0, E(fstat(fd, &st)));
	EXPECT_EQ(S_IFREG | 0604, st.st_mode);
	EXPECT_EQ(77, st.st_uid);
	EXPECT_EQ(st_of("u/f").st_ino, st.st_ino);
}

TEST_HARNESS_MAIN
