// SPDX-License-Identifier: GPL-2.0
/* FIFREEZE and FITHAW. */
#include "aufs2.h"
#include <linux/fs.h>

AUFS2_FIXTURE

/* Starts a writer, or who only opens for writing, and says whether it waits. */
static bool waits_to(int (*act)(const char *), pid_t *child, const char *path)
{
	*child = fork();
	if (!*child)
		_exit(act(path) ? 1 : 0);
	return comes_to_wait(*child, 'D');
}

static int write_x(const char *path)
{
	return write_file(path, "x");
}

static bool writer_waits(pid_t *child, const char *path)
{
	return waits_to(write_x, child, path);
}

static int open_only(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return close(fd);
}

/*
 * Whether who opens this name of the frozen union for writing waits, and does not make it on the
 * branch before it has waited; it is there afterwards. The name is in the cache: for one that is not,
 * the VFS waits itself.
 */
static bool open_waits_for_thaw(const char *name)
{
	bool waits, made;
	int fd, status;
	pid_t child;

	st_of(path_of("u/%s", name));
	fd = open("u", O_RDONLY | O_DIRECTORY);
	if (fd < 0 || ioctl(fd, FIFREEZE, 0))
		return false;
	waits = waits_to(open_only, &child, path_of("u/%s", name));
	made = !access(path_of("rw/%s", name), F_OK);
	/* as natively, where there is nothing to do */
	waits &= !open_only("u/up");
	ioctl(fd, FITHAW, 0);
	close(fd);
	waitpid(child, &status, 0);
	return waits && !made && !status && !access(path_of("rw/%s", name), F_OK);
}

/* To open a lower file for writing is a change already: it is copied up. */
TEST_F(u, open_for_writing)
{
	if (reference())
		SKIP(return, "not on overlayfs");
	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/up", "up"));
	EXPECT_TRUE(open_waits_for_thaw("f"));
	EXPECT_STREQ("low", read_file("rw/f"));
}

/* So is it by another name of a file that was copied up under one: it gets that name there. */
TEST_F(u, open_for_writing_by_another_name)
{
	if (reference())
		SKIP(return, "not on overlayfs");
	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, E(link("ro/f", "ro/g")));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, write_file("u/up", "up"));
	ASSERT_EQ(0, append_file("u/f", "+"));
	EXPECT_TRUE(open_waits_for_thaw("g"));
	EXPECT_STREQ("low+", read_file("rw/g"));
}

/* Who writes to the union waits for the branch, and would be waited for. */
TEST_F(u, of_the_union_after_its_branch)
{
	int fd, below;

	if (on_tmpfs() || reference())
		SKIP(return, "tmpfs cannot be frozen");
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u", O_RDONLY | O_DIRECTORY));
	ASSERT_LE(0, below = open("rw", O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(0, E(ioctl(below, FIFREEZE, 0)));
	EXPECT_EQ(-EBUSY, E(ioctl(fd, FIFREEZE, 0)));
	ASSERT_EQ(0, E(ioctl(below, FITHAW, 0)));
	EXPECT_EQ(0, E(ioctl(fd, FIFREEZE, 0)));
	/* in the right order, both can be */
	EXPECT_EQ(0, E(ioctl(below, FIFREEZE, 0)));
	EXPECT_EQ(0, E(ioctl(below, FITHAW, 0)));
	EXPECT_EQ(0, E(ioctl(fd, FITHAW, 0)));
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

/* Whether somebody is copying data to a branch: the size of what is being made grows. */
static bool copy_is_under_way(const char *work)
{
	struct dirent *de;
	struct stat st;
	bool found = false;
	DIR *d = opendir(work);

	while (d && (de = readdir(d)))
		found |= !stat(path_of("%s/%s", work, de->d_name), &st) &&
			 S_ISREG(st.st_mode) && st.st_size > 0;
	if (d)
		closedir(d);
	return found;
}

/* Waits for a child, less long than a test may take; its status, or -1 if it does not end. */
static int ends(pid_t child)
{
	int i, status;

	for (i = 0; i < 60000; i++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		usleep(10000);
	}
	return -1;
}

/*
 * Moves u/f of that many bytes down, and freezes the branch in the meantime: whether it was in
 * time, for the file may be there already.
 */
static bool freeze_in_time(struct __test_metadata *_metadata, long size)
{
	struct { uint32_t flags; char rest[92]; } __attribute__((aligned(8))) request = { 0 };
	bool in_time;
	pid_t mover, freezer;
	int fd, i;

	ASSERT_EQ(0, shell("head -c %ld /dev/zero | tr '\\0' x > u/f", size));
	ASSERT_LE(0, fd = open("low", O_RDONLY | O_DIRECTORY));
	mover = fork();
	if (!mover) {
		int file = open("u/f", O_RDONLY);

		_exit(ioctl(file, _IOC(_IOC_READ | _IOC_WRITE, 'A', 4, 96), &request) ? errno : 0);
	}
	for (i = 0; i < 100000 && !copy_is_under_way("low/.wh..wh.orph") &&
	     state_of(mover) != 'Z'; i++)
		usleep(100);
	freezer = fork();
	if (!freezer)
		_exit(ioctl(fd, FIFREEZE, 0) ? errno : 0);
	EXPECT_EQ(0, ends(freezer));
	in_time = !strcmp("ENOENT", kind("low/f"));
	if (in_time)
		EXPECT_EQ(0, waitpid(mover, NULL, WNOHANG));
	EXPECT_EQ(0, E(ioctl(fd, FITHAW, 0)));
	EXPECT_EQ(0, ends(mover));
	EXPECT_EQ(size, st_of("low/f").st_size);
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	close(fd);
	return in_time;
}

/*
 * The branch that a file moves down to is frozen in the middle of the copy: the freeze must
 * not wait for the copy, which waits for the freeze to end.
 */
TEST_F(u, while_a_file_moves_down)
{
	const char *why;
	bool in_time = false;
	int i;

	AUFS2_ONLY("the command is aufs's");
	why = make_fs("ext4", path_of("%s/low", area));
	ASSERT_EQ(NULL, why) { TH_LOG("%s", why); }
	ASSERT_EQ(0, up("rw", "low=rw"));
	for (i = 0; i < 8 && !in_time; i++) {
		unlink("u/f");
		in_time = freeze_in_time(_metadata, 60000000 + i * 10000000);
	}
	EXPECT_TRUE(in_time);
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("low", 0)));
}

TEST_HARNESS_MAIN
