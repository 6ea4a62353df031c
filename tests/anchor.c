// SPDX-License-Identifier: GPL-2.0
/*
 * What other unions of this kernel had to mend, asked of this one: see Documentation/testing.md.
 * The cases `each_moment_...` want the branches of a test build (AUFS2_SAMPLE=1), in which an
 * operation can be held, or failed.
 */
#include "aufs2_pass.h"
#include <linux/capability.h>
#include <sys/mman.h>

AUFS2_FIXTURE

/* What two processes tell each other. */
static struct shared { volatile int turn, done; volatile long result; } *shared;

static void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* --- two at a time, as it comes --------------------------------------------------------- */

#define MOVES 60

/* Catches: the parent of a directory that a lookup has moved meanwhile. */
TEST_F(u, the_parent_of_a_directory_that_moves)
{
	unsigned long a, b, seen[3] = { 0 };
	char entries[1024];
	int fd, i, n, off;
	pid_t pid;

	AUFS2_ONLY("it does not look for changes of branches");
	share();
	ASSERT_EQ(0, shell("mkdir -p ro/a/d ro/b; touch ro/a/d/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	a = st_of("u/a").st_ino;
	b = st_of("u/b").st_ino;
	ASSERT_LE(0, fd = open("u/a/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	pid = fork();
	if (!pid) {
		for (i = 0; i < MOVES; i++) {
			rename(i % 2 ? "ro/b/d" : "ro/a/d", i % 2 ? "ro/a/d" : "ro/b/d");
			shared->result += access(i % 2 ? "u/a/d/f" : "u/b/d/f", F_OK) != 0;
		}
		shared->done = 1;
		_exit(0);
	}
	while (!shared->done) {
		lseek(fd, 0, SEEK_SET);
		n = syscall(SYS_getdents64, fd, entries, sizeof(entries));
		for (off = 0; off < n;) {
			struct dirent64 *de = (void *)(entries + off);

			if (!strcmp(de->d_name, ".."))
				seen[de->d_ino == a ? 0 : de->d_ino == b ? 1 : 2]++;
			off += de->d_reclen;
		}
	}
	waitpid(pid, NULL, 0);
	close(fd);
	EXPECT_EQ(0, shared->result);
	EXPECT_LT(0, seen[0] + seen[1]);
	EXPECT_EQ(0, seen[2]);
	area_seal();
}

#define DIRECTORIES 30

/* Catches: a directory that is known to be copied up, and not yet that whiteouts are in it. */
TEST_F(u, a_directory_that_is_listed_while_it_is_copied_up)
{
	const char *names;
	int i, wrong = 0;
	pid_t pid;

	share();
	ASSERT_EQ(0, shell("for n in $(seq 0 %d); do mkdir ro/$n; touch ro/$n/x ro/$n/y; done", DIRECTORIES - 1));
	ASSERT_EQ(0, up("rw", "ro"));
	pid = fork();
	if (!pid) {
		for (i = 0; i < DIRECTORIES; i++) {
			shared->result += unlink(path_of("u/%d/x", i)) != 0;
			shared->turn = i + 1;
		}
		_exit(0);
	}
	for (i = 0; i < DIRECTORIES;) {
		int before = shared->turn;

		names = list(path_of("u/%d", i));
		wrong += strcmp(names, "y") && (before > i || strcmp(names, "x y"));
		i = before > i ? i + 1 : i;
	}
	waitpid(pid, NULL, 0);
	EXPECT_EQ(0, shared->result);
	EXPECT_EQ(0, wrong);
}

#define TIMES 150

/* Catches: a name that a walk finds before all of it is there. */
TEST_F(u, a_name_that_is_made_while_it_is_looked_up)
{
	int i, wrong = 0;
	long looks = 0;
	pid_t pid;

	share();
	ASSERT_EQ(0, write_file("ro/o", "low"));
	ASSERT_EQ(0, up("rw", "ro"));
	pid = fork();
	if (!pid) {
		for (i = 0; i < TIMES; i++) {
			shared->result += i % 3 == 0 ? write_file("u/n", "") || unlink("u/n") :
					  i % 3 == 1 ? mkdir("u/n", 0755) || rmdir("u/n") :
						       link("u/o", "u/n") || unlink("u/n");
		}
		shared->done = 1;
		_exit(0);
	}
	while (!shared->done) {
		struct stat st;
		long got = E(stat("u/n", &st));

		wrong += got && got != -ENOENT;
		wrong += !got && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
		looks++;
	}
	waitpid(pid, NULL, 0);
	EXPECT_EQ(0, shared->result);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, looks);
}

#define COPIES 25
#define LONG_VALUE 1000

static bool is_whole(const char *value, long len)
{
	long i;

	if (len == -ENODATA || (len == 1 && *value == 's'))
		return true;
	for (i = 0; i < len && value[i] == 'L'; i++)
		;
	return len == LONG_VALUE && i == len;
}

/* Catches: a value that was not read, or read in part, and a length that is asked for again and again. */
TEST_F(u, attributes_that_change_while_they_are_copied)
{
	char value[LONG_VALUE + 1];
	int i, wrong = 0;
	long err;
	pid_t pid;

	share();
	ASSERT_EQ(0, shell("for n in $(seq 0 %d); do echo low > ro/$n; done", COPIES - 1));
	if (setxattr("ro/0", "user.a", "s", 1, 0))
		SKIP(return, "%s has none", test_fs());
	ASSERT_EQ(0, up("rw", "ro"));
	pid = fork();
	if (!pid) {
		memset(value, 'L', sizeof(value));
		while (!shared->done) {
			const char *path = path_of("ro/%d", shared->turn);

			setxattr(path, "user.a", "s", 1, 0);
			setxattr(path, "user.a", value, LONG_VALUE, 0);
			removexattr(path, "user.a");
		}
		_exit(0);
	}
	for (i = 0; i < COPIES; i++) {
		shared->turn = i;
		err = append_file(path_of("u/%d", i), "+");
		if (err == -EIO) {
			wrong += !access(path_of("rw/%d", i), F_OK);
			continue;
		}
		err = err ?: E(getxattr(path_of("rw/%d", i), "user.a", value, sizeof(value)));
		wrong += !is_whole(value, err);
	}
	shared->done = 1;
	waitpid(pid, NULL, 0);
	EXPECT_EQ(0, wrong);
	area_seal();
}

/* --- one at a time ------------------------------------------------------------------------ */

static bool drop_admin(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &head, caps))
		return false;
	caps[0].effective &= ~(1U << CAP_SYS_ADMIN);
	caps[0].permitted &= ~(1U << CAP_SYS_ADMIN);
	return !syscall(SYS_capset, &head, caps);
}

/* Catches: branches that are cloned with the rights of who began, or are not for who may. */
TEST_F(u, mounted_by_another_than_who_began)
{
	int fd, mnt;

	AUFS2_ONLY("the options are this one's");
	ASSERT_LE(0, fd = fsopen(fs_name(), FSOPEN_CLOEXEC));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_STRING, "br", path_of("%s/rw=rw", area), 0)));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_STRING, "br", path_of("%s/ro=ro", area), 0)));
	EXPECT_EQ(-EPERM, IN_CHILD(!drop_admin(), E(fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0))));
	/* nor is anything decided by that */
	EXPECT_EQ(0, E(fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0)));
	mnt = fsmount(fd, FSMOUNT_CLOEXEC, 0);
	EXPECT_LE(0, mnt);
	EXPECT_EQ(0, E(move_mount(mnt, "", AT_FDCWD, "u", MOVE_MOUNT_F_EMPTY_PATH)));
	union_up = true;
	close(mnt);
	close(fd);
	ASSERT_LE(0, fd = fspick(AT_FDCWD, "u", FSPICK_CLOEXEC));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_STRING, "append", path_of("%s/ro2=ro", area), 0)));
	EXPECT_EQ(-EPERM, IN_CHILD(!drop_admin(), E(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0))));
	close(fd);
	EXPECT_NE(0, shell("mount -o remount,del:%s/ro2 u", area));
	EXPECT_EQ(0, shell("mount -o remount,append:%s/ro2=ro u", area));
	/* who has the right may have given it up by then */
	EXPECT_EQ(0, IN_CHILD(!drop_admin(), write_file("u/by_another", "x")));
}

