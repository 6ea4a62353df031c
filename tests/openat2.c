// SPDX-License-Identifier: GPL-2.0
/*
 * openat2(2) and what it is told of how to come to a file: that nobody is to be waited for, that no mount is to be
 * crossed, that it is not to leave a directory, and so on; in a union and in a plain directory with the same in it.
 */
#include "aufs2.h"
#include <linux/openat2.h>

FIXTURE(u) { int dir[2]; };

static const char *const tops[] = { "n", "u" };

FIXTURE_SETUP(u)
{
	int i;

	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir -p ro/d/sub ro/d/mnt ro/m rw/m n; echo -n low >ro/d/f; echo -n deep >ro/d/sub/h;"
			   "echo -n both >ro/m/l; echo -n up >rw/m/u; echo -n up >rw/g;"
			   "ln -s d/f ro/link; ln -s /d/f ro/absolute; ln -s ../../g ro/d/sub/up; ln -s ../n/g ro/out;"
			   "ln -s d ro/dlink; ln -s self ro/self; ln -s link rw/chain; ln -s /proc/self/root ro/magic;"
			   "cp -a ro/. n; cp -a rw/. n"));
	/* a mount of its own, as the union is */
	ASSERT_EQ(0, E(mount("n", "n", NULL, MS_BIND, NULL)));
	ASSERT_EQ(0, up("rw", "ro"));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, E(mount("over", path_of("%s/d/mnt", tops[i]), "tmpfs", 0, NULL)));
		ASSERT_EQ(0, write_file(path_of("%s/d/mnt/x", tops[i]), "over"));
		ASSERT_LE(0, self->dir[i] = open(tops[i], O_PATH | O_DIRECTORY | O_CLOEXEC));
	}
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong;
	int i;

	for (i = 0; i < 2; i++)
		umount2(path_of("%s/d/mnt", tops[i]), MNT_DETACH);
	umount2("n", MNT_DETACH);
	wrong = area_leave();
	EXPECT_STREQ("", wrong ?: "");
}

/* What is found: what a file says, what kind it is of, or the error. */
static const char *opened(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NONBLOCK), .resolve = resolve,
				.mode = flags & O_CREAT ? 0644 : 0 };
	int fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	const char *found;
	struct stat st;

	if (fd < 0)
		return errno_name(errno);
	if (fstat(fd, &st))
		found = errno_name(errno);
	else if (S_ISREG(st.st_mode) && !(flags & O_PATH) && (flags & O_ACCMODE) != O_WRONLY)
		found = path_of("'%s'", read_fd(fd));
	else
		found = kind_of(st.st_mode);
	close(fd);
	return found;
}

static const char *const paths[] = {
	"d/f", "d/sub/h", "m/l", "m/u", "g", "link", "absolute", "d/sub/up", "out", "dlink/f", "dlink", "self",
	"chain", "magic",
	"magic/proc", "d/mnt/x", "d/mnt", "d/mnt/..", "d/sub/..", "d/sub/../..", "..", "../n/g", "/", "/d/f",
	"d/sub/../../../x",
	"none", "d/none", "d/f/x", "dlink/sub/../../g", ".", "",
};

static const uint64_t ways[] = {
	0, RESOLVE_NO_XDEV, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS,
	RESOLVE_BENEATH | RESOLVE_NO_XDEV, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH | RESOLVE_IN_ROOT,
	1 << 20,
};

TEST_F(u, each_way)
{
	static const int flags[] = { O_RDONLY, O_PATH, O_PATH | O_NOFOLLOW, O_RDONLY | O_DIRECTORY };
	unsigned int i, j, k;

	for (i = 0; i < ARRAY_SIZE(paths); i++)
		for (j = 0; j < ARRAY_SIZE(ways); j++)
			for (k = 0; k < ARRAY_SIZE(flags); k++) {
				/* "/" is not in either of them, but where it is to be */
				if (!strcmp(paths[i], "/d/f") && !(ways[j] & RESOLVE_IN_ROOT))
					continue;
				EXPECT_STREQ(opened(self->dir[0], paths[i], flags[k], ways[j]),
					     opened(self->dir[1], paths[i], flags[k], ways[j])) {
					TH_LOG("'%s', resolve %#llx, flags %#o", paths[i],
					       (unsigned long long)ways[j], flags[k]);
				}
			}
	/* what the test is about does happen */
	EXPECT_STREQ("'low'", opened(self->dir[1], "d/f", O_RDONLY, RESOLVE_NO_XDEV | RESOLVE_BENEATH));
	EXPECT_STREQ("EXDEV", opened(self->dir[1], "d/mnt/x", O_RDONLY, RESOLVE_NO_XDEV));
	EXPECT_STREQ("EXDEV", opened(self->dir[1], "..", O_RDONLY, RESOLVE_BENEATH));
	EXPECT_STREQ("'low'", opened(self->dir[1], "absolute", O_RDONLY, RESOLVE_IN_ROOT));
}

