// SPDX-License-Identifier: GPL-2.0
/* Inode flags (chattr): FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR. */
#include "aufs2.h"
#include <linux/fs.h>

FIXTURE(u) { int has; };
FIXTURE_SETUP(u)
{
	int fd, flags = 0;

	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir ro/d rw/d; echo -n low > ro/f; echo -n up > rw/g"));
	ASSERT_LE(0, fd = open("rw/g", O_RDONLY));
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		SKIP(return, "%s has none", test_fs());
	close(fd);
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	static const char * const all[] = { "u/f", "u/g", "u/d" };
	unsigned int i;
	int fd, flags = 0;

	for (i = 0; i < 3; i++) {
		fd = open(all[i], O_RDONLY);
		if (fd >= 0 && !ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
			flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
			ioctl(fd, FS_IOC_SETFLAGS, &flags);
		}
		close(fd);
	}
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static int get(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), flags = 0, err;

	err = fd < 0 ? -errno : E(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	close(fd);
	return err ?: flags;
}

static int set(const char *path, int on, int off)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), flags = 0, err;

	err = fd < 0 ? -errno : E(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags = (flags | on) & ~off;
	err = err ?: E(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	close(fd);
	return err;
}

TEST_F(u, upper_file)
{
	ASSERT_EQ(0, set("u/g", FS_NODUMP_FL | FS_NOATIME_FL, 0));
	EXPECT_EQ(FS_NODUMP_FL | FS_NOATIME_FL, get("u/g") & (FS_NODUMP_FL | FS_NOATIME_FL));
	EXPECT_EQ(FS_NODUMP_FL | FS_NOATIME_FL, get("rw/g") & (FS_NODUMP_FL | FS_NOATIME_FL));
	ASSERT_EQ(0, set("u/g", 0, FS_NODUMP_FL));
	EXPECT_EQ(0, get("u/g") & FS_NODUMP_FL);
}

TEST_F(u, immutable)
{
	ASSERT_EQ(0, set("u/g", FS_IMMUTABLE_FL, 0));
	EXPECT_EQ(-EPERM, E(open("u/g", O_WRONLY)));
	EXPECT_EQ(-EPERM, E(unlink("u/g")));
	EXPECT_EQ(-EPERM, E(chmod("u/g", 0600)));
	EXPECT_EQ(-EPERM, E(link("u/g", "u/h")));
	EXPECT_EQ(-EPERM, E(rename("u/g", "u/h")));
	EXPECT_EQ(-EPERM, E(truncate("u/g", 0)));
	ASSERT_EQ(0, set("u/g", 0, FS_IMMUTABLE_FL));
	EXPECT_EQ(0, append_file("u/g", "+"));
	EXPECT_STREQ("up+", read_file("u/g"));
}

TEST_F(u, append_only)
{
	ASSERT_EQ(0, set("u/g", FS_APPEND_FL, 0));
	EXPECT_EQ(-EPERM, E(open("u/g", O_WRONLY)));
	EXPECT_EQ(-EPERM, E(truncate("u/g", 0)));
	EXPECT_EQ(0, append_file("u/g", "+"));
	EXPECT_EQ(-EPERM, E(unlink("u/g")));
	ASSERT_EQ(0, set("u/g", 0, FS_APPEND_FL));
	EXPECT_STREQ("up+", read_file("u/g"));
}

TEST_F(u, lower_file_is_copied_up)
{
	ASSERT_EQ(0, set("u/f", FS_NODUMP_FL, 0));
	EXPECT_EQ(FS_NODUMP_FL, get("u/f") & FS_NODUMP_FL);
	EXPECT_EQ(0, get("ro/f") & FS_NODUMP_FL);
	EXPECT_STREQ("low", read_file("rw/f"));
}

TEST_F(u, kept_at_copy_up)
{
	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, set("ro/f", FS_NODUMP_FL | FS_NOATIME_FL, 0));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(FS_NODUMP_FL | FS_NOATIME_FL, get("u/f") & (FS_NODUMP_FL | FS_NOATIME_FL));
	ASSERT_EQ(0, append_file("u/f", "+"));
	EXPECT_EQ(FS_NODUMP_FL | FS_NOATIME_FL, get("u/f") & (FS_NODUMP_FL | FS_NOATIME_FL));
	EXPECT_STREQ("file", kind("rw/f"));
}

