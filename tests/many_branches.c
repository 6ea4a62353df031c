// SPDX-License-Identifier: GPL-2.0
/* Unions of 1, 2, 64 and 1024 branches. */
#include "aufs2.h"

FIXTURE(many) { int fd; };
FIXTURE_VARIANT(many) { int count; };
FIXTURE_VARIANT_ADD(many, 1) { .count = 1 };
FIXTURE_VARIANT_ADD(many, 2) { .count = 2 };
FIXTURE_VARIANT_ADD(many, 64) { .count = 64 };
FIXTURE_VARIANT_ADD(many, 1024) { .count = 1024 };

static void make_branches(struct __test_metadata *_metadata, int count)
{
	int i;

	ASSERT_EQ(0, E(mkdir("b", 0755)));
	for (i = 0; i < count; i++) {
		ASSERT_EQ(0, E(mkdir(path_of("b/%d", i), 0755)));
		ASSERT_EQ(0, E(mkdir(path_of("b/%d/d", i), 0755)));
		ASSERT_EQ(0, write_file(path_of("b/%d/only%d", i, i), path_of("%d", i)));
		ASSERT_EQ(0, write_file(path_of("b/%d/d/in%d", i, i), path_of("%d", i)));
		ASSERT_EQ(0, write_file(path_of("b/%d/all", i), path_of("%d", i)));
	}
}

FIXTURE_SETUP(many)
{
	int i;

	ASSERT_EQ(0, area_enter());
	if (reference() && (variant->count == 1 || variant->count > 500))
		SKIP(return, "not on overlayfs: it takes 2 to 500 layers");
	make_branches(_metadata, variant->count);
	self->fd = fsopen(fs_name(), FSOPEN_CLOEXEC);
	ASSERT_LE(0, self->fd);
	for (i = 0; i < variant->count; i++) {
		/* one a call; what packs several is in mount_options */
		char *path = path_of("%s/b/%d%s", area, i, reference() ? "" : "=ro");

		ASSERT_EQ(0, E(fsconfig(self->fd, FSCONFIG_SET_STRING,
					reference() ? "lowerdir+" : "append", path, 0))) {
			read_log(self->fd);
			TH_LOG("branch %d: %s", i, fs_log);
		}
	}
	ASSERT_EQ(0, E(fsconfig(self->fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0))) {
		read_log(self->fd);
		TH_LOG("%s", fs_log);
	}
	i = fsmount(self->fd, 0, 0);
	ASSERT_LE(0, i);
	ASSERT_EQ(0, E(move_mount(i, "", AT_FDCWD, "u", MOVE_MOUNT_F_EMPTY_PATH)));
	union_up = true;
	close(i);
	close(self->fd);
}

FIXTURE_TEARDOWN(many)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

/* One test, for the set-up takes long: minutes on a debug kernel. */
TEST_F(many, lookup_readdir_and_inode_numbers)
{
	int last = variant->count - 1, i, j, n = 0, same = 0;
	unsigned char *seen = calloc(variant->count, 1);
	uint64_t inos[1024];
	struct dirent *de;
	DIR *d;

	EXPECT_STREQ("0", read_file("u/all"));
	EXPECT_STREQ("0", read_file("u/only0"));
	EXPECT_STREQ(path_of("%d", last), read_file(path_of("u/only%d", last)));
	EXPECT_STREQ(path_of("%d", last), read_file(path_of("u/d/in%d", last)));
	EXPECT_STREQ("ENOENT", read_file(path_of("u/only%d", variant->count)));

	/* every branch is listed, once */
	ASSERT_NE(NULL, d = opendir("u/d"));
	while ((de = readdir(d))) {
		if (strncmp(de->d_name, "in", 2))
			continue;
		i = atoi(de->d_name + 2);
		ASSERT_LT(i, variant->count);
		EXPECT_EQ(0, seen[i]++) {
			TH_LOG("%s twice", de->d_name);
		}
		n++;
	}
	closedir(d);
	free(seen);
	EXPECT_EQ(variant->count, n);

	for (i = 0; i < variant->count; i++) {
		inos[i] = st_of(path_of("u/only%d", i)).st_ino;
		ASSERT_NE(0, inos[i]);
		for (j = 0; j < i; j++)
			same += inos[i] == inos[j];
	}
	EXPECT_EQ(0, same) TH_LOG("pairs of files with one inode number");
}

TEST_HARNESS_MAIN
