// SPDX-License-Identifier: GPL-2.0
/* Removing what is not a directory. */
#include "aufs2.h"
#include <sys/file.h>

AUFS2_FIXTURE

TEST_F(u, upper_only)
{
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/f", "x"));
	ASSERT_EQ(0, E(unlink("u/f")));
	EXPECT_STREQ("ENOENT", kind("u/f"));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	EXPECT_FALSE(is_whiteout("rw/f"));
	EXPECT_EQ(-ENOENT, E(unlink("u/f")));
}

TEST_F(u, lower)
{
	ASSERT_EQ(0, shell("mkdir ro/d; touch ro/f ro2/f ro/d/g"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	ASSERT_EQ(0, E(unlink("u/f")));
	ASSERT_EQ(0, E(unlink("u/d/g")));
	EXPECT_STREQ("ENOENT", kind("u/f"));
	EXPECT_TRUE(is_whiteout("rw/f"));
	EXPECT_TRUE(is_whiteout("rw/d/g"));
	EXPECT_STREQ("d", list("u"));
	EXPECT_STREQ("", list("u/d"));
	EXPECT_STREQ("file", kind("ro/f"));
}

TEST_F(u, upper_over_lower)
{
	ASSERT_EQ(0, shell("touch rw/f ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/f")));
	EXPECT_STREQ("ENOENT", kind("u/f"));
	EXPECT_TRUE(is_whiteout("rw/f"));
}

TEST_F(u, copied_up)
{
	ASSERT_EQ(0, write_file("ro/f", "x"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, append_file("u/f", "y"));
	ASSERT_EQ(0, E(unlink("u/f")));
	EXPECT_STREQ("ENOENT", kind("u/f"));
	EXPECT_TRUE(is_whiteout("rw/f"));
	drop_caches();
	EXPECT_STREQ("ENOENT", kind("u/f"));
}

TEST_F(u, every_type)
{
	ASSERT_EQ(0, shell("cd ro; ln -s x l; mkfifo p; mknod c c 1 3; mknod b b 7 9"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, E(unlink("u/l")));
	EXPECT_EQ(0, E(unlink("u/p")));
	EXPECT_EQ(0, E(unlink("u/c")));
	EXPECT_EQ(0, E(unlink("u/b")));
	EXPECT_STREQ("", list("u"));
}

TEST_F(u, refusals)
{
	ASSERT_EQ(0, shell("mkdir ro/d; touch ro/d/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-EISDIR, E(unlink("u/d")));
	EXPECT_EQ(-ENOENT, E(unlink("u/none")));
	EXPECT_EQ(-ENOTDIR, E(unlink("u/d/f/g")));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EACCES, E(unlink("u/d/f")));
	ASSERT_EQ(0, become(0));
	EXPECT_STREQ("ENOENT", kind("rw/d"));
}

TEST_F(u, sticky_directory)
{
	ASSERT_EQ(0, shell("mkdir ro/t; chmod 1777 ro/t; touch ro/t/roots; touch ro/t/mine; chown 65534 ro/t/mine"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EPERM, E(unlink("u/t/roots")));
	EXPECT_EQ(0, E(unlink("u/t/mine")));
	ASSERT_EQ(0, become(0));
	EXPECT_STREQ("roots", list("u/t"));
}

TEST_F(u, open_file_lives_on)
{
	struct stat st;
	int lower, upper;

	ASSERT_EQ(0, write_file("ro/lower", "low"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/upper", "up"));
	ASSERT_LE(0, lower = open("u/lower", O_RDONLY));
	ASSERT_LE(0, upper = open("u/upper", O_RDWR));
	ASSERT_EQ(0, E(unlink("u/lower")));
	ASSERT_EQ(0, E(unlink("u/upper")));
	EXPECT_STREQ("low", read_fd(lower));
	EXPECT_EQ(2, E(pwrite(upper, "==", 2, 2)));
	EXPECT_STREQ("up==", read_fd(upper));
	EXPECT_EQ(0, E(ftruncate(upper, 1)));
	EXPECT_EQ(0, E(fchmod(upper, 0600)));
	ASSERT_EQ(0, E(fstat(upper, &st)));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(1, st.st_size);
	EXPECT_EQ(S_IFREG | 0600, st.st_mode);
	ASSERT_EQ(0, E(fstat(lower, &st)));
	EXPECT_EQ(0, st.st_nlink);
}

TEST_F(u, attributes_of_an_unlinked_lower_file)
{
	struct stat st;
	int fd;

	/* needs a copy-up of what has no name any more */
	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	ASSERT_EQ(0, E(unlink("u/f")));
	EXPECT_EQ(0, E(fchmod(fd, 0600)));
	ASSERT_EQ(0, E(fstat(fd, &st)));
	EXPECT_EQ(S_IFREG | 0600, st.st_mode);
	EXPECT_STREQ("low", read_fd(fd));
	EXPECT_STREQ("", list("u"));
}

/* What can be done with a file that has no name, and how that ends. */
static const char *done_without_a_name(const char *path, int flags)
{
	char value[8] = "", text[16] = "";
	int fd = open(path, flags | O_CLOEXEC);
	long err[12];
	loff_t from = 0, to = 20;
	struct stat st = { 0 };

	if (fd < 0 || unlink(path))
		return errno_name(errno);
	err[0] = E(fsetxattr(fd, "trusted.new", "new", 3, 0));
	err[1] = E(fgetxattr(fd, "trusted.new", value, sizeof(value)));
	err[2] = E(fgetxattr(fd, "trusted.old", value, sizeof(value)));
	err[3] = E(fremovexattr(fd, "trusted.old"));
	err[4] = E(fchmod(fd, 0640));
	err[5] = E(fallocate(fd, 0, 0, 20));
	err[6] = E(copy_file_range(fd, &from, fd, &to, 5, 0));
	err[7] = E(fsync(fd));
	err[8] = E(flock(fd, LOCK_EX | LOCK_NB));
	err[9] = E(ftruncate(fd, 24));
	err[10] = E(pread(fd, text, 4, 20));
	err[11] = E(fstat(fd, &st));
	close(fd);
	return path_of("%ld %ld %ld %ld %ld, %ld %ld %ld %ld %ld, %ld %ld; %s %o %d %ld", err[0], err[1],
		       err[2], err[3], err[4], err[5], err[6], err[7], err[8], err[9], err[10], err[11],
		       text, st.st_mode, (int)st.st_nlink, (long)st.st_size);
}

TEST_F(u, all_that_a_file_without_a_name_can_do)
{
	static const int flags[] = { O_RDWR, O_RDONLY };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		ASSERT_EQ(0, shell("printf 0123456789 > ro/f%u; setfattr -n trusted.old -v old ro/f%u; "
				   "cp -a ro/f%u rw/g%u; cp -a ro/f%u native%u; "
				   "setfattr -n trusted.old -v old rw/g%u native%u", i, i, i, i, i, i, i, i));
	}
	ASSERT_EQ(0, up("rw", "ro"));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		const char *native = done_without_a_name(path_of("native%u", i), flags[i]);

		EXPECT_STREQ(native, done_without_a_name(path_of("u/g%u", i), flags[i])) {
			TH_LOG("upper, %#x", flags[i]);
		}
		EXPECT_STREQ(native, done_without_a_name(path_of("u/f%u", i), flags[i])) {
			TH_LOG("lower, %#x", flags[i]);
		}
		ksft_print_msg("%s\n", native);
	}
}

TEST_F(u, unlinked_file_is_opened_by_proc)
{
	int fd, again;

	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	ASSERT_EQ(0, E(unlink("u/f")));
	ASSERT_LE(0, again = open(path_of("/proc/self/fd/%d", fd), O_RDWR));
	EXPECT_EQ(1, E(pwrite(again, "L", 1, 0)));
	EXPECT_STREQ("Low", read_fd(again));
	EXPECT_STREQ("Low", read_fd(fd));
	EXPECT_STREQ("", list("u"));
}

TEST_F(u, whole_tree)
{
	ASSERT_EQ(0, shell("mkdir -p ro/t/a/b rw/t/a ro2/t/c; touch ro/t/1 ro/t/a/2 ro/t/a/b/3 rw/t/a/4 ro2/t/c/5 ro2/t/a6"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	EXPECT_EQ(0, shell("rm -r u/t"));
	EXPECT_STREQ("", list("u"));
	EXPECT_STREQ("ENOENT", kind("u/t"));
	ASSERT_EQ(0, E(mkdir("u/t", 0755)));
	EXPECT_STREQ("", list("u/t"));
}

TEST_HARNESS_MAIN
