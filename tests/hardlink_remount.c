// SPDX-License-Identifier: GPL-2.0
/*
 * What was done to a lower file with several names, by any of them, is there under that name
 * after the union was unmounted and mounted again. A removed name does not take it away.
 */
#include "aufs2.h"
#include <dirent.h>
#include <sys/wait.h>

#define WHY "it breaks hard links"
#define PLINKS "rw/.wh..wh.plnk"

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	AUFS2_ONLY(WHY);
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir ro/d; echo -n low > ro/a; ln ro/a ro/b; ln ro/a ro/d/c"));
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = reference() ? NULL : area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static int again(void)
{
	sync();
	return down() ?: up("rw", "ro");
}

/* Whether both are one file, which has a name of its own on the branch. */
static bool same(const char *a, const char *b)
{
	struct stat x = st_of(a), y = st_of(b);

	return x.st_ino && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

/* The number that a directory lists for a name. */
static ino_t listed(const char *dir, const char *name)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	ino_t ino = 0;

	while (d && (e = readdir(d)))
		if (!strcmp(e->d_name, name))
			ino = e->d_ino;
	if (d)
		closedir(d);
	return ino;
}

TEST_F(u, written_by_two_names)
{
	ASSERT_EQ(0, append_file("u/a", "1"));
	ASSERT_EQ(0, append_file("u/b", "2"));
	EXPECT_EQ(3, st_of("u/a").st_nlink);
	ASSERT_EQ(0, again());
	EXPECT_STREQ("low12", read_file("u/a"));
	EXPECT_STREQ("low12", read_file("u/b"));
	EXPECT_TRUE(same("u/a", "u/b"));
	EXPECT_TRUE(same("rw/a", "rw/b"));
	ASSERT_EQ(0, append_file("u/b", "3"));
	EXPECT_STREQ("low123", read_file("u/a"));
}

/* A name that nobody has used means what the others have made of the object. */
TEST_F(u, written_by_one_name)
{
	ASSERT_EQ(0, append_file("u/a", "1"));
	ASSERT_EQ(0, chmod("u/a", 0600));
	ASSERT_EQ(0, again());
	EXPECT_STREQ("low1", read_file("u/b"));
	EXPECT_STREQ("low1", read_file("u/d/c"));
	EXPECT_STREQ("low1", read_file("u/a"));
	EXPECT_TRUE(same("u/a", "u/b"));
	EXPECT_TRUE(same("u/a", "u/d/c"));
	EXPECT_EQ(3, st_of("u/a").st_nlink);
	EXPECT_EQ(S_IFREG | 0600, st_of("u/d/c").st_mode);
	ASSERT_EQ(0, append_file("u/b", "2"));
	EXPECT_STREQ("low12", read_file("u/a"));
	EXPECT_STREQ("low12", read_file("u/d/c"));
	EXPECT_EQ(3, st_of("u/a").st_nlink);
	EXPECT_EQ(0, E(unlink("u/a")));
	EXPECT_EQ(0, E(unlink("u/b")));
	EXPECT_EQ(1, st_of("u/d/c").st_nlink);
	ASSERT_EQ(0, again());
	EXPECT_STREQ("low12", read_file("u/d/c"));
	EXPECT_EQ(1, st_of("u/d/c").st_nlink);
	EXPECT_EQ(0, E(link("u/d/c", "u/d/e")));
	EXPECT_EQ(2, st_of("u/d/c").st_nlink);
	EXPECT_EQ(0, E(rename("u/d/c", "u/f")));
	ASSERT_EQ(0, again());
	EXPECT_STREQ("low12", read_file("u/f"));
	EXPECT_STREQ("low12", read_file("u/d/e"));
	EXPECT_EQ(2, st_of("u/f").st_nlink);
	EXPECT_STREQ("d f", list("u"));
	EXPECT_STREQ("", list(PLINKS));
	EXPECT_EQ(2, st_of("rw/f").st_nlink);
}

