// SPDX-License-Identifier: GPL-2.0
/*
 * Moving a file down to a lower writable branch, as aumvdown of aufs asks for it.
 *
 * Catches: a copy that is left when the original cannot be removed; an original that keeps
 * its room; on ext4, a number that is given to the next file, too; and, in one of two runs,
 * a move that neither closes the branch's gate nor looks again who uses the file.
 */
#include "aufs2_mvdown.h"
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/xattr.h>

/* Branches: rw, mid=ro+wh, low=rw, bottom=rw, ro. */
FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	AUFS2_ONLY("the command is aufs's");
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, E(mkdir("mid", 0755)));
	ASSERT_EQ(0, E(mkdir("low", 0755)));
	ASSERT_EQ(0, E(mkdir("bottom", 0755)));
	ASSERT_EQ(0, write_file("ro/lower", "lower"));
	ASSERT_EQ(0, E(mkdir("ro/dir", 0751)));
	ASSERT_EQ(0, E(mkdir("rw/dir", 0751)));
	ASSERT_EQ(0, write_file("ro/dir/f", "lower"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static int five(void)
{
	return up("rw", "mid=ro+wh", "low=rw", "bottom=rw", "ro");
}

/* The number that a directory has for a name. */
static ino_t ino_in(const char *dir, const char *name)
{
	struct dirent *de;
	ino_t ino = 0;
	DIR *d = opendir(dir);

	while (d && (de = readdir(d)))
		if (!strcmp(de->d_name, name))
			ino = de->d_ino;
	if (d)
		closedir(d);
	return ino;
}

TEST_F(u, number_is_that_of_aufs)
{
	EXPECT_EQ(96, sizeof(struct aufs_mvdown));
	EXPECT_EQ(0xc0604104, AUFS_CTL_MVDOWN);
}

TEST_F(u, moves)
{
	struct stat before, after, dir;

	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "content"));
	ASSERT_EQ(0, E(chmod("u/f", 0640)));
	ASSERT_EQ(0, E(chown("u/f", 5, 6)));
	ASSERT_EQ(0, E(setxattr("u/f", "trusted.x", "y", 1, 0)));
	before = st_of("u/f");
	dir = st_of("low");
	ASSERT_EQ(0, move_down("u/f", 0));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	EXPECT_STREQ("content", read_file("low/f"));
	EXPECT_STREQ("content", read_file("u/f"));
	after = st_of("u/f");
	EXPECT_EQ(before.st_mode, after.st_mode);
	EXPECT_EQ(5, after.st_uid);
	EXPECT_EQ(6, after.st_gid);
	EXPECT_EQ(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	EXPECT_EQ(dir.st_mtim.tv_nsec, st_of("low").st_mtim.tv_nsec);
	EXPECT_EQ(1, E(getxattr("u/f", "trusted.x", NULL, 0)));
	EXPECT_EQ(0, answer.au_errno);
	EXPECT_EQ(0, answer.flags);
	EXPECT_EQ(0, answer.stbr[0].bindex);
	EXPECT_EQ(2, answer.stbr[1].bindex);
	EXPECT_NE(answer.stbr[0].brid, answer.stbr[1].brid);
	/* It is writable where it is. */
	ASSERT_EQ(0, append_file("u/f", "+"));
	EXPECT_STREQ("content+", read_file("low/f"));
	/* Once more, to the last one. */
	ASSERT_EQ(0, move_down("u/f", 0));
	EXPECT_STREQ("content+", read_file("bottom/f"));
	EXPECT_EQ(AT_BOTTOM, answer.flags);
	EXPECT_EQ(-EINVAL, move_down("u/f", 0));
	EXPECT_EQ(BOTTOM, answer.au_errno);
	EXPECT_STREQ("content+", read_file("u/f"));
	ASSERT_EQ(0, E(unlink("u/f")));
	EXPECT_STREQ("ENOENT", kind("u/f"));
	EXPECT_STREQ("ENOENT", kind("bottom/f"));
}

/* The file keeps its number, also when it is looked up anew, and nothing else gets it. */
TEST_F(u, numbers)
{
	struct stat a, b;
	int i;

	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/a", "a"));
	a = st_of("u/a");
	ASSERT_EQ(0, move_down("u/a", 0));
	EXPECT_EQ(a.st_ino, st_of("u/a").st_ino);
	drop_caches();
	EXPECT_EQ(a.st_ino, st_of("u/a").st_ino);
	EXPECT_EQ(a.st_ino, ino_in("u", "a"));
	/* These may have the inode on the branch that the other one had. */
	for (i = 0; i < 64; i++) {
		ASSERT_EQ(0, write_file("u/b", "b"));
		b = st_of("u/b");
		EXPECT_NE(a.st_ino, b.st_ino);
		EXPECT_EQ(b.st_ino, ino_in("u", "b"));
		EXPECT_STREQ("b", read_file("u/b"));
		EXPECT_STREQ("a", read_file("u/a"));
		ASSERT_EQ(0, E(unlink("u/b")));
	}
	/* And once more, from the branch that it was copied to. */
	ASSERT_EQ(0, move_down("u/a", 0));
	EXPECT_EQ(a.st_ino, st_of("u/a").st_ino);
	ASSERT_EQ(0, write_file("low/c", "c"));
	EXPECT_NE(a.st_ino, st_of("u/c").st_ino);
}

/* What the original took is free when nobody has the file any more. */
TEST_F(u, gives_room_back)
{
	struct statfs before, after;

	ASSERT_EQ(0, E(mount("rw", "rw", "tmpfs", 0, "size=16m,mode=755")));
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, E(statfs("rw", &before)));
	ASSERT_EQ(0, shell("head -c 4000000 /dev/zero > u/f"));
	ASSERT_EQ(0, move_down("u/f", 0));
	EXPECT_EQ(4000000, st_of("u/f").st_size);
	ASSERT_EQ(0, E(statfs("rw", &after)));
	/* A page for the directory of what is being made. */
	EXPECT_GE(2, (long)(before.f_bfree - after.f_bfree));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("rw", 0)));
}

