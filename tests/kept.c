// SPDX-License-Identifier: GPL-2.0
/*
 * What users can have the kernel keep: nothing of what they only look at, and what they hold counts
 * as theirs.
 */
#include "aufs2.h"

AUFS2_FIXTURE

#define NAMES 8000
#define LISTINGS 100

/* Bytes in what kmalloc() and the trees of numbers have given out. */
static long in_use(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	char line[512], name[64];
	long active, all, size, sum = -1;

	drop_caches();
	/* what is given back waits for a grace period */
	syscall(SYS_membarrier, 1 /* MEMBARRIER_CMD_GLOBAL */, 0, 0);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %ld %ld %ld", name, &active, &all, &size) == 4 &&
		    (!strncmp(name, "kmalloc", 7) || !strcmp(name, "radix_tree_node")))
			sum += active * size;
	}
	if (f)
		fclose(f);
	return sum;
}

/* How many names there are, of which nothing else is asked. */
static int entries_of(const char *path)
{
	char entries[8192];
	int fd = open(path, O_RDONLY | O_DIRECTORY), count = 0;
	long n, at;

	while ((n = E(syscall(SYS_getdents64, fd, entries, sizeof(entries)))) > 0)
		for (at = 0; at < n; at += *(unsigned short *)(entries + at + 16))
			count++;
	close(fd);
	return n < 0 ? n : count;
}

/* Numbers that leave no room for the branch's: they are made of what the branch has, each time. */
TEST_F(u, nothing_of_what_is_listed)
{
	long before, after;
	int tries;

	AUFS2_ONLY("it is about branches");
	if (strstr(read_file("/proc/version"), "-debug"))
		SKIP(return, "what is given back stays for a while");
	if (shell("modprobe -q overlay"))
		SKIP(return, "no overlayfs");
	ASSERT_EQ(0, make_branch("A"));
	ASSERT_EQ(0, make_branch("B"));
	ASSERT_EQ(0, shell("mkdir A/d; cd A/d; seq %d | xargs touch", NAMES));
	ASSERT_EQ(0, shell("mkdir O; mount -t overlay -o xino=on,lowerdir=A:B none O"));
	ASSERT_EQ(0, up("rw", "O"));
	ASSERT_EQ(NAMES + 2, entries_of("O/d"));
	before = in_use();
	if (before < 0)
		SKIP(return, "no /proc/slabinfo");
	ASSERT_EQ(NAMES + 2, entries_of("u/d"));
	/* what others have meanwhile comes and goes; what is kept of the list stays */
	for (tries = 0, after = in_use(); tries < 20 && after - before >= NAMES * 16; tries++) {
		usleep(100000);
		after = in_use();
	}
	EXPECT_GT(NAMES * 16, after - before) {
		TH_LOG("%ld bytes more", after - before);
	}
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, shell("umount O"));
}

static long charged(void)
{
	return atol(read_file("/mnt/cgroup/kept/memory.current"));
}

/* Each descriptor has the list of the directory as it was. */
TEST_F(u, listings_belong_to_who_lists)
{
	char entries[1024];
	long before, after;
	int i, fd;

	AUFS2_ONLY("it lists what is on one branch as that does");
	ASSERT_EQ(0, shell("mkdir ro/d; cd ro/d; seq -f a-name-of-some-length-%%g 2000 | xargs touch"));
	ASSERT_EQ(0, up("rw", "ro"));
	mkdir("/mnt/cgroup", 0755);
	if (mount("none", "/mnt/cgroup", "cgroup2", 0, NULL))
		SKIP(return, "no control groups");
	put("/mnt/cgroup/cgroup.subtree_control", 0, "+memory");
	mkdir("/mnt/cgroup/kept", 0755);
	if (put("/mnt/cgroup/kept/cgroup.procs", 0, path_of("%d", getpid())) || charged() < 0)
		SKIP(return, "no memory control group");
	before = charged();
	for (i = 0; i < LISTINGS; i++) {
		ASSERT_LE(0, fd = open("u/d", O_RDONLY | O_DIRECTORY));
		ASSERT_LT(0, syscall(SYS_getdents64, fd, entries, sizeof(entries)));
		ASSERT_EQ(0, write_file(path_of("u/d/%d", i), ""));
	}
	after = charged();
	/* the names alone */
	EXPECT_LT(LISTINGS * 2000 * 22, after - before) {
		TH_LOG("%ld bytes more", after - before);
	}
	put("/mnt/cgroup/cgroup.procs", 0, path_of("%d", getpid()));
	close_range(3, ~0U, 0);
	rmdir("/mnt/cgroup/kept");
	umount2("/mnt/cgroup", MNT_DETACH);
}

TEST_HARNESS_MAIN
