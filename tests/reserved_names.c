// SPDX-License-Identifier: GPL-2.0
/* Names that begin with .wh. cannot be made, and are never found. */
#include "aufs2.h"

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	if (reference())
		SKIP(return, "not on overlayfs: the format");
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir ro/d rw/d; echo f > ro/f; echo x > ro/.wh.secret; echo x > rw/d/.wh.x"));
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static const char * const names[] = {
	".wh.", ".wh.x", ".wh.f", ".wh..wh..opq", ".wh..wh.aufs", ".wh..wh.orph",
	".wh..wh.plnk", ".wh..wh.l.0123456789abcdef", "d/.wh.x", "d/.wh.new",
};

TEST_F(u, cannot_be_made)
{
	unsigned int i;
	int fd = open("u", O_TMPFILE | O_WRONLY, 0600);

	EXPECT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		const char *p = path_of("u/%s", names[i]);

		EXPECT_EQ(-EPERM, E(open(p, O_CREAT | O_WRONLY, 0644))) { TH_LOG("%s", p); }
		EXPECT_EQ(-EPERM, E(open(p, O_CREAT | O_EXCL | O_WRONLY, 0644))) { TH_LOG("%s", p); }
		EXPECT_EQ(-EPERM, E(mkdir(p, 0755))) { TH_LOG("%s", p); }
		EXPECT_EQ(-EPERM, E(mknod(p, S_IFIFO | 0644, 0))) { TH_LOG("%s", p); }
		EXPECT_EQ(-EPERM, E(symlink("x", p))) { TH_LOG("%s", p); }
		EXPECT_EQ(-EPERM, E(link("u/f", p))) { TH_LOG("%s", p); }
		EXPECT_EQ(-EPERM, E(rename("u/f", p))) { TH_LOG("%s", p); }
		/* A directory into itself is refused before the name is looked at. */
		EXPECT_EQ(strncmp(p, "u/d/", 4) ? -EPERM : -EINVAL, E(rename("u/d", p))) { TH_LOG("%s", p); }
		EXPECT_EQ(-EPERM, E(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd),
					   AT_FDCWD, p, AT_SYMLINK_FOLLOW))) { TH_LOG("%s", p); }
	}
	EXPECT_STREQ("d f", list("u"));
	EXPECT_STREQ("", list("u/d"));
}

TEST_F(u, are_not_found)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		const char *p = path_of("u/%s", names[i]);

		EXPECT_STREQ("ENOENT", kind(p)) { TH_LOG("%s", p); }
		EXPECT_EQ(-ENOENT, E(open(p, O_RDONLY))) { TH_LOG("%s", p); }
		EXPECT_EQ(-ENOENT, E(unlink(p))) { TH_LOG("%s", p); }
		EXPECT_EQ(-ENOENT, E(rmdir(p))) { TH_LOG("%s", p); }
		EXPECT_EQ(-ENOENT, E(rename(p, "u/other"))) { TH_LOG("%s", p); }
		EXPECT_EQ(-ENOENT, E(truncate(p, 0))) { TH_LOG("%s", p); }
	}
	EXPECT_STREQ("ENOENT", kind("u/.wh.secret"));
	EXPECT_STREQ("d f", list("u"));
	EXPECT_STREQ("x\n", read_file("rw/d/.wh.x"));
}

TEST_F(u, similar_names_are_free)
{
	static const char * const free_names[] = { ".wh", ".whx", ".WH.x", "wh.x", "..wh.x", "x.wh.y" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(free_names); i++) {
		const char *p = path_of("u/%s", free_names[i]);

		EXPECT_EQ(0, write_file(p, "x")) { TH_LOG("%s", p); }
		EXPECT_STREQ("x", read_file(p));
	}
	EXPECT_STREQ("..wh.x .WH.x .wh .whx d f wh.x x.wh.y", list("u"));
}

TEST_HARNESS_MAIN
