// SPDX-License-Identifier: GPL-2.0
/*
 * Removing what is just being copied up, or is in the way of a rename.
 *
 * A copy-up is held for as long as a test wants by a freeze of the writable branch, on an ext4
 * of its own: it waits there with the lock of the object.
 */
#include "aufs2.h"
#include <linux/fs.h>

AUFS2_FIXTURE

/* Whether the process comes to wait without being interruptible, before it ends. */
static bool waits(pid_t child)
{
	return comes_to_wait(child, 'D');
}

#define NEVER 255
#define KILLED 254

/* The errno that a child ended with; KILLED if it did not end by itself, NEVER if not at all. */
static int end_of(pid_t child)
{
	int i, status;

	for (i = 0; i < 20000; i++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED;
		usleep(500);
	}
	return NEVER;
}

/* A child that ends with the errno of CALL. */
#define CHILD(call) ({ \
	pid_t child_ = fork(); \
	if (!child_) { \
		long ret_ = E(call); \
		_exit(ret_ < 0 ? -ret_ : 0); \
	} \
	child_; \
})

static int frozen;

/* Makes the branch "up", which can be frozen; why not, or NULL. */
static const char *make_up(void)
{
	const char *why = make_fs("ext4", path_of("%s/up", area));

	if (!why && (frozen = open("up", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		why = "no branch";
	shell("rmdir up/lost+found");
	return why;
}

static int freeze(void)
{
	return E(ioctl(frozen, FIFREEZE, 0));
}

static int thaw(void)
{
	return E(ioctl(frozen, FITHAW, 0));
}

static int unmount_all(void)
{
	close(frozen);
	return down() ?: E(umount2("up", 0));
}

/*
 * Runs REMOVE while COPY, which copies something up, is held in the middle. What COPY does after that
 * may come too late: then it ends with LATE.
 */
#define WHILE_COPIED(copy, remove, late) do { \
	pid_t copier_, remover_; \
	int end_; \
	ASSERT_EQ(0, freeze()); \
	copier_ = CHILD(copy); \
	EXPECT_TRUE(waits(copier_)); \
	remover_ = CHILD(remove); \
	EXPECT_TRUE(waits(remover_)); \
	ASSERT_EQ(0, thaw()); \
	end_ = end_of(copier_); \
	EXPECT_TRUE(end_ == 0 || end_ == (late)) { TH_LOG("it ended with %d", end_); } \
	EXPECT_EQ(0, end_of(remover_)); \
} while (0)

/* A union that does not look again whether a name holds: that waits for a copy-up, too. */
static int up_trusted(void)
{
	return union_mount(reference() ? "" : "udba=none", 0, (const char * const []){ "up=rw", "ro", NULL });
}

TEST_F(u, unlink_against_open)
{
	const char *why = make_up();
	int round;

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, up_trusted());
	EXPECT_STREQ("file", kind("u/f"));
	WHILE_COPIED(open("u/f", O_RDWR), unlink("u/f"), 0);
	for (round = 0; round < 2; round++) {
		EXPECT_STREQ("ENOENT", kind("u/f"));
		EXPECT_STREQ("ENOENT", kind("up/f"));
		EXPECT_TRUE(is_whiteout("up/f"));
		ASSERT_EQ(0, down());
		ASSERT_EQ(0, up("up=rw", "ro"));
	}
	EXPECT_EQ(0, write_file("u/f", "new"));
	EXPECT_EQ(1, st_of("u/f").st_nlink);
	EXPECT_EQ(0, unmount_all());
}

/* Nothing but the directory's own lock is common to the two. */
TEST_F(u, rmdir_against_a_nameless_file)
{
	const char *why = make_up();

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, mkdir("ro/d", 0755));
	ASSERT_EQ(0, up_trusted());
	EXPECT_STREQ("dir", kind("u/d"));
	/* ext4 has that errno for a directory that is gone */
	WHILE_COPIED(open("u/d", O_TMPFILE | O_RDWR, 0600), rmdir("u/d"), EPERM);
	EXPECT_STREQ("ENOENT", kind("u/d"));
	EXPECT_STREQ("ENOENT", kind("up/d"));
	EXPECT_TRUE(is_whiteout("up/d"));
	EXPECT_EQ(0, unmount_all());
}

