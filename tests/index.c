// SPDX-License-Identifier: GPL-2.0
/*
 * A directory of many branches in which many names were looked up has an index
 * of what is where.  It must not hide what changes after it was made, whoever
 * changes it, and must not show what is hidden.
 */
#include "aufs2.h"

AUFS2_FIXTURE

#define BRANCHES 10
#define FILES 60

/* b0/d to b9/d; the files are in the last one. */
static int make_branches(void)
{
	for (int i = 0; i < BRANCHES; i++)
		if (make_branch(path_of("b%d", i)) || E(mkdir(path_of("b%d/d", i), 0755)) ||
		    write_file(path_of("b%d/d/only%d", i, i), "x"))
			return -1;
	for (int i = 0; i < FILES; i++)
		if (write_file(path_of("b9/d/f%d", i), "x"))
			return -1;
	return 0;
}

static bool shown(const char *name)
{
	struct stat st;

	return !lstat(path_of("u/d/%s", name), &st);
}

/* Asks for enough names, there or not, that an index is worth it. */
static int ask(void)
{
	int found = 0;

	for (int i = 0; i < FILES / 2; i++)
		found += shown(path_of("f%d", i));
	for (int i = 0; i < 200; i++)
		found += shown(path_of("nothing%d", i));
	return found;
}

static int up_all(void)
{
	return up("rw", "b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9");
}

TEST_F(u, what_is_there_is_found)
{
	ASSERT_EQ(0, make_branches());
	ASSERT_EQ(0, up_all());
	ASSERT_EQ(FILES / 2, ask());
	for (int i = FILES / 2; i < FILES; i++)
		EXPECT_TRUE(shown(path_of("f%d", i)));
	for (int i = 0; i < BRANCHES; i++)
		EXPECT_TRUE(shown(path_of("only%d", i)));
	EXPECT_FALSE(shown("other"));
}

TEST_F(u, changes_of_a_branch_show)
{
	ASSERT_EQ(0, make_branches());
	ASSERT_EQ(0, up_all());
	ASSERT_EQ(FILES / 2, ask());
	ASSERT_EQ(0, write_file("b3/d/new", "x"));
	EXPECT_TRUE(shown("new"));
	ASSERT_EQ(0, rename("b9/d/f40", "b9/d/renamed"));
	EXPECT_TRUE(shown("renamed"));
	EXPECT_FALSE(shown("f40"));
	ASSERT_EQ(0, unlink("b9/d/f41"));
	EXPECT_FALSE(shown("f41"));
	/* Again, with the index that is made of this. */
	EXPECT_EQ(0, ask() - FILES / 2);
	ASSERT_EQ(0, write_file("b1/d/newer", "x"));
	EXPECT_TRUE(shown("newer"));
}

TEST_F(u, what_the_union_makes_shows)
{
	ASSERT_EQ(0, make_branches());
	ASSERT_EQ(0, up_all());
	ASSERT_EQ(FILES / 2, ask());
	ASSERT_EQ(0, write_file("u/d/made", "x"));
	EXPECT_TRUE(shown("made"));
	ASSERT_EQ(0, rename("u/d/f50", "u/d/moved"));
	EXPECT_TRUE(shown("moved"));
	EXPECT_FALSE(shown("f50"));
	ASSERT_EQ(0, unlink("u/d/f51"));
	EXPECT_FALSE(shown("f51"));
	drop_caches();
	EXPECT_TRUE(shown("made"));
	EXPECT_FALSE(shown("f51"));
}

TEST_F(u, whiteouts_count)
{
	char name[256];

	ASSERT_EQ(0, make_branches());
	ASSERT_EQ(0, E(mkdir("rw/d", 0755)));
	ASSERT_EQ(0, whiteout("rw/d/f55"));
	/* Too long for a whiteout of its own name. */
	memset(name, 'n', 255);
	name[255] = 0;
	ASSERT_EQ(0, write_file(path_of("b9/d/%s", name), "x"));
	ASSERT_EQ(0, up_all());
	ASSERT_EQ(FILES / 2, ask());
	EXPECT_FALSE(shown("f55"));
	EXPECT_TRUE(shown("f56"));
	/* Nobody has asked for it yet, and it is hidden behind the union's back. */
	ASSERT_EQ(0, whiteout("rw/d/f57"));
	EXPECT_FALSE(shown("f57"));
	ASSERT_EQ(0, unlink(path_of("u/d/%s", name)));
	EXPECT_EQ(0, ask() - FILES / 2);
	drop_caches();
	EXPECT_FALSE(shown(name));
}

