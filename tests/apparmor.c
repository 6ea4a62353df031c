// SPDX-License-Identifier: GPL-2.0
/*
 * AppArmor: a profile says what a task may do by path, and that is the union's, whatever
 * branch a file is on.
 *
 * Each case is run on a plain filesystem, on overlayfs, and on a union by each engine.
 *
 * Catches: with mmap=fault, a path of the branch that the rules are asked for when the
 * protection of a map changes, so that no dynamic program runs.
 */
#include "aufs2.h"
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define APPARMORFS	"/sys/kernel/security/apparmor"

static long page;

static void __attribute__((constructor(1100))) look_for_apparmor(void)
{
	page = sysconf(_SC_PAGESIZE);
	if (reference())
		skip_program("makes overlayfs by itself");
	if (access(APPARMORFS, F_OK))
		mount("none", "/sys/kernel/security", "securityfs", 0, NULL);
	if (access(APPARMORFS "/.load", F_OK))
		skip_program("the kernel has no AppArmor that is on");
	if (!have("apparmor_parser"))
		skip_program("no apparmor_parser");
}

FIXTURE(u) { int unused; };
FIXTURE_VARIANT(u)
{
	const char *type, *options;
	bool asks_later;	/* whether the rules are asked for when the protection changes */
};
FIXTURE_VARIANT_ADD(u, plain) { .asks_later = true };
FIXTURE_VARIANT_ADD(u, overlay) { .type = "overlay" };
FIXTURE_VARIANT_ADD(u, direct) { .type = "aufs2", .options = "mmap=direct" };
FIXTURE_VARIANT_ADD(u, fault) { .type = "aufs2", .options = "mmap=fault" };
FIXTURE_VARIANT_ADD(u, direct_path)
{
	.type = "aufs2", .options = "mmap=direct,mmap_path=union", .asks_later = true
};
FIXTURE_VARIANT_ADD(u, fault_path)
{
	.type = "aufs2", .options = "mmap=fault,mmap_path=union", .asks_later = true
};

/* What the task in the profile may do; of the branches, but for one file, nothing. */
static int load_profile(void)
{
	int err = write_file("/tmp/profile", path_of(
		"profile aufs2_test {\n"
		"  capability,\n"
		"  signal,\n"
		"  /usr/lib/** mr,\n"
		"  /usr/lib64/** mr,\n"
		"  /etc/ld.so.cache r,\n"
		"  %1$s/u/r r,\n"
		"  %1$s/u/rm rm,\n"
		"  %1$s/u/rw rw,\n"
		"  %1$s/u/prog rmix,\n"
		"  %1$s/u/dynamic rmix,\n"
		"  %1$s/u/new w,\n"
		"  %1$s/ro/denied rm,\n"
		"}\n", area));

	return err ?: shell("apparmor_parser -r -K /tmp/profile");
}

FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("for f in r rm rw none denied; do head -c %ld /dev/zero > ro/$f; done; "
			   "cp /bin/busybox ro/prog; cp /bin/busybox ro/none_prog; cp /bin/true ro/dynamic", page));
	area_seal();
	if (!variant->type) {
		ASSERT_EQ(0, shell("cp -a ro/. rw/"));
		ASSERT_EQ(0, E(mount("rw", "u", NULL, MS_BIND, NULL)));
	} else if (!strcmp(variant->type, "overlay")) {
		shell("modprobe -q overlay");
		if (mount("none", "u", "overlay", 0, path_of("lowerdir=%s/ro,upperdir=%s/rw,workdir=%s/.work",
							     area, area, area)))
			SKIP(return, "no overlayfs");
	} else {
		ASSERT_EQ(0, E(mount("none", "u", variant->type, 0, path_of("br:%s/rw=rw:%s/ro=ro,%s", area, area,
									    variant->options))));
	}
	union_up = true;
	ASSERT_EQ(0, load_profile());
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
	shell("apparmor_parser -R /tmp/profile");
}

/* The result of a call in a child that the profile is for: 0 or -errno. */
#define CONFINED(call) \
	IN_CHILD(put("/proc/thread-self/attr/apparmor/current", 0, "changeprofile aufs2_test"), call)