/* Catches: a name of ours that is taken for a directory, or for a file, because it is there. */
TEST_F(u, something_else_where_our_names_go)
{
	AUFS2_ONLY("the names are aufs's");
	ASSERT_EQ(0, write_file("ro/f", "low") | E(link("ro/f", "ro/g")));
	/* what is not needed now is looked at when it is */
	ASSERT_EQ(0, write_file("rw/.wh..wh.plnk", "mine"));
	ASSERT_EQ(0, up("rw", "ro"));
	append_file("u/g", "+");
	EXPECT_EQ(-EIO, E(unlink("u/g")));
	EXPECT_STREQ("mine", read_file("rw/.wh..wh.plnk"));
	EXPECT_STREQ("low+", read_file("u/f"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(unlink("rw/.wh..wh.plnk")) | E(mkdir("elsewhere", 0755)));
	ASSERT_EQ(0, write_file("elsewhere/kept", "x") | E(symlink("../elsewhere", "rw/.wh..wh.orph")));
	EXPECT_NE(0, up("rw", "ro"));
	EXPECT_STREQ("x", read_file("elsewhere/kept"));
	ASSERT_EQ(0, E(unlink("rw/.wh..wh.orph")) | E(mkdir("rw/.wh..wh.volatile", 0755)));
	EXPECT_EQ(-EINVAL, union_mount("fsync=volatile", 0, (const char *const []){ "rw", "ro", NULL }));
	ASSERT_EQ(0, E(rmdir("rw/.wh..wh.volatile")));
	/* put there when the union is up */
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, shell("rm -rf rw/.wh..wh.plnk rw/.wh..wh.orph") | write_file("rw/.wh..wh.plnk", "mine") |
		     write_file("rw/.wh..wh.orph", "mine"));
	append_file("u/g", "+");
	unlink("u/f");
	rename("u/g", "u/h");
	EXPECT_STREQ("mine", read_file("rw/.wh..wh.plnk"));
	EXPECT_STREQ("mine", read_file("rw/.wh..wh.orph"));
}