/* Watches, locks and descriptors are the file's, wherever it is. */
TEST_F(u, stays_the_same_file)
{
	struct inotify_event event;
	int fd, in, other;

	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "one"));
	in = inotify_init1(IN_NONBLOCK);
	ASSERT_LE(0, E(inotify_add_watch(in, "u/f", IN_MODIFY | IN_DELETE_SELF)));
	fd = open("u/f", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(flock(fd, LOCK_SH)));
	memset(&answer, 0, sizeof(answer));
	ASSERT_EQ(0, E(ioctl(fd, AUFS_CTL_MVDOWN, &answer)));
	EXPECT_EQ(-EAGAIN, E(read(in, &event, sizeof(event))));
	ASSERT_EQ(0, append_file("u/f", " two"));
	EXPECT_STREQ("one two", read_fd(fd));
	EXPECT_EQ(sizeof(event), E(read(in, &event, sizeof(event))));
	EXPECT_EQ(IN_MODIFY, event.mask);
	other = open("u/f", O_RDWR);
	EXPECT_EQ(-EAGAIN, E(flock(other, LOCK_EX | LOCK_NB)));
	close(other);
	close(fd);
	close(in);
}

TEST_F(u, large_and_sparse)
{
	char text[5] = "";
	int fd;

	ASSERT_EQ(0, five());
	fd = open("u/f", O_RDWR | O_CREAT, 0644);
	ASSERT_LE(0, fd);
	ASSERT_EQ(4, E(pwrite(fd, "data", 4, 5 << 20)));
	ASSERT_EQ(0, E(ftruncate(fd, 16 << 20)));
	close(fd);
	ASSERT_EQ(0, move_down("u/f", 0));
	EXPECT_EQ(16 << 20, st_of("u/f").st_size);
	EXPECT_GT(8192, st_of("low/f").st_blocks);
	fd = open("u/f", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_STREQ("", read_fd(fd));
	EXPECT_EQ(4, E(pread(fd, text, 4, 5 << 20)));
	EXPECT_STREQ("data", text);
	close(fd);
}

TEST_F(u, makes_directories)
{
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, E(mkdir("u/dir/sub", 0711)));
	ASSERT_EQ(0, write_file("u/dir/sub/f", "deep"));
	ASSERT_EQ(0, E(chmod("u/dir", 0751)));
	ASSERT_EQ(0, move_down("u/dir/sub/f", 0));
	EXPECT_STREQ("deep", read_file("low/dir/sub/f"));
	EXPECT_STREQ("deep", read_file("u/dir/sub/f"));
	EXPECT_EQ(0711, st_of("low/dir/sub").st_mode & 0777);
	EXPECT_EQ(0751, st_of("low/dir").st_mode & 0777);
	EXPECT_STREQ("lower", read_file("u/dir/f"));
	EXPECT_STREQ("f sub", list("u/dir"));
	/* Still so when nothing is cached, and in another union of them. */
	drop_caches();
	EXPECT_STREQ("deep", read_file("u/dir/sub/f"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, five());
	EXPECT_STREQ("deep", read_file("u/dir/sub/f"));
	EXPECT_STREQ("f sub", list("u/dir"));
}

TEST_F(u, hides_what_is_below)
{
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, append_file("u/lower", " changed"));
	ASSERT_EQ(0, move_down("u/lower", 0));
	EXPECT_STREQ("lower changed", read_file("u/lower"));
	EXPECT_STREQ("lower changed", read_file("low/lower"));
	EXPECT_STREQ("ENOENT", kind("rw/lower"));
	EXPECT_STREQ("lower", read_file("ro/lower"));
}

