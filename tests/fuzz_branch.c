// SPDX-License-Identifier: GPL-2.0
/*
 * Branches that nobody made with care: whiteouts, marks, work directories and pseudo-links of every kind of
 * file, in places where they are none, with names, attributes and flags that are odd; then random operations
 * on the union of them, changes of its branches, and mounts of it.  Each call ends, with an answer; what is
 * listed can be looked up, and nothing else; what shows, shows in the next mount; and what is read-only stays.
 *
 * Everything follows from AUFS2_TEST_SEED=N; AUFS2_TEST_LONG=N tries N times as many.
 */
#include "aufs2_hostile.h"
#include <sys/mman.h>
#include <sys/resource.h>

AUFS2_FIXTURE

static char what[512];		/* the last thing that was done */

#define DOES(fmt, ...) snprintf(what, sizeof(what), fmt, ##__VA_ARGS__)

/* --- names --------------------------------------------------------------------- */

static const char *const plain_names[] = { "a", "b", "c", "d" };
static const char *const odd_names[] = {
	"\xff\xfe", "e\n", " ", "...", "\\", "-", "\xc3\x28", "x.wh.y", ".wh", ".Wh.a",
};
static const char *const marks[] = {
	".wh..wh..opq", ".wh..wh.orph", ".wh..wh.plnk", ".wh..wh.aufs", ".wh..wh.x", ".wh.", ".wh..", ".wh...",
	".wh..wh.", ".wh..wh..wh..", ".wh..wh.t.0000000000000001", ".wh..wh.l.0000000000000000",
	".wh..wh.l.", ".wh..wh.commit", ".wh.\xff\xfe", ".wh.x.wh.y", ".wh..wh",
};

static const char *long_name(int len)
{
	char *b = buffer();

	memset(b, once_in(3) ? 0xe9 : 'l', len);
	b[len] = 0;
	return b;
}

static const char *hash_name(const char *name, int slot)
{
	uint64_t hash = mix(SUM_START, name, strlen(name));

	return path_of(slot ? ".wh..wh.l.%016llx.%x" : ".wh..wh.l.%016llx", (unsigned long long)hash, slot);
}

/* The name of something in the union. */
static const char *shown_name(void)
{
	if (once_in(12))
		return ONE_OF(odd_names);
	if (once_in(20))
		return long_name(251 + rnd(5));
	return ONE_OF(plain_names);
}

/* A name that is reserved. */
static const char *mark_name(void)
{
	switch (rnd(8)) {
	case 0: case 1: case 2:
		return path_of(".wh.%s", ONE_OF(plain_names));
	case 3:
		return hash_name(long_name(252 + rnd(4)), rnd(3));
	case 4:
		return path_of(".wh.%.251s", long_name(251));
	case 5:
		return ".wh..wh..opq";
	default:
		return ONE_OF(marks);
	}
}

static const char *plink_name(void)
{
	switch (rnd(5)) {
	case 0:
		return path_of("0%u.%u", rnd(100), rnd(100));
	case 1:
		return path_of("%u.%u", rnd(100), rnd(100));
	case 2:
		return path_of("0.%016llx%016llx.%016llx.%016llx.%016llx.%016llx.%u", (unsigned long long)rnd64(),
			       (unsigned long long)rnd64(), 0ULL, (unsigned long long)rnd(400),
			       (unsigned long long)rnd(3), (unsigned long long)rnd64(), rnd(5));
	case 3:
		return path_of("0.%032d.%016d.%016d.%016d.%016d.%s", 0, 0, 0, 0, 0,
			       once_in(2) ? "4294967295" : "1073741824");
	default:
		return shown_name();
	}
}

static const char *random_dir(const char *root)
{
	char *b = buffer();
	int depth = rnd(3), len = sprintf(b, "%s", root);

	while (depth--)
		len += sprintf(b + len, "/%s", plain_names[rnd(2)]);
	return b;
}

/* --- making branches ---------------------------------------------------------------- */