/* Catches: names that are counted only where there were several on the branch. */
TEST_F(u, a_link_to_what_had_one_name)
{
	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, append_file("u/f", "+"));
	EXPECT_EQ(1, st_of("u/f").st_nlink);
	EXPECT_EQ(0, E(link("u/f", "u/g")));
	EXPECT_EQ(2, st_of("u/f").st_nlink);
	drop_caches();
	EXPECT_EQ(2, st_of("u/g").st_nlink);
	EXPECT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(2, st_of("u/g").st_nlink);
	EXPECT_EQ(st_of("u/f").st_ino, st_of("u/g").st_ino);
	EXPECT_EQ(0, E(unlink("u/f")));
	EXPECT_EQ(1, st_of("u/g").st_nlink);
	drop_caches();
	EXPECT_EQ(1, st_of("u/g").st_nlink);
	EXPECT_STREQ("low+", read_file("u/g"));
}

/* --- each moment: an operation that is held ------------------------------------------------ */

/* Mounts the branches, of what is in `base`; a reason not to. */
static const char *up_held(void)
{
	const char *why = no_pass();

	if (why)
		return why;
	mkdir("held", 0755);
	if (mount_pass("held", "base", "anchor"))
		return "cannot mount the branches";
	area_mounts[area_mounted++] = strdup(path_of("%s/held", area));
	return up("held/rw=rw", "held/ro=ro") ? "cannot mount" : NULL;
}

static pid_t begin(long (*what)(int turn), int turn)
{
	pid_t pid = fork();

	if (!pid)
		_exit(-what(turn));
	return pid;
}

static long reap(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	return -exit_of(status);
}

/*
 * Has FIRST held in the operation TURN that it asks of a branch, and SECOND done then, or begun.
 * False when FIRST has no such operation. RESULTS are 0 or -errno.
 */
static bool at_moment(int turn, long (*first)(int turn), long (*second)(int turn), long results[2])
{
	static const int never;
	pid_t pids[2];

	tell("hold %d", turn);
	pids[0] = begin(first, turn);
	while (asked("held ") != turn)
		if (state_of(pids[0]) == 'Z') {
			results[0] = reap(pids[0]);
			tell("count");
			return false;
		}
	pids[1] = begin(second, turn);
	ends(pids[1], &never);
	tell("release");
	results[0] = reap(pids[0]);
	results[1] = reap(pids[1]);
	return true;
}

#define MOMENTS 60
#define LONG "-a-name-that-does-not-fit-into-a-dentry-and-is-freed-when-another-takes-its-place"

static long chmod_long(int turn)
{
	return E(chmod(path_of("u/%d" LONG, turn), 0700));
}

