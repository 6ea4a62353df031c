// SPDX-License-Identifier: GPL-2.0
/*
 * What the flags of the union's own mount forbid, or change: nodev, nosuid, noexec, nosymfollow, ro and lazytime, given
 * when it is mounted and later; compared with a directory that is mounted with the same flags.  And what statmount(2)
 * says of the union.
 */
#include "aufs2.h"
#include <linux/stat.h>
#include <sys/wait.h>

FIXTURE(u) { int unused; };
FIXTURE_VARIANT(u) { const char *option; unsigned long flag; bool is_later; };
FIXTURE_VARIANT_ADD(u, none) { "dev", 0, false };
FIXTURE_VARIANT_ADD(u, nodev) { "nodev", MS_NODEV, false };
FIXTURE_VARIANT_ADD(u, nosuid) { "nosuid", MS_NOSUID, false };
FIXTURE_VARIANT_ADD(u, noexec) { "noexec", MS_NOEXEC, false };
FIXTURE_VARIANT_ADD(u, nosymfollow) { "nosymfollow", 256, false };
FIXTURE_VARIANT_ADD(u, read_only) { "ro", MS_RDONLY, false };
FIXTURE_VARIANT_ADD(u, nodev_later) { "nodev", MS_NODEV, true };
FIXTURE_VARIANT_ADD(u, nosuid_later) { "nosuid", MS_NOSUID, true };
FIXTURE_VARIANT_ADD(u, noexec_later) { "noexec", MS_NOEXEC, true };
FIXTURE_VARIANT_ADD(u, nosymfollow_later) { "nosymfollow", 256, true };
FIXTURE_VARIANT_ADD(u, read_only_later) { "ro", MS_RDONLY, true };

FIXTURE_SETUP(u)
{
	AUFS2_ONLY("its mount is another one");
	ASSERT_EQ(0, area_enter());
	/* on each branch one of each, and what is copied up */
	ASSERT_EQ(0, shell("mkdir n; for d in ro rw; do cp $(command -v id) $d/$d.id; chown 4321 $d/$d.id;"
			   "chmod 4755 $d/$d.id; mknod $d/$d.null c 1 3; mknod $d/$d.none b 7 250; mkdir $d/$d.dir;"
			   "echo -n text >$d/$d.f; echo -n text >$d/$d.dir/f; ln -s $d.f $d/$d.link;"
			   "ln -s $d.dir $d/$d.dirlink; ln -s none $d/$d.dangling; mkfifo $d/$d.fifo;"
			   "cp -a $d/. n; done"));
	ASSERT_EQ(0, E(mount("n", "n", NULL, MS_BIND, NULL)));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong;

	umount2("n", MNT_DETACH);
	wrong = area_leave();
	EXPECT_STREQ("", wrong ?: "");
}

static const char *said_by(const char *command)
{
	char line[64] = "";
	FILE *f = popen(command, "r");
	int status;

	if (!f)
		return "?";
	(void)!fgets(line, sizeof(line), f);
	status = pclose(f);
	line[strcspn(line, "\n")] = 0;
	return path_of("'%s', %x", line, status);
}

static long mapped(const char *path, int prot)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *p = mmap(NULL, 4096, prot, MAP_PRIVATE, fd, 0);
	long err = p == MAP_FAILED ? -errno : 0;

	if (!err)
		munmap(p, 4096);
	close(fd);
	return err;
}

/* Can be made executable afterwards? */
static long protected(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	long err = E(mprotect(p, 4096, PROT_READ | PROT_EXEC));

	munmap(p, 4096);
	close(fd);
	return err;
}