/* The last name that the copy has goes, and names below stay. */
TEST_F(u, removed_after_a_mount)
{
	ASSERT_EQ(0, append_file("u/a", "1"));
	ASSERT_EQ(0, again());
	EXPECT_EQ(0, E(unlink("u/a")));
	EXPECT_EQ(2, st_of("u/b").st_nlink);
	EXPECT_STREQ("low1", read_file("u/b"));
	ASSERT_EQ(0, again());
	EXPECT_EQ(2, st_of("u/b").st_nlink);
	EXPECT_STREQ("low1", read_file("u/d/c"));
	EXPECT_TRUE(same("u/b", "u/d/c"));
	EXPECT_EQ(0, E(unlink("u/b")));
	EXPECT_EQ(0, E(unlink("u/d/c")));
	EXPECT_STREQ("", list(PLINKS));
	EXPECT_STREQ("d", list("u"));
}

TEST_F(u, three_names_in_two_directories)
{
	ASSERT_EQ(0, append_file("u/d/c", "1"));
	ASSERT_EQ(0, append_file("u/b", "2"));
	ASSERT_EQ(0, append_file("u/a", "3"));
	EXPECT_EQ(3, st_of("u/d/c").st_nlink);
	drop_caches();
	EXPECT_EQ(3, st_of("u/d/c").st_nlink);
	EXPECT_TRUE(same("u/a", "u/d/c"));
	ASSERT_EQ(0, again());
	EXPECT_STREQ("low123", read_file("u/a"));
	EXPECT_STREQ("low123", read_file("u/b"));
	EXPECT_STREQ("low123", read_file("u/d/c"));
	EXPECT_TRUE(same("u/a", "u/b"));
	EXPECT_TRUE(same("u/a", "u/d/c"));
	EXPECT_EQ(3, st_of("u/a").st_nlink);
	EXPECT_EQ(3, st_of("rw/a").st_nlink);
}

/* Each by a name that is below yet, of an object that is on the branch already. */
static long by_open(const char *path)
{
	int fd = open(path, O_WRONLY);

	return fd < 0 ? -errno : E(close(fd));
}

static long by_open_and_truncate(const char *path)
{
	int fd = open(path, O_RDONLY | O_TRUNC);

	return fd < 0 ? -errno : E(close(fd));
}

static long by_truncate(const char *path)
{
	return E(truncate(path, 1));
}

static long by_chmod(const char *path)
{
	return E(chmod(path, 0600));
}

static long by_fchmod(const char *path)
{
	int fd = open(path, O_RDONLY);
	long err = E(fchmod(fd, 0600));

	close(fd);
	return err;
}

static long by_chown(const char *path)
{
	return E(chown(path, 7, 7));
}

static long by_utimensat(const char *path)
{
	struct timespec times[2] = { { 1, 1 }, { 2, 2 } };

	return E(utimensat(AT_FDCWD, path, times, 0));
}

static long by_setxattr(const char *path)
{
	return E(setxattr(path, "trusted.t", "v", 1, 0));
}

static long by_removexattr(const char *path)
{
	return E(removexattr(path, "trusted.gone"));
}

static long by_acl(const char *path)
{
	static const char acl[] =
		"\2\0\0\0" "\1\0\7\0\377\377\377\377" "\2\0\5\0\2\0\0\0" "\4\0\4\0\377\377\377\377"
		"\20\0\7\0\377\377\377\377" "\40\0\4\0\377\377\377\377";

	return E(setxattr(path, "system.posix_acl_access", acl, sizeof(acl) - 1, 0));
}

static long by_fileattr(const char *path)
{
	int fd = open(path, O_RDONLY), flags = FS_NODUMP_FL;
	long err = E(ioctl(fd, FS_IOC_SETFLAGS, &flags));

	close(fd);
	return err;
}

static long by_link(const char *path)
{
	return E(link(path, path_of("%s.more", path)));
}

static long by_exchange(const char *path)
{
	const char *other = path_of("%s.other", path);
	long err = write_file(other, "x");

	return err ?: E(renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE)) ?:
	       E(renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE));
}

static const struct { const char *name; long (*change)(const char *path); } changes[] = {
	{ "open", by_open },
	{ "open_and_truncate", by_open_and_truncate },
	{ "truncate", by_truncate },
	{ "chmod", by_chmod },
	{ "fchmod", by_fchmod },
	{ "chown", by_chown },
	{ "utimensat", by_utimensat },
	{ "setxattr", by_setxattr },
	{ "removexattr", by_removexattr },
	{ "acl", by_acl },
	{ "fileattr", by_fileattr },
	{ "link", by_link },
	{ "exchange", by_exchange },
};