TEST_F(u, rename_over_against_open)
{
	const char *why = make_up();

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, E(link("ro/f", "ro/other")));
	ASSERT_EQ(0, up("up=rw", "ro"));
	ASSERT_EQ(0, write_file("u/new", "new"));
	EXPECT_STREQ("file", kind("u/f"));
	WHILE_COPIED(append_file("u/f", "+"), rename("u/new", "u/f"), 0);
	EXPECT_STREQ("new", read_file("u/f"));
	EXPECT_STREQ("low+", read_file("u/other"));
	EXPECT_EQ(1, st_of("u/other").st_nlink);
	EXPECT_STREQ("f other", list("u"));
	EXPECT_EQ(0, unmount_all());
}

/* A directory that is being copied up is replaced as a whole. */
TEST_F(u, rename_over_against_a_nameless_file)
{
	const char *why = make_up();

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, mkdir("ro/d", 0755));
	ASSERT_EQ(0, up("up=rw", "ro"));
	ASSERT_EQ(0, mkdir("u/new", 0755));
	ASSERT_EQ(0, write_file("u/new/f", "new"));
	EXPECT_STREQ("dir", kind("u/d"));
	WHILE_COPIED(open("u/d", O_TMPFILE | O_RDWR, 0600), rename("u/new", "u/d"), EPERM);
	EXPECT_STREQ("d", list("u"));
	EXPECT_STREQ("f", list("u/d"));
	EXPECT_EQ(0, unmount_all());
}

/*
 * What is exchanged with a directory is locked before the directories below that, and by link(2)
 * after them. Nobody may wait for ever.
 */
TEST_F(u, exchange_against_link)
{
	const char *why = make_up();
	pid_t exchanger, linker;
	int err, linked;

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("mkdir ro/d; echo -n a > ro/d/a; echo -n b > ro/d/b; echo -n f > ro/f"));
	ASSERT_EQ(0, up("up=rw", "ro"));
	EXPECT_STREQ("a b", list("u/d"));
	ASSERT_EQ(0, append_file("u/f", "+"));
	ASSERT_EQ(0, freeze());
	exchanger = CHILD(renameat2(AT_FDCWD, "u/d", AT_FDCWD, "u/f", RENAME_EXCHANGE));
	EXPECT_TRUE(waits(exchanger));
	linker = CHILD(link("u/f", "u/d/n"));
	EXPECT_TRUE(waits(linker));
	ASSERT_EQ(0, thaw());
	/* whoever is faster: then the link would be one of a directory, or in a file, or the directory is known by then */
	err = end_of(exchanger);
	EXPECT_TRUE(!err || err == EBUSY) TH_LOG("%d", err);
	linked = end_of(linker);
	EXPECT_TRUE(!linked || (!err && (linked == ENOTDIR || linked == EPERM))) TH_LOG("%d", linked);
	if (err) {
		EXPECT_STREQ("f+", read_file("u/f"));
		EXPECT_STREQ("f+", read_file("u/d/n"));
		EXPECT_STREQ("a b n", list("u/d"));
		ASSERT_EQ(0, E(renameat2(AT_FDCWD, "u/d", AT_FDCWD, "u/f", RENAME_EXCHANGE)));
	}
	EXPECT_STREQ(linked ? "a b" : "a b n", list("u/f"));
	EXPECT_STREQ("f+", read_file("u/d"));
	EXPECT_EQ(0, unmount_all());
}

/* The same of a directory that is replaced, and a rename between that and the one that comes there. */
TEST_F(u, rename_over_against_rename)
{
	const char *why = make_up();
	pid_t renamer, other;
	int err;

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("mkdir ro/d ro/victim; echo -n a > ro/d/a; echo -n b > ro/d/b"));
	ASSERT_EQ(0, up("up=rw", "ro"));
	EXPECT_STREQ("a b", list("u/d"));
	EXPECT_STREQ("", list("u/victim"));
	ASSERT_EQ(0, freeze());
	renamer = CHILD(rename("u/d", "u/victim"));
	EXPECT_TRUE(waits(renamer));
	other = CHILD(rename("u/d/none", "u/victim/none"));
	EXPECT_TRUE(waits(other));
	ASSERT_EQ(0, thaw());
	/* whoever is faster */
	err = end_of(renamer);
	EXPECT_TRUE(!err || err == EBUSY) TH_LOG("%d", err);
	EXPECT_EQ(ENOENT, end_of(other));
	EXPECT_STREQ(err ? "d victim" : "victim", list("u"));
	if (err)
		ASSERT_EQ(0, E(rename("u/d", "u/victim")));
	EXPECT_STREQ("a b", list("u/victim"));
	EXPECT_EQ(0, unmount_all());
}

