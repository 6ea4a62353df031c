// SPDX-License-Identifier: GPL-2.0
/*
 * Whose rights count: the mounter's are for what the union does on its branches,
 * and for nothing that its user asks for.
 */
#include "aufs2.h"
#include <sys/mman.h>
#include <sys/quota.h>
#include <sys/wait.h>

AUFS2_FIXTURE

#ifndef __NR_quotactl_fd
#define __NR_quotactl_fd 443
#endif

/* --- limits ---------------------------------------------------------------- */

/* How much a user may have: KIB of blocks, and INODES. */
static long limit(const char *path, uid_t uid, unsigned long kib, unsigned long inodes)
{
	struct dqblk quota = {
		.dqb_bhardlimit = kib, .dqb_ihardlimit = inodes, .dqb_valid = QIF_LIMITS,
	};
	int fd = open(path, O_RDONLY);
	long err;

	err = E(syscall(__NR_quotactl_fd, fd, QCMD(Q_QUOTAON, USRQUOTA), 2, NULL));
	if (err == -EBUSY || err == -EEXIST)
		err = 0;
	err = err ?: E(syscall(__NR_quotactl_fd, fd, QCMD(Q_SETQUOTA, USRQUOTA), uid, &quota));
	close(fd);
	return err;
}

/* Writes up to KIB to a new file; how it ended. */
static long fill(const char *path, int kib)
{
	static char block[65536];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644), i;
	long err = fd < 0 ? -errno : 0;

	memset(block, 'x', sizeof(block));
	for (i = 0; i < kib / 64 && !err; i++) {
		ssize_t n = write(fd, block, sizeof(block));

		if (n < 0)
			err = -errno;
	}
	close(fd);
	return err;
}

static long many(const char *dir, bool dirs)
{
	long err = 0;
	int i;

	for (i = 0; i < 100 && !err; i++) {
		const char *path = path_of("%s/n%d", dir, i);

		err = dirs ? E(mkdir(path, 0755)) : E(mknod(path, S_IFREG | 0644, 0));
	}
	return err;
}

static long reserve(const char *path, int kib)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	long err = fd < 0 ? -errno : E(fallocate(fd, 0, 0, (off_t)kib << 10));

	close(fd);
	return err;
}

static long copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0644);
	long n;

	do {
		n = E(copy_file_range(in, NULL, out, NULL, 1 << 20, 0));
	} while (n > 0);
	close(in);
	close(out);
	return n;
}

static int as_nobody(void)
{
	return E(setgid(NOBODY)) ?: E(setuid(NOBODY));
}

/* What a user gets in DIR, who may have 1 MiB and 20 inodes. */
static void within_limits(struct __test_metadata *_metadata, const char *disk, const char *dir)
{
	ASSERT_EQ(0, limit(disk, NOBODY, 1024, 20));
	EXPECT_EQ(-EDQUOT, IN_CHILD(as_nobody(), fill(path_of("%s/f", dir), 2048)));
	ASSERT_EQ(0, E(unlink(path_of("%s/f", dir))));
	EXPECT_EQ(-EDQUOT, IN_CHILD(as_nobody(), reserve(path_of("%s/f", dir), 2048)));
	ASSERT_EQ(0, E(unlink(path_of("%s/f", dir))));
	EXPECT_EQ(-EDQUOT, IN_CHILD(as_nobody(), copy(path_of("%s/big", dir), path_of("%s/f", dir))));
	ASSERT_EQ(0, E(unlink(path_of("%s/f", dir))));
	EXPECT_EQ(-EDQUOT, IN_CHILD(as_nobody(), many(dir, false)));
	EXPECT_EQ(0, shell("rm %s/n*", dir));
	EXPECT_EQ(-EDQUOT, IN_CHILD(as_nobody(), many(dir, true)));
	EXPECT_EQ(0, shell("rmdir %s/n*", dir));
	/* who is root may still give more than that */
	EXPECT_EQ(0, fill(path_of("%s/root", dir), 2048));
	EXPECT_EQ(0, E(unlink(path_of("%s/root", dir))));
}

TEST_F(u, disk_quota_holds)
{
	const char *why = make_fs("ext4", path_of("%s/disk", area));

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, shell("mkdir -m 777 disk/plain disk/rw ro/d"));
	ASSERT_EQ(0, shell("head -c 2M /dev/zero | tee ro/big > disk/plain/big; cp ro/big ro/mine"));
	ASSERT_EQ(0, E(chown("ro/mine", NOBODY, NOBODY)));
	if (limit("disk", NOBODY, 1024, 20))
		SKIP(return, "no disk quota");
	within_limits(_metadata, "disk", "disk/plain");
	ASSERT_EQ(0, up("disk/rw=rw", "ro"));
	within_limits(_metadata, "disk", "u");
	/* a copy belongs to whom the original does */
	EXPECT_EQ(-EDQUOT, IN_CHILD(as_nobody(), can_open("u/mine", O_RDWR)));
	EXPECT_EQ(-EDQUOT, E(chmod("u/mine", 0600)));
	EXPECT_STREQ("ENOENT", kind("disk/rw/mine"));
	EXPECT_EQ(0, down());
	EXPECT_EQ(0, E(umount("disk")));
}