/* All that a flag could be about, of the objects of a branch. */
static const char *all_of(const char *top, const char *branch)
{
	static char texts[2][8192];
	char at[64], *b = texts[*top == 'u'], text[64];
	struct stat st;
	struct statfs fs;
	size_t n = 0;

#define SAY(name, value) do { \
	long value_ = (value); \
	n += snprintf(b + n, sizeof(*texts) - n, "%s: %s\n", name, value_ < 0 ? errno_name(-value_) : "well"); \
} while (0)
	snprintf(at, sizeof(at), "%s/%s", top, branch);
	SAY("a device", can_open(path_of("%s.null", at), O_RDWR));
	SAY("a device, to be read", can_open(path_of("%s.null", at), O_RDONLY));
	SAY("a device that is none", can_open(path_of("%s.none", at), O_RDONLY));
	SAY("a device by its path", can_open(path_of("%s.null", at), O_PATH));
	SAY("a new device", E(mknod(path_of("%s.new", at), S_IFCHR | 0600, makedev(1, 3))));
	SAY("the new device", can_open(path_of("%s.new", at), O_RDWR));
	SAY("a device that is changed", E(chmod(path_of("%s.null", at), 0640)));
	SAY("a device that was changed", can_open(path_of("%s.null", at), O_RDWR));
	SAY("a fifo", can_open(path_of("%s.fifo", at), O_RDWR));
	SAY("a map to run", mapped(path_of("%s.id", at), PROT_READ | PROT_EXEC));
	SAY("a map to run later", protected(path_of("%s.id", at)));
	SAY("rights to run", E(access(path_of("%s.id", at), X_OK)));
	n += snprintf(b + n, sizeof(*texts) - n, "a program: %s\n", said_by(path_of("%s.id -u 2>/dev/null", at)));
	n += snprintf(b + n, sizeof(*texts) - n, "a program of another's: %s\n",
		      said_by(path_of("setpriv --reuid 1234 --clear-groups %s.id -u 2>/dev/null", at)));
	SAY("a program that is changed", E(utimensat(AT_FDCWD, path_of("%s.id", at), NULL, 0)));
	n += snprintf(b + n, sizeof(*texts) - n, "a program that was changed: %s\n",
		      said_by(path_of("setpriv --reuid 1234 --clear-groups %s.id -u 2>/dev/null", at)));
	SAY("what was changed, to run", mapped(path_of("%s.id", at), PROT_READ | PROT_EXEC));
	SAY("a link", can_open(path_of("%s.link", at), O_RDONLY));
	SAY("a link to write by", can_open(path_of("%s.link", at), O_RDWR));
	SAY("a link to go through", can_open(path_of("%s.dirlink/f", at), O_RDONLY));
	SAY("a link with a slash", E(stat(path_of("%s.dirlink/", at), &st)));
	SAY("a link to nothing", E(stat(path_of("%s.dangling", at), &st)));
	SAY("a link itself", E(lstat(path_of("%s.link", at), &st)));
	SAY("what it says", E(readlink(path_of("%s.link", at), text, sizeof(text))));
	SAY("its path", can_open(path_of("%s.link", at), O_PATH | O_NOFOLLOW));
	SAY("who made it", E(lchown(path_of("%s.link", at), 1, 1)));
	SAY("what was changed", can_open(path_of("%s.link", at), O_RDONLY));
	SAY("a new link", E(symlink(path_of("%s.f", branch), path_of("%s.new.link", at))));
	SAY("by the new link", can_open(path_of("%s.new.link", at), O_RDONLY));
	SAY("a file", append_file(path_of("%s.f", at), "+"));
	SAY("a new file", write_file(path_of("%s.new.f", at), "x"));
	SAY("the flags", statfs(at, &fs) ? statfs(top, &fs) : 0);
	n += snprintf(b + n, sizeof(*texts) - n, "flags %lx\n", (unsigned long)fs.f_flags &
		      (MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_RDONLY | 8192 /* ST_NOSYMFOLLOW */));
	return b;
}

TEST_F(u, what_it_forbids)
{
	ASSERT_EQ(0, union_mount("", variant->is_later ? 0 : variant->flag,
				 (const char * const []){ "rw", "ro", NULL }));
	ASSERT_EQ(0, E(mount(NULL, "n", NULL, MS_REMOUNT | MS_BIND | variant->flag, NULL)));
	if (variant->is_later)
		ASSERT_EQ(0, E(mount(NULL, "u", NULL, MS_REMOUNT | MS_BIND | variant->flag, NULL)));
	EXPECT_STREQ(all_of("n", "ro"), all_of("u", "ro"));
	EXPECT_STREQ(all_of("n", "rw"), all_of("u", "rw"));
	/* and nothing of it, afterwards */
	ASSERT_EQ(0, E(mount(NULL, "n", NULL, MS_REMOUNT | MS_BIND, NULL)));
	ASSERT_EQ(0, E(mount(NULL, "u", NULL, MS_REMOUNT | MS_BIND, NULL)));
	if (variant->flag == MS_RDONLY && !variant->is_later)
		ASSERT_EQ(0, E(mount(NULL, "u", NULL, MS_REMOUNT, NULL)));
	EXPECT_STREQ(all_of("n", "ro"), all_of("u", "ro"));
	EXPECT_STREQ(all_of("n", "rw"), all_of("u", "rw"));
}

FIXTURE(m) { int unused; };
FIXTURE_SETUP(m)
{
	AUFS2_ONLY("its mount is another one");
	ASSERT_EQ(0, area_enter());
}
FIXTURE_TEARDOWN(m)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static struct timespec changed(const char *path)
{
	return st_of(path).st_mtim;
}

#define EXPECT_SAME_TIME(a, b) do { \
	struct timespec a_ = (a), b_ = (b); \
	EXPECT_EQ(a_.tv_sec, b_.tv_sec); \
	EXPECT_EQ(a_.tv_nsec, b_.tv_nsec); \
} while (0)

