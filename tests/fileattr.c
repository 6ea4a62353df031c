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

/* --- file_getattr(2), file_setattr(2) ------------------------------------------------------- */

#define FILE_GETATTR 468
#define FILE_SETATTR 469

/* Of linux/fs.h, which is not everywhere new enough. */
struct attr_of_file { uint64_t xflags; uint32_t extsize, nextents, projid, cowextsize; uint64_t more; };
#define ATTR_SIZE 24

/*
 * What is said of an object, but of how many pieces it is, and whether there is room for attributes, which xfs makes
 * for a file with a name only.
 */
static const char *attr_of(int dir, const char *path, size_t size, int flags)
{
	struct attr_of_file attr = { 0 };
	long err = E(syscall(FILE_GETATTR, dir, path, &attr, size, flags));

	attr.xflags &= ~(uint64_t)FS_XFLAG_HASATTR;
	return err ? errno_name(-err) : path_of("%llx, %u, %u, %u", (unsigned long long)attr.xflags, attr.extsize,
						attr.projid, attr.cowextsize);
}

static const char *attr_set(int dir, const char *path, const struct attr_of_file *attr, size_t size, int flags)
{
	long err = E(syscall(FILE_SETATTR, dir, path, attr, size, flags));

	return err ? errno_name(-err) : "well";
}

static const char *const objects[] = { "f", "g", "d", "sub", "link", "dangling", "dirlink", "fifo", "null", "block",
				       "socket",
				       "none" };

/* With one of each on either branch, and the same in the directory n. */
#define OBJECTS \
	ASSERT_EQ(0, down_to_change()); \
	ASSERT_EQ(0, shell("mkdir -p ro/sub n; ln -s f ro/link; ln -s none ro/dangling; ln -s sub ro/dirlink;" \
			   "mkfifo ro/fifo; mknod ro/null c 1 3; mknod ro/block b 7 250;" \
			   "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"ro/socket\")';" \
			   "cp -a ro/. n; cp -a rw/. n")); \
	ASSERT_EQ(0, up("rw", "ro"))

static void compare_attr(struct __test_metadata *_metadata, const char *when)
{
	static const int flags[] = { 0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, AT_NO_AUTOMOUNT,
				     1 << 20 };
	static const size_t sizes[] = { ATTR_SIZE, 0, 8, ATTR_SIZE - 4, ATTR_SIZE + 8, 1 << 20 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		const char *native = path_of("n/%s", objects[i]), *ours = path_of("u/%s", objects[i]);
		int fds[2] = { open(native, O_PATH | O_NOFOLLOW | O_CLOEXEC),
			       open(ours, O_PATH | O_NOFOLLOW | O_CLOEXEC) };

		for (j = 0; j < ARRAY_SIZE(flags); j++) {
			native = path_of("n/%s", objects[i]);
			ours = path_of("u/%s", objects[i]);
			EXPECT_STREQ(attr_of(AT_FDCWD, native, ATTR_SIZE, flags[j]),
				     attr_of(AT_FDCWD, ours, ATTR_SIZE, flags[j])) {
				TH_LOG("%s, %s, flags %#x", objects[i], when, flags[j]);
			}
			EXPECT_STREQ(attr_of(fds[0], "", ATTR_SIZE, flags[j]),
				     attr_of(fds[1], "", ATTR_SIZE, flags[j])) {
				TH_LOG("%s by descriptor, %s, flags %#x", objects[i], when, flags[j]);
			}
		}
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			native = path_of("n/%s", objects[i]);
			ours = path_of("u/%s", objects[i]);
			EXPECT_STREQ(attr_of(AT_FDCWD, native, sizes[j], 0), attr_of(AT_FDCWD, ours, sizes[j], 0)) {
				TH_LOG("%s, %s, size %zu", objects[i], when, sizes[j]);
			}
		}
		close(fds[0]);
		close(fds[1]);
	}
}

TEST_F(u, told_by_the_system_call)
{
	OBJECTS;
	compare_attr(_metadata, "as it is");
	EXPECT_EQ(0, set("n/f", FS_NODUMP_FL | FS_NOATIME_FL, 0) | set("u/f", FS_NODUMP_FL | FS_NOATIME_FL, 0));
	EXPECT_EQ(0, set("n/sub", FS_NODUMP_FL, 0) | set("u/sub", FS_NODUMP_FL, 0));
	compare_attr(_metadata, "changed");
	ASSERT_EQ(0, become(NOBODY));
	compare_attr(_metadata, "by another");
	ASSERT_EQ(0, become(0));
}