TEST_F(u, a_whiteout_there_goes)
{
	ASSERT_EQ(0, write_file("bottom/f", "hidden"));
	ASSERT_EQ(0, whiteout("low/f"));
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "new"));
	ASSERT_EQ(0, move_down("u/f", 0));
	EXPECT_FALSE(is_whiteout("low/f"));
	EXPECT_STREQ("new", read_file("u/f"));
}

TEST_F(u, a_needless_whiteout_above_goes)
{
	ASSERT_EQ(0, write_file("rw/f", "new"));
	ASSERT_EQ(0, whiteout("rw/f"));
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, move_down("u/f", 0));
	EXPECT_STREQ("new", read_file("u/f"));
	EXPECT_FALSE(is_whiteout("rw/f"));
}

TEST_F(u, exists_below)
{
	ASSERT_EQ(0, write_file("low/f", "old"));
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, append_file("u/f", "!"));
	/* It was changed in place: make one above. */
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, write_file("rw/f", "new"));
	ASSERT_EQ(0, five());
	EXPECT_EQ(-EEXIST, move_down("u/f", 0));
	EXPECT_STREQ("old!", read_file("low/f"));
	EXPECT_STREQ("new", read_file("u/f"));
	ASSERT_EQ(0, move_down("u/f", OWLOWER));
	EXPECT_STREQ("new", read_file("low/f"));
	EXPECT_STREQ("new", read_file("u/f"));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
}

TEST_F(u, a_directory_is_below)
{
	ASSERT_EQ(0, E(mkdir("low/f", 0755)));
	ASSERT_EQ(0, write_file("low/f/x", "x"));
	ASSERT_EQ(0, write_file("rw/f", "new"));
	ASSERT_EQ(0, five());
	EXPECT_EQ(-EEXIST, move_down("u/f", 0));
	EXPECT_EQ(-EEXIST, move_down("u/f", OWLOWER));
	EXPECT_STREQ("new", read_file("u/f"));
	EXPECT_STREQ("x", read_file("low/f/x"));
}

TEST_F(u, keeps_the_original)
{
	struct stat st;

	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "new"));
	st = st_of("u/f");
	ASSERT_EQ(0, move_down("u/f", KUPPER));
	EXPECT_STREQ("new", read_file("rw/f"));
	EXPECT_STREQ("new", read_file("low/f"));
	EXPECT_EQ(st.st_ino, st_of("u/f").st_ino);
}

