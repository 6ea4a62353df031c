// SPDX-License-Identifier: GPL-2.0
/* rename and renameat2 of files. */
#include "aufs2.h"

AUFS2_FIXTURE

static int rename2(const char *from, const char *to, unsigned int flags)
{
	return E(renameat2(AT_FDCWD, from, AT_FDCWD, to, flags));
}

TEST_F(u, upper_file)
{
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/a", "x"));
	ASSERT_EQ(0, E(rename("u/a", "u/b")));
	EXPECT_STREQ("b", list("u"));
	EXPECT_STREQ("x", read_file("u/b"));
	EXPECT_STREQ("x", read_file("rw/b"));
	/* nothing below needed hiding */
	EXPECT_FALSE(is_whiteout("rw/a"));
}

TEST_F(u, lower_file)
{
	ASSERT_EQ(0, shell("echo -n low > ro/a; chmod 640 ro/a; chown 7:8 ro/a; touch -d @1000 ro/a"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(rename("u/a", "u/b")));
	EXPECT_STREQ("b", list("u"));
	EXPECT_STREQ("low", read_file("u/b"));
	EXPECT_EQ(S_IFREG | 0640, st_of("u/b").st_mode);
	EXPECT_EQ(7, st_of("u/b").st_uid);
	EXPECT_EQ(1000, st_of("u/b").st_mtim.tv_sec);
	EXPECT_TRUE(is_whiteout("rw/a"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("b", list("u"));
}

TEST_F(u, over_lower_upper_and_whiteout)
{
	ASSERT_EQ(0, shell("echo -n l > ro/lower; echo -n u > rw/upper; echo -n g > ro/gone"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/gone")));
	ASSERT_EQ(0, write_file("u/a", "1"));
	ASSERT_EQ(0, E(rename("u/a", "u/lower")));
	EXPECT_STREQ("1", read_file("u/lower"));
	ASSERT_EQ(0, E(rename("u/lower", "u/upper")));
	EXPECT_STREQ("1", read_file("u/upper"));
	EXPECT_STREQ("ENOENT", kind("u/lower"));
	EXPECT_TRUE(is_whiteout("rw/lower"));
	ASSERT_EQ(0, E(rename("u/upper", "u/gone")));
	EXPECT_STREQ("1", read_file("u/gone"));
	EXPECT_FALSE(is_whiteout("rw/gone"));
	EXPECT_STREQ("gone", list("u"));
	drop_caches();
	EXPECT_STREQ("gone", list("u"));
}

TEST_F(u, into_a_lower_directory)
{
	ASSERT_EQ(0, shell("mkdir -p ro/d/e; touch ro/d/e/x; echo -n a > ro/a"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(rename("u/a", "u/d/e/b")));
	EXPECT_STREQ("b x", list("u/d/e"));
	EXPECT_STREQ("d", list("u"));
	ASSERT_EQ(0, E(rename("u/d/e/b", "u/a")));
	EXPECT_STREQ("a", read_file("u/a"));
	EXPECT_STREQ("x", list("u/d/e"));
}

TEST_F(u, refusals)
{
	ASSERT_EQ(0, shell("mkdir -p ro/d/e ro/empty; touch ro/f ro/d/x"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-ENOENT, E(rename("u/none", "u/x")));
	EXPECT_EQ(-ENOENT, E(rename("u/f", "u/none/x")));
	EXPECT_EQ(-EISDIR, E(rename("u/f", "u/d")));
	EXPECT_EQ(-ENOTDIR, E(rename("u/d", "u/f")));
	EXPECT_EQ(-ENOTDIR, E(rename("u/f/x", "u/y")));
	EXPECT_EQ(-EINVAL, E(rename("u/d", "u/d/e/y")));
	EXPECT_EQ(-ENOTEMPTY, E(rename("u/empty", "u/d")));
	EXPECT_EQ(-ENOTEMPTY, E(rename("u/d/e", "u/d")));
	EXPECT_EQ(-EXDEV, E(rename("u/f", "rw/f")));
	EXPECT_EQ(-EINVAL, rename2("u/f", "u/g", RENAME_NOREPLACE | RENAME_EXCHANGE));
	EXPECT_EQ(-EINVAL, rename2("u/f", "u/g", 1U << 30));
	EXPECT_STREQ("d empty f", list("u"));
	EXPECT_STREQ("e x", list("u/d"));
	EXPECT_EQ(0, E(rename("u/f", "u/f")));
}

TEST_F(u, noreplace)
{
	ASSERT_EQ(0, shell("echo -n a > ro/a; echo -n b > ro/b; echo -n w > ro/w; touch rw/up"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(unlink("u/w")));
	EXPECT_EQ(-EEXIST, rename2("u/a", "u/b", RENAME_NOREPLACE));
	EXPECT_EQ(-EEXIST, rename2("u/a", "u/up", RENAME_NOREPLACE));
	EXPECT_STREQ("a", read_file("u/a"));
	EXPECT_EQ(0, rename2("u/a", "u/w", RENAME_NOREPLACE));
	EXPECT_EQ(0, rename2("u/b", "u/new", RENAME_NOREPLACE));
	EXPECT_STREQ("new up w", list("u"));
	EXPECT_STREQ("a", read_file("u/w"));
}

TEST_F(u, exchange_files)
{
	ASSERT_EQ(0, shell("mkdir ro/d; echo -n a > ro/a; echo -n b > ro/d/b; echo -n c > rw/c"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, rename2("u/a", "u/d/b", RENAME_EXCHANGE));
	EXPECT_STREQ("b", read_file("u/a"));
	EXPECT_STREQ("a", read_file("u/d/b"));
	EXPECT_EQ(0, rename2("u/c", "u/a", RENAME_EXCHANGE));
	EXPECT_STREQ("c", read_file("u/a"));
	EXPECT_STREQ("b", read_file("u/c"));
	EXPECT_EQ(-ENOENT, rename2("u/a", "u/none", RENAME_EXCHANGE));
	EXPECT_STREQ("a c d", list("u"));
	drop_caches();
	EXPECT_STREQ("c", read_file("u/a"));
	EXPECT_STREQ("a", read_file("u/d/b"));
}

TEST_F(u, exchange_of_file_and_directory)
{
	ASSERT_EQ(0, shell("mkdir ro/d; touch ro/d/x; echo -n f > ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, rename2("u/f", "u/d", RENAME_EXCHANGE));
	EXPECT_STREQ("f", read_file("u/d"));
	EXPECT_STREQ("x", list("u/f"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("f", read_file("u/d"));
	EXPECT_STREQ("x", list("u/f"));
}

TEST_F(u, whiteout_flag)
{
	/* it makes a 0:0 device, or is refused as natively; it may not lose the file */
	int err, native;

	ASSERT_EQ(0, write_file("ro/a", "x"));
	ASSERT_EQ(0, write_file("native", "x"));
	native = rename2("native", "moved", RENAME_WHITEOUT);
	ASSERT_EQ(0, up("rw", "ro"));
	err = rename2("u/a", "u/b", RENAME_WHITEOUT);
	if (!reference())
		EXPECT_EQ(native, err);
	if (err) {
		EXPECT_EQ(-EINVAL, err);
		EXPECT_STREQ("a", list("u"));
		EXPECT_STREQ("x", read_file("u/a"));
	} else {
		EXPECT_STREQ("x", read_file("u/b"));
		EXPECT_STREQ("chr", kind("u/a"));
	}
}

TEST_F(u, replaced_file_lives_on_while_open)
{
	int fd;

	ASSERT_EQ(0, shell("echo -n old > ro/a; echo -n new > ro/b"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/a", O_RDONLY));
	ASSERT_EQ(0, E(rename("u/b", "u/a")));
	EXPECT_STREQ("old", read_fd(fd));
	EXPECT_STREQ("new", read_file("u/a"));
	EXPECT_STREQ("a", list("u"));
}

TEST_F(u, descriptor_follows)
{
	int fd;

	ASSERT_EQ(0, write_file("ro/a", "x"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/a", O_RDWR));
	ASSERT_EQ(0, E(rename("u/a", "u/b")));
	ASSERT_EQ(1, E(pwrite(fd, "y", 1, 0)));
	EXPECT_STREQ("y", read_file("u/b"));
	char where[PATH_MAX] = "";
	ASSERT_LT(0, E(readlink(path_of("/proc/self/fd/%d", fd), where, sizeof(where))));
	EXPECT_STREQ(path_of("%s/u/b", area), where);
}

TEST_F(u, every_type)
{
	ASSERT_EQ(0, shell("cd ro; ln -s to l; mkfifo p; mknod c c 1 3"));
	ASSERT_EQ(0, E(mknod("ro/s", S_IFSOCK | 0600, 0)));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, E(rename("u/l", "u/l2")));
	EXPECT_EQ(0, E(rename("u/p", "u/p2")));
	EXPECT_EQ(0, E(rename("u/c", "u/c2")));
	EXPECT_EQ(0, E(rename("u/s", "u/s2")));
	EXPECT_STREQ("c2 l2 p2 s2", list("u"));
	EXPECT_STREQ("symlink", kind("u/l2"));
	EXPECT_STREQ("fifo", kind("u/p2"));
	EXPECT_EQ(makedev(1, 3), st_of("u/c2").st_rdev);
	EXPECT_STREQ("sock", kind("u/s2"));
}

TEST_F(u, sticky)
{
	ASSERT_EQ(0, shell("mkdir ro/t; chmod 1777 ro/t; touch ro/t/roots ro/t/mine; chown 65534 ro/t/mine"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EPERM, E(rename("u/t/roots", "u/t/x")));
	EXPECT_EQ(-EPERM, E(rename("u/t/mine", "u/t/roots")));
	EXPECT_EQ(0, E(rename("u/t/mine", "u/t/own")));
	ASSERT_EQ(0, become(0));
	EXPECT_STREQ("own roots", list("u/t"));
}

/*
 * On the branch of what is renamed, a hidden file has the new name.  Catches: one that is lost
 * when the rename fails, though it shows when the branch that hides it goes.
 */
TEST_F(u, keeps_what_is_hidden_if_it_fails)
{
	AUFS2_ONLY("there are several writable branches");
	ASSERT_EQ(0, shell("mkdir -p rw/d rw/e mid/d mid/e low/d low/e"));
	ASSERT_EQ(0, write_file("mid/e/f", "above"));
	ASSERT_EQ(0, write_file("low/e/f", "hidden"));
	ASSERT_EQ(0, write_file("low/d/f", "source"));
	if (set_immutable("low/d", true))
		SKIP(return, "no immutable directories here");
	ASSERT_EQ(0, up("rw", "mid=rw", "low=rw"));
	EXPECT_EQ(-EPERM, E(rename("u/d/f", "u/e/f")));
	EXPECT_STREQ("hidden", read_file("low/e/f"));
	EXPECT_STREQ("above", read_file("u/e/f"));
	ASSERT_EQ(0, set_immutable("low/d", false));
	/* And what hides it cannot be removed. */
	ASSERT_EQ(0, set_immutable("mid/e", true));
	EXPECT_EQ(-EPERM, E(rename("u/d/f", "u/e/f")));
	EXPECT_STREQ("hidden", read_file("low/e/f"));
	EXPECT_STREQ("above", read_file("u/e/f"));
	EXPECT_STREQ("source", read_file("u/d/f"));
	ASSERT_EQ(0, set_immutable("mid/e", false));
	EXPECT_EQ(0, E(rename("u/d/f", "u/e/f")));
	EXPECT_STREQ("source", read_file("u/e/f"));
	EXPECT_STREQ("source", read_file("low/e/f"));
	EXPECT_STREQ("ENOENT", kind("mid/e/f"));
	EXPECT_STREQ("", list("low/.wh..wh.orph"));
}

TEST_HARNESS_MAIN
