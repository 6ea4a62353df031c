// SPDX-License-Identifier: GPL-2.0
/*
 * Names of up to 255 bytes can be deleted: where .wh.NAME would be too long, a
 * hashed whiteout with the name in it stands in.
 */
#include "aufs2.h"

FIXTURE(u) { char name[256], other[256]; };
FIXTURE_VARIANT(u) { int len; };
FIXTURE_VARIANT_ADD(u, 242) { .len = 242 };
FIXTURE_VARIANT_ADD(u, 251) { .len = 251 };
FIXTURE_VARIANT_ADD(u, 252) { .len = 252 };
FIXTURE_VARIANT_ADD(u, 255) { .len = 255 };

FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	memset(self->name, 'n', variant->len);
	memcpy(self->other, self->name, sizeof(self->name));
	self->other[variant->len - 1] = 'o';
	ASSERT_EQ(0, write_file(path_of("ro/%s", self->name), "lower"));
	ASSERT_EQ(0, write_file(path_of("ro/%s", self->other), "other"));
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

TEST_F(u, read_and_write)
{
	const char *path = path_of("u/%s", self->name);

	EXPECT_STREQ("lower", read_file(path));
	EXPECT_EQ(0, append_file(path, "+"));
	EXPECT_STREQ("lower+", read_file(path));
	EXPECT_STREQ("lower+", read_file(path_of("rw/%s", self->name)));
}

TEST_F(u, delete_and_make_again)
{
	char path[300];

	snprintf(path, sizeof(path), "u/%s", self->name);
	ASSERT_EQ(0, E(unlink(path)));
	EXPECT_STREQ("ENOENT", kind(path));
	EXPECT_STREQ(self->other, list("u"));
	EXPECT_STREQ("other", read_file(path_of("u/%s", self->other)));
	drop_caches();
	EXPECT_STREQ("ENOENT", kind(path));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("ENOENT", kind(path)) TH_LOG("after a remount");
	EXPECT_STREQ(self->other, list("u"));
	ASSERT_EQ(0, write_file(path, "new"));
	EXPECT_STREQ("new", read_file(path));
	ASSERT_EQ(0, E(unlink(path)));
	ASSERT_EQ(0, E(mkdir(path, 0755)));
	EXPECT_STREQ("", list(path));
	ASSERT_EQ(0, E(rmdir(path)));
	EXPECT_STREQ("ENOENT", kind(path));
	EXPECT_STREQ(self->other, list("u"));
}

TEST_F(u, delete_both)
{
	ASSERT_EQ(0, E(unlink(path_of("u/%s", self->name))));
	ASSERT_EQ(0, E(unlink(path_of("u/%s", self->other))));
	EXPECT_STREQ("", list("u"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("", list("u"));
	ASSERT_EQ(0, write_file(path_of("u/%s", self->other), "new"));
	EXPECT_STREQ(self->other, list("u"));
	EXPECT_STREQ("ENOENT", kind(path_of("u/%s", self->name)));
}

TEST_F(u, rename_away_and_back)
{
	char path[300];

	snprintf(path, sizeof(path), "u/%s", self->name);
	ASSERT_EQ(0, E(rename(path, "u/short")));
	EXPECT_STREQ("ENOENT", kind(path));
	EXPECT_STREQ("lower", read_file("u/short"));
	ASSERT_EQ(0, E(rename("u/short", path)));
	EXPECT_STREQ("lower", read_file(path));
	ASSERT_EQ(0, E(rename(path, path_of("u/%s", self->other))));
	EXPECT_STREQ(self->other, list("u"));
	EXPECT_STREQ("lower", read_file(path_of("u/%s", self->other)));
}

TEST_F(u, format)
{
	struct dirent *de;
	int hashed = 0;
	DIR *d;

	AUFS2_ONLY("the format");
	ASSERT_EQ(0, E(unlink(path_of("u/%s", self->name))));
	if (variant->len <= 251) {
		EXPECT_STREQ("file", kind(path_of("rw/.wh.%s", self->name)));
		return;
	}
	ASSERT_NE(NULL, d = opendir("rw"));
	while ((de = readdir(d))) {
		if (strncmp(de->d_name, ".wh..wh.l.", 10))
			continue;
		hashed++;
		EXPECT_EQ(0, strncmp(read_file(path_of("rw/%s", de->d_name)),
				     self->name, variant->len)) {
			TH_LOG("%s has '%s'", de->d_name,
			       read_file(path_of("rw/%s", de->d_name)));
		}
		EXPECT_EQ(variant->len, st_of(path_of("rw/%s", de->d_name)).st_size);
	}
	closedir(d);
	EXPECT_EQ(1, hashed);
	/* and it goes when the name comes back */
	ASSERT_EQ(0, write_file(path_of("u/%s", self->name), "new"));
	EXPECT_EQ(1, shell("ls -a rw | grep -q '^.wh..wh.l.'"));
}

/* Catches: another name with the same hash, which shows again when the first one comes back. */
TEST_F(u, others_of_the_same_hash_stay_hidden)
{
	AUFS2_ONLY("the format");
	if (variant->len <= 251)
		return;
	ASSERT_EQ(0, E(unlink(path_of("u/%s", self->name))));
	ASSERT_EQ(0, shell("cd rw; for f in .wh..wh.l.*; do echo -n one > $f.1; echo -n two > $f.2; done"));
	ASSERT_EQ(0, write_file(path_of("u/%s", self->name), "new"));
	EXPECT_EQ(0, shell("cd rw; set -- .wh..wh.l.*; test $# = 2 && test $(cat $1) = two && test $(cat $2) = one"));
}

TEST_F(u, a_directory_with_such_whiteouts_can_go)
{
	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, E(mkdir("ro/d", 0755)));
	ASSERT_EQ(0, write_file(path_of("ro/d/%s", self->name), ""));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-ENOTEMPTY, E(rmdir("u/d")));
	ASSERT_EQ(0, E(unlink(path_of("u/d/%s", self->name))));
	EXPECT_STREQ("", list("u/d"));
	EXPECT_EQ(0, E(rmdir("u/d")));
	EXPECT_STREQ("ENOENT", kind("u/d"));
}

TEST_HARNESS_MAIN