/* --- attributes of the filesystem ------------------------------------------ */

TEST_F(u, system_attributes_are_the_owners)
{
	static const char name[] = "system.nobody_knows";

	ASSERT_EQ(0, shell("echo x > ro/f; echo y > ro/mine; chown %d ro/mine", NOBODY));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(reference() ? -EOPNOTSUPP : -EPERM,
		  IN_CHILD(as_nobody(), E(setxattr("u/f", name, "v", 1, 0))));
	EXPECT_EQ(reference() ? -EOPNOTSUPP : -EPERM,
		  IN_CHILD(as_nobody(), E(removexattr("u/f", name))));
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	EXPECT_EQ(-EOPNOTSUPP, IN_CHILD(as_nobody(), E(setxattr("u/mine", name, "v", 1, 0))));
	EXPECT_EQ(-EOPNOTSUPP, E(setxattr("u/f", name, "v", 1, 0)));
}

/* What a server says who asks for system.caller. */
static int caller(const char *path, char *answer)
{
	ssize_t n = getxattr(path, "system.caller", answer, 15);

	if (n < 0)
		return -errno;
	answer[n] = 0;
	return 0;
}

TEST_F(u, system_attributes_are_read_as_oneself)
{
	char answer[16] = "", here[4096];
	ssize_t n;
	int i;

	AUFS2_ONLY("it asks as the mounter");
	if (access("/dev/fuse", F_OK) && shell("modprobe -q fuse"))
		SKIP(return, "no FUSE");
	if (!have("python3"))
		SKIP(return, "no python3");
	ASSERT_EQ(0, shell("mkdir far near; echo x > far/f"));
	n = readlink("/proc/self/exe", here, sizeof(here) - 1);
	ASSERT_LT(0, n);
	here[n] = 0;
	*strrchr(here, '/') = 0;
	ASSERT_EQ(0, shell("%s/lib/remotefs.py far near & for i in $(seq 300); do "
			   "mountpoint -q near && exit; sleep .1; done; exit 1", here));
	ASSERT_EQ(0, up("rw", "near=ro"));
	EXPECT_EQ(0, caller("u/f", answer));
	EXPECT_STREQ("0", answer);
	i = fork();
	if (!i) {
		if (as_nobody() || caller("u/f", answer))
			_exit(255);
		_exit(strcmp(answer, "65534") != 0);
	}
	waitpid(i, &i, 0);
	EXPECT_EQ(0, i);
	EXPECT_EQ(0, down());
	EXPECT_EQ(0, E(umount2("near", MNT_DETACH)));
}

/* --- directories of the union's own on a branch ------------------------------ */

/* Makes one that comes with the branch, and is somebody's and open to all. */
static int make_open(const char *dir)
{
	return E(mkdir(dir, 0755)) ?: E(chmod(dir, 02777)) ?: E(chown(dir, NOBODY, NOBODY));
}

/* Whether it is nobody's but root's. */
static bool is_private(const char *dir)
{
	struct stat st = st_of(dir);

	return (st.st_mode & 07777) == 0700 && !st.st_uid;
}

TEST_F(u, the_work_directory_is_nobody_elses)
{
	static const char work[] = "rw/.wh..wh.orph";

	AUFS2_ONLY("its work directory is another one");
	ASSERT_EQ(0, shell("mkdir ro/d; echo x > ro/f"));
	/* one that came with the branch */
	ASSERT_EQ(0, make_open(work));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(chmod("u/d", 0700)));
	EXPECT_TRUE(is_private(work));
	EXPECT_EQ(0, down());
	/* one that is made where rights are inherited */
	ASSERT_EQ(0, shell("rm -r rw/.wh* rw/d"));
	ASSERT_EQ(0, E(chown("rw", 0, NOBODY)));
	ASSERT_EQ(0, E(chmod("rw", 02777)));
	shell("setfacl -d -m u:%d:rwx,m::rwx rw", NOBODY);
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(chmod("u/d", 0700)));
	EXPECT_TRUE(is_private(work));
	EXPECT_GE(0, E(getxattr(work, "system.posix_acl_default", NULL, 0)));
}

TEST_F(u, pseudo_links_are_nobody_elses)
{
	static const char dir[] = "rw/.wh..wh.plnk";

	AUFS2_ONLY("its format has none");
	ASSERT_EQ(0, shell("echo x > ro/f; ln ro/f ro/g"));
	ASSERT_EQ(0, make_open(dir));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, append_file("u/f", "+"));
	ASSERT_EQ(0, E(unlink("u/f")));
	EXPECT_STREQ("x\n+", read_file("u/g"));
	EXPECT_TRUE(is_private(dir));
}

