// SPDX-License-Identifier: GPL-2.0
/* Reading merged directories. */
#include "aufs2.h"

AUFS2_FIXTURE

static int make_many(const char *dir, const char *prefix, int from, int to)
{
	char name[128];
	int i, fd;

	for (i = from; i < to; i++) {
		snprintf(name, sizeof(name), "%s/%s%d", dir, prefix, i);
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0)
			return -errno;
		close(fd);
	}
	return 0;
}

/* Counts the names of the form n<i>, each to be seen once.  The first name
 * that is missing or doubled, or -1.
 */
static int check_many(DIR *d, int count, int *extra)
{
	unsigned char *seen = calloc(count, 1);
	struct dirent *de;
	int i, bad = -1;

	*extra = 0;
	while ((de = readdir(d))) {
		if (*de->d_name != 'n') {
			*extra += *de->d_name != '.';
			continue;
		}
		i = atoi(de->d_name + 1);
		if (i >= count || seen[i]++)
			bad = i;
	}
	for (i = 0; i < count && bad < 0; i++)
		if (!seen[i])
			bad = i;
	free(seen);
	return bad;
}

TEST_F(u, merge_without_duplicates)
{
	ASSERT_EQ(0, shell("cd rw && touch a b c && cd ../ro && touch b c d && cd ../ro2 && touch c d e"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	EXPECT_STREQ("a b c d e", list("u"));
}

TEST_F(u, ten_thousand_entries)
{
	int extra;
	DIR *d;

	ASSERT_EQ(0, make_many("rw", "n", 0, 4000));
	ASSERT_EQ(0, make_many("ro", "n", 2000, 8000));
	ASSERT_EQ(0, make_many("ro2", "n", 6000, 10000));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	ASSERT_NE(NULL, d = opendir("u"));
	EXPECT_EQ(-1, check_many(d, 10000, &extra)) TH_LOG("first pass");
	EXPECT_EQ(0, extra);
	rewinddir(d);
	EXPECT_EQ(-1, check_many(d, 10000, &extra)) TH_LOG("after rewinddir");
	closedir(d);
}

TEST_F(u, telldir_seekdir)
{
	char names[400][16];
	long where[400];
	struct dirent *de;
	int i, n = 0;
	DIR *d;

	ASSERT_EQ(0, make_many("rw", "a", 0, 100));
	ASSERT_EQ(0, make_many("ro", "b", 0, 200));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_NE(NULL, d = opendir("u"));
	for (;;) {
		where[n] = telldir(d);
		de = readdir(d);
		if (!de)
			break;
		ASSERT_LT(n, 399);
		snprintf(names[n++], 16, "%.15s", de->d_name);
	}
	ASSERT_EQ(302, n);
	for (i = n - 1; i >= 0; i -= 7) {
		seekdir(d, where[i]);
		de = readdir(d);
		ASSERT_NE(NULL, de) TH_LOG("nothing at the place of %s", names[i]);
		EXPECT_STREQ(names[i], de->d_name);
	}
	closedir(d);
}

TEST_F(u, telldir_over_removal)
{
	/* rm -r reads a little, removes, reads on: nothing may be skipped */
	char buf[512];
	int fd, removed = 0;
	long n, off;

	ASSERT_EQ(0, make_many("rw", "a", 0, 150));
	ASSERT_EQ(0, make_many("ro", "b", 0, 150));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u", O_RDONLY | O_DIRECTORY));
	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (off = 0; off < n; ) {
			struct dirent64 *de = (void *)(buf + off);

			off += de->d_reclen;
			if (*de->d_name == '.')
				continue;
			EXPECT_EQ(0, E(unlinkat(fd, de->d_name, 0))) TH_LOG("%s", de->d_name);
			removed++;
		}
	}
	ASSERT_EQ(0, n);
	EXPECT_EQ(300, removed);
	EXPECT_STREQ("", list("u"));
}

TEST_F(u, small_buffer)
{
	char buf[64];
	int fd, count = 0;
	long n, off;

	ASSERT_EQ(0, make_many("rw", "a", 0, 20));
	ASSERT_EQ(0, make_many("ro", "b", 0, 20));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u", O_RDONLY | O_DIRECTORY));
	EXPECT_EQ(-EINVAL, E(syscall(SYS_getdents64, fd, buf, 8)));
	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (off = 0; off < n; count++)
			off += *(unsigned short *)(buf + off + offsetof(struct dirent64, d_reclen));
	EXPECT_EQ(0, n);
	EXPECT_EQ(42, count);
}

static void check_entries(struct __test_metadata *_metadata, const char *path)
{
	DIR *d = opendir(path);
	struct dirent *de;
	int n = 0;

	ASSERT_NE(NULL, d);
	while ((de = readdir(d))) {
		struct stat st = st_of(path_of("%s/%s", path, de->d_name));

		n++;
		if (!strcmp(de->d_name, "..") && strcmp(path, "u/d"))
			continue;	/* that of a root is the mount point's */
		EXPECT_EQ(st.st_ino, de->d_ino) TH_LOG("%s/%s", path, de->d_name);
		if (de->d_type != DT_UNKNOWN) {
			EXPECT_EQ(IFTODT(st.st_mode), de->d_type) TH_LOG("%s/%s", path, de->d_name);
		}
		EXPECT_NE(DT_UNKNOWN, de->d_type) TH_LOG("%s/%s", path, de->d_name);
	}
	closedir(d);
	EXPECT_LE(5, n);
}

TEST_F(u, d_ino_and_d_type)
{
	ASSERT_EQ(0, shell("mkdir ro/d ro2/d rw/d"));
	ASSERT_EQ(0, shell("cd ro && touch f && ln f hard && ln -s x s && mkfifo p && mkdir d2"));
	ASSERT_EQ(0, shell("cd rw && touch g && mkdir d3"));
	ASSERT_EQ(0, shell("touch rw/d/1 ro/d/2 ro/d/1 ro2/d/3 ro2/d/1"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	check_entries(_metadata, "u");
	check_entries(_metadata, "u/d");
	/* the same when no inode is in memory */
	drop_caches();
	check_entries(_metadata, "u");
	check_entries(_metadata, "u/d");
	/* and after copy-up */
	ASSERT_EQ(0, append_file("u/f", "x"));
	ASSERT_EQ(0, append_file("u/d/3", "x"));
	drop_caches();
	check_entries(_metadata, "u");
	check_entries(_metadata, "u/d");
}

TEST_F(u, open_directory_sees_a_fresh_one)
{
	struct dirent *de;
	int found = 0;
	DIR *d;

	ASSERT_EQ(0, shell("touch ro/a"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_NE(NULL, d = opendir("u"));
	while (readdir(d))
		;
	ASSERT_EQ(0, write_file("u/b", ""));
	ASSERT_EQ(0, E(unlink("u/a")));
	rewinddir(d);
	while ((de = readdir(d)))
		found |= (strcmp(de->d_name, "b") ? 0 : 1) | (strcmp(de->d_name, "a") ? 0 : 2);
	EXPECT_EQ(1, found) TH_LOG("1: b is seen, 2: a is");
	closedir(d);
}

TEST_F(u, removed_directory_is_empty)
{
	struct dirent *de;
	int fd;
	DIR *d;

	ASSERT_EQ(0, shell("mkdir ro/d"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/d", O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(0, E(rmdir("u/d")));
	ASSERT_NE(NULL, d = fdopendir(fd));
	while ((de = readdir(d))) {
		EXPECT_EQ('.', *de->d_name) TH_LOG("%s", de->d_name);
	}
	closedir(d);
}

TEST_F(u, read_of_a_directory)
{
	char c;
	int fd;

	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u", O_RDONLY | O_DIRECTORY));
	EXPECT_EQ(-EISDIR, E(read(fd, &c, 1)));
	EXPECT_EQ(-EISDIR, E(open("u", O_RDWR)));
}

/*
 * vfat has names of more than 255 bytes.  Catches: names that are shown cut, and files that
 * are hidden when a directory that has one is renamed or removed.
 */
TEST_F(u, names_that_cannot_be_used)
{
	char name[301] = "";
	const char *why;
	int i;

	AUFS2_ONLY("it does otherwise");
	ASSERT_EQ(0, E(mkdir("fat", 0755)));
	why = make_fs("vfat", path_of("%s/fat", area));
	ASSERT_EQ(NULL, why) { TH_LOG("%s", why); }
	for (i = 0; i < 150; i++)
		strcat(name, "\u00e9");
	ASSERT_EQ(0, E(mkdir("fat/d", 0755)));
	ASSERT_EQ(0, E(mkdir("fat/e", 0755)));
	ASSERT_EQ(0, write_file("fat/e/short", "short"));
	ASSERT_EQ(0, write_file(path_of("fat/d/%s", name), "long"));
	ASSERT_EQ(0, write_file(path_of("fat/e/%s", name), "long"));
	ASSERT_EQ(0, up("rw", "fat=ro"));
	EXPECT_STREQ("", list("u/d"));
	EXPECT_STREQ("short", list("u/e"));
	EXPECT_EQ(-ENAMETOOLONG, E(open(path_of("u/d/%s", name), O_RDONLY)));
	EXPECT_EQ(-ENOTEMPTY, E(rmdir("u/d")));
	EXPECT_EQ(-EXDEV, E(rename("u/d", "u/x")));
	EXPECT_EQ(-EXDEV, E(rename("u/e", "u/x")));
	EXPECT_STREQ("d e", list("u"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("fat", 0)));
}

TEST_HARNESS_MAIN