/* Makes another branch that can be frozen; a descriptor of it, or -1 with the reason in `why`. */
static int make_other(const char *name, const char **why)
{
	int fd;

	if (!*why)
		*why = make_fs("ext4", path_of("%s/%s", area, name));
	if (*why)
		return -1;
	shell("rmdir %s/lost+found", name);
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		*why = "no branch";
	return fd;
}

/*
 * What is in a directory that is renamed on one branch comes to be copied to another, where the directory is, too, when
 * the rename has looked at it, and is not there before all is done.
 */
TEST_F(u, rename_against_a_copy_of_what_is_in_it)
{
	const char *why = make_up(), *at;
	int top = make_other("top", &why), made, renamed;
	pid_t maker, renamer;

	AUFS2_ONLY("one writable branch");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("mkdir -p top/t/d up/t ro/t; echo f > top/t/d/f; echo z > ro/t/z"));
	ASSERT_EQ(0, union_mount("create=rr", 0, (const char * const []){ "top=rw", "up=rw", "ro", NULL }));
	EXPECT_STREQ("f", list("u/t/d"));
	EXPECT_STREQ("d z", list("u/t"));
	ASSERT_EQ(0, freeze());
	ASSERT_EQ(0, E(ioctl(top, FIFREEZE, 0)));
	/* it waits to copy z up */
	renamer = CHILD(rename("u/t", "u/m"));
	EXPECT_TRUE(waits(renamer));
	/* the lowest branch is the first one's in turn */
	maker = CHILD(mkdir("u/t/d/new", 0755));
	EXPECT_TRUE(waits(maker));
	ASSERT_EQ(0, E(ioctl(top, FITHAW, 0)));
	renamed = end_of(renamer);
	ASSERT_EQ(0, thaw());
	made = end_of(maker);
	EXPECT_TRUE(made == 0 || made == ESTALE) TH_LOG("%d", made);
	EXPECT_TRUE(renamed == 0 || renamed == EXDEV) TH_LOG("%d", renamed);
	at = renamed ? "u/t" : "u/m";
	EXPECT_STREQ("ENOENT", kind(renamed ? "u/m" : "u/t"));
	EXPECT_STREQ("d z", list(at));
	for (int round = 0; round < 2; round++) {
		EXPECT_STREQ(made ? "f" : "f new", list(path_of("%s/d", at)));
		drop_caches();
	}
	close(top);
	EXPECT_EQ(0, unmount_all());
	EXPECT_EQ(0, E(umount2("top", 0)));
}

/*
 * Who has chosen a lower branch for what he makes comes to a directory when that has been renamed to where it hides
 * what is below.
 */