/* --- what the mount of a branch forbids ------------------------------------- */

/* Who a program is that NOBODY runs. */
static int runs_as(const char *path, uid_t uid)
{
	return shell("test $(setpriv --reuid %d --regid %d --clear-groups %s -u) = %d",
		     NOBODY, NOBODY, path, uid);
}

TEST_F(u, privileges_of_a_branch_without)
{
	AUFS2_ONLY("they count there");
	ASSERT_EQ(0, shell("mkdir limited; mount -t tmpfs -o nosuid,mode=755 limited limited; "
			   "for f in plain moved linked; do cp /usr/bin/id limited/$f; done; "
			   "chmod 4755 limited/*; cp /usr/bin/id limited/cap; chmod 755 limited/cap"));
	if (shell("setcap cap_dac_override+ep limited/cap"))
		ksft_print_msg("no file capabilities\n");
	EXPECT_EQ(0, runs_as("limited/plain", NOBODY));
	ASSERT_EQ(0, up("rw", "limited=ro"));
	EXPECT_EQ(0, runs_as("u/plain", NOBODY));
	EXPECT_EQ(04755, st_of("u/plain").st_mode & 07777);
	/* a copy is on a branch where they would count */
	ASSERT_EQ(0, E(rename("u/moved", "u/other")));
	EXPECT_EQ(0755, st_of("rw/other").st_mode & 07777);
	EXPECT_EQ(0, runs_as("u/other", NOBODY));
	ASSERT_EQ(0, E(link("u/linked", "u/name")));
	EXPECT_EQ(0, runs_as("u/name", NOBODY));
	EXPECT_EQ(-ENODATA, E(getxattr("u/cap", "security.capability", NULL, 0)));
	ASSERT_EQ(0, append_file("u/cap", ""));
	EXPECT_EQ(-ENODATA, E(getxattr("rw/cap", "security.capability", NULL, 0)));
	/* where they are made they mean something */
	ASSERT_EQ(0, E(chmod("u/other", 04755)));
	EXPECT_EQ(0, runs_as("u/other", 0));
	EXPECT_EQ(0, down());
	EXPECT_EQ(0, E(umount("limited")));
}

static long execute(const char *path)
{
	execl(path, path, "-u", NULL);
	return -errno;
}

TEST_F(u, programs_of_a_branch_without)
{
	char *p;
	int fd;

	AUFS2_ONLY("they run there");
	ASSERT_EQ(0, shell("mkdir limited; mount -t tmpfs -o noexec,mode=755 limited limited; "
			   "cp /usr/bin/id limited/id"));
	EXPECT_EQ(-EACCES, IN_CHILD(0, execute("limited/id")));
	ASSERT_EQ(0, up("rw", "limited=ro"));
	EXPECT_EQ(-EACCES, IN_CHILD(0, execute("u/id")));
	ASSERT_LE(0, fd = open("u/id", O_RDONLY));
	EXPECT_EQ(-EPERM, E(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0)));
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-EACCES, E(mprotect(p, 4096, PROT_READ | PROT_EXEC)));
	munmap(p, 4096);
	close(fd);
	/* its copy is elsewhere */
	ASSERT_EQ(0, append_file("u/id", ""));
	EXPECT_EQ(0, runs_as("u/id", NOBODY));
	EXPECT_EQ(0, down());
	EXPECT_EQ(0, E(umount("limited")));
}

TEST_F(u, devices_of_a_branch_without)
{
	AUFS2_ONLY("they are opened there");
	ASSERT_EQ(0, shell("mkdir limited; mount -t tmpfs -o nodev,mode=755 limited limited; "
			   "mknod limited/null c 1 3; mknod limited/disk b 7 0; mknod ro/null2 c 1 3"));
	EXPECT_EQ(-EACCES, can_open("limited/null", O_RDONLY));
	ASSERT_EQ(0, up("rw", "limited=ro", "ro"));
	EXPECT_EQ(-EACCES, can_open("u/null", O_RDONLY));
	EXPECT_EQ(-EACCES, can_open("u/disk", O_RDONLY));
	EXPECT_EQ(makedev(1, 3), st_of("u/null").st_rdev);
	EXPECT_EQ(0, can_open("u/null2", O_RDWR));
	/* nor can they be taken elsewhere */
	EXPECT_EQ(-EPERM, E(rename("u/null", "u/other")));
	EXPECT_EQ(-EPERM, E(chmod("u/null", 0666)));
	EXPECT_STREQ("ENOENT", kind("rw/null"));
	EXPECT_EQ(0, E(unlink("u/null")));
	EXPECT_EQ(0, down());
	EXPECT_EQ(0, E(umount("limited")));
}

TEST_HARNESS_MAIN
