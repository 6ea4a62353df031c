/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests written in C share: a scratch area, branches and unions.
 *
 * Every program gets a mount namespace of its own with a tmpfs on /mnt, so
 * that nothing outlives it.  Every test of the fixture `u` starts in an empty
 * directory with
 *
 *	rw	an empty directory, to be the writable branch
 *	ro ro2	empty directories, to be read-only branches
 *	u	where the union goes
 *
 * and uses these names relative to it.  What is in ro and ro2 when the union
 * is mounted has to be there unchanged when it is mounted again, and when the
 * test ends.  A test that changes them itself says so: by down_to_change(), by
 * area_unseal() before it does, or by area_seal() after it.
 *
 * Environment:
 *	AUFS2_TEST_FS		what the branches are on: tmpfs (a super block of
 *				its own for ro and ro2), or ext4, xfs, btrfs (all
 *				on one)
 *	AUFS2_TEST_OPTIONS	more options of every union
 *	AUFS2_TEST_REFERENCE	to test the tests: overlay mounts overlayfs
 *				where the set-up can be said in its terms;
 *				plain copies the lower branches into the
 *				writable one and binds that
 *	AUFS2_TEST_REFERENCE_OPTIONS	with other options than
 *				redirect_dir=on,index=off,xino=auto
 */
#ifndef AUFS2_TEST_H
#define AUFS2_TEST_H

#include "aufs2_files.h"

static char area_root[64];	/* where the areas are made */
static char area[128];		/* the current one, an absolute path */
static unsigned int area_count;
static const char *area_mounts[64];
static int area_mounted;
static uint64_t area_sums[2];	/* of what has to stay as it is; 0 if that is not asked */
static const char *area_wrong;	/* what has not */
static bool union_up;

/* A FAT filesystem of 32 MB: there need not be a tool that makes one. */
static int write_fat(const char *image)
{
	static const unsigned char head[] = {
		0xeb, 0x3c, 0x90, 'm', 'k', 'f', 's', '.', 'f', 'a', 't',
		0, 2,		/* bytes in a sector */
		4,		/* sectors in a cluster */
		1, 0,		/* reserved sectors */
		1,		/* FATs */
		0, 2,		/* entries of the root */
		0, 0, 0xf8,
		66, 0,		/* sectors of a FAT */
		32, 0, 2, 0, 0, 0, 0, 0,
		0, 0, 1, 0,	/* sectors */
		0x80, 0, 0x29,
	};
	int fd = open(image, O_RDWR | O_CREAT | O_EXCL, 0600), err;

	if (fd < 0)
		return -errno;
	err = pwrite(fd, head, sizeof(head), 0) != sizeof(head) ||
	      pwrite(fd, "FAT16   ", 8, 54) != 8 || pwrite(fd, "\x55\xaa", 2, 510) != 2 ||
	      pwrite(fd, "\xf8\xff\xff\xff", 4, 512) != 4 || ftruncate(fd, 65536 * 512);
	close(fd);
	return err ? -EIO : 0;
}

/*
 * A file system of the wanted type in a loop image AT.img.
 * Returns NULL or why there is none.
 */
static const char *
make_fs(const char *type, const char *at)
{
	static char why[128];
	static const struct { const char *type, *size, *mkfs; } kinds[] = {
		{ "ext4", "256M", "mkfs.ext4 -q -O quota -E lazy_itable_init=1,lazy_journal_init=1" },
		{ "xfs", "320M", "mkfs.xfs -q" },
		/* has to have room for images of the others, which are holes for the most part */
		{ "btrfs", "1G", "mkfs.btrfs -q" },
		{ "vfat", "32M", NULL },
	};
	unsigned int i;

	mkdir(at, 0755);
	if (!strcmp(type, "tmpfs")) {
		if (!mount("scratch", at, "tmpfs", 0, "mode=755"))
			return NULL;
		snprintf(why, sizeof(why), "no tmpfs: %m");
		return why;
	}
	if (!strcmp(type, "pass")) {
		/* a test build's, which passes on to a tmpfs */
		if (mkdir(path_of("%s.base", at), 0755) ||
		    mount("scratch", path_of("%s.base", at), "tmpfs", 0, "mode=755") ||
		    mount("none", at, "aufs2_pass", 0, path_of("dir=%s.base,control=pass", at))) {
			snprintf(why, sizeof(why), "no aufs2_pass: %m");
			return why;
		}
		return NULL;
	}
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(type, kinds[i].type))
			continue;
		snprintf(why, sizeof(why), "mkfs.%s", type);
		if (kinds[i].mkfs && !have(why)) {
			snprintf(why, sizeof(why), "no mkfs.%s", type);
			return why;
		}
		if (!kinds[i].mkfs ? write_fat(path_of("%s.img", at)) :
		    shell("truncate -s %s %s.img && %s %s.img", kinds[i].size,
			  at, kinds[i].mkfs, at)) {
			snprintf(why, sizeof(why), "mkfs.%s failed", type);
			return why;
		}
		/* there may be no /dev/loop-control that would load it */
		shell("modprobe -q loop; modprobe -q %s", type);
		if (shell("mount -t %s -o loop%s %s.img %s", type,
			  kinds[i].mkfs ? "" : ",utf8", at, at)) {
			snprintf(why, sizeof(why), "cannot mount %s by loop", type);
			return why;
		}
		return NULL;
	}
	snprintf(why, sizeof(why), "AUFS2_TEST_FS=%.20s is not known", type);
	return why;
}