TEST_F(u, between)
{
	ASSERT_EQ(0, write_file("mid/f", "mid"));
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, append_file("u/f", "dle"));
	EXPECT_EQ(-EINVAL, move_down("u/f", 0));
	EXPECT_EQ(BETWEEN, answer.au_errno);
	EXPECT_STREQ("middle", read_file("u/f"));
	EXPECT_STREQ("ENOENT", kind("low/f"));
}

TEST_F(u, whiteout_between)
{
	ASSERT_EQ(0, whiteout("mid/f"));
	ASSERT_EQ(0, whiteout("mid/dir"));
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "new"));
	EXPECT_EQ(-EINVAL, move_down("u/f", 0));
	EXPECT_EQ(WHITEOUT, answer.au_errno);
	EXPECT_STREQ("new", read_file("u/f"));
	EXPECT_STREQ("ENOENT", kind("low/f"));
	/* One of a directory above it. */
	ASSERT_EQ(0, write_file("u/dir/new", "new"));
	EXPECT_EQ(-EINVAL, move_down("u/dir/new", 0));
	EXPECT_EQ(WHITEOUT, answer.au_errno);
	EXPECT_STREQ("new", read_file("u/dir/new"));
	EXPECT_STREQ("ENOENT", kind("low/dir"));
}

TEST_F(u, opaque_above)
{
	ASSERT_EQ(0, E(mkdir("low/d", 0755)));
	ASSERT_EQ(0, write_file("low/d/hidden", "hidden"));
	ASSERT_EQ(0, E(mkdir("rw/d", 0755)));
	ASSERT_EQ(0, make_opaque("rw/d"));
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/d/f", "new"));
	EXPECT_EQ(-EINVAL, move_down("u/d/f", 0));
	EXPECT_EQ(OPAQUE, answer.au_errno);
	EXPECT_STREQ("f", list("u/d"));
	EXPECT_STREQ("ENOENT", kind("low/d/f"));
}

TEST_F(u, given_branches)
{
	int fd;

	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "new"));
	ASSERT_EQ(0, move_down("u/f", KUPPER));
	fd = open("u/f", O_RDONLY);
	ASSERT_LE(0, fd);
	/* To the one below the next one, where the copy would be hidden. */
	answer.flags = BRID_LOWER | BRID_UPPER;
	answer.stbr[1].brid++;
	EXPECT_EQ(-EINVAL, E(ioctl(fd, AUFS_CTL_MVDOWN, &answer)));
	EXPECT_EQ(BETWEEN, answer.au_errno);
	ASSERT_EQ(0, E(unlink("low/f")));
	ASSERT_EQ(0, E(ioctl(fd, AUFS_CTL_MVDOWN, &answer)));
	EXPECT_EQ(3, answer.stbr[1].bindex);
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	EXPECT_STREQ("ENOENT", kind("low/f"));
	EXPECT_STREQ("new", read_file("bottom/f"));
	/* The descriptor is of what has moved. */
	EXPECT_STREQ("new", read_fd(fd));
	answer.flags = 0;
	EXPECT_EQ(-EINVAL, E(ioctl(fd, AUFS_CTL_MVDOWN, &answer)));
	EXPECT_EQ(BOTTOM, answer.au_errno);
	/* Nor is there anything to be moved of what has been removed. */
	ASSERT_EQ(0, E(unlink("u/f")));
	EXPECT_EQ(-ENOENT, E(ioctl(fd, AUFS_CTL_MVDOWN, &answer)));
	close(fd);
}

TEST_F(u, wrong_branches)
{
	struct aufs_mvdown good;
	int fd;

	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "new"));
	ASSERT_EQ(0, write_file("u/g", "new"));
	ASSERT_EQ(0, move_down("u/g", 0));
	good = answer;
	fd = open("u/f", O_RDONLY);
	ASSERT_LE(0, fd);