TEST_F(u, make_in_what_was_renamed_meanwhile)
{
	const char *why = make_up();
	int dir, made, renamed;
	pid_t maker, renamer;

	AUFS2_ONLY("one writable branch");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("mkdir -p top/r/s/t ro/r/s/m; echo f > top/r/s/t/f; echo x > ro/r/s/m/x"));
	ASSERT_EQ(0, whiteout("top/r/s/m"));
	ASSERT_EQ(0, union_mount("create=rr", 0, (const char * const []){ "top=rw", "up=rw", "ro", NULL }));
	EXPECT_STREQ("t", list("u/r/s"));
	EXPECT_STREQ("f", list("u/r/s/t"));
	/* who comes by a path waits for what is copied on it */
	ASSERT_LE(0, dir = open("u/r/s", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	ASSERT_EQ(0, freeze());
	maker = CHILD(mkdir("u/r/s/t/new", 0755));
	EXPECT_TRUE(waits(maker));
	renamer = CHILD(renameat(dir, "t", dir, "m"));
	/* without waiting for that, or after it */
	waits(renamer);
	ASSERT_EQ(0, thaw());
	renamed = end_of(renamer);
	EXPECT_TRUE(renamed == 0 || renamed == EXDEV) TH_LOG("%d", renamed);
	made = end_of(maker);
	EXPECT_TRUE(made == 0 || made == ESTALE || made == ENOENT) TH_LOG("%d", made);
	close(dir);
	for (int round = 0; round < 2; round++) {
		EXPECT_STREQ(made ? "f" : "f new", list(renamed ? "u/r/s/t" : "u/r/s/m"));
		drop_caches();
	}
	EXPECT_EQ(0, unmount_all());
}

/* Who looks at the old name of what is being renamed, when the branches have changed, finds no other object. */
TEST_F(u, look_at_what_is_being_renamed)
{
	const char *why = make_up();
	pid_t renamer, remounter, looker;

	AUFS2_ONLY("one writable branch");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("mkdir ro2; echo -n mine > rw/a; echo -n other > ro2/a"));
	ASSERT_EQ(0, whiteout("up/b"));
	ASSERT_EQ(0, union_mount("", 0, (const char * const []){ "up=rw", "rw=rw", "ro", NULL }));
	EXPECT_STREQ("mine", read_file("u/a"));
	ASSERT_EQ(0, freeze());
	/* done on its branch, it waits to remove what hides the new name */
	renamer = CHILD(rename("u/a", "u/b"));
	EXPECT_TRUE(waits(renamer));
	EXPECT_STREQ("file", kind("rw/b"));
	remounter = CHILD(shell("mount -i -o remount,append:%s/ro2=ro u", area));
	EXPECT_EQ(0, end_of(remounter));
	looker = CHILD(access("u/a", F_OK));
	EXPECT_FALSE(waits(looker));
	EXPECT_STREQ("mine", read_file("u/a"));
	ASSERT_EQ(0, thaw());
	EXPECT_EQ(0, end_of(renamer));
	EXPECT_NE(NEVER, end_of(looker));
	EXPECT_STREQ("mine", read_file("u/b"));
	EXPECT_EQ(0, append_file("u/b", "+"));
	drop_caches();
	EXPECT_STREQ("mine+", read_file("u/b"));
	EXPECT_EQ(0, unmount_all());
}

/* What is changed of a directory while it is copied to a higher branch is changed of the copy. */
TEST_F(u, change_of_what_is_being_copied)
{
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	const char *why = make_up();
	pid_t maker, changer;
	int dir;

	AUFS2_ONLY("one writable branch");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("mkdir rw/d"));
	ASSERT_EQ(0, union_mount("create=rr", 0, (const char * const []){ "up=rw", "rw=rw", "ro", NULL }));
	EXPECT_STREQ("", list("u/d"));
	/* in turn, from the lowest branch on */
	ASSERT_EQ(0, write_file("u/a", ""));
	/* who comes by a path waits for what is copied on it */
	ASSERT_LE(0, dir = open("u/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	ASSERT_EQ(0, freeze());
	maker = CHILD(open("u/d", O_TMPFILE | O_RDWR, 0600));
	EXPECT_TRUE(waits(maker));
	changer = CHILD(futimens(dir, times));
	/* for the copy, unless it is done */
	waits(changer);
	ASSERT_EQ(0, thaw());
	EXPECT_EQ(0, end_of(maker));
	EXPECT_EQ(0, end_of(changer));
	EXPECT_EQ(2000, st_of("u/d").st_mtime);
	close(dir);
	EXPECT_EQ(0, unmount_all());
}

/* The times of a directory of several branches are those of the top one, whichever it is changed on. */
TEST_F(u, times_of_a_directory_of_two)
{
	AUFS2_ONLY("one writable branch");
	ASSERT_EQ(0, shell("mkdir rw2; mkdir rw/d rw2/d; echo > rw2/d/f; echo > rw2/d/g"));
	ASSERT_EQ(0, union_mount("", 0, (const char * const []){ "rw=rw", "rw2=rw", "ro", NULL }));
	ASSERT_EQ(0, shell("touch -d @1000 u/d"));
	EXPECT_EQ(0, E(unlink("u/d/f")));
	EXPECT_NE(1000, st_of("u/d").st_mtime);
	ASSERT_EQ(0, shell("touch -d @1000 u/d"));
	EXPECT_EQ(0, E(rename("u/d/g", "u/d/h")));
	EXPECT_NE(1000, st_of("u/d").st_mtime);
	ASSERT_EQ(0, shell("touch -d @1000 u/d"));
	EXPECT_EQ(0, E(link("u/d/h", "u/d/i")));
	EXPECT_NE(1000, st_of("u/d").st_mtime);
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, union_mount("create=rr", 0, (const char * const []){ "rw=rw", "rw2=rw", "ro", NULL }));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, shell("touch -d @1000 u/d"));
		EXPECT_EQ(0, write_file(path_of("u/d/new%d", i), ""));
		EXPECT_NE(1000, st_of("u/d").st_mtime);
	}
}

