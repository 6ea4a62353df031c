// SPDX-License-Identifier: GPL-2.0
/*
 * What a branch says that it was copied from is believed where it can be, and of that only.
 */
#include "aufs2.h"

#define WHY "it breaks hard links"
#define PLINKS "rw/.wh..wh.plnk"

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	AUFS2_ONLY(WHY);
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("echo -n low > ro/a; ln ro/a ro/b; ln ro/a ro/c"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = reference() ? NULL : area_leave();

	umount("v");
	EXPECT_STREQ("", wrong ?: "");
}

/* A copy of which no name is on the branch comes by a name that meant another file, in use. */
TEST_F(u, a_branch_that_comes_below)
{
	int fd;

	ASSERT_EQ(0, shell("mkdir ro1; echo -n other > ro1/b"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, append_file("u/a", "1"));
	ASSERT_EQ(0, E(unlink("u/a")));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro1"));
	fd = open("u/b", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, shell("mount -o remount,add:1:$PWD/ro=ro u"));
	EXPECT_STREQ("low1", read_file("u/b"));
	EXPECT_EQ(2, st_of("u/b").st_nlink);
	EXPECT_EQ(st_of("u/b").st_ino, st_of("u/c").st_ino);
	EXPECT_EQ(0, append_file("u/b", "2"));
	EXPECT_EQ(0, E(unlink("u/b")));
	EXPECT_STREQ("ENOENT", kind("u/b"));
	EXPECT_EQ(0, E(rename("u/c", "u/z")));
	EXPECT_STREQ("low12", read_file("u/z"));
	close(fd);
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro1", "ro"));
	EXPECT_STREQ("low12", read_file("u/z"));
	EXPECT_STREQ("z", list("u"));
}

/* What is protected has its names counted, too. */
TEST_F(u, of_an_append_only_file)
{
	if (shell("mkdir low; echo -n low > low/a; ln low/a low/b; ln low/a low/c; chattr +a low/a"))
		SKIP(return, "no flags here");
	ASSERT_EQ(0, up("rw", "low"));
	EXPECT_EQ(0, E(close(open("u/a", O_WRONLY | O_APPEND))));
	EXPECT_EQ(3, st_of("u/b").st_nlink);
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, shell("lsattr rw/a | grep -q '^[^ ]*a'"));
	EXPECT_EQ(0, shell("ls " PLINKS " | grep -q '\\.2$'"));
	ASSERT_EQ(0, up("rw", "low"));
	EXPECT_EQ(3, st_of("u/b").st_nlink);
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, shell("chattr -a low/a rw/a"));
}

/* Who can write to the directory could have any file with several names replaced by one of theirs. */
TEST_F(u, a_directory_that_is_open_to_others)
{
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, append_file("u/a", "1"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("chmod 777 " PLINKS));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("low", read_file("u/b"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("chmod 700 " PLINKS "; chown 7 " PLINKS));
	ASSERT_EQ(0, up("rw=ro", "ro"));
	EXPECT_STREQ("low", read_file("u/b"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("chown 0 " PLINKS));
	ASSERT_EQ(0, up("rw=ro", "ro"));
	EXPECT_STREQ("low1", read_file("u/b"));
}

static const char *image(const char *from, const char *name)
{
	if (!have("mksquashfs"))
		return "no mksquashfs";
	shell("modprobe -q loop; modprobe -q squashfs");
	if (shell("mksquashfs %s %s -noappend -quiet -no-progress -processors 1 -all-time 0 -mkfs-time 0 >/dev/null",
		  from, name))
		return "mksquashfs fails";
	if (shell("mount -t squashfs -o loop,ro %s v", name))
		return "no squashfs";
	return NULL;
}

/* Two images that are alike in all that statfs(2) and stat(2) tell. */
TEST_F(u, images_made_alike)
{
	const char *why;

	ASSERT_EQ(0, shell("mkdir one two v; echo -n aaaaaaaaaaaaaaaaaaaa > one/a; ln one/a one/b;"
			   "echo -n abcdefghijklmnopqrst > two/a; ln two/a two/b"));
	why = image("one", "one.img");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, up("rw", "v=ro"));
	ASSERT_EQ(0, append_file("u/a", "1"));
	ASSERT_EQ(0, unlink("u/a"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "v=ro"));
	EXPECT_STREQ("aaaaaaaaaaaaaaaaaaaa1", read_file("u/b"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, umount("v"));
	ASSERT_STREQ("", image("two", "two.img") ?: "");
	ASSERT_EQ(0, up("rw", "v=ro"));
	EXPECT_STREQ("abcdefghijklmnopqrst", read_file("u/b"));
	ASSERT_EQ(0, down());
}

TEST_HARNESS_MAIN