/* Something of whatever kind. */
static void make_any(const char *at)
{
	static const char *const targets[] = {
		"a", ".", "..", "/", "loop", "/proc/self/fd/0", "../../ro/a", ".wh..wh.aufs", "nowhere",
	};
	char text[300];
	int fd;

	switch (rnd(12)) {
	case 0:
		mkdir(at, once_in(3) ? 0 : 0755);
		break;
	case 1:
		if (!mkdir(at, 0755) && !mkdir(path_of("%s/a", at), 0755))
			write_file(path_of("%s/b", at), "b");
		break;
	case 2:
		(void)!symlink(ONE_OF(targets), at);
		break;
	case 3:
		(void)!symlink(strrchr(at, '/') + 1, at);
		break;
	case 4:
		mknod(at, S_IFCHR | 0600, once_in(2) ? 0 : makedev(1, 3));
		break;
	case 5:
		mknod(at, S_IFBLK | 0600, makedev(250, rnd(300)));
		break;
	case 6:
		mkfifo(at, 0644);
		break;
	case 7:
		mknod(at, S_IFSOCK | 0644, 0);
		break;
	case 8:
		/* what may be in a whiteout of a long name */
		fd = open(at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, rnd(0777));
		if (fd < 0)
			break;
		memset(text, once_in(2) ? 'l' : 0xe9, sizeof(text));
		if (once_in(3))
			text[rnd(255)] = "\0/\n"[rnd(3)];
		(void)!write(fd, text, 250 + rnd(50));
		close(fd);
		break;
	case 9:
		(void)!link(path_of("%.*s/../hard", (int)(strrchr(at, '/') - at), at), at);
		break;
	default:
		if (!mknod(at, S_IFREG | rnd(01000), 0))
			write_file(at, "contents");
	}
}

static const char *const attributes[] = {
	"user.x", "trusted.x", "security.x", "security.capability", "trusted.overlay.opaque",
	"trusted.overlay.redirect", "trusted.overlay.origin", "trusted.aufs2", "user.overlay.opaque",
	"trusted.aufs2.origin", "security.selinux", "user.", "trusted.SGI_ACL_FILE", "system.posix_acl_access",
	"system.posix_acl_default", "system.x",
};

static void set_any_attribute(const char *at)
{
	static char value[65536];
	size_t len = once_in(4) ? rnd(65536) : rnd(64), i;

	for (i = 0; i < len && i < 100; i++)
		value[i] = rnd(256);
	lsetxattr(at, ONE_OF(attributes), value, len, 0);
}

static void set_any_flag(const char *at)
{
	static const int flags[] = {
		FS_IMMUTABLE_FL, FS_APPEND_FL, FS_NOATIME_FL, FS_NODUMP_FL, FS_SYNC_FL, FS_DIRSYNC_FL,
		FS_IMMUTABLE_FL | FS_APPEND_FL,
	};
	int fd = open(at, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC), flag = ONE_OF(flags);

	ioctl(fd, FS_IOC_SETFLAGS, &flag);
	close(fd);
}

static void craft(const char *root, int count)
{
	struct timespec odd[2] = { { -1, 0 }, { 1LL << 40, 999999999 } };
	const char *dir, *at;

	write_file(path_of("%s/hard", root), "hard");
	while (count--) {
		dir = random_dir(root);
		if (once_in(3))
			shell("mkdir -p %s", dir);
		if (once_in(6)) {
			/* what the union keeps for itself */
			at = once_in(2) ? ".wh..wh.orph" : ".wh..wh.plnk";
			dir = once_in(4) ? path_of("%s/%s", dir, at) : path_of("%s/%s", root, at);
			if (once_in(2))
				mkdir(dir, once_in(2) ? 0700 : rnd(010000));
			else if (once_in(3))
				make_any(dir);
			if (once_in(8))
				(void)!chown(dir, NOBODY, NOBODY);
			at = path_of("%s/%s", dir, once_in(2) ? plink_name() : mark_name());
		} else {
			at = path_of("%s/%s", dir, once_in(2) ? mark_name() : shown_name());
		}
		make_any(at);
		if (once_in(4))
			set_any_attribute(at);
		if (once_in(12))
			(void)!lchown(at, rnd(UINT32_MAX), rnd(UINT32_MAX));
		if (once_in(20))
			utimensat(AT_FDCWD, at, odd, AT_SYMLINK_NOFOLLOW);
		if (once_in(12))
			set_any_flag(at);
	}
}

/* --- what is done to the union ------------------------------------------------------- */

static const char *union_path(void)
{
	return path_of("%s/%s", random_dir("u"), once_in(12) ? mark_name() : shown_name());
}

/* Lists at most so many entries, as many as there can be. */
static long list_some(const char *path)
{
	DIR *d = opendir(path);
	long n = 0;

	if (!d)
		return -errno;
	for (errno = 0; readdir(d) && n < 100000; )
		n++;
	n = errno ? -errno : n;
	closedir(d);
	return n == 100000 ? -E2BIG : 0;
}