/* Both at once, over and over: what is busy, or not there, may be so for a moment. */
TEST_F(u, exchange_and_link_in_a_row)
{
	int i, status;
	pid_t linker;

	ASSERT_EQ(0, shell("cd ro; for i in $(seq 0 9); do mkdir d$i; echo > f$i; echo > d$i/a; done"));
	ASSERT_EQ(0, up("rw", "ro"));
	linker = fork();
	if (!linker) {
		for (i = 0; i < 10; i++)
			for (int k = 0; k < 20; k++) {
				link(path_of("u/f%d", i), path_of("u/d%d/n", i));
				unlink(path_of("u/d%d/n", i));
			}
		_exit(0);
	}
	for (i = 0; i < 10; i++) {
		int err = E(renameat2(AT_FDCWD, path_of("u/d%d", i), AT_FDCWD,
				      path_of("u/f%d", i), RENAME_EXCHANGE));

		if (err)
			EXPECT_EQ(-EBUSY, err);
		EXPECT_STREQ(err ? "dir" : "file", kind(path_of("u/d%d", i)));
		EXPECT_STREQ(err ? "file" : "dir", kind(path_of("u/f%d", i)));
	}
	ASSERT_EQ(linker, waitpid(linker, &status, 0));
	EXPECT_EQ(0, status);
}

/* What the branch will not remove, as it is a mount point there, is hidden for a moment, which no time tells of. */
TEST_F(u, times_of_what_is_not_removed)
{
	ASSERT_EQ(0, shell("mkdir ro/dir; echo low > ro/file; cp -a ro/dir ro/file rw"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, shell("mount --bind ro/dir rw/dir; mount --bind ro/file rw/file; touch -d @2000 rw"));
	EXPECT_EQ(2000, st_of("u").st_mtime);
	EXPECT_EQ(-EBUSY, E(unlink("u/file")));
	EXPECT_EQ(-EBUSY, E(rmdir("u/dir")));
	EXPECT_EQ(2000, st_of("u").st_mtime);
	EXPECT_STREQ("dir file", list("u"));
	ASSERT_EQ(0, shell("umount rw/dir rw/file"));
	EXPECT_EQ(0, E(unlink("u/file")));
	EXPECT_EQ(0, E(rmdir("u/dir")));
	EXPECT_STREQ("", list("u"));
}

/* The same of a rename on a lower branch, when what is in the way above cannot go. */
TEST_F(u, times_where_something_stays_in_the_way)
{
	AUFS2_ONLY("it is about branches");
	ASSERT_EQ(0, shell("mkdir rw2; echo old > rw2/old; echo low > ro/old; echo new > rw/new; echo hidden > rw2/new"));
	ASSERT_EQ(0, up("rw=rw", "rw2=rw", "ro"));
	ASSERT_EQ(0, shell("mount --bind ro/old rw/new; touch -d @2000 rw rw2"));
	EXPECT_EQ(-EBUSY, E(rename("u/old", "u/new")));
	EXPECT_EQ(2000, st_of("rw").st_mtime);
	EXPECT_EQ(2000, st_of("rw2").st_mtime);
	ASSERT_EQ(0, shell("umount rw/new"));
	EXPECT_STREQ("new old", list("u"));
	EXPECT_STREQ("new\n", read_file("u/new"));
	EXPECT_STREQ("old\n", read_file("u/old"));
	EXPECT_EQ(0, E(rename("u/old", "u/new")));
	EXPECT_STREQ("old\n", read_file("u/new"));
}

/* Has what is made in a directory belong to a project, and what does not refused. */
static int set_project(const char *dir, unsigned int project)
{
	struct fsxattr fa = { 0 };
	int fd = open(dir, O_RDONLY | O_DIRECTORY), err;

	err = E(ioctl(fd, FS_IOC_FSGETXATTR, &fa));
	fa.fsx_projid = project;
	fa.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	err = err ?: E(ioctl(fd, FS_IOC_FSSETXATTR, &fa));
	close(fd);
	return err;
}

/* What had been deleted in the directory stays so. */
TEST_F(u, failed_rename_over_an_emptied_directory)
{
	const char *why = make_fs("xfs", path_of("%s/up", area));
	int round;

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("mkdir -p up/a up/p/v ro/p/v; touch up/a/x ro/p/v/low"));
	ASSERT_EQ(0, whiteout("up/p/v/low"));
	ASSERT_EQ(0, set_project("up/p", 5));
	ASSERT_EQ(0, up("up=rw", "ro"));
	EXPECT_STREQ("", list("u/p/v"));
	EXPECT_EQ(-EXDEV, E(rename("u/a", "u/p/v")));
	for (round = 0; round < 2; round++) {
		EXPECT_STREQ("", list("u/p/v"));
		EXPECT_STREQ("ENOENT", kind("u/p/v/low"));
		EXPECT_STREQ("x", list("u/a"));
		ASSERT_EQ(0, down());
		ASSERT_EQ(0, up("up=rw", "ro"));
	}
	EXPECT_EQ(0, E(rmdir("u/p/v")));
	EXPECT_STREQ("ENOENT", kind("u/p/v"));
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount2("up", 0)));
}