/* A copy has the flags of what it is made of, and not those of the directory that it is made in. */
TEST_F(u, not_taken_from_the_directory)
{
	int fd;

	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, shell("mkdir ro/n ro/n/sub; echo -n low >ro/n/f; ln -s x ro/n/l"));
	ASSERT_EQ(0, set("ro/n", FS_NODUMP_FL | FS_NOATIME_FL, 0));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, append_file("u/n/f", "+"));
	EXPECT_EQ(0, E(chmod("u/n/sub", 0700)));
	EXPECT_EQ(0, E(lchown("u/n/l", 1, 1)));
	EXPECT_EQ(0, get("u/n/f") & (FS_NODUMP_FL | FS_NOATIME_FL));
	EXPECT_EQ(0, get("u/n/sub") & (FS_NODUMP_FL | FS_NOATIME_FL));
	EXPECT_EQ(FS_NODUMP_FL | FS_NOATIME_FL, get("rw/n") & (FS_NODUMP_FL | FS_NOATIME_FL));
	/* and one without a name, too */
	EXPECT_EQ(0, E(unlink("u/n/f")));
	fd = open("u/n/sub", O_RDONLY | O_CLOEXEC);
	EXPECT_EQ(0, E(rmdir("u/n/sub")));
	EXPECT_EQ(0, E(fchmod(fd, 0755)));
	close(fd);
}

/* What is asked for and the branch cannot do does not keep anything from being changed. */
TEST_F(u, a_flag_that_the_branch_does_not_know)
{
	const char *why;

	ASSERT_EQ(0, down());
	why = make_fs("ext4", path_of("%s/x", area));
	if (why)
		SKIP(return, "%s", why);
	area_mounts[area_mounted++] = strdup(path_of("%s/x", area));
	ASSERT_EQ(0, write_file("x/s", "low") | write_file("x/e", "low"));
	ASSERT_EQ(0, set("x/s", FS_SYNC_FL | FS_NODUMP_FL, 0));
	ASSERT_EQ(0, up("rw", "x=ro"));
	EXPECT_EQ(0, append_file("u/s", "+"));
	EXPECT_STREQ("low+", read_file("rw/s"));
	EXPECT_EQ(FS_NODUMP_FL, get("u/s") & FS_NODUMP_FL);
	/* Nor does what it shows beside the flag that is set. */
	EXPECT_EQ(0, set("u/e", FS_NODUMP_FL, 0));
	EXPECT_EQ(FS_NODUMP_FL, get("u/e") & FS_NODUMP_FL);
	EXPECT_STREQ("low", read_file("rw/e"));
	ASSERT_EQ(0, down());
}

TEST_F(u, extended)
{
	struct fsxattr fsx = { 0 };
	int fd = open("u/g", O_RDONLY), err;

	err = E(ioctl(fd, FS_IOC_FSGETXATTR, &fsx));
	ASSERT_EQ(0, err);
	fsx.fsx_xflags |= FS_XFLAG_NODUMP;
	ASSERT_EQ(0, E(ioctl(fd, FS_IOC_FSSETXATTR, &fsx)));
	EXPECT_TRUE(get("u/g") & FS_NODUMP_FL);
}

TEST_F(u, permission)
{
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_GT(0, set("u/f", FS_NODUMP_FL, 0));
	EXPECT_GT(0, set("u/g", FS_NODUMP_FL, 0));
	ASSERT_EQ(0, become(0));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
}

TEST_F(u, directories)
{
	ASSERT_EQ(0, set("u/d", FS_NODUMP_FL, 0));
	EXPECT_TRUE(get("u/d") & FS_NODUMP_FL);
	EXPECT_TRUE(get("rw/d") & FS_NODUMP_FL);
}

#define PROTECTED (FS_IMMUTABLE_FL | FS_APPEND_FL)

/* Takes them off again on the writable branch. */
static void unprotect(const char *const *paths)
{
	for (; *paths; paths++)
		set(*paths, 0, PROTECTED);
}

