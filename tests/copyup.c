// SPDX-License-Identifier: GPL-2.0
/* Copy-up: everything is kept, when it happens, and what undoes it. */
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/quota.h>
#include "aufs2.h"
#include <sys/time.h>

AUFS2_FIXTURE

TEST_F(u, contents_of_many_sizes)
{
	static const long sizes[] = { 0, 1, 4095, 4096, 4097, 65536, 1000001, 5 << 20 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, shell("head -c %ld /dev/urandom > ro/f%u", sizes[i], i));
	}
	ASSERT_EQ(0, up("rw", "ro"));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fd = open(path_of("u/f%u", i), O_RDWR);

		ASSERT_LE(0, fd);
		/* a write that changes nothing in the old range */
		EXPECT_EQ(1, E(pwrite(fd, "+", 1, sizes[i])));
		EXPECT_EQ(0, E(ftruncate(fd, sizes[i])));
		close(fd);
		EXPECT_EQ(checksum(path_of("ro/f%u", i)), checksum(path_of("u/f%u", i))) {
			TH_LOG("%ld bytes", sizes[i]);
		}
		EXPECT_EQ(checksum(path_of("ro/f%u", i)), checksum(path_of("rw/f%u", i)));
	}
}

TEST_F(u, attributes)
{
	struct timespec times[2] = { { 1000, 111 }, { 2000, 222 } };
	struct stat st;

	ASSERT_EQ(0, write_file("ro/f", "text"));
	ASSERT_EQ(0, E(chown("ro/f", 11, 22)));
	ASSERT_EQ(0, E(chmod("ro/f", 02750)));
	ASSERT_EQ(0, E(setxattr("ro/f", "trusted.a", "b", 1, 0)));
	ASSERT_EQ(0, E(utimensat(AT_FDCWD, "ro/f", times, 0)));
	ASSERT_EQ(0, up("rw", "ro"));
	/* an attribute only, so that the rest can be compared */
	ASSERT_EQ(0, E(setxattr("u/f", "trusted.c", "d", 1, 0)));
	st = st_of("rw/f");
	EXPECT_EQ(S_IFREG | 02750, st.st_mode);
	EXPECT_EQ(11, st.st_uid);
	EXPECT_EQ(22, st.st_gid);
	EXPECT_EQ(4, st.st_size);
	EXPECT_EQ(1000, st.st_atim.tv_sec);
	EXPECT_EQ(111, st.st_atim.tv_nsec);
	EXPECT_EQ(2000, st.st_mtim.tv_sec);
	EXPECT_EQ(222, st.st_mtim.tv_nsec);
	EXPECT_EQ(1, E(getxattr("rw/f", "trusted.a", NULL, 0)));
	EXPECT_STREQ("text", read_file("rw/f"));
}

/* A copy without set-id bits gets all of it at once; a symbolic link has no mode to get. */
TEST_F(u, attributes_without_set_id)
{
	static const char *const names[] = { "f", "d", "l", "p" };
	static const mode_t modes[] = {
		S_IFREG | 0751, S_IFDIR | 01770, S_IFLNK | 0777, S_IFIFO | 0604,
	};
	struct timespec times[2] = { { 1000, 111 }, { 2000, 222 } };

	ASSERT_EQ(0, write_file("ro/f", "text"));
	ASSERT_EQ(0, E(mkdir("ro/d", 0755)) | E(symlink("f", "ro/l")) | E(mkfifo("ro/p", 0600)));
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		const char *name = path_of("ro/%s", names[i]);

		ASSERT_EQ(0, E(lchown(name, 11, 22)));
		ASSERT_TRUE(S_ISLNK(modes[i]) || !chmod(name, modes[i] & 07777));
		ASSERT_EQ(0, E(utimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW)));
	}
	ASSERT_EQ(0, up("rw", "ro"));
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		struct stat st;

		ASSERT_EQ(0, E(lsetxattr(path_of("u/%s", names[i]), "trusted.c", "d", 1, 0)));
		ASSERT_EQ(0, E(lstat(path_of("rw/%s", names[i]), &st)));
		EXPECT_EQ(modes[i], st.st_mode) TH_LOG("%s", names[i]);
		EXPECT_EQ(11, st.st_uid);
		EXPECT_EQ(22, st.st_gid);
		/* a directory is read on the way */
		EXPECT_TRUE(S_ISDIR(modes[i]) || st.st_atim.tv_sec == 1000) TH_LOG("%s", names[i]);
		EXPECT_TRUE(S_ISDIR(modes[i]) || st.st_atim.tv_nsec == 111);
		EXPECT_EQ(2000, st.st_mtim.tv_sec);
		EXPECT_EQ(222, st.st_mtim.tv_nsec);
	}
}

