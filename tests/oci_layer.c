// SPDX-License-Identifier: GPL-2.0
/* Unpacked OCI image layers are branches as they stand, and so is what we write. */
#include "aufs2.h"

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	if (reference())
		SKIP(return, "not on overlayfs: the format");
	ASSERT_EQ(0, area_enter());
	/* the base, and a layer as a tar archive has it */
	ASSERT_EQ(0, shell("cd ro2 && mkdir -p etc bin usr/share opt/app var && echo base > etc/conf && echo base > etc/gone && echo sh > bin/sh && echo 1 > opt/app/one && echo 2 > opt/app/two && echo x > usr/share/doc && echo v > var/v"));
	ASSERT_EQ(0, shell("cd ro && mkdir -p etc opt/app usr && echo layer > etc/conf && : > etc/.wh.gone && : > opt/app/.wh..wh..opq && echo 3 > opt/app/three && : > .wh.var && : > usr/.wh.share"));
	/* the same entry as its whiteout: a file made anew in the same layer */
	ASSERT_EQ(0, shell("cd ro && echo again > .wh.bin; mkdir bin; echo new > bin/tool"));
	ASSERT_EQ(0, up("rw", "ro=ro+wh", "ro2=ro+wh"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

TEST_F(u, layer_over_base)
{
	EXPECT_STREQ("bin etc opt usr", list("u"));
	EXPECT_STREQ("layer\n", read_file("u/etc/conf"));
	EXPECT_STREQ("conf", list("u/etc"));
	EXPECT_STREQ("three", list("u/opt/app"));
	EXPECT_STREQ("", list("u/usr"));
	EXPECT_STREQ("tool", list("u/bin"));
	EXPECT_STREQ("ENOENT", kind("u/var/v"));
}

TEST_F(u, what_is_written_is_a_layer)
{
	/* moved under another union as a read-only layer, it means the same */
	ASSERT_EQ(0, E(unlink("u/etc/conf")));
	ASSERT_EQ(0, write_file("u/etc/new", "new"));
	ASSERT_EQ(0, shell("rm -r u/opt && mkdir u/opt && echo mine > u/opt/mine"));
	ASSERT_EQ(0, E(rename("u/bin", "u/sbin")));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("mkdir fresh"));
	ASSERT_EQ(0, up("fresh=rw", "rw=ro+wh", "ro=ro+wh", "ro2=ro+wh"));
	EXPECT_STREQ("etc opt sbin usr", list("u"));
	EXPECT_STREQ("new", list("u/etc"));
	EXPECT_STREQ("mine", list("u/opt"));
	EXPECT_STREQ("tool", list("u/sbin"));
	EXPECT_STREQ("new\n", read_file("u/sbin/tool"));
}

TEST_F(u, nothing_but_the_format_is_written)
{
	/* every file of the branch is whole or a whiteout: no xattr of ours on a
	 * file, no metadata-only copy
	 */
	char names[4096];

	ASSERT_EQ(0, E(chmod("u/etc/conf", 0600)));
	ASSERT_EQ(0, E(rename("u/bin", "u/sbin")));
	EXPECT_STREQ("layer\n", read_file("rw/etc/conf"));
	EXPECT_STREQ("new\n", read_file("rw/sbin/tool"));
	EXPECT_EQ(0, E(llistxattr("rw/sbin/tool", names, sizeof(names))))
		TH_LOG("%s", names);
	EXPECT_EQ(0, E(llistxattr("rw/etc/conf", names, sizeof(names))))
		TH_LOG("%s", names);
}

TEST_HARNESS_MAIN