#define TRY(fl, side, id) ({ \
	answer = good; \
	answer.flags = fl; \
	answer.stbr[side].brid = id; \
	E(ioctl(fd, AUFS_CTL_MVDOWN, &answer)); \
})
	EXPECT_EQ(-EINVAL, TRY(BRID_UPPER, 0, -1));
	EXPECT_EQ(NOUPPER, answer.au_errno);
	EXPECT_EQ(-EINVAL, TRY(BRID_UPPER, 0, good.stbr[1].brid));
	EXPECT_EQ(NOUPPER, answer.au_errno);
	EXPECT_EQ(-EINVAL, TRY(BRID_LOWER, 1, -1));
	EXPECT_EQ(NOLOWERBR, answer.au_errno);
	EXPECT_EQ(-EINVAL, TRY(BRID_LOWER, 1, INT16_MAX));
	EXPECT_EQ(NOLOWERBR, answer.au_errno);
	EXPECT_EQ(-EINVAL, TRY(BRID_LOWER, 1, good.stbr[0].brid));
	EXPECT_EQ(NOLOWERBR, answer.au_errno);
	/* mid is not written to. */
	EXPECT_EQ(-EROFS, TRY(BRID_LOWER, 1, good.stbr[1].brid - 1));
	EXPECT_EQ(-EROFS, TRY(BRID_LOWER | ROLOWER, 1, good.stbr[1].brid - 1));
	EXPECT_EQ(0, answer.flags & (ROLOWER_R | ROUPPER_R));
	EXPECT_EQ(-EINVAL, TRY(FHSM_LOWER, 1, 0));
	EXPECT_EQ(BOTTOM, answer.au_errno);
	close(fd);
	EXPECT_STREQ("new", read_file("rw/f"));
}

TEST_F(u, not_of_a_readonly_branch)
{
	ASSERT_EQ(0, write_file("mid/m", "mid"));
	ASSERT_EQ(0, five());
	EXPECT_EQ(-EROFS, move_down("u/m", 0));
	EXPECT_EQ(-EROFS, move_down("u/m", ROUPPER | ROLOWER));
	EXPECT_EQ(0, answer.flags & (ROLOWER_R | ROUPPER_R));
	EXPECT_STREQ("ENOENT", kind("low/m"));
	EXPECT_EQ(-EINVAL, move_down("u/lower", 0));
	EXPECT_EQ(BOTTOM, answer.au_errno);
}

TEST_F(u, not_through_a_readonly_mount)
{
	ASSERT_EQ(0, write_file("rw/f", "f"));
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, E(mount(NULL, "u", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)));
	EXPECT_EQ(-EROFS, move_down("u/f", 0));
	EXPECT_STREQ("ENOENT", kind("low/f"));
}

TEST_F(u, busy)
{
	char *at;
	int fd;

	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "new"));
	fd = open("u/f", O_RDONLY);
	EXPECT_EQ(-EBUSY, move_down("u/f", 0));
	at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, at);
	close(fd);
	EXPECT_EQ(-EBUSY, move_down("u/f", 0));
	munmap(at, 4096);
	fd = open("u/f", O_RDWR);
	memset(&answer, 0, sizeof(answer));
	EXPECT_EQ(-EBUSY, E(ioctl(fd, AUFS_CTL_MVDOWN, &answer)));
	close(fd);
	ASSERT_EQ(0, E(link("u/f", "u/g")));
	EXPECT_EQ(-EBUSY, move_down("u/f", 0));
	ASSERT_EQ(0, E(unlink("u/g")));
	EXPECT_STREQ("new", read_file("rw/f"));
	EXPECT_STREQ("ENOENT", kind("low/f"));
	EXPECT_EQ(0, move_down("u/f", 0));
	EXPECT_STREQ("new", read_file("low/f"));
}