static long with_file(const char *path)
{
	char text[600];
	int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREAT, O_WRONLY | O_TRUNC, O_RDWR | O_APPEND };
	int fd = open(path, ONE_OF(flags) | O_NONBLOCK | O_CLOEXEC | (once_in(3) ? O_NOFOLLOW : 0), 0600);
	struct stat st;
	long err = 0;

	if (fd < 0)
		return errno == ENXIO ? 0 : -errno;
	if (fstat(fd, &st) || S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		close(fd);
		return 0;
	}
	switch (rnd(8)) {
	case 0:
		err = E(read(fd, text, sizeof(text)));
		break;
	case 1:
		err = E(write(fd, "written", 7));
		break;
	case 2:
		err = E(ftruncate(fd, rnd(9000)));
		break;
	case 3:
		err = E(fsync(fd));
		break;
	case 4:
		err = E(fchmod(fd, rnd(010000)));
		break;
	case 5:
		err = E(fsetxattr(fd, ONE_OF(attributes), text, rnd(100), 0));
		break;
	case 6:
		err = E(pwrite(fd, "far", 3, rnd(100000)));
		break;
	default:
		err = E(lseek(fd, rnd(9000), rnd(5)));
	}
	close(fd);
	/* a descriptor that is not for that, and no data there */
	return err == -EBADF || err == -EAGAIN || err == -ENXIO ? 0 : err;
}

static long do_one(void)
{
	static char list_of[70000];
	const char *path = union_path(), *other = union_path();
	struct timespec times[2] = { { rnd(1000), 0 }, { 0, UTIME_OMIT } };
	struct statfs fs;
	struct stat st;
	int kind = rnd(24), x = rnd(010000), fd;

	DOES("operation %d on '%s' and '%s' with %o", kind, printed_text(path), printed_text(other), x);
	switch (kind) {
	case 0: return E(lstat(path, &st));
	case 1: return list_some(once_in(3) ? path : random_dir("u"));
	case 2: return with_file(path);
	case 3: return E(unlink(path));
	case 4: return E(mkdir(path, x));
	case 5: return E(rmdir(path));
	case 6: return E(rename(path, other));
	case 7: return E(renameat2(AT_FDCWD, path, AT_FDCWD, other, rnd(8)));
	case 8: return E(linkat(AT_FDCWD, path, AT_FDCWD, other, 0));
	case 9: return E(symlink("a", path));
	case 10: return E(fchmodat(AT_FDCWD, path, x, 0));
	case 11: return E(lchown(path, rnd(3), rnd(3)));
	case 12: return E(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
	case 13: return E(lsetxattr(path, ONE_OF(attributes), list_of, rnd(200), rnd(3)));
	case 14: return E(lgetxattr(path, ONE_OF(attributes), list_of, rnd(sizeof(list_of))));
	case 15: return E(llistxattr(path, list_of, rnd(sizeof(list_of))));
	case 16: return E(lremovexattr(path, ONE_OF(attributes)));
	case 17: return E(mknod(path, S_IFREG | x % 01000, 0));
	case 18: return E(mkfifo(path, x % 01000));
	case 19: return E(truncate(path, x));
	case 20: return E(readlink(path, list_of, rnd(300) + 1));
	case 21: return E(statfs(path, &fs));
	case 22:
		fd = open(random_dir("u"), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		x = E(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, path, AT_SYMLINK_FOLLOW));
		close(fd);
		return x;
	default:
		set_any_flag(path);
		return 0;
	}
}

/* A child of its own does them, so that one that is never done with can be ended, and is seen. */
static const char *do_all(int count)
{
	struct rlimit files = { 1 << 24, 1 << 24 };
	static char *shared;
	int status, waited;
	pid_t pid;

	if (!shared)
		shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*shared = 0;
	pid = fork();
	if (!pid) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &files);
		while (count--) {
			long err;

			errno = 0;
			/* what is there in the place of what the union made is seen, and is an error of the branch's */
			err = do_one();
			snprintf(shared, 4000, "%s: %s", what, errno_name(-err));
			if (err < 0 && !is_answer(err) && err != -EIO && err != -ESTALE)
				_exit(1);
		}
		*shared = 0;
		_exit(0);
	}
	for (waited = 0; !waitpid(pid, &status, WNOHANG); waited++) {
		if (waited == 12000) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return said("hangs after %s", shared);
		}
		usleep(waited < 100 ? 1000 : 5000);
	}
	return status ? said("no answer (%x): %s", status, shared) : "";
}