static long rename_long(int turn)
{
	long err = E(rename(path_of("held/ro/%d" LONG, turn), path_of("held/ro/%d-other" LONG, turn)));

	return err ?: E(access(path_of("u/%d-other" LONG "/f", turn), F_OK));
}

/* Catches: the name of what is copied up, when a lookup moves it meanwhile. */
TEST_F(u, each_moment_a_directory_is_renamed_on_its_branch)
{
	const char *why;
	long results[2];
	struct dirent *de;
	int turn;
	DIR *d;

	ASSERT_EQ(0, shell("mkdir -p base/rw base/ro; for n in $(seq %d); do mkdir base/ro/$n%s; touch base/ro/$n%s/f; done",
			   MOMENTS, LONG, LONG));
	why = up_held();
	if (why)
		SKIP(return, "%s", why);
	for (turn = 1; turn < MOMENTS && at_moment(turn, chmod_long, rename_long, results); turn++) {
		EXPECT_EQ(0, results[1]) TH_LOG("at %d", turn);
		EXPECT_EQ(0, E(access(path_of("u/%d-other" LONG "/f", turn), F_OK))) TH_LOG("at %d", turn);
	}
	EXPECT_LT(3, turn);
	EXPECT_GT(MOMENTS, turn);
	d = opendir("base/rw");
	while (d && (de = readdir(d))) {
		const char *rest = de->d_name + strspn(de->d_name, "0123456789");

		EXPECT_TRUE(*de->d_name == '.' || !strcmp(rest, LONG) || !strcmp(rest, "-other" LONG)) {
			TH_LOG("%s", de->d_name);
		}
	}
	closedir(d);
	EXPECT_EQ(0, down());
}

static long append_in_directory(int turn)
{
	return append_file(path_of("u/%d/f", turn), "+");
}

static long move_upper(int turn)
{
	return E(rename(path_of("held/rw/%d", turn), path_of("held/rw/away/%d", turn)));
}

/* Catches: something that is done to where a directory of the writable branch was. */
TEST_F(u, each_moment_the_directory_above_is_moved)
{
	const char *why;
	long results[2];
	int turn;

	ASSERT_EQ(0, shell("mkdir -p base/rw/away base/ro; for n in $(seq %d); do mkdir base/ro/$n base/rw/$n;"
			   "echo -n low > base/ro/$n/f; done", MOMENTS));
	why = up_held();
	if (why)
		SKIP(return, "%s", why);
	for (turn = 1; turn < MOMENTS && at_moment(turn, append_in_directory, move_upper, results); turn++) {
		const char *moved = read_file(path_of("base/rw/away/%d/f", turn));
		const char *in_place = read_file(path_of("base/rw/%d/f", turn));

		/* there, complete, in one place or the other; nowhere otherwise */
		EXPECT_TRUE(!strcmp(moved, "ENOENT") || !strcmp(in_place, "ENOENT")) TH_LOG("at %d", turn);
		EXPECT_TRUE(results[0] || !strcmp(moved, "low+") || !strcmp(in_place, "low+")) {
			TH_LOG("at %d: '%s' and '%s'", turn, moved, in_place);
		}
		EXPECT_STREQ("low", read_file(path_of("base/ro/%d/f", turn)));
	}
	EXPECT_LT(3, turn);
	EXPECT_GT(MOMENTS, turn);
	/* nor is anything left of it in the work directory, if there is one */
	EXPECT_EQ(NULL, strstr(list("base/rw/.wh..wh.orph"), ".wh."));
	EXPECT_EQ(0, down());
}

static long append_to(int turn)
{
	return append_file(path_of("u/%d", turn), "+");
}

static long chown_link(int turn)
{
	return E(lchown(path_of("u/l%d", turn), 1, 1));
}

static long take(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	long err = fd < 0 ? -errno : E(write(fd, "mine", 4));

	close(fd);
	return err < 0 ? err : 0;
}

static long take_name(int turn)
{
	return take(path_of("held/rw/%d", turn));
}

static long take_name_of_link(int turn)
{
	return take(path_of("held/rw/l%d", turn));
}