/* The same where the directory is opaque, or there is a whiteout beside it. */
TEST_F(u, failed_rename_of_what_hides)
{
	const char *why = make_fs("xfs", path_of("%s/up", area));
	int round;

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("mkdir -p up/a up/p/v up/p/w up/z ro/p/v ro/p/w; touch up/a/x ro/p/v/low ro/p/w/low"));
	ASSERT_EQ(0, write_file("up/p/v/.wh..wh..opq", ""));
	ASSERT_EQ(0, whiteout("up/p/w"));
	ASSERT_EQ(0, set_project("up/p", 5));
	ASSERT_EQ(0, set_project("up/z", 6));
	ASSERT_EQ(0, up("up=rw", "ro"));
	EXPECT_STREQ("", list("u/p/v"));
	EXPECT_STREQ("", list("u/p/w"));
	EXPECT_EQ(-EXDEV, E(rename("u/a", "u/p/v")));
	EXPECT_EQ(-EXDEV, E(rename("u/a", "u/p/w")));
	for (round = 0; round < 2; round++) {
		EXPECT_EQ(-EXDEV, E(rename("u/p/v", "u/z/v")));
		EXPECT_EQ(-EXDEV, E(rename("u/p/w", "u/z/w")));
		EXPECT_STREQ("", list("u/p/v"));
		EXPECT_STREQ("", list("u/p/w"));
		ASSERT_EQ(0, down());
		ASSERT_EQ(0, up("up=rw", "ro"));
	}
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount2("up", 0)));
}

/* Who waits for a copy-up can be killed, and then does not hold the directory any longer. */
TEST_F(u, killed_while_waiting)
{
	const char *why = make_up();
	static const char * const names[] = { "unlink", "rename", "open", "chmod", "a first look" };
	pid_t copier, waiter;
	unsigned int i;
	int end;

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, up("up=rw", "ro", "ro2"));
	ASSERT_EQ(0, write_file("u/new", "new"));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_STREQ("file", kind("u/f"));
		ASSERT_EQ(0, freeze());
		copier = CHILD(open("u/f", O_RDWR));
		EXPECT_TRUE(waits(copier));
		if (i == 4) {
			area_unseal();
			ASSERT_EQ(0, write_file("ro2/x", "x"));
		}
		waiter = fork();
		if (!waiter) {
			switch (i) {
			case 0: unlink("u/f"); break;
			case 1: rename("u/new", "u/f"); break;
			case 2: open("u/f", O_RDWR); break;
			case 3: chmod("u/f", 0600); break;
			/* a change by somebody else has all of the directory looked at again */
			case 4: kind("u/f"); break;
			}
			_exit(0);
		}
		EXPECT_TRUE(waits(waiter));
		kill(waiter, SIGKILL);
		end = end_of(waiter);
		EXPECT_EQ(KILLED, end) {
			TH_LOG("%s cannot be killed", names[i]);
		}
		if (end == NEVER) {
			/* nor would who comes next be let in */
			thaw();
			break;
		}
		/* the directory is free */
		EXPECT_STREQ("ENOENT", kind("u/none"));
		ASSERT_EQ(0, thaw());
		EXPECT_EQ(0, end_of(copier));
		EXPECT_STREQ("low", read_file("u/f"));
		/* The next one finds nothing copied up. */
		ASSERT_EQ(0, down());
		ASSERT_EQ(0, unlink("up/f"));
		unlink("ro2/x");
		ASSERT_EQ(0, up("up=rw", "ro", "ro2"));
	}
	EXPECT_EQ(0, unmount_all());
}

TEST_HARNESS_MAIN