TEST_F(u, set_by_the_system_call)
{
	static const struct attr_of_file attrs[] = {
		{ .xflags = 0 }, { .xflags = FS_XFLAG_NODUMP }, { .xflags = FS_XFLAG_NOATIME },
		{ .xflags = FS_XFLAG_SYNC },
		{ .xflags = FS_XFLAG_APPEND }, { .xflags = 0 }, { .xflags = 1ULL << 40 },
		{ .xflags = FS_XFLAG_EXTSIZE },
		{ .xflags = FS_XFLAG_EXTSIZE, .extsize = 8192 }, { .xflags = FS_XFLAG_EXTSIZE, .extsize = 100 },
		{ .xflags = FS_XFLAG_PROJINHERIT }, { .projid = 5 }, { .xflags = FS_XFLAG_DAX },
		{ .xflags = FS_XFLAG_RTINHERIT },
		{ .xflags = FS_XFLAG_HASATTR }, { .xflags = FS_XFLAG_NODUMP, .nextents = 5 },
		{ .xflags = FS_XFLAG_COWEXTSIZE },
		{ .xflags = 0 },
	};
	static const int flags[] = { AT_SYMLINK_NOFOLLOW, 0, 1 << 20 };
	unsigned int i, j, k;
	struct attr_of_file longer = { .xflags = FS_XFLAG_NODUMP, .more = 1 };

	OBJECTS;
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		for (k = 0; k < ARRAY_SIZE(flags); k++)
			for (j = 0; j < ARRAY_SIZE(attrs); j++) {
				const char *native = path_of("n/%s", objects[i]), *ours = path_of("u/%s", objects[i]);

				EXPECT_STREQ(attr_set(AT_FDCWD, native, &attrs[j], ATTR_SIZE, flags[k]),
					     attr_set(AT_FDCWD, ours, &attrs[j], ATTR_SIZE, flags[k])) {
					TH_LOG("%s, %llx, flags %#x", objects[i], (unsigned long long)attrs[j].xflags,
					       flags[k]);
				}
				native = path_of("n/%s", objects[i]);
				ours = path_of("u/%s", objects[i]);
				EXPECT_STREQ(attr_of(AT_FDCWD, native, ATTR_SIZE, AT_SYMLINK_NOFOLLOW),
					     attr_of(AT_FDCWD, ours, ATTR_SIZE, AT_SYMLINK_NOFOLLOW)) {
					TH_LOG("%s afterwards, %llx, flags %#x", objects[i],
					       (unsigned long long)attrs[j].xflags, flags[k]);
				}
			}
	EXPECT_STREQ("file", kind("rw/f"));
	EXPECT_STREQ("low", read_file("rw/f"));
	EXPECT_STREQ("dir", kind("rw/sub"));
	/* arguments that make no sense */
	EXPECT_STREQ(attr_set(AT_FDCWD, "n/g", &longer, ATTR_SIZE + 8, 0),
		     attr_set(AT_FDCWD, "u/g", &longer, ATTR_SIZE + 8, 0));
	EXPECT_STREQ(attr_set(AT_FDCWD, "n/g", &longer, 8, 0), attr_set(AT_FDCWD, "u/g", &longer, 8, 0));
	EXPECT_STREQ(attr_set(AT_FDCWD, "n/g", &longer, 1 << 20, 0), attr_set(AT_FDCWD, "u/g", &longer, 1 << 20, 0));
	EXPECT_STREQ(attr_set(AT_FDCWD, "n/g", NULL, ATTR_SIZE, 0), attr_set(AT_FDCWD, "u/g", NULL, ATTR_SIZE, 0));
	/* by another one, and where nothing may be written to */
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_STREQ(attr_set(AT_FDCWD, "n/g", &attrs[1], ATTR_SIZE, 0),
		     attr_set(AT_FDCWD, "u/g", &attrs[1], ATTR_SIZE, 0));
	ASSERT_EQ(0, become(0));
	ASSERT_EQ(0, shell("mount --bind n n && mount -o remount,bind,ro n && mount -o remount,bind,ro u"));
	EXPECT_STREQ(attr_set(AT_FDCWD, "n/g", &attrs[1], ATTR_SIZE, 0),
		     attr_set(AT_FDCWD, "u/g", &attrs[1], ATTR_SIZE, 0));
	EXPECT_STREQ("EROFS", attr_set(AT_FDCWD, "u/g", &attrs[1], ATTR_SIZE, 0));
	ASSERT_EQ(0, shell("umount n && mount -o remount,bind,rw u"));
}

/* What is set is what makes the copy, and nothing before: of what cannot be set there is none. */
TEST_F(u, copied_up_by_the_system_call)
{
	struct attr_of_file attr = { .xflags = 1ULL << 40 };
	int fd;

	OBJECTS;
	EXPECT_STREQ(attr_set(AT_FDCWD, "n/f", &attr, ATTR_SIZE, 0), attr_set(AT_FDCWD, "u/f", &attr, ATTR_SIZE, 0));
	attr.xflags = FS_XFLAG_NODUMP;
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_STREQ(attr_set(AT_FDCWD, "n/f", &attr, ATTR_SIZE, 0), attr_set(AT_FDCWD, "u/f", &attr, ATTR_SIZE, 0));
	ASSERT_EQ(0, become(0));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	ASSERT_LE(0, fd = open("u/f", O_RDONLY | O_CLOEXEC));
	EXPECT_STREQ("well", attr_set(fd, "", &attr, ATTR_SIZE, AT_EMPTY_PATH));
	close(fd);
	EXPECT_STREQ("low", read_file("rw/f"));
	EXPECT_EQ(FS_NODUMP_FL, get("rw/f") & FS_NODUMP_FL);
	EXPECT_EQ(0, get("ro/f") & FS_NODUMP_FL);
	EXPECT_STREQ("well", attr_set(AT_FDCWD, "u/link", &attr, ATTR_SIZE, 0));
	EXPECT_STREQ("ENOENT", kind("rw/link"));
	EXPECT_STREQ("well", attr_set(AT_FDCWD, "u/sub", &attr, ATTR_SIZE, 0));
	EXPECT_EQ(FS_NODUMP_FL, get("rw/sub") & FS_NODUMP_FL);
}

TEST_HARNESS_MAIN