TEST_F(u, parents_attributes)
{
	struct stat st;

	ASSERT_EQ(0, shell("mkdir -p ro/a/b; echo x > ro/a/b/f; chown 3:4 ro/a ro/a/b; chmod 1775 ro/a; chmod 700 ro/a/b; touch -d @1000 ro/a/b ro/a"));
	ASSERT_EQ(0, E(setxattr("ro/a", "trusted.t", "v", 1, 0)));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, append_file("u/a/b/f", "+"));
	st = st_of("rw/a");
	EXPECT_EQ(S_IFDIR | 01775, st.st_mode);
	EXPECT_EQ(3, st.st_uid);
	EXPECT_EQ(1, E(getxattr("rw/a", "trusted.t", NULL, 0)));
	/* a copy-up is nothing that happened to the directories */
	EXPECT_EQ(1000, st_of("u/a").st_mtim.tv_sec);
	EXPECT_EQ(1000, st_of("u/a/b").st_mtim.tv_sec);
	EXPECT_EQ(S_IFDIR | 0700, st_of("u/a/b").st_mode);
}

TEST_F(u, not_by_reading)
{
	int fd;

	ASSERT_EQ(0, shell("mkdir ro/d; echo x > ro/d/f; ln -s f ro/d/l"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/d/f", O_RDONLY));
	EXPECT_EQ(0, E(access("u/d/f", W_OK)));
	list("u/d");
	EXPECT_EQ(0, E(fsync(fd)));
	ASSERT_LE(0, open("u/d/f", O_PATH));
	EXPECT_EQ(-EACCES, ({ become(NOBODY); long e = E(open("u/d/f", O_RDWR)); become(0); e; }));
	EXPECT_EQ(-EEXIST, E(open("u/d/f", O_RDWR | O_CREAT | O_EXCL, 0644)));
	EXPECT_EQ(-ENOTDIR, E(open("u/d/f", O_RDWR | O_DIRECTORY)));
	EXPECT_STREQ("ENOENT", kind("rw/d"));
}

TEST_F(u, only_what_is_changed)
{
	ASSERT_EQ(0, shell("mkdir -p ro/d/e; echo 1 > ro/d/f; echo 2 > ro/d/g; echo 3 > ro/d/e/h"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, append_file("u/d/f", "+"));
	EXPECT_STREQ("f", list("rw/d"));
}

TEST_F(u, from_the_right_branch)
{
	ASSERT_EQ(0, shell("echo -n 1 > ro/f; echo -n 2 > ro2/f; echo -n 3 > ro2/g"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	ASSERT_EQ(0, append_file("u/f", "+"));
	ASSERT_EQ(0, append_file("u/g", "+"));
	EXPECT_STREQ("1+", read_file("rw/f"));
	EXPECT_STREQ("3+", read_file("rw/g"));
}

TEST_F(u, by_another_user)
{
	/* whoever may write causes it, and it keeps the owner */
	ASSERT_EQ(0, shell("mkdir -m 755 ro/d; echo -n x > ro/d/f; chmod 666 ro/d/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(0, append_file("u/d/f", "+"));
	ASSERT_EQ(0, become(0));
	EXPECT_STREQ("x+", read_file("rw/d/f"));
	EXPECT_EQ(0, st_of("rw/d/f").st_uid);
	EXPECT_EQ(0, st_of("rw/d").st_uid);
}

/* --- failure ------------------------------------------------------------- */

/* A writable branch with no more than this much space. */
static int mount_small(const char *size)
{
	int err = E(mkdir("small", 0755));

	err = err ?: E(mount("small", "small", "tmpfs", 0, size));
	err = err ?: E(mkdir("small/rw", 0755)) ?: E(mkdir("small/work", 0755));
	if (err)
		return err;
	area_mounts[area_mounted++] = "small";
	if (!reference())
		return up("small/rw=rw", "ro");
	err = E(mount("none", "u", "overlay", 0,
		      path_of("redirect_dir=on,lowerdir=%s/ro,upperdir=%s/small/rw,workdir=%s/small/work",
			      area, area, area)));
	union_up = !err;
	return err;
}

TEST_F(u, no_space)
{
	struct statfs before, after;
	uint64_t sum;
	int fd;

	ASSERT_EQ(0, shell("head -c 8M /dev/urandom > ro/big; echo -n s > ro/little"));
	sum = checksum("ro/big");
	ASSERT_EQ(0, mount_small("size=2M,mode=755"));
	ASSERT_LE(0, fd = open("u/big", O_RDONLY));
	ASSERT_EQ(0, E(statfs("small", &before)));
	EXPECT_EQ(-ENOSPC, E(open("u/big", O_RDWR)));
	/* nothing half-made is seen, and the space is back */
	EXPECT_STREQ("big little", list("u"));
	EXPECT_EQ(sum, checksum("u/big"));
	EXPECT_EQ(8 << 20, st_of("u/big").st_size);
	EXPECT_STREQ("ENOENT", kind("small/rw/big"));
	ASSERT_EQ(0, E(statfs("small", &after)));
	EXPECT_GE(8, before.f_bfree - after.f_bfree);
	EXPECT_EQ(sum, checksum_fd(fd));
	/* what fits still goes */
	EXPECT_EQ(0, append_file("u/little", "+"));
	EXPECT_STREQ("s+", read_file("u/little"));
	EXPECT_EQ(0, E(unlink("u/big")));
	EXPECT_STREQ("little", list("u"));
}

/* Catches: half a copy that is left on a full disk, which may find that out as late as when it writes out. */
TEST_F(u, no_space_on_a_disk)
{
	struct statfs before, after;
	uint64_t sum;
	int i;

	if (on_tmpfs())
		SKIP(return, "no disk");
	ASSERT_EQ(0, E(mount("far", "ro", "tmpfs", 0, "size=64M")));
	area_mounts[area_mounted++] = "ro";
	ASSERT_EQ(0, shell("head -c 32M /dev/urandom > ro/big; mkdir ro/d; echo -n s > ro/d/little"));
	sum = checksum("ro/big");
	/* but for some MiB; a rest that cannot be had at once is filled in pieces */
	ASSERT_EQ(0, shell("free=$(($(stat -f -c '%%a * %%S' rw) >> 20)); fallocate -l $((free - 12))M filler || "
			   "head -c $((free - 12))M /dev/zero > filler; sync -f rw"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(statfs("rw", &before)));
	EXPECT_EQ(-ENOSPC, E(open("u/big", O_RDWR)));
	EXPECT_STREQ("big d", list("u"));
	EXPECT_EQ(sum, checksum("u/big"));
	EXPECT_STREQ("ENOENT", kind("rw/big"));
	/* the room is back, but for what the branch has of its own: some give it back in their own time */
	for (i = 0; i < 200; i++) {
		EXPECT_EQ(0, shell("sync -f rw"));
		ASSERT_EQ(0, E(statfs("rw", &after)));
		if ((long)(before.f_bfree - after.f_bfree) <= (1 << 20) / (long)before.f_bsize)
			break;
		usleep(50000);
	}
	EXPECT_GT(200, i);
	EXPECT_EQ(0, append_file("u/d/little", "+"));
	EXPECT_STREQ("s+", read_file("u/d/little"));
	/* and what did not fit fits when there is room */
	EXPECT_EQ(0, E(unlink("filler")));
	EXPECT_EQ(0, shell("sync -f rw"));
	EXPECT_EQ(0, append_file("u/big", ""));
	EXPECT_EQ(sum, checksum("rw/big"));
}

TEST_F(u, no_inodes)
{
	int i, err = 0;

	ASSERT_EQ(0, shell("mkdir ro/d; echo x > ro/d/f"));
	ASSERT_EQ(0, mount_small("nr_inodes=40,mode=755"));
	for (i = 0; i < 100 && !err; i++)
		err = write_file(path_of("u/n%d", i), "");
	EXPECT_EQ(-ENOSPC, err);
	EXPECT_EQ(-ENOSPC, append_file("u/d/f", "+"));
	EXPECT_EQ(-ENOSPC, E(rename("u/d", "u/d2")));
	EXPECT_EQ(-ENOSPC, E(rename("u/d/f", "u/g")));
	EXPECT_EQ(-ENOSPC, E(setxattr("u/d/f", "trusted.x", "x", 1, 0)));
	/* there is none for its whiteout */
	EXPECT_EQ(-ENOSPC, E(unlink("u/d/f")));
	EXPECT_STREQ("x\n", read_file("u/d/f"));
	EXPECT_STREQ("f", list("u/d"));
	for (i = 0; i < 8; i++)
		unlink(path_of("u/n%d", i));
	EXPECT_EQ(0, append_file("u/d/f", "+"));
	EXPECT_STREQ("x\n+", read_file("u/d/f"));
}

TEST_F(u, beyond_4_gib)
{
	const off_t end = 5LL << 30;
	char text[8] = "";
	int fd;

	/* not in ro, all of which is read to see that it has not changed */
	ASSERT_EQ(0, E(mkdir("far", 0755)));
	ASSERT_LE(0, fd = open("far/f", O_CREAT | O_RDWR, 0644));
	ASSERT_EQ(5, E(pwrite(fd, "start", 5, 0)));
	ASSERT_EQ(3, E(pwrite(fd, "end", 3, end)));
	close(fd);
	ASSERT_EQ(0, up("rw", "far=ro"));
	EXPECT_EQ(end + 3, st_of("u/f").st_size);
	ASSERT_LE(0, fd = open("u/f", O_RDWR));
	EXPECT_EQ(3, E(pread(fd, text, sizeof(text), end)));
	EXPECT_STREQ("end", text);
	EXPECT_EQ(3, E(pwrite(fd, "END", 3, end + 3)));
	EXPECT_EQ(6, E(pread(fd, text, sizeof(text), end)));
	EXPECT_STREQ("endEND", text);
	EXPECT_EQ(end + 6, E(lseek(fd, 0, SEEK_END)));
	close(fd);
	EXPECT_EQ(end + 6, st_of("rw/f").st_size);
	EXPECT_EQ(end + 3, st_of("far/f").st_size);
	/* its hole is one still */
	EXPECT_GT(4096, st_of("rw/f").st_blocks);
	EXPECT_EQ(0, E(truncate("u/f", end)));
	EXPECT_EQ(end, st_of("rw/f").st_size);
}

/* without_sys_resource: takes CAP_SYS_RESOURCE from this process, for good. */
static int without_sys_resource(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	int ret = E(syscall(SYS_capget, &header, data));

	if (ret)
		return ret;
	data[0].effective &= ~(1u << CAP_SYS_RESOURCE);
	data[0].permitted &= ~(1u << CAP_SYS_RESOURCE);
	return E(syscall(SYS_capset, &header, data)) ?: E(prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE));
}

TEST_F(u, quota)
{
	struct stat st;

	struct dqblk limit = { .dqb_bhardlimit = 1024, .dqb_valid = QIF_BLIMITS };
	char device[64] = "";
	FILE *f;

	/* a branch on which user 1234 may have 1 MB, and a mounter who is held to that */
	if (strcmp(test_fs(), "tmpfs"))
		SKIP(return, "done once, on tmpfs");
	ASSERT_EQ(0, shell("truncate -s 64M image; mkfs.ext4 -q -O quota image"));
	if (shell("modprobe -q loop; mount -o loop,usrquota image rw; findmnt -n -o SOURCE rw > device"))
		SKIP(return, "the kernel has no quota on ext4");
	ASSERT_TRUE((f = fopen("device", "r")) && fscanf(f, "%63s", device) == 1);
	fclose(f);
	ASSERT_EQ(0, E(quotactl(QCMD(Q_SETQUOTA, USRQUOTA), device, 1234, (void *)&limit)));
	ASSERT_EQ(0, shell("head -c 4M /dev/urandom > ro/big; truncate -s 64K ro/small; "
			   "chown 1234 ro/big ro/small"));
	ASSERT_EQ(0, without_sys_resource());
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-EDQUOT, E(open("u/big", O_RDWR)));
	EXPECT_STREQ("ENOENT", kind("rw/big"));
	st = st_of("u/big");
	EXPECT_EQ(4 << 20, st.st_size);
	/* what fits is copied */
	EXPECT_EQ(0, shell("echo more >> u/small"));
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, shell("test -z \"$(ls -A rw/.wh..wh.orph 2>/dev/null)\""));
	ASSERT_EQ(0, E(umount("rw")));
}

/* Makes a file of that many times the letter s, without a slow pipe. */
static int make_s(const char *path, long size)
{
	static char b[1 << 20];
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644), err = 0;

	memset(b, 's', sizeof(b));
	for (; size > 0 && !err; size -= sizeof(b))
		err = write(fd, b, sizeof(b)) != sizeof(b);
	close(fd);
	return err;
}

/* Whether a file is that; checksums are slow. */
static bool is_whole(const char *path, long size)
{
	static char b[1 << 20], all[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	bool good = fd >= 0;

	memset(all, 's', sizeof(all));
	while ((n = read(fd, b, sizeof(b))) > 0) {
		good &= !memcmp(b, all, n);
		size -= n;
	}
	close(fd);
	return good && n == 0 && size == 0;
}

static unsigned long free_blocks(const char *path)
{
	struct statfs st = { 0 };

	statfs(path, &st);
	return st.f_bfree;
}

TEST_F(u, signal)
{
	/* a fatal signal in the middle of a long copy leaves no half of it */
	int status, round, hits = 0;
	unsigned long before;
	bool begun;
	pid_t child;

	/* from another filesystem, as what shares its blocks is copied at once */
	if (!on_tmpfs()) {
		ASSERT_EQ(0, E(mount("branch", "ro", "tmpfs", 0, "mode=755")));
		area_mounts[area_mounted++] = strdup(path_of("%s/ro", area));
	}
	ASSERT_EQ(0, make_s("ro/big", 32 << 20));
	ASSERT_EQ(0, up("rw", "ro"));
	for (round = 0; round < 20 && !hits; round++) {
		before = free_blocks("rw");
		child = fork();
		if (!child)
			_exit(open("u/big", O_RDWR) < 0);
		/* on a disk, too, what is to be written back takes its room at once */
		while (!(begun = free_blocks("rw") + 16 <= before) && state_of(child) != 'Z')
			usleep(50);
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		/* there is all of it, or nothing, nor is what was taken lost */
		EXPECT_TRUE(is_whole("u/big", 32 << 20));
		if (!strcmp("file", kind("rw/big"))) {
			EXPECT_TRUE(is_whole("rw/big", 32 << 20));
		} else {
			hits += begun && WIFSIGNALED(status);
			if (on_tmpfs())
				EXPECT_GE(64, before - free_blocks("rw"));
		}
		if (hits)
			break;
		/* the signal came too late: another try */
		ASSERT_EQ(0, down());
		unlink("rw/big");
		ASSERT_EQ(0, up("rw", "ro"));
	}
	EXPECT_EQ(1, hits);
	EXPECT_STREQ("big", list("u"));
	EXPECT_EQ(0, append_file("u/big", "+"));
	EXPECT_EQ((32 << 20) + 1, st_of("u/big").st_size);
}

TEST_F(u, nothing_half_made_is_seen)
{
	/* readers and writers meanwhile: never a short file, always one name */
	int status, i, bad = 0;
	pid_t child;

	ASSERT_EQ(0, E(mkdir("ro/d", 0755)));
	ASSERT_EQ(0, make_s("ro/d/big", 16 << 20));
	ASSERT_EQ(0, up("rw", "ro"));
	child = fork();
	if (!child)
		_exit(open("u/d/big", O_RDWR) < 0);
	for (i = 0; !waitpid(child, &status, WNOHANG); i++) {
		bad |= st_of("u/d/big").st_size != 16 << 20;
		bad |= !!strcmp("big", list("u/d")) << 1;
		if (!strcmp("file", kind("rw/d/big")))
			bad |= (st_of("rw/d/big").st_size != 16 << 20) << 2;
	}
	EXPECT_EQ(0, bad) TH_LOG("1: short in the union, 2: listing, 4: short in the branch");
	EXPECT_LT(0, i);
	EXPECT_EQ(0, status);
	EXPECT_TRUE(is_whole("u/d/big", 16 << 20));
}

TEST_F(u, by_many_at_once)
{
	pid_t children[8];
	int i, status;

	ASSERT_EQ(0, shell("mkdir -p ro/a/b; head -c 1M /dev/zero > ro/a/b/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	for (i = 0; i < 8; i++) {
		children[i] = fork();
		if (!children[i]) {
			int fd = open("u/a/b/f", O_RDWR);

			_exit(pwrite(fd, "x", 1, i) != 1);
		}
	}
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(children[i], waitpid(children[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, strncmp("xxxxxxxx", read_file("u/a/b/f"), 8));
	EXPECT_EQ(1 << 20, st_of("rw/a/b/f").st_size);
	EXPECT_STREQ("f", list("rw/a/b"));
}

/*
 * A filesystem without O_TMPFILE: the copy is made in the work directory.  Catches, on the
 * debug kernel, data that is copied with the right to write held: a freeze would never end.
 */
TEST_F(u, without_nameless_files)
{
	char text[5] = "";
	const char *why;
	int fd;

	AUFS2_ONLY("it wants them");
	ASSERT_EQ(0, shell("head -c 3000000 /dev/urandom > ro/f; echo gone > ro/g; truncate -s 1M ro/s; mkdir ro/d; echo in > ro/d/i"));
	/* flags that vfat does not have, though it tells of some */
	ASSERT_EQ(0, shell("chattr +d ro/f ro/g 2>/dev/null; true"));
	why = make_fs("vfat", path_of("%s/rw", area));
	ASSERT_EQ(NULL, why) { TH_LOG("%s", why); }
	ASSERT_EQ(-EOPNOTSUPP, E(open("rw", O_TMPFILE | O_RDWR, 0600)));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, append_file("u/f", "+"));
	EXPECT_EQ(3000001, st_of("rw/f").st_size);
	ASSERT_EQ(0, E(truncate("u/f", 3000000)));
	EXPECT_EQ(checksum("ro/f"), checksum("u/f"));
	ASSERT_EQ(0, append_file("u/s", "end"));
	EXPECT_EQ((1 << 20) + 3, st_of("u/s").st_size);
	ASSERT_EQ(0, append_file("u/d/i", "more"));
	EXPECT_STREQ("in\nmore", read_file("rw/d/i"));
	/* One that has no name any more. */
	fd = open("u/g", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(unlink("u/g")));
	ASSERT_EQ(0, E(fchmod(fd, 0755)));
	EXPECT_EQ(4, E(pread(fd, text, 4, 0)));
	EXPECT_STREQ("gone", text);
	close(fd);
	EXPECT_STREQ("", list("rw/.wh..wh.orph"));
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(umount2("rw", 0)));
}

TEST_HARNESS_MAIN
