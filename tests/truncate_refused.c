// SPDX-License-Identifier: GPL-2.0
/*
 * An open with O_TRUNC whose truncation a security module refuses, which is asked
 * after the open itself: the file is what it was.
 */
#include <linux/landlock.h>
#include <sys/prctl.h>
#include "aufs2.h"

AUFS2_FIXTURE

#define TEXT "0123456789"

/* Lets this process truncate nothing from now on.  0 or -errno. */
static int truncate_nothing(void)
{
	const struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_TRUNCATE,
	};
	int err, rules = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (rules < 0)
		return -errno;
	err = E(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (!err)
		err = E(syscall(SYS_landlock_restrict_self, rules, 0));
	close(rules);
	return err;
}

static bool can_refuse(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 3;
}

/* Opens a file in a process that may truncate nothing: 0 or -errno. */
static int open_restricted(const char *path, int flags)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (!child) {
		int err = truncate_nothing();

		if (err)
			_exit(255);
		_exit(open(path, flags, 0644) < 0 ? errno : 0);
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

/* Refused, and nothing happened to the file `name`, which is lower or upper. */
#define REFUSED(name, flags) do { \
	EXPECT_EQ(-EACCES, open_restricted("u/" name, flags)); \
	EXPECT_STREQ(TEXT, read_file("u/" name)); \
	EXPECT_EQ((off_t)strlen(TEXT), st_of("u/" name).st_size); \
} while (0)

TEST_F(u, a_lower_file_keeps_its_data)
{
	if (!can_refuse())
		SKIP(return, "Landlock cannot refuse truncations here");
	ASSERT_EQ(0, write_file("ro/f", TEXT));
	ASSERT_EQ(0, up("rw", "ro"));
	REFUSED("f", O_WRONLY | O_TRUNC);
	REFUSED("f", O_RDWR | O_TRUNC);
	REFUSED("f", O_RDONLY | O_TRUNC);
	REFUSED("f", O_WRONLY | O_TRUNC | O_CREAT);
	REFUSED("f", O_WRONLY | O_TRUNC | O_APPEND);
	EXPECT_EQ(-ENOENT, E(access("rw/f", F_OK)));
	/* the same without a truncation is fine, and copies up what is there */
	EXPECT_EQ(0, open_restricted("u/f", O_WRONLY));
	EXPECT_STREQ(TEXT, read_file("rw/f"));
}

TEST_F(u, direct_io)
{
	int fd;

	if (!can_refuse())
		SKIP(return, "Landlock cannot refuse truncations here");
	ASSERT_EQ(0, write_file("ro/f", TEXT));
	fd = open("ro/f", O_RDWR | O_DIRECT);
	if (fd < 0)
		SKIP(return, "no O_DIRECT on this branch");
	close(fd);
	ASSERT_EQ(0, up("rw", "ro"));
	REFUSED("f", O_WRONLY | O_TRUNC | O_DIRECT);
}

TEST_F(u, an_upper_file_keeps_its_data)
{
	if (!can_refuse())
		SKIP(return, "Landlock cannot refuse truncations here");
	ASSERT_EQ(0, write_file("rw/f", TEXT));
	ASSERT_EQ(0, up("rw", "ro"));
	REFUSED("f", O_WRONLY | O_TRUNC);
	REFUSED("f", O_RDONLY | O_TRUNC);
}

TEST_F(u, what_is_not_truncated_is_made)
{
	if (!can_refuse())
		SKIP(return, "Landlock cannot refuse truncations here");
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, open_restricted("u/new", O_WRONLY | O_CREAT | O_TRUNC));
	EXPECT_EQ(0, st_of("rw/new").st_size);
}

/*
 * The descriptor of an open that truncated a lower file is in no way different:
 * whatever is done first with it.
 */
TEST_F(u, the_descriptor_is_on_the_copy)
{
	static const int modes[] = { O_RDWR, O_RDWR | O_APPEND };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		ASSERT_EQ(0, write_file(path_of("ro/f%zu", i), TEXT));
	ASSERT_EQ(0, write_file("ro/map", TEXT));
	ASSERT_EQ(0, write_file("ro/stat", TEXT));
	ASSERT_EQ(0, write_file("ro/read", TEXT));
	ASSERT_EQ(0, up("rw", "ro"));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		int fd = open(path_of("u/f%zu", i), modes[i] | O_TRUNC);
		char got[8] = "";

		ASSERT_LE(0, fd);
		EXPECT_EQ(3, E(write(fd, "abc", 3)));
		EXPECT_EQ(3, E(pread(fd, got, sizeof(got), 0)));
		EXPECT_STREQ("abc", got);
		EXPECT_EQ(0, E(fsync(fd)));
		close(fd);
		EXPECT_STREQ("abc", read_file(path_of("rw/f%zu", i)));
	}
	{
		int fd = open("u/map", O_RDWR | O_TRUNC);
		char *map;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, E(ftruncate(fd, 4096)));
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, map);
		memcpy(map, "mapped", 6);
		ASSERT_EQ(0, E(munmap(map, 4096)));
		close(fd);
		EXPECT_EQ(0, strncmp("mapped", read_file("rw/map"), 6));
	}
	{
		int fd = open("u/stat", O_RDONLY | O_TRUNC);
		struct stat st;
		char c;

		ASSERT_LE(0, fd);
		EXPECT_EQ(0, E(fstat(fd, &st)));
		EXPECT_EQ(0, st.st_size);
		EXPECT_EQ(0, E(read(fd, &c, 1)));
		ASSERT_EQ(0, put("u/stat", O_APPEND, "later"));
		EXPECT_EQ(1, E(read(fd, &c, 1)));
		EXPECT_EQ('l', c);
		close(fd);
	}
}

TEST_HARNESS_MAIN