TEST_F(u, no_room)
{
	ASSERT_EQ(0, E(mount("low", "low", "tmpfs", 0, "size=64k,mode=755")));
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, shell("head -c 1000000 /dev/zero | tr '\\0' x > u/f"));
	EXPECT_EQ(-ENOSPC, move_down("u/f", 0));
	EXPECT_EQ(1000000, st_of("rw/f").st_size);
	EXPECT_EQ(1000000, st_of("u/f").st_size);
	EXPECT_STREQ("ENOENT", kind("low/f"));
	EXPECT_STREQ("", list("low/.wh..wh.orph"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("low", 0)));
}

/* What is replaced may have been copied up by another of its names. */
TEST_F(u, over_what_has_several_names)
{
	ASSERT_EQ(0, shell("echo -n upper > rw/g; echo -n lower > low/g; ln low/g low/h"));
	ASSERT_EQ(0, five());
	EXPECT_EQ(-EBUSY, move_down("u/g", OWLOWER));
	EXPECT_STREQ("upper", read_file("u/g"));
	EXPECT_STREQ("lower", read_file("low/g"));
	EXPECT_STREQ("lower", read_file("u/h"));
	ASSERT_EQ(0, E(unlink("u/h")));
	EXPECT_EQ(0, move_down("u/g", OWLOWER));
	EXPECT_STREQ("upper", read_file("low/g"));
}

/* The copy is complete when it turns out that the original cannot be removed. */
TEST_F(u, fails_half_way)
{
	struct stat st;

	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "new"));
	ASSERT_EQ(0, write_file("rw/g", "upper"));
	ASSERT_EQ(0, write_file("low/g", "lower"));
	st = st_of("u/f");
	/* What something is mounted on cannot be removed. */
	ASSERT_EQ(0, E(mount("rw/f", "rw/f", NULL, MS_BIND, NULL)));
	ASSERT_EQ(0, E(mount("rw/g", "rw/g", NULL, MS_BIND, NULL)));
	EXPECT_EQ(-EBUSY, move_down("u/f", 0));
	EXPECT_STREQ("ENOENT", kind("low/f"));
	EXPECT_STREQ("new", read_file("u/f"));
	EXPECT_EQ(st.st_ino, st_of("u/f").st_ino);
	/* What was overwritten is gone, so the copy may as well stay. */
	EXPECT_EQ(-EBUSY, move_down("u/g", OWLOWER));
	EXPECT_STREQ("upper", read_file("low/g"));
	EXPECT_STREQ("upper", read_file("u/g"));
	EXPECT_STREQ("upper", read_file("rw/g"));
	ASSERT_EQ(0, E(umount2("rw/f", 0)));
	ASSERT_EQ(0, E(umount2("rw/g", 0)));
	ASSERT_EQ(0, append_file("u/f", "er"));
	EXPECT_STREQ("newer", read_file("rw/f"));
	EXPECT_EQ(0, move_down("u/f", 0));
	EXPECT_STREQ("newer", read_file("low/f"));
	EXPECT_EQ(st.st_ino, st_of("u/f").st_ino);
	drop_caches();
	EXPECT_EQ(st.st_ino, st_of("u/f").st_ino);
}

/* What is immutable or append-only, or in a directory that is, stays where it is. */
TEST_F(u, protected)
{
	static const char *const parts[] = { "rw", "low", "rw/f" };

	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "new"));
	ASSERT_EQ(0, write_file("low/f", "lower"));
	for (int i = 0; i < 3; i++) {
		if (set_immutable(parts[i], true))
			SKIP(return, "no immutable directories here");
		EXPECT_EQ(-EPERM, move_down("u/f", OWLOWER));
		EXPECT_STREQ("lower", read_file("low/f"));
		EXPECT_STREQ("new", read_file("u/f"));
		ASSERT_EQ(0, set_immutable(parts[i], false));
	}
	EXPECT_EQ(0, move_down("u/f", OWLOWER));
	EXPECT_STREQ("new", read_file("low/f"));
}