/* The owner of an immutable file may change other flags of it where that is so natively, and that is all. */
TEST_F(u, an_immutable_file_is_copied_as_one)
{
	static const char *const all[] = { "rw/i", "rw/a", "native", NULL };
	int fd, flags;

	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, E(chmod("rw", 0777)));
	ASSERT_EQ(0, write_file("native", "") | E(chown("native", NOBODY, NOBODY)));
	ASSERT_EQ(0, set("native", FS_IMMUTABLE_FL, 0));
	ASSERT_EQ(0, write_file("ro/i", "low") | write_file("ro/a", "low"));
	ASSERT_EQ(0, E(chown("ro/i", NOBODY, NOBODY)) | E(chown("ro/a", NOBODY, NOBODY)));
	ASSERT_EQ(0, set("ro/i", FS_IMMUTABLE_FL, 0) | set("ro/a", FS_APPEND_FL, 0));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EPERM, set("u/i", 0, FS_IMMUTABLE_FL));
	EXPECT_EQ(-EPERM, set("u/i", FS_APPEND_FL, 0));
	EXPECT_STREQ("ENOENT", kind("rw/i"));
	/* ext4 does not allow even that. */
	EXPECT_EQ(set("native", FS_NODUMP_FL, 0), set("u/i", FS_NODUMP_FL, 0));
	EXPECT_STREQ("file", kind("rw/i"));
	EXPECT_EQ(-EPERM, append_file("u/i", "+"));
	EXPECT_EQ(-EPERM, E(unlink("u/i")));
	EXPECT_EQ(0, append_file("u/a", "+"));
	EXPECT_EQ(-EPERM, E(truncate("u/a", 0)));
	EXPECT_EQ(-EPERM, E(unlink("u/a")));
	EXPECT_EQ(-EPERM, can_open("u/a", O_WRONLY));
	fd = open("u/a", O_WRONLY | O_APPEND | O_CLOEXEC);
	EXPECT_LE(0, fd);
	flags = fcntl(fd, F_GETFL);
	EXPECT_EQ(-EPERM, E(fcntl(fd, F_SETFL, flags & ~O_APPEND)));
	close(fd);
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(FS_IMMUTABLE_FL, get("rw/i") & PROTECTED);
	EXPECT_EQ(FS_APPEND_FL, get("rw/a") & PROTECTED);
	EXPECT_EQ(FS_IMMUTABLE_FL, get("u/i") & PROTECTED);
	/* Who may takes them off. */
	EXPECT_EQ(0, set("u/i", 0, FS_IMMUTABLE_FL));
	EXPECT_EQ(0, append_file("u/i", "+"));
	EXPECT_STREQ("low+", read_file("u/i"));
	EXPECT_STREQ("low+", read_file("u/a"));
	unprotect(all);
}

TEST_F(u, an_append_only_directory)
{
	static const char *const all[] = { "rw/log", NULL };

	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, E(mkdir("ro/log", 0777)) | E(chmod("ro/log", 0777)));
	ASSERT_EQ(0, write_file("ro/log/old", "") | E(chown("ro/log/old", NOBODY, NOBODY)));
	ASSERT_EQ(0, set("ro/log", FS_APPEND_FL, 0));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(0, write_file("u/log/new", "x"));
	EXPECT_EQ(0, write_file("u/log/newer", "x"));
	EXPECT_EQ(-EPERM, E(unlink("u/log/old")));
	EXPECT_EQ(-EPERM, E(unlink("u/log/new")));
	EXPECT_EQ(-EPERM, E(rename("u/log/new", "u/log/n")));
	EXPECT_EQ(0, append_file("u/log/old", "+"));
	EXPECT_EQ(-EPERM, E(unlink("u/log/old")));
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(FS_APPEND_FL, get("u/log") & PROTECTED);
	EXPECT_EQ(FS_APPEND_FL, get("rw/log") & PROTECTED);
	EXPECT_STREQ("new newer old", list("u/log"));
	unprotect(all);
}

/* The whiteouts in such a directory are nothing to its user. Catches: EPERM for a name that is free. */
TEST_F(u, a_removed_name_in_an_append_only_directory)
{
	static const char *const all[] = { "rw/log", NULL };
	char name[300];

	ASSERT_EQ(0, down_to_change());
	snprintf(name, sizeof(name), "%0253d", 1);
	ASSERT_EQ(0, shell("mkdir ro/log; cd ro/log; touch a b c d e f g %s", name));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, shell("rm u/log/*"));
	ASSERT_EQ(0, set("u/log", FS_APPEND_FL, 0));
	EXPECT_EQ(0, write_file("u/log/a", "new"));
	EXPECT_EQ(0, E(mkdir("u/log/b", 0755)));
	EXPECT_EQ(0, E(mkfifo("u/log/c", 0644)));
	EXPECT_EQ(0, E(symlink("a", "u/log/d")));
	EXPECT_EQ(0, E(link("u/log/a", "u/log/e")));
	EXPECT_EQ(0, write_file("u/moved", "") | E(rename("u/moved", "u/log/f")));
	EXPECT_EQ(0, write_file(path_of("u/log/%s", name), "new"));
	EXPECT_EQ(-EPERM, E(unlink("u/log/a")));
	EXPECT_EQ(FS_APPEND_FL, get("rw/log") & PROTECTED);
	EXPECT_STREQ(path_of("%s a b c d e f", name), list("u/log"));
	EXPECT_FALSE(is_whiteout("rw/log/a") || is_whiteout("rw/log/b") || is_whiteout("rw/log/c") ||
		     is_whiteout("rw/log/d") || is_whiteout("rw/log/e") || is_whiteout("rw/log/f"));
	EXPECT_TRUE(is_whiteout("rw/log/g"));
	unprotect(all);
}