/* --- what must be ------------------------------------------------------------------------ */

/* What there is, a line for each name. */
struct tree {
	char *lines[3000];
	int count;
};

static struct tree shown, shown_again;

static void clear_tree(struct tree *tree)
{
	while (tree->count)
		free(tree->lines[--tree->count]);
}

/* What differs first, or "". */
static const char *differs(struct tree *one, struct tree *other)
{
	int i;

	qsort(one->lines, one->count, sizeof(char *), compare_names);
	qsort(other->lines, other->count, sizeof(char *), compare_names);
	for (i = 0; i < one->count && i < other->count; i++)
		if (strcmp(one->lines[i], other->lines[i]))
			return said("'%s', and then '%s'", one->lines[i], other->lines[i]);
	return one->count == other->count ? "" : said("%d names, and then %d", one->count, other->count);
}

/* Every name that is listed is there, of the kind that it was listed as, and is no reserved one. */
static const char *check_dir(const char *path, struct tree *tree, int depth)
{
	struct dirent *de;
	struct stat st;
	const char *wrong = "";
	char sub[5000];
	DIR *d = opendir(path);
	int n = 0;

	if (!d)
		return is_answer(-errno) ? "" : said("opendir %s: %m", printed_text(path));
	for (errno = 0; !*wrong && (de = readdir(d)); errno = 0) {
		uint64_t sum = 0;

		if (n++ > 10000) {
			wrong = said("%s does not end", printed_text(path));
			break;
		}
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (!strncmp(de->d_name, ".wh.", 4)) {
			wrong = said("%s shows in %s", printed_text(de->d_name), printed_text(path));
			break;
		}
		snprintf(sub, sizeof(sub), "%s/%s", path, de->d_name);
		if (lstat(sub, &st)) {
			wrong = said("%s is listed: %m", printed_text(sub));
			break;
		}
		if (de->d_type != DT_UNKNOWN && de->d_type != (st.st_mode & S_IFMT) >> 12) {
			wrong = said("%s is listed as %d, and is %o", printed_text(sub), de->d_type, st.st_mode);
			break;
		}
		if (S_ISREG(st.st_mode))
			sum = checksum(sub);
		if (tree->count < (int)ARRAY_SIZE(tree->lines))
			tree->lines[tree->count++] = strdup(path_of("%s %o %u %u %llx", printed_text(sub), st.st_mode,
								     st.st_uid, st.st_gid, (unsigned long long)sum));
		if (S_ISDIR(st.st_mode) && depth < 8)
			wrong = check_dir(sub, tree, depth + 1);
	}
	if (!*wrong && errno)
		wrong = said("readdir %s: %m", printed_text(path));
	closedir(d);
	return wrong;
}

/* What is not listed is not there. */
static const char *check_absent(const char *path)
{
	struct dirent *de;
	unsigned int i;
	bool listed[4] = { 0 };
	DIR *d = opendir(path);

	if (!d)
		return "";
	while ((de = readdir(d)))
		for (i = 0; i < 4; i++)
			listed[i] |= !strcmp(de->d_name, plain_names[i]);
	closedir(d);
	for (i = 0; i < 4; i++)
		if (!listed[i] && kind(path_of("%s/%s", path, plain_names[i]))[0] != 'E')
			return said("%s/%s is there, and not listed", path, plain_names[i]);
	return "";
}

static const char *check_union(struct tree *tree)
{
	const char *wrong;

	clear_tree(tree);
	wrong = check_dir("u", tree, 0);
	return *wrong ? wrong : check_absent("u");
}

/* --- runs ------------------------------------------------------------------------------------ */

static const char *const how_mounted[][4] = {
	{ "rw=rw", "ro=ro+wh", "ro2=ro+wh" },
	{ "rw=rw", "ro=ro", "ro2=ro+wh" },
	{ "rw=rw", "ro=ro+wh" },
	{ "rw=rw+nolwh+coo_reg", "ro=rr+wh", "ro2=ro" },
	{ "rw=rw+coo_all", "ro=ro+wh", "ro2=ro+wh" },
	{ "ro=ro+wh", "ro2=ro+wh" },
};

static const char *const more_options[] = {
	"", "", "udba=none", "norefrof", "noacl", "mmap=fault", "noretry", "fsync=volatile", "fsync=strict",
};