TEST_F(u, statfs)
{
	ASSERT_EQ(0, E(mount("low", "low", "tmpfs", 0, "size=4m,mode=755")));
	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "new"));
	ASSERT_EQ(0, move_down("u/f", STFS));
	EXPECT_EQ(STFS, answer.flags);
	EXPECT_EQ(1024, answer.stbr[1].stfs.f_blocks);
	EXPECT_LT(0, answer.stbr[1].stfs.f_bavail);
	EXPECT_LT(0, answer.stbr[0].stfs.f_blocks);
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("low", 0)));
}

TEST_F(u, arguments)
{
	struct aufs_mvdown *ro;
	int fd, dir;

	ASSERT_EQ(0, five());
	ASSERT_EQ(0, write_file("u/f", "new"));
	fd = open("u/f", O_RDONLY);
	dir = open("u", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EFAULT, E(ioctl(fd, AUFS_CTL_MVDOWN, NULL)));
	EXPECT_EQ(-EFAULT, E(ioctl(fd, AUFS_CTL_MVDOWN, 0x10)));
	EXPECT_EQ(-EFAULT, E(ioctl(fd, AUFS_CTL_MVDOWN, -8L)));
	/* Nothing is moved where the answer cannot be given. */
	ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)ro);
	EXPECT_EQ(-EFAULT, E(ioctl(fd, AUFS_CTL_MVDOWN, ro)));
	EXPECT_STREQ("new", read_file("rw/f"));
	memset(&answer, 0, sizeof(answer));
	answer.flags = 1 << 13;
	EXPECT_EQ(-EINVAL, E(ioctl(fd, AUFS_CTL_MVDOWN, &answer)));
	answer.flags = -1;
	EXPECT_EQ(-EINVAL, E(ioctl(fd, AUFS_CTL_MVDOWN, &answer)));
	answer.flags = 0;
	EXPECT_EQ(-ENOTTY, E(ioctl(dir, AUFS_CTL_MVDOWN, &answer)));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EPERM, E(ioctl(fd, AUFS_CTL_MVDOWN, &answer)));
	EXPECT_EQ(-EPERM, E(ioctl(fd, AUFS_CTL_MVDOWN, 0x10)));
	ASSERT_EQ(0, become(0));
}

/* Writes a byte of a file, by its name, or through a mapping of it. */
static int write_byte(const char *path, int at, bool mapped)
{
	int fd = open(path, O_RDWR), err = 1;
	char *map;

	if (fd < 0)
		return 1;
	if (mapped) {
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map != MAP_FAILED) {
			map[at] = 'x';
			munmap(map, 4096);
			err = 0;
		}
	} else {
		err = pwrite(fd, "x", 1, at) != 1;
	}
	close(fd);
	return err;
}

#define BYTES 200

/* A writer by the side: nothing of what it was told is written gets lost. */
TEST_F(u, races_with_a_writer)
{
	char name[16], text[BYTES + 1] = "";
	int i, k, status, moved = 0;
	pid_t pid, over;
	long err;

	ASSERT_EQ(0, five());
	memset(text, 'x', BYTES);
	for (k = 0; k < 30; k++) {
		snprintf(name, sizeof(name), "u/f%d", k);
		ASSERT_EQ(0, write_file(name, ""));
		ASSERT_EQ(0, E(truncate(name, BYTES)));
		pid = fork();
		if (!pid) {
			for (i = 0; i < BYTES; i++)
				if (write_byte(name, i, i & 1))
					_exit(1);
			_exit(0);
		}
		/* Once, and once more, in the middle of it, whenever it is not open. */
		do {
			usleep(1000 + rand() % 15000);
			do {
				err = move_down(name, 0);
				over = waitpid(pid, &status, WNOHANG);
			} while (!over && err == -EBUSY);
			moved += !err;
		} while (!over);
		EXPECT_EQ(0, status);
		EXPECT_STREQ(text, read_file(name));
		if (!access(path_of("bottom/f%d", k), F_OK))
			EXPECT_STREQ(text, read_file(path_of("bottom/f%d", k)));
	}
	/* With no move at all, this has tested nothing. */
	EXPECT_LT(0, moved);
}

TEST_HARNESS_MAIN