static int can_map(const char *path, int flags, int prot, int kind, int later)
{
	int fd = open(path, flags | O_CLOEXEC);
	volatile char *p;

	if (fd < 0)
		return -errno;
	p = mmap(NULL, page, prot, kind, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	close(fd);
	if (*p)
		return -EIO;
	if (prot & PROT_WRITE)
		*p = 1;
	return later ? E(mprotect((void *)p, page, later)) : 0;
}

static int can_run(const char *path)
{
	execl(path, "true", NULL);
	return -errno;
}

#define RX (PROT_READ | PROT_EXEC)
#define RW (PROT_READ | PROT_WRITE)

TEST_F(u, files)
{
	EXPECT_EQ(0, CONFINED(can_open("u/r", O_RDONLY)));
	EXPECT_EQ(-EACCES, CONFINED(can_open("u/r", O_RDWR)));
	EXPECT_EQ(-EACCES, CONFINED(can_open("u/none", O_RDONLY)));
	EXPECT_EQ(0, CONFINED(can_open("u/rw", O_RDWR)));
	EXPECT_EQ(0, CONFINED(put("u/new", O_CREAT | O_EXCL, "new")));
	EXPECT_EQ(-EACCES, CONFINED(put("u/other", O_CREAT | O_EXCL, "new")));
	EXPECT_EQ(-EACCES, CONFINED(E(unlink("u/rm"))));
	/* What is said of the branch is not said of the union, nor the other way round. */
	EXPECT_EQ(0, CONFINED(can_open("ro/denied", O_RDONLY)));
	EXPECT_EQ(-EACCES, CONFINED(can_open("u/denied", O_RDONLY)));
	EXPECT_EQ(-EACCES, CONFINED(can_open("ro/r", O_RDONLY)));
	/* By the name that it has now. */
	EXPECT_EQ(0, E(rename("u/r", "u/moved")));
	EXPECT_EQ(-EACCES, CONFINED(can_open("u/moved", O_RDONLY)));
	EXPECT_EQ(0, E(rename("u/none", "u/r")));
	EXPECT_EQ(0, CONFINED(can_open("u/r", O_RDONLY)));
}

TEST_F(u, maps)
{
	EXPECT_EQ(0, CONFINED(can_map("u/r", O_RDONLY, PROT_READ, MAP_SHARED, 0)));
	EXPECT_EQ(0, CONFINED(can_map("u/r", O_RDONLY, RW, MAP_PRIVATE, 0)));
	EXPECT_EQ(-EACCES, CONFINED(can_map("u/r", O_RDONLY, RX, MAP_PRIVATE, 0)));
	EXPECT_EQ(0, CONFINED(can_map("u/rm", O_RDONLY, RX, MAP_PRIVATE, 0)));
	EXPECT_EQ(0, CONFINED(can_map("u/rm", O_RDONLY, RX, MAP_SHARED, 0)));
	EXPECT_EQ(0, CONFINED(can_map("u/rw", O_RDWR, RW, MAP_SHARED, 0)));
	EXPECT_EQ(-EACCES, CONFINED(can_map("u/none", O_RDONLY, PROT_READ, MAP_SHARED, 0)));
}

TEST_F(u, protection)
{
	int asked = variant->asks_later ? -EACCES : 0;

	EXPECT_EQ(0, CONFINED(can_map("u/r", O_RDONLY, RW, MAP_PRIVATE, PROT_READ)));
	EXPECT_EQ(0, CONFINED(can_map("u/rm", O_RDONLY, PROT_READ, MAP_PRIVATE, RX)));
	EXPECT_EQ(0, CONFINED(can_map("u/rm", O_RDONLY, RX, MAP_PRIVATE, PROT_READ)));
	EXPECT_EQ(0, CONFINED(can_map("u/rw", O_RDWR, PROT_READ, MAP_SHARED, RW)));
	/* A map of a backing file is the mounter's: it is not asked for. */
	EXPECT_EQ(asked, CONFINED(can_map("u/r", O_RDONLY, PROT_READ, MAP_PRIVATE, RX)));
}

TEST_F(u, programs)
{
	EXPECT_EQ(0, CONFINED(can_run("u/prog")));
	EXPECT_EQ(-EACCES, CONFINED(can_run("u/none_prog")));
	/* Its loader changes the protection of what it has relocated. */
	EXPECT_EQ(0, CONFINED(can_run("u/dynamic")));
}

/* What is written about a refusal. */
TEST_F(u, log)
{
	static char log[1 << 19];
	const char *name = path_of("name=\"%s/u/none\"", area);
	bool found = false;

	/* There are no more than ten lines in five seconds. */
	for (int i = 0; i < 60 && !found; i++) {
		int len;

		EXPECT_EQ(-EACCES, CONFINED(can_open("u/none", O_RDONLY)));
		usleep(200000);
		len = klogctl(3, log, sizeof(log) - 1);
		log[len < 0 ? 0 : len] = 0;
		found = strstr(log, name);
	}
	EXPECT_TRUE(found) { TH_LOG("no line with %s", name); }
}

TEST_HARNESS_MAIN