TEST_F(u, whatever_changes_it_keeps_the_name)
{
	unsigned int i;

	ASSERT_EQ(0, down_to_change());
	for (i = 0; i < ARRAY_SIZE(changes); i++)
		ASSERT_EQ(0, write_file(path_of("ro/d/%s", changes[i].name), "low") ?:
			     E(setxattr(path_of("ro/d/%s", changes[i].name), "trusted.gone", "v", 1, 0)) ?:
			     E(link(path_of("ro/d/%s", changes[i].name),
				    path_of("ro/%s", changes[i].name))));
	ASSERT_EQ(0, up("rw", "ro"));
	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		ASSERT_EQ(0, append_file(path_of("u/d/%s", changes[i].name), "+"));
		EXPECT_EQ(0, changes[i].change(path_of("u/%s", changes[i].name)));
		EXPECT_TRUE(same(path_of("rw/%s", changes[i].name),
				 path_of("rw/d/%s", changes[i].name)))
			TH_LOG("%s", changes[i].name);
	}
	ASSERT_EQ(0, again());
	EXPECT_EQ(S_IFREG | 0600, st_of("u/chmod").st_mode);
	EXPECT_EQ(2, st_of("u/utimensat").st_mtime);
	EXPECT_EQ(7, st_of("u/chown").st_uid);
	EXPECT_EQ(1, st_of("u/truncate").st_size);
	EXPECT_STREQ("", read_file("u/open_and_truncate"));
	EXPECT_EQ(1, E(getxattr("u/setxattr", "trusted.t", NULL, 0)));
	EXPECT_EQ(-ENODATA, E(getxattr("u/removexattr", "trusted.gone", NULL, 0)));
	EXPECT_STREQ("low+", read_file("u/exchange"));
}

/* Reading is no use of a name. */
TEST_F(u, what_is_read_gets_no_name)
{
	ASSERT_EQ(0, append_file("u/a", "+"));
	EXPECT_STREQ("low+", read_file("u/b"));
	EXPECT_STREQ("ENOENT", kind("rw/b"));
}

TEST_F(u, the_name_that_was_copied_up_goes)
{
	ASSERT_EQ(0, append_file("u/a", "+"));
	ASSERT_EQ(0, E(unlink("u/a")));
	EXPECT_STREQ("low+", read_file("u/b"));
	ASSERT_EQ(0, append_file("u/b", "important"));
	EXPECT_EQ(2, st_of("u/b").st_nlink);
	ASSERT_EQ(0, again());
	EXPECT_STREQ("low+important", read_file("u/b"));
	EXPECT_STREQ("ENOENT", kind("u/a"));
}

TEST_F(u, the_name_that_was_copied_up_is_replaced)
{
	ASSERT_EQ(0, append_file("u/a", "+"));
	ASSERT_EQ(0, write_file("u/x", "x"));
	ASSERT_EQ(0, E(rename("u/x", "u/a")));
	EXPECT_STREQ("x", read_file("u/a"));
	EXPECT_STREQ("low+", read_file("u/b"));
	EXPECT_EQ(2, st_of("u/b").st_nlink);
	drop_caches();
	EXPECT_STREQ("low+", read_file("u/d/c"));
	ASSERT_EQ(0, E(chmod("u/d/c", 0600)));
	ASSERT_EQ(0, append_file("u/b", "2"));
	ASSERT_EQ(0, again());
	EXPECT_STREQ("x", read_file("u/a"));
	EXPECT_STREQ("low+2", read_file("u/b"));
	EXPECT_STREQ("low+2", read_file("u/d/c"));
	EXPECT_EQ(S_IFREG | 0600, st_of("u/b").st_mode);
	EXPECT_TRUE(same("u/b", "u/d/c"));
	EXPECT_EQ(2, st_of("u/b").st_nlink);
}