static bool fs_registered(const char *name)
{
	char line[128];
	bool found = false;
	FILE *f = fopen("/proc/filesystems", "r");

	while (f && fgets(line, sizeof(line), f)) {
		char *tab = strchr(line, '\t');

		line[strcspn(line, "\n")] = 0;
		found |= tab && !strcmp(tab + 1, name);
	}
	if (f)
		fclose(f);
	return found;
}

static const char *fs_name(void)
{
	return plain() ? "tmpfs" : reference() ? "overlay" : "aufs2";
}

/* Before any test: namespace, scratch, file system. */
static void __attribute__((constructor(1000))) area_init(void)
{
	const char *why;

	if (geteuid())
		skip_program("needs root");
	if (!fs_registered(fs_name()) &&
	    (shell("modprobe %s", fs_name()), !fs_registered(fs_name())))
		skip_program("no %s in this kernel", fs_name());
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		skip_program("no mount namespace: %m");
	umask(022);
	if (mount("scratch", "/mnt", "tmpfs", 0, "mode=755"))
		skip_program("no scratch area: %m");
	strcpy(area_root, "/mnt");
	if (!on_tmpfs()) {
		why = make_fs(test_fs(), "/mnt/disk");
		if (why)
			fail_program("%s", why);
		strcpy(area_root, "/mnt/disk");
	}
	signal(SIGPIPE, SIG_IGN);
}

/* A directory in the area, on a super block of its own where that is cheap. */
static int make_branch(const char *name)
{
	char *path;

	if (mkdir(name, 0755))
		return -errno;
	if (!on_tmpfs())
		return 0;
	if (asprintf(&path, "%s/%s", area, name) < 0)
		return -ENOMEM;
	if (mount("branch", path, "tmpfs", 0, "mode=755"))
		return -errno;
	if (area_mounted < (int)ARRAY_SIZE(area_mounts))
		area_mounts[area_mounted++] = path;
	return 0;
}

static int area_enter(void)
{
	area_sums[0] = area_sums[1] = 0;
	area_wrong = NULL;
	/* The tests run in children, so a counter would start anew in each. */
	snprintf(area, sizeof(area), "%s/t%d.%u", area_root, getpid(), area_count++);
	if (mkdir(area, 0755) || chdir(area) || mkdir("rw", 0755) ||
	    mkdir("u", 0755) || mkdir(".work", 0755))
		return -errno;
	return make_branch("ro") ?: make_branch("ro2");
}

/* --- whiteouts, in the format of what is under test ---------------------- */