/* Catches: a copy that replaces what has got its name meanwhile. */
TEST_F(u, each_moment_the_name_of_a_copy_is_taken)
{
	const char *why, *got;
	long results[2];
	int turn;

	ASSERT_EQ(0, shell("mkdir -p base/rw base/ro; for n in $(seq %d); do echo -n low > base/ro/$n;"
			   "ln -s x base/ro/l$n; done", MOMENTS));
	why = up_held();
	if (why)
		SKIP(return, "%s", why);
	/* one that gets its name by being linked, and one that is moved there */
	for (turn = 1; turn < MOMENTS && at_moment(turn, append_to, take_name, results); turn++) {
		got = read_file(path_of("base/rw/%d", turn));
		EXPECT_EQ(0, strncmp(results[1] ? "low+" : "mine", got, 4)) TH_LOG("at %d: %s", turn, got);
	}
	EXPECT_LT(3, turn);
	EXPECT_GT(MOMENTS, turn);
	for (turn = 1; turn < MOMENTS && at_moment(turn, chown_link, take_name_of_link, results); turn++) {
		EXPECT_STREQ(results[1] ? "symlink" : "file", kind(path_of("base/rw/l%d", turn))) {
			TH_LOG("at %d", turn);
		}
	}
	EXPECT_LT(3, turn);
	EXPECT_GT(MOMENTS, turn);
	EXPECT_EQ(0, down());
}

/* What came of a copy whose operation TURN has failed with ERROR. */
static void judge_attributes(struct __test_metadata *_metadata, int file, int error, long result,
			     const char *failed)
{
	static const struct { const char *name, *value; int len; } has[] = {
		{ "user.a", "first", 5 },
		{ "trusted.b", "another", 7 },
		/* VFS_CAP_REVISION_2, CAP_NET_RAW permitted */
		{ "security.capability", "\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20 },
	};
	const char *path = path_of("base/rw/%d", file);
	int lost = 0;
	unsigned int i;
	char value[64];

	if (result) {
		EXPECT_EQ(-error, result) TH_LOG("%d, %s", error, failed);
		EXPECT_STREQ("ENOENT", kind(path)) TH_LOG("%d, %s", error, failed);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(has); i++) {
		long len = E(getxattr(path, has[i].name, value, sizeof(value)));

		if (len == -ENODATA) {
			lost++;
			EXPECT_TRUE(error == ENODATA || (error == EINVAL && i == 2)) TH_LOG("%d, %s", error, failed);
		} else {
			EXPECT_EQ(has[i].len, len) TH_LOG("%s: %d, %s", has[i].name, error, failed);
			EXPECT_EQ(0, memcmp(value, has[i].value, has[i].len)) TH_LOG("%s: %d, %s", has[i].name, error, failed);
		}
	}
	EXPECT_GE(1, lost) TH_LOG("%d, %s", error, failed);
}

/* Catches: what was not read, written to the copy; and what is asked for without an end. */
TEST_F(u, each_moment_an_attribute_cannot_be_read)
{
	static const int errors[] = { ENODATA, EINVAL, ERANGE, EIO };
	unsigned int e;
	const char *why, *failed;
	int turn, file = 0, reads = 0;
	long result;

	ASSERT_EQ(0, shell("mkdir -p base/rw base/ro; for n in $(seq 0 %d); do echo -n low > base/ro/$n; done", 4 * MOMENTS));
	for (file = 0; file < 4 * MOMENTS; file++) {
		const char *path = path_of("base/ro/%d", file);

		ASSERT_EQ(0, E(setxattr(path, "user.a", "first", 5, 0)) | E(setxattr(path, "trusted.b", "another", 7, 0)) |
			     E(setxattr(path, "security.capability",
					"\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0)));
	}
	why = up_held();
	if (why)
		SKIP(return, "%s", why);
	for (e = 0, file = 0; e < ARRAY_SIZE(errors); e++) {
		for (turn = 1; turn < MOMENTS && file < 4 * MOMENTS; turn++, file++) {
			tell("fail %d %d", turn, errors[e]);
			result = E(chmod(path_of("u/%d", file), 0700));
			failed = read_file(pass_operations);
			tell("count");
			if (!strstr(failed, "failed "))
				break;
			failed = strstr(failed, "failed ");
			*strchr(failed, '\n') = 0;
			if (!strstr(failed, " getxattr"))
				continue;
			reads++;
			judge_attributes(_metadata, file, errors[e], result, failed);
		}
	}
	EXPECT_LT(12, reads);
	/* a length that never fits */
	tell("break 1 %d", ERANGE);
	EXPECT_NE(0, E(chmod(path_of("u/%d", 4 * MOMENTS), 0700)));
	tell("count");
	EXPECT_EQ(0, down());
}

TEST_HARNESS_MAIN