/* Somebody has it open, and mapped, while it has no name on the branch. */
TEST_F(u, written_to_while_it_has_no_name_on_the_branch)
{
	int fd;
	char *map;

	ASSERT_EQ(0, append_file("u/a", "+"));
	fd = open("u/a", O_RDWR);
	ASSERT_LE(0, fd);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, E(unlink("u/a")));
	map[0] = 'L';
	ASSERT_EQ(1, pwrite(fd, "O", 1, 1));
	ASSERT_EQ(0, E(rename("u/b", "u/z")));
	ASSERT_EQ(0, E(rename("u/d", "u/e")));
	map[2] = 'W';
	ASSERT_EQ(0, munmap(map, 4096));
	close(fd);
	EXPECT_STREQ("LOW+", read_file("u/z"));
	EXPECT_TRUE(same("u/z", "u/e/c"));
	ASSERT_EQ(0, again());
	EXPECT_STREQ("LOW+", read_file("u/z"));
	EXPECT_STREQ("LOW+", read_file("u/e/c"));
	EXPECT_TRUE(same("u/z", "u/e/c"));
	EXPECT_EQ(2, st_of("u/z").st_nlink);
}

TEST_F(u, a_descriptor_without_a_name_gets_none)
{
	int fd = open("u/b", O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, append_file("u/a", "+"));
	ASSERT_EQ(0, E(unlink("u/b")));
	ASSERT_EQ(0, E(fchmod(fd, 0600)));
	close(fd);
	EXPECT_STREQ("ENOENT", kind("u/b"));
	EXPECT_STREQ("ENOENT", kind("rw/b"));
	EXPECT_EQ(S_IFREG | 0600, st_of("u/a").st_mode);
	ASSERT_EQ(0, again());
	EXPECT_STREQ("ENOENT", kind("u/b"));
	EXPECT_STREQ("low+", read_file("u/a"));
}

/* What is copied up by a descriptor of a removed name is the file of the other names, too. */
TEST_F(u, copied_up_without_a_name)
{
	int fd = open("u/b", O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(unlink("u/b")));
	ASSERT_EQ(0, E(fchmod(fd, 0640)));
	EXPECT_EQ(S_IFREG | 0640, st_of("u/a").st_mode);
	EXPECT_STREQ("low", read_file("u/a"));
	ASSERT_EQ(0, append_file("u/a", "+"));
	EXPECT_STREQ("low+", read_fd(fd));
	close(fd);
	EXPECT_EQ(2, st_of("u/a").st_nlink);
	ASSERT_EQ(0, again());
	EXPECT_STREQ("low+", read_file("u/a"));
	EXPECT_EQ(S_IFREG | 0640, st_of("u/a").st_mode);
}

TEST_F(u, a_symbolic_link)
{
	struct timespec times[2] = { { 1, 1 }, { 2, 2 } };

	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, shell("ln -s target ro/s; ln ro/s ro/t"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(lchown("u/s", 3, 3)));
	ASSERT_EQ(0, E(unlink("u/s")));
	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "u/t", times, AT_SYMLINK_NOFOLLOW)));
	ASSERT_EQ(0, again());
	EXPECT_EQ(3, st_of("u/t").st_uid);
	EXPECT_EQ(2, st_of("u/t").st_mtime);
	EXPECT_EQ(1, st_of("u/t").st_nlink);
}

static bool no_plinks(void)
{
	const char *left = list(PLINKS);

	return !*left || !strcmp(left, "ENOENT");
}

/* The place that keeps an object is empty once that has all its names, or none. */
TEST_F(u, nothing_is_left_of_it)
{
	ASSERT_EQ(0, append_file("u/a", "+"));
	ASSERT_EQ(0, E(unlink("u/a")));
	EXPECT_STREQ("ENOENT", kind("u/.wh..wh.plnk"));
	ASSERT_EQ(0, append_file("u/b", "+"));
	ASSERT_EQ(0, E(unlink("u/b")));
	EXPECT_EQ(1, st_of("u/d/c").st_nlink);
	EXPECT_STREQ("low++", read_file("u/d/c"));
	ASSERT_EQ(0, append_file("u/d/c", "+"));
	EXPECT_TRUE(no_plinks());
	EXPECT_EQ(1, st_of("u/d/c").st_nlink);
	EXPECT_EQ(1, st_of("rw/d/c").st_nlink);
	ASSERT_EQ(0, E(unlink("u/d/c")));
	EXPECT_STREQ("d", list("u"));
	EXPECT_STREQ("", list("u/d"));
	EXPECT_TRUE(no_plinks());
}