static void split_path(const char *path, char *dir, const char **base)
{
	const char *slash = strrchr(path, '/');

	snprintf(dir, 4096, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	*base = slash ? slash + 1 : path;
}

/* Makes the whiteout of a name in a branch. */
static int whiteout(const char *path)
{
	char dir[4096], wh[4400];
	const char *base;

	if (reference())
		return E(mknod(path, S_IFCHR | 0600, makedev(0, 0)));
	split_path(path, dir, &base);
	snprintf(wh, sizeof(wh), "%s/.wh.%s", dir, base);
	return E(mknod(wh, S_IFREG | 0444, 0));
}

/* Whether a name is whited out in a branch. */
static bool is_whiteout(const char *path)
{
	char dir[4096], wh[4400];
	const char *base;
	struct stat st;

	if (reference())
		return !lstat(path, &st) && S_ISCHR(st.st_mode) && st.st_rdev == 0;
	split_path(path, dir, &base);
	snprintf(wh, sizeof(wh), "%s/.wh.%s", dir, base);
	return !lstat(wh, &st) && S_ISREG(st.st_mode) && st.st_size == 0;
}

/* Makes a directory of a branch opaque. */
static int make_opaque(const char *dir)
{
	if (reference())
		return E(setxattr(dir, "trusted.overlay.opaque", "y", 1, 0));
	return E(mknod(path_of("%s/.wh..wh..opq", dir), S_IFREG | 0444, 0));
}

static bool is_opaque(const char *dir)
{
	char value[2];

	if (reference())
		return getxattr(dir, "trusted.overlay.opaque", value, 2) == 1 &&
		       *value == 'y';
	return access(path_of("%s/.wh..wh..opq", dir), F_OK) == 0;
}

/* --- mounting ------------------------------------------------------------ */

/* The option string of a list of branches, "NAME" or "NAME=PERM". */
static void union_options(char *out, size_t size, const char * const *branches)
{
	const char *upper = NULL;
	size_t len = 0;
	int i;

	if (!reference())
		len += snprintf(out, size, "br");
	for (i = 0; branches[i]; i++) {
		const char *perm = strchr(branches[i], '=');
		int name = perm ? perm - branches[i] : (int)strlen(branches[i]);
		bool rw = perm ? !strncmp(perm, "=rw", 3) : !strncmp(branches[i], "rw", 2);
		const char *dir = *branches[i] == '/' ? "" : area;
		const char *slash = *branches[i] == '/' ? "" : "/";

		if (!reference())
			len += snprintf(out + len, size - len, ":%s%s%.*s%s", dir, slash,
					name, branches[i], perm ?: rw ? "=rw" : "=ro");
		else if (rw && !upper)
			upper = branches[i];
		else
			len += snprintf(out + len, size - len, "%s%s%s%.*s",
					len ? ":" : "lowerdir=", dir, slash, name, branches[i]);
	}
	if (upper)
		len += snprintf(out + len, size - len, "%supperdir=%s/%.*s,workdir=%s/.work,%s",
				len ? "," : "", area, (int)strcspn(upper, "="), upper, area,
				getenv("AUFS2_TEST_REFERENCE_OPTIONS") ?:
				"redirect_dir=on,index=off,xino=auto");
	else if (reference() && !strchr(out, ':'))
		/* overlayfs wants two lower layers where there is no upper. */
		len += snprintf(out + len, size - len, ":%s/.work", area);
}

/* Remembers what has to stay as it is. */
static void area_seal(void)
{
	area_sums[0] = tree_checksum("ro");
	area_sums[1] = tree_checksum("ro2");
}

/* Looks whether it has stayed so. */
static void area_look(void)
{
	if (area_sums[0] && area_sums[0] != tree_checksum("ro"))
		area_wrong = "the branch ro was changed";
	if (area_sums[1] && area_sums[1] != tree_checksum("ro2"))
		area_wrong = "the branch ro2 was changed";
}

/* The same, before the test changes it: from the next mount on, it has to stay as it is then. */
static void area_unseal(void)
{
	area_look();
	area_sums[0] = area_sums[1] = 0;
}

/* mount(2) of branches on u; `more` are further options or "". */
static int
union_mount(const char *more, unsigned long flags, const char * const *branches)
{
	char opts[4096];

	union_options(opts, sizeof(opts), branches);
	if (*more)
		snprintf(opts + strlen(opts), sizeof(opts) - strlen(opts), ",%s", more);
	if (!reference() && *test_options())
		snprintf(opts + strlen(opts), sizeof(opts) - strlen(opts), ",%s", test_options());
	area_look();
	area_seal();
	if (plain()) {
		for (int i = 1; branches[i]; i++) {
			int name = strcspn(branches[i], "=");

			shell("cp -an %.*s/. %.*s", name, branches[i],
			      (int)strcspn(*branches, "="), *branches);
		}
		union_up = !shell("mount --bind %.*s u", (int)strcspn(*branches, "="), *branches);
		return union_up ? 0 : -EINVAL;
	}
	if (mount("none", "u", fs_name(), flags, opts)) {
		int err = errno;

		ksft_print_msg("mount -t %s -o %s: %s\n", fs_name(), opts, errno_name(err));
		return -err;
	}
	union_up = true;
	return 0;
}

/* up("rw", "ro"): mounts the union of these on u.  0 or -errno. */
#define up(...) union_mount("", 0, (const char * const []){ __VA_ARGS__, NULL })

/*
 * Unmounts the union. khugepaged takes a reference to what is mapped, and gives it up a moment
 * later, by a work item; so what is busy is asked once more, for up to a second.
 */
static int down(void)
{
	int i, err;

	union_up = false;
	for (i = 0; (err = E(umount2("u", 0))) == -EBUSY && i < 20; i++)
		usleep(50000);
	return err;
}

/* The same, for a test that changes ro or ro2 itself before it mounts the union again. */
static int down_to_change(void)
{
	int err = down();

	area_unseal();
	return err;
}

/* An image of what is in `from`, mounted at `at`; NULL, or why not. */
static const char *make_squashfs(const char *from, const char *at)
{
	if (!have("mksquashfs"))
		return "no mksquashfs";
	mkdir(at, 0755);
	shell("modprobe -q loop; modprobe -q squashfs");
	if (shell("mksquashfs %s %s.sqfs -quiet -no-progress -processors 1 >/dev/null", from, at) ||
	    shell("mount -t squashfs -o loop %s.sqfs %s", at, at))
		return "no squashfs";
	return NULL;
}

/* Swap in memory, which is all of the machine's: 0, or an error. */
static int swap_on(void)
{
	return shell("modprobe -q zram; echo 64M > /sys/block/zram0/disksize && "
		     "mkswap /dev/zram0 && swapon /dev/zram0");
}

/* For a teardown, as it has to go also if the test has failed. */
static int swap_off(void)
{
	return shell("swapoff /dev/zram0; echo 1 > /sys/block/zram0/reset");
}

static void drop_caches(void)
{
	sync();
	put("/proc/sys/vm/drop_caches", 0, "2");
}

/* The images of a test: the next one wants the room. */
static void remove_images(void)
{
	struct dirent *de;
	DIR *d = opendir(area);

	while (d && (de = readdir(d)))
		if (strlen(de->d_name) > 4 && !strcmp(de->d_name + strlen(de->d_name) - 4, ".img"))
			unlinkat(dirfd(d), de->d_name, 0);
	if (d)
		closedir(d);
}

static const char *area_leave(void)
{
	const char *wrong = NULL;

	/* What is still held is a leak of the file system, not of the test. */
	close_range(3, ~0U, 0);
	if (chdir(area))
		wrong = "cannot go back to the area";
	area_look();
	wrong = area_wrong ?: wrong;
	if (union_up && umount2("u", 0)) {
		wrong = errno == EBUSY ? "the union is busy though everything is closed"
				       : "the union cannot be unmounted";
		umount2("u", MNT_DETACH);
	}
	/* or the next area of the process would have one before it is mounted */
	union_up = false;
	while (area_mounted)
		umount2(area_mounts[--area_mounted], MNT_DETACH);
	remove_images();
	if (chdir("/"))
		wrong = "cannot leave the area";
	return wrong;
}

/* The fixture of most programs. */
#define AUFS2_FIXTURE \
FIXTURE(u) { int unused; }; \
FIXTURE_SETUP(u) \
{ \
	ASSERT_EQ(0, area_enter()); \
} \
FIXTURE_TEARDOWN(u) \
{ \
	const char *wrong = area_leave(); \
	EXPECT_STREQ("", wrong ?: ""); \
}

/* --- fsopen(2) and so on -------------------------------------------------- */

struct param {
	unsigned int cmd;	/* FSCONFIG_SET_... */
	const char *key;
	const char *value;
	int aux;
};

#define PARAM(k, v)	{ FSCONFIG_SET_STRING, k, v, 0 }
#define FLAG(k)		{ FSCONFIG_SET_FLAG, k, NULL, 0 }

static char fs_log[4096];	/* what the last new_mount() had to say */

static void read_log(int fd)
{
	ssize_t n;
	size_t len = 0;

	fs_log[0] = 0;
	while ((n = read(fd, fs_log + len, sizeof(fs_log) - len - 2)) > 0) {
		len += n;
		if (fs_log[len - 1] != '\n')
			fs_log[len++] = '\n';
		fs_log[len] = 0;
	}
}

/* fsopen, the parameters, create, fsmount, move_mount to u.  0 or -errno. */
static int new_mount(const struct param *p, int n)
{
	int i, err = 0, mnt, fd = fsopen(fs_name(), FSOPEN_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (i = 0; i < n && !err; i++)
		err = E(fsconfig(fd, p[i].cmd, p[i].key, p[i].value, p[i].aux));
	if (!err)
		err = E(fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	if (!err) {
		mnt = fsmount(fd, FSMOUNT_CLOEXEC, 0);
		err = mnt < 0 ? -errno : 0;
		if (!err) {
			err = E(move_mount(mnt, "", AT_FDCWD, "u", MOVE_MOUNT_F_EMPTY_PATH));
			close(mnt);
		}
	}
	read_log(fd);
	close(fd);
	union_up |= !err;
	return err;
}

#define NEW_MOUNT(...) ({ \
	const struct param params_[] = { __VA_ARGS__ }; \
	new_mount(params_, ARRAY_SIZE(params_)); \
})

#endif /* AUFS2_TEST_H */