static const char *const remounts[] = {
	"mod:%s/rw=ro+wh", "mod:%s/rw=rw", "del:%s/ro2", "append:%s/ro2=ro+wh", "mod:%s/ro=ro+wh", "mv:0:%s/ro",
	"mv:0:%s/rw", "mv:1:%s/ro2",
};

static const char *mount_them(const char * const *branches, const char *options, bool may_refuse)
{
	char text[4096];
	int err;

	union_options(text, sizeof(text), branches);
	DOES("mount %.450s,%s", text, options);
	err = E(mount("none", "u", fs_name(), 0, *options ? path_of("%s,%s", text, options) : text));
	if (err && (!may_refuse || (!is_answer(err) && err != -EIO)))
		return said("mount: %s", errno_name(-err));
	union_up = !err;
	return "";
}

static const char *one_union(void)
{
	const char * const *branches = how_mounted[rnd(ARRAY_SIZE(how_mounted))];
	const char *options = ONE_OF(more_options), *wrong, *text;
	bool changed = false, same = false;
	int round;

	/* what is in the place of the work directory may be a reason to refuse it */
	wrong = mount_them(branches, options, true);
	for (round = 0; !*wrong && union_up && round < 3; round++) {
		same = false;
		wrong = do_all(40);
		hostile_state ^= 0x9e3779b97f4a7c15ULL * (round + 1);
		if (*wrong)
			break;
		if (once_in(2)) {
			int err = E(mount("none", "u", NULL, MS_REMOUNT, text = path_of(ONE_OF(remounts), area)));

			DOES("remount %.300s: %s", text, errno_name(-err));
			if (err && !is_answer(err) && err != -EIO)
				return said("remount: %s", errno_name(-err));
			changed |= !err;
		}
		wrong = check_union(&shown);
		if (*wrong)
			break;
		/* what is shown after a change is of other branches than in the next mount */
		same = !changed;
		if (once_in(2))
			drop_caches();
		if (once_in(2)) {
			wrong = check_union(&shown_again);
			if (!*wrong && *differs(&shown, &shown_again))
				wrong = said("looked at again: %s", differs(&shown, &shown_again));
		}
	}
	if (!union_up)
		return wrong;
	if (down())
		return *wrong ? wrong : said("umount: %m");
	if (*wrong || !same)
		return wrong;
	wrong = mount_them(branches, options, false);
	if (*wrong)
		return wrong;
	wrong = check_union(&shown_again);
	if (!*wrong && *differs(&shown, &shown_again))
		wrong = said("in the next mount: %s", differs(&shown, &shown_again));
	if (down())
		return *wrong ? wrong : said("umount: %m");
	return wrong;
}

/* Three branches, the union of which is used. */
static const char *one_run(uint64_t run)
{
	uint64_t sums[2];
	const char *wrong;

	hostile_seed(run);
	DOES("the branches are made");
	craft("rw", 10 + rnd(20));
	craft("ro", 10 + rnd(20));
	craft("ro2", 10 + rnd(20));
	sums[0] = tree_checksum("ro");
	sums[1] = tree_checksum("ro2");
	wrong = one_union();
	if (!*wrong)
		wrong = one_union();
	if (!*wrong && (sums[0] != tree_checksum("ro") || sums[1] != tree_checksum("ro2")))
		wrong = "a read-only branch was changed";
	return wrong;
}

/* All of it goes, whatever flags it has. */
static void clear_branches(void)
{
	shell("chattr -R -ia rw ro ro2; find rw ro ro2 -mindepth 1 -maxdepth 1 -exec rm -rf {} +");
}

static void runs(struct __test_metadata *_metadata, uint64_t from, int count)
{
	int i, wrongs = 0;

	for (i = 0; i < count && wrongs < 10; i++) {
		const char *wrong = one_run(from + i);

		EXPECT_STREQ("", wrong)
			TH_LOG("seed %s, run %llu: %s", getenv("AUFS2_TEST_SEED") ?: "0",
			       (unsigned long long)from + i, what);
		wrongs += *wrong != 0;
		if (union_up)
			umount2("u", MNT_DETACH);
		union_up = false;
		clear_branches();
	}
}

TEST_F(u, crafted_branches)
{
	AUFS2_ONLY("its format");
	runs(_metadata, 0, long_ms(40));
}

TEST_HARNESS_MAIN