TEST_F(u, what_changes_something)
{
	static const struct { const char *path; int flags; } changes[] = {
		{ "d/f", O_RDWR }, { "d/sub/up", O_RDWR }, { "m/l", O_WRONLY | O_TRUNC },
		{ "d/new", O_RDWR | O_CREAT | O_EXCL },
		{ "../new", O_RDWR | O_CREAT }, { "d/mnt/new", O_RDWR | O_CREAT }, { "link", O_RDWR },
		{ "d/sub", O_RDWR | O_TMPFILE }, { "d/mnt", O_RDWR | O_TMPFILE }, { "absolute", O_RDWR },
	};
	unsigned int i, j;

	for (j = 1; j < ARRAY_SIZE(ways); j++)
		for (i = 0; i < ARRAY_SIZE(changes); i++) {
			EXPECT_STREQ(opened(self->dir[0], changes[i].path, changes[i].flags, ways[j]),
				     opened(self->dir[1], changes[i].path, changes[i].flags, ways[j])) {
				TH_LOG("'%s', resolve %#llx, flags %#o", changes[i].path, (unsigned long long)ways[j],
				       changes[i].flags);
			}
			unlinkat(self->dir[0], "d/new", 0);
			unlinkat(self->dir[1], "d/new", 0);
		}
	EXPECT_STREQ("low", read_file("rw/d/f"));
	EXPECT_STREQ("", read_file("rw/m/l"));
}

static bool goes_by_link(const char *path)
{
	static const char *const links[] = { "link", "absolute", "up", "out", "self", "chain" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(links); i++)
		if (strstr(path, links[i]))
			return true;
	return false;
}

/* What was found before is found again without anybody being asked. */
TEST_F(u, what_is_cached)
{
	static const int flags[] = { O_RDONLY, O_PATH, O_PATH | O_NOFOLLOW, O_RDWR, O_RDWR | O_TRUNC,
				     O_WRONLY | O_CREAT };
	unsigned int i, j, k;
	int round;

	/* before the copy-up of what is written to, and after */
	for (round = 0; round < 2; round++)
		for (i = 0; i < ARRAY_SIZE(paths); i++) {
			for (k = 0; k < ARRAY_SIZE(flags); k++) {
				const char *found[2];

				/* whether what is not there is remembered is for each filesystem to say */
				if (strstr(paths[i], "none") || !strncmp(paths[i], "/", 1))
					continue;
				for (j = 0; j < 2; j++) {
					opened(self->dir[j], paths[i], O_PATH, 0);
					opened(self->dir[j], paths[i], O_PATH | O_NOFOLLOW, 0);
					found[j] = opened(self->dir[j], paths[i], flags[k], RESOLVE_CACHED);
				}
				/* what a link says wants somebody to be asked, as on overlayfs */
				if (!strcmp(found[1], "EAGAIN") && goes_by_link(paths[i]))
					continue;
				EXPECT_STREQ(found[0], found[1]) {
					TH_LOG("'%s', flags %#o, round %d", paths[i], flags[k], round);
				}
			}
		}
	EXPECT_STREQ("'up'", opened(self->dir[1], "m/u", O_RDONLY, RESOLVE_CACHED));
	EXPECT_STREQ("'low'", opened(self->dir[1], "d/f", O_RDONLY, RESOLVE_CACHED));
	EXPECT_STREQ("EAGAIN", opened(self->dir[1], "d/f", O_WRONLY | O_TRUNC, RESOLVE_CACHED));
}

TEST_HARNESS_MAIN