TEST_F(u, removed_by_names_that_were_not_copied_up)
{
	ASSERT_EQ(0, append_file("u/a", "+"));
	ASSERT_EQ(0, E(unlink("u/a")));
	ASSERT_EQ(0, E(unlink("u/b")));
	ASSERT_EQ(0, write_file("u/x", "x"));
	EXPECT_STREQ("low+", read_file("u/d/c"));
	ASSERT_EQ(0, E(rename("u/x", "u/d/c")));
	EXPECT_STREQ("x", read_file("u/d/c"));
	EXPECT_TRUE(no_plinks());
	ASSERT_EQ(0, again());
	EXPECT_STREQ("d", list("u"));
	EXPECT_STREQ("x", read_file("u/d/c"));
}

/* What a crash has left is removed; what somebody else has put there is not. */
TEST_F(u, leftovers_are_swept)
{
	ASSERT_EQ(0, append_file("u/a", "+"));
	ASSERT_EQ(0, E(unlink("u/a")));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("cd " PLINKS
			   "; echo x > 0281474976710657.12; echo x > 12.34; echo x > keep"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, shell("cd " PLINKS "; rm 12.34 keep; set -- *; test $# = 1"));
	EXPECT_STREQ("low+", read_file("u/b"));
}

/* Nothing that others put there makes a name mean what it must not. */
TEST_F(u, what_others_have_put_there)
{
	ASSERT_EQ(0, append_file("u/a", "+"));
	ASSERT_EQ(0, down());
	/* Of another kind, or no such name; a directory. */
	ASSERT_EQ(0, shell("cd " PLINKS "; for r in *; do mv $r ../was; ln -s target $r"
			   "; echo x > ${r%%.*}.0; echo x > ${r%%.*}.02; echo x > ${r%%.*}.x"
			   "; echo x > ${r%%.*}.4294967296; echo x > $r.1; mkdir ${r%%.*}.7"
			   "; done; rm ../was"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("low+", read_file("u/a"));
	EXPECT_STREQ("low", read_file("u/b"));
	EXPECT_STREQ("low", read_file("u/d/c"));
	EXPECT_EQ(0, append_file("u/b", "-"));
	EXPECT_EQ(0, append_file("u/d/c", "-"));
	EXPECT_STREQ("low--", read_file("u/b"));
}

/* A file that an image has in the place of another one is not what that became. */
TEST_F(u, another_file_below)
{
	ASSERT_EQ(0, append_file("u/a", "+"));
	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, shell("echo -n another > ro/b; ln ro/b ro/e"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("low+", read_file("u/a"));
	EXPECT_STREQ("another", read_file("u/b"));
	EXPECT_STREQ("another", read_file("u/e"));
}

/* What a directory lists has the number that it has. */
TEST_F(u, listed_numbers)
{
	struct stat b;

	ASSERT_EQ(0, append_file("u/a", "+"));
	ASSERT_EQ(0, again());
	b = st_of("u/b");
	EXPECT_EQ(b.st_ino, listed("u", "b"));
	EXPECT_EQ(b.st_ino, listed("u", "a"));
	ASSERT_EQ(0, E(unlink("u/a")));
	EXPECT_EQ(st_of("u/b").st_ino, listed("u", "b"));
}

static int append_by(const char *name, int from)
{
	pid_t pid = fork();
	int i;

	if (pid)
		return pid;
	for (i = from; i < from + 24; i++)
		if (append_file(path_of("u/%s%d", name, i % 24), "+"))
			_exit(1);
	_exit(0);
}

/* Two tasks copy up each object by two names. */
TEST_F(u, by_two_names_at_once)
{
	int i, status;
	pid_t one, other;

	ASSERT_EQ(0, down_to_change());
	ASSERT_EQ(0, shell("for i in $(seq 0 23); do echo -n low > ro/x$i; ln ro/x$i ro/d/x$i; done"));
	ASSERT_EQ(0, up("rw", "ro"));
	one = append_by("x", 0);
	other = append_by("d/x", 0);
	ASSERT_EQ(one, waitpid(one, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(other, waitpid(other, &status, 0));
	EXPECT_EQ(0, status);
	for (i = 0; i < 24; i++) {
		EXPECT_STREQ("low++", read_file(path_of("u/d/x%d", i)));
		EXPECT_EQ(2, st_of(path_of("u/x%d", i)).st_nlink);
	}
	ASSERT_EQ(0, again());
	for (i = 0; i < 24; i++) {
		EXPECT_STREQ("low++", read_file(path_of("u/x%d", i)));
		EXPECT_TRUE(same(path_of("u/x%d", i), path_of("u/d/x%d", i)));
	}
	EXPECT_TRUE(no_plinks());
}

/* What keeps the object is there when the branch is writable again. */
TEST_F(u, read_only_for_a_while)
{
	ASSERT_EQ(0, append_file("u/a", "1"));
	ASSERT_EQ(0, E(unlink("u/a")));
	EXPECT_STREQ("low1", read_file("u/b"));
	ASSERT_EQ(0, E(mount("none", "u", NULL, MS_REMOUNT, path_of("mod:%s/rw=ro", area))));
	ASSERT_EQ(0, E(mount("none", "u", NULL, MS_REMOUNT, path_of("mod:%s/rw=rw", area))));
	ASSERT_EQ(0, append_file("u/b", "2"));
	ASSERT_EQ(0, again());
	EXPECT_STREQ("low12", read_file("u/b"));
}

/* What is a copy is copied once more, from a layer that was written to before. */
TEST_F(u, copied_from_a_layer)
{
	ASSERT_EQ(0, append_file("u/a", "1"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(mkdir("top", 0755)));
	ASSERT_EQ(0, up("top=rw", "rw=ro+wh", "ro"));
	EXPECT_STREQ("low1", read_file("u/b"));
	EXPECT_EQ(3, st_of("u/b").st_nlink);
	ASSERT_EQ(0, append_file("u/a", "2"));
	EXPECT_STREQ("low12", read_file("u/b"));
	ASSERT_EQ(0, append_file("u/d/c", "3"));
	ASSERT_EQ(0, E(unlink("u/a")));
	ASSERT_EQ(0, E(unlink("u/d/c")));
	drop_caches();
	EXPECT_STREQ("low123", read_file("u/b"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("top=rw", "rw=ro+wh", "ro"));
	EXPECT_STREQ("low123", read_file("u/b"));
	EXPECT_EQ(1, st_of("u/b").st_nlink);
	ASSERT_EQ(0, E(unlink("u/b")));
	EXPECT_STREQ("", list("top/.wh..wh.plnk"));
}

/* So it is in one mount, where the branch with the copy becomes read-only. */
TEST_F(u, copied_from_what_was_writable)
{
	ASSERT_EQ(0, append_file("u/a", "1"));
	ASSERT_EQ(0, E(mkdir("top", 0755)));
	ASSERT_EQ(0, E(mount("none", "u", NULL, MS_REMOUNT,
			     path_of("mod:%s/rw=ro,add:0:%s/top=rw", area, area))));
	ASSERT_EQ(0, append_file("u/a", "2"));
	EXPECT_STREQ("low12", read_file("top/a"));
	EXPECT_STREQ("low1", read_file("rw/a"));
	ASSERT_EQ(0, E(unlink("u/a")));
	drop_caches();
	EXPECT_STREQ("low12", read_file("u/b"));
	ASSERT_EQ(0, append_file("u/b", "3"));
	EXPECT_STREQ("low123", read_file("u/d/c"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("top=rw", "rw=ro", "ro"));
	EXPECT_STREQ("low123", read_file("u/d/c"));
	EXPECT_STREQ("ENOENT", kind("u/a"));
}

/* A layer that becomes writable while the union is mounted, and its names are in use. */
TEST_F(u, writable_later)
{
	static const char *const names[] = { "u/b", "u/d/c" };
	int i;

	ASSERT_EQ(0, append_file("u/a", "1"));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, down());
		ASSERT_EQ(0, up(i ? "rw=ro+wh" : "rw=ro", "ro"));
		EXPECT_TRUE(same("u/a", names[i]));
		ASSERT_EQ(0, E(mount("none", "u", NULL, MS_REMOUNT, path_of("mod:%s/rw=rw", area))));
		EXPECT_TRUE(same("u/a", names[i]));
		ASSERT_EQ(0, append_file(names[i], "2"));
		EXPECT_STREQ(i ? "low122" : "low12", read_file("u/a"));
		EXPECT_EQ(3, st_of("u/a").st_nlink);
	}
	ASSERT_EQ(0, again());
	EXPECT_EQ(3, st_of("rw/a").st_nlink);
	EXPECT_STREQ("", list(PLINKS));
}

/* What another union has made of a layer since it was read. */
TEST_F(u, changed_by_another_union)
{
	ASSERT_EQ(0, append_file("u/a", "1"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw=ro+wh", "ro"));
	ASSERT_EQ(0, E(mkdir("v", 0755)));
	ASSERT_EQ(0, E(mount("none", "v", fs_name(), 0, path_of("br:%s/rw=rw:%s/ro=ro", area, area))));
	EXPECT_EQ(0, append_file("v/b", "2"));
	ASSERT_EQ(0, E(umount2("v", 0)));
	ASSERT_EQ(0, E(mount("none", "u", NULL, MS_REMOUNT, path_of("mod:%s/rw=rw", area))));
	EXPECT_STREQ("low12", read_file("u/d/c"));
	ASSERT_EQ(0, append_file("u/d/c", "3"));
	EXPECT_STREQ("low123", read_file("u/a"));
	EXPECT_STREQ("", list(PLINKS));
}

/* Links between two branches are two objects. */
TEST_F(u, between_two_branches)
{
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("mkdir one two; echo -n low > one/x; ln one/x two/y"));
	ASSERT_EQ(0, up("rw", "one", "two"));
	ASSERT_EQ(0, append_file("u/x", "1"));
	drop_caches();
	EXPECT_STREQ("low", read_file("u/y"));
	ASSERT_EQ(0, append_file("u/y", "2"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "one", "two"));
	EXPECT_STREQ("low1", read_file("u/x"));
	EXPECT_STREQ("low2", read_file("u/y"));
}

/* The directory of pseudo-links is made where its parent must not be changed. */
TEST_F(u, in_an_immutable_root)
{
	ASSERT_EQ(0, shell("mkdir rw/d"));
	if (shell("chattr +i rw"))
		SKIP(return, "no flags here");
	EXPECT_EQ(0, append_file("u/d/c", "1"));
	EXPECT_EQ(0, shell("lsattr -d rw | grep -q i"));
	ASSERT_EQ(0, again());
	EXPECT_STREQ("low1", read_file("u/a"));
	EXPECT_EQ(0, shell("chattr -i rw"));
}

/* A layer says that there are more names than there can be. */
TEST_F(u, a_number_of_names_that_cannot_be)
{
	ASSERT_EQ(0, append_file("u/a", "1"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("cd " PLINKS "; for r in *; do mv $r ${r%%.*}.1073741824; done"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(1073741825, st_of("u/a").st_nlink);
	EXPECT_EQ(0, E(link("u/a", "u/more")));
	EXPECT_EQ(1073741826, st_of("u/b").st_nlink);
	EXPECT_EQ(0, E(unlink("u/more")));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("cd " PLINKS "; for r in *; do mv $r ${r%%.*}.4294967295; done"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_STREQ("low", read_file("u/b"));
}

/* So it is when what replaces the copy's last name is on another branch. */
TEST_F(u, replaced_from_another_branch)
{
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("mkdir rw2; echo -n new > rw2/s"));
	ASSERT_EQ(0, up("rw=rw", "rw2=rw", "ro"));
	ASSERT_EQ(0, append_file("u/a", "1"));
	EXPECT_STREQ("ENOENT", kind("rw2/a"));
	ASSERT_EQ(0, E(rename("u/s", "u/a")));
	EXPECT_STREQ("new", read_file("u/a"));
	EXPECT_STREQ("low1", read_file("u/b"));
	ASSERT_EQ(0, append_file("u/b", "2"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw=rw", "rw2=rw", "ro"));
	EXPECT_STREQ("low12", read_file("u/b"));
	EXPECT_STREQ("new", read_file("u/a"));
}

TEST_HARNESS_MAIN