/* What is in an immutable directory can be changed; be it so below, or made so in the union. */
TEST_F(u, in_an_immutable_directory)
{
	static const char *const all[] = { "rw/i", "rw/m", NULL };
	long mtime;

	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, shell("mkdir -p ro/i/sub ro/m rw/m; echo -n low | tee ro/i/f ro/i/sub/f ro/m/f;"
			   "ln ro/i/f ro/i/g; mkfifo ro/i/p; touch -d @1000 ro/i rw/m"));
	ASSERT_EQ(0, set("ro/i", FS_IMMUTABLE_FL, 0));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, set("u/m", FS_IMMUTABLE_FL, 0));
	EXPECT_EQ(0, append_file("u/i/sub/f", "+"));
	EXPECT_EQ(0, append_file("u/i/f", "+"));
	EXPECT_EQ(0, append_file("u/i/g", "+"));
	EXPECT_EQ(0, E(chmod("u/i/p", 0600)));
	mtime = st_of("u/m").st_mtim.tv_sec;
	EXPECT_EQ(0, append_file("u/m/f", "+"));
	EXPECT_EQ(mtime, st_of("u/m").st_mtim.tv_sec);
	EXPECT_EQ(1000, st_of("u/i").st_mtim.tv_sec);
	EXPECT_EQ(-EPERM, write_file("u/i/new", ""));
	EXPECT_EQ(-EPERM, write_file("u/m/new", ""));
	EXPECT_EQ(-EPERM, E(unlink("u/i/f")));
	EXPECT_EQ(-EPERM, E(unlink("u/m/f")));
	EXPECT_EQ(FS_IMMUTABLE_FL, get("rw/i") & PROTECTED);
	EXPECT_EQ(FS_IMMUTABLE_FL, get("rw/m") & PROTECTED);
	EXPECT_STREQ("low++", read_file("u/i/f"));
	EXPECT_STREQ("low+", read_file("rw/m/f"));
	unprotect(all);
}

#define COPIES 60

/* While things are copied into an immutable directory, it does not look otherwise, nor can be. */
TEST_F(u, while_things_are_copied)
{
	static const char *const all[] = { "rw/i", NULL };
	int status, wrong = 0, rounds = 0;
	pid_t pid;

	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, shell("mkdir ro/i; for n in $(seq %d); do echo low > ro/i/$n; done", COPIES));
	ASSERT_EQ(0, E(chown("ro/i", NOBODY, NOBODY)));
	ASSERT_EQ(0, set("ro/i", FS_IMMUTABLE_FL, 0));
	ASSERT_EQ(0, up("rw", "ro"));
	pid = fork();
	if (!pid) {
		for (int i = 1; i <= COPIES; i++) {
			if (append_file(path_of("u/i/%d", i), "+"))
				_exit(1);
		}
		_exit(0);
	}
	ASSERT_EQ(0, become(NOBODY));
	while (!waitpid(pid, &status, WNOHANG)) {
		wrong += !(get("u/i") & FS_IMMUTABLE_FL);
		wrong += set("u/i", 0, FS_IMMUTABLE_FL) != -EPERM;
		wrong += write_file("u/i/new", "") != -EPERM;
		rounds++;
	}
	ASSERT_EQ(0, become(0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, rounds);
	EXPECT_EQ(FS_IMMUTABLE_FL, get("u/i") & PROTECTED);
	EXPECT_EQ(FS_IMMUTABLE_FL, get("rw/i") & PROTECTED);
	EXPECT_EQ(-EPERM, write_file("u/i/new", ""));
	unprotect(all);
}

TEST_F(u, in_a_directory_that_is_renamed)
{
	static const char *const all[] = {
		"rw/e/i", "rw/e/a", "rw/e/sub", NULL
	};

	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, shell("mkdir -p ro/tree/sub; touch ro/tree/i ro/tree/a ro/tree/sub/f"));
	ASSERT_EQ(0, set("ro/tree/i", FS_IMMUTABLE_FL, 0) | set("ro/tree/a", FS_APPEND_FL, 0) |
		     set("ro/tree/sub", FS_IMMUTABLE_FL, 0));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, E(rename("u/tree", "u/e")));
	EXPECT_EQ(FS_IMMUTABLE_FL, get("u/e/i") & PROTECTED);
	EXPECT_EQ(FS_APPEND_FL, get("u/e/a") & PROTECTED);
	EXPECT_EQ(FS_IMMUTABLE_FL, get("u/e/sub") & PROTECTED);
	EXPECT_EQ(-EPERM, E(unlink("u/e/i")));
	EXPECT_EQ(-EPERM, E(unlink("u/e/sub/f")));
	unprotect(all);
}

TEST_HARNESS_MAIN