/* Times may come to the disk late: nobody may see that. */
TEST_F(m, lazytime)
{
	struct timespec before;
	int fd;

	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, shell("touch -d @1000 ro/f"));
	ASSERT_EQ(0, union_mount("", MS_LAZYTIME, (const char * const []){ "rw", "ro", NULL }));
	EXPECT_EQ(0, shell("grep -q ' %s/u aufs2 rw,.*lazytime' /proc/self/mounts", area));
	before = changed("u/f");
	EXPECT_EQ(1000, before.tv_sec);
	ASSERT_LE(0, fd = open("u/f", O_RDWR | O_CLOEXEC));
	ASSERT_EQ(1, E(pwrite(fd, "L", 1, 0)));
	EXPECT_LT(1000, changed("u/f").tv_sec);
	EXPECT_SAME_TIME(changed("u/f"), changed("rw/f"));
	ASSERT_EQ(0, E(futimens(fd, (struct timespec []){ { 5, 6 }, { 7, 8 } })));
	EXPECT_EQ(0, E(fsync(fd)));
	close(fd);
	drop_caches();
	EXPECT_EQ(7, changed("u/f").tv_sec);
	EXPECT_EQ(8, changed("u/f").tv_nsec);
	EXPECT_EQ(5, st_of("u/f").st_atim.tv_sec);
	/* and can be given up */
	ASSERT_EQ(0, shell("mount -o remount,nolazytime u"));
	EXPECT_NE(0, shell("grep -q ' %s/u aufs2 rw,.*lazytime' /proc/self/mounts", area));
	ASSERT_EQ(0, append_file("u/f", "+"));
	EXPECT_LT(1000, changed("u/f").tv_sec);
	EXPECT_SAME_TIME(changed("u/f"), changed("rw/f"));
	before = changed("u/f");
	ASSERT_EQ(0, down());
	EXPECT_SAME_TIME(before, changed("rw/f"));
}

/* --- statmount(2), listmount(2) ------------------------------------------------------------ */

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif
#define STATMOUNT 457
#define LISTMOUNT 458

/* Of linux/mount.h, which cannot be had together with sys/mount.h everywhere. */
struct request { uint32_t size, spare; uint64_t id, param, ns; };
struct answer {
	uint32_t size, options;
	uint64_t mask;
	uint32_t dev_major, dev_minor;
	uint64_t magic;
	uint32_t sb_flags, fs_type;
	uint64_t id, parent;
	uint32_t old_id, old_parent;
	uint64_t attr, propagation, peers, master, from;
	uint32_t root, point;
	uint64_t ns;
	uint64_t spare[49];
	char text[8192];
};
enum { SB_BASIC = 1, MNT_BASIC = 2, MNT_ROOT = 8, MNT_POINT = 16, FS_TYPE = 32, MNT_OPTS = 128 };

static uint64_t mount_id(const char *path)
{
	struct statx stx = { 0 };

	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID_UNIQUE, &stx))
		return 0;
	return stx.stx_mnt_id;
}

TEST_F(m, statmount)
{
	struct request request = { .size = 24 };
	static struct answer answer;
	uint64_t ids[64];
	struct stat st;
	const char *line;
	bool found = false;
	long n, i;

	ASSERT_EQ(0, union_mount("", MS_NOSUID | MS_LAZYTIME, (const char * const []){ "rw", "ro", NULL }));
	request.id = mount_id("u");
	ASSERT_NE(0, request.id);
	request.param = SB_BASIC | MNT_BASIC | MNT_ROOT | MNT_POINT | FS_TYPE | MNT_OPTS;
	ASSERT_EQ(0, E(syscall(STATMOUNT, &request, &answer, sizeof(answer), 0)));
	EXPECT_EQ(request.param, answer.mask & request.param);
	EXPECT_STREQ("aufs2", answer.text + answer.fs_type);
	EXPECT_STREQ("/", answer.text + answer.root);
	EXPECT_STREQ(path_of("%s/u", area), answer.text + answer.point);
	ASSERT_EQ(0, E(stat("u", &st)));
	EXPECT_EQ(st.st_dev, makedev(answer.dev_major, answer.dev_minor));
	EXPECT_TRUE(answer.sb_flags & MS_LAZYTIME);
	EXPECT_TRUE(answer.attr & 2 /* MOUNT_ATTR_NOSUID */);
	/* its options are those of /proc/mounts */
	line = strstr(read_file("/proc/self/mounts"), path_of("%s/u aufs2 ", area));
	ASSERT_NE(NULL, line);
	EXPECT_LT(0, strlen(answer.text + answer.options));
	EXPECT_NE(NULL, strstr(path_of("%.*s", (int)strcspn(line, "\n"), line), answer.text + answer.options)) {
		TH_LOG("'%s' is not in '%.*s'", answer.text + answer.options, (int)strcspn(line, "\n"), line);
	}
	/* what does not fit is said so */
	EXPECT_EQ(-EOVERFLOW, E(syscall(STATMOUNT, &request, &answer, offsetof(struct answer, text) + 3, 0)));
	/* it is one of those that are there */
	request = (struct request){ .size = 24, .id = ~0ULL /* LSMT_ROOT */ };
	for (;;) {
		n = E(syscall(LISTMOUNT, &request, ids, ARRAY_SIZE(ids), 0));
		ASSERT_LE(0, n);
		for (i = 0; i < n; i++)
			found |= ids[i] == mount_id("u");
		if (n < (long)ARRAY_SIZE(ids))
			break;
		request.param = ids[n - 1];
	}
	EXPECT_TRUE(found);
}

TEST_HARNESS_MAIN