TEST_F(u, directories_merge)
{
	ASSERT_EQ(0, make_branches());
	ASSERT_EQ(0, E(mkdir("b1/d/sub", 0755)));
	ASSERT_EQ(0, E(mkdir("b4/d/sub", 0755)));
	ASSERT_EQ(0, write_file("b1/d/sub/one", "x"));
	ASSERT_EQ(0, write_file("b4/d/sub/four", "x"));
	/* On more branches than an index tells apart. */
	for (int i = 0; i < BRANCHES; i++)
		ASSERT_EQ(0, write_file(path_of("b%d/d/everywhere", i), path_of("%d", i)));
	ASSERT_EQ(0, up_all());
	ASSERT_EQ(FILES / 2, ask());
	EXPECT_TRUE(shown("sub/one"));
	EXPECT_TRUE(shown("sub/four"));
	EXPECT_STREQ("0", read_file("u/d/everywhere"));
}

static long negative_dentries(void)
{
	long entries, unused, age, want, negative;

	if (sscanf(read_file("/proc/sys/fs/dentry-state"), "%ld %ld %ld %ld %ld", &entries, &unused,
		   &age, &want, &negative) != 5)
		return -1;
	return negative;
}

/* Nothing changes in an image: where there is an index, it is not asked for names that it has not. */
TEST_F_TIMEOUT(u, images_are_not_asked, 120)
{
	const char *why = NULL;
	char name[16];
	long before, names = 1000;

	AUFS2_ONLY("it is about branches");
	ASSERT_EQ(0, shell("mkdir -p m/d; touch m/d/here"));
	for (int i = 0; i < BRANCHES && !why; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		why = make_squashfs("m", name);
	}
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, up("rw", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"));
	drop_caches();
	before = negative_dentries();
	for (int i = 0; i < names; i++)
		EXPECT_FALSE(shown(path_of("none%d", i)));
	TH_LOG("%ld more names that are not there", negative_dentries() - before);
	/* the union's own, and not one in each branch */
	EXPECT_GT(3 * names, negative_dentries() - before);
	EXPECT_TRUE(shown("here"));
	ASSERT_EQ(0, write_file("u/d/none1", "x"));
	EXPECT_TRUE(shown("none1"));
}

/*
 * Makes the second block of the directories of an image unreadable, as nothing can be as long as it says, and tells
 * what was there; or puts that back.  0 or an error.
 */
static int damage(const char *image, uint16_t *was, bool back)
{
	int fd = open(image, O_RDWR), err = -EIO;
	uint64_t start;
	uint16_t header;

	/* the start of the table of directories, in the super block; a block is behind its length */
	if (fd >= 0 && pread(fd, &start, sizeof(start), 72) == sizeof(start) &&
	    pread(fd, &header, sizeof(header), start) == sizeof(header) &&
	    (back || pread(fd, was, 2, start + 2 + (header & 0x7fff)) == 2) &&
	    pwrite(fd, back ? (char *)was : "\377\377", 2, start + 2 + (header & 0x7fff)) == 2)
		err = 0;
	close(fd);
	return err;
}

/* How many names are in a directory; -1 if it cannot be opened. */
static int entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *de;
	int found = dir ? -2 : -1;

	while (dir && (de = readdir(dir)))
		found++;
	if (dir)
		closedir(dir);
	return found;
}

/* Squashfs ends a directory where it cannot read on: what comes after that is there all the same. */
TEST_F_TIMEOUT(u, what_an_image_cannot_read, 120)
{
	char name[16], last[256];
	const char *why = NULL;
	int names = 400, cut;
	uint16_t was;

	AUFS2_ONLY("it is about branches");
	ASSERT_EQ(0, shell("mkdir -p m/d m/other e/d"));
	for (int i = 0; i < names; i++) {
		snprintf(last, sizeof(last), "%0200d", i);
		ASSERT_EQ(0, write_file(path_of("m/d/%s", last), ""));
		ASSERT_EQ(0, write_file(path_of("m/other/%s", last), ""));
	}
	why = make_squashfs("m", "s0");
	for (int i = 1; i < BRANCHES && !why; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		why = make_squashfs("e", name);
	}
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("umount s0"));
	ASSERT_EQ(0, damage("s0.sqfs", &was, false));
	ASSERT_EQ(0, shell("mount -t squashfs -o loop s0.sqfs s0"));
	cut = entries("s0/d");
	ASSERT_GT(names, cut);
	ASSERT_EQ(0, E(access(path_of("s0/d/%s", last), F_OK)));

	ASSERT_EQ(0, up("rw", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"));
	ask();
	EXPECT_TRUE(shown(last));
	/* what is in it cannot be copied up, nor is it known to be empty */
	EXPECT_EQ(-EXDEV, E(rename("u/d", "u/renamed")));
	EXPECT_EQ(-ENOTEMPTY, E(rmdir("u/d")));
	EXPECT_TRUE(shown(last));

	/* nor is a part of it kept for all of it when it can be read again; squashfs forgets over other blocks */
	EXPECT_EQ(cut, entries("u/d"));
	ASSERT_EQ(0, damage("s0.sqfs", &was, true));
	EXPECT_EQ(names, entries("s0/other"));
	EXPECT_EQ(names, entries("s0/d"));
	EXPECT_EQ(names, entries("u/d"));
}

TEST_HARNESS_MAIN
