// SPDX-License-Identifier: GPL-2.0
/*
 * The union is the root of a system, with /proc, /sys and bind mounts in it, while
 * there are 1000 adds and dels: nothing is detached, nobody is thrown out.
 */
#include "aufs2.h"
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define ROUNDS 500

AUFS2_FIXTURE

static char layer[256];	/* as it is called inside */

static int remount(const char *what)
{
	char options[512];

	snprintf(options, sizeof(options), what, layer);
	return E(mount("none", "/", "aufs2", MS_REMOUNT, options));
}

static long type_of(const char *path)
{
	struct statfs st;

	return statfs(path, &st) ? -errno : st.f_type;
}

/* How many mounts there are. */
static int mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	int c, n = 0;

	while (f && (c = getc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

/* What is mounted is where it was; NULL or what is not. */
static const char *look(void)
{
	if (type_of("/proc") != PROC_SUPER_MAGIC || access("/proc/self/status", R_OK))
		return "/proc";
	if (type_of("/sys") != SYSFS_MAGIC || access("/sys/kernel", R_OK))
		return "/sys";
	if (type_of("/run") != TMPFS_MAGIC || strcmp(read_file("/run/f"), "run"))
		return "/run";
	if (strcmp(read_file("/bind/f"), "bound"))
		return "/bind";
	if (strcmp(read_file("/home/file"), "bound file"))
		return "/home/file";
	return NULL;
}

/* Inside; says what is wrong. */
static const char *live(void)
{
	char event[4096], *map, *why;
	int fd, dir, watch, i, before;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return "no namespace";
	if (mount("proc", "u/proc", "proc", 0, NULL) || mount("sys", "u/sys", "sysfs", 0, NULL) ||
	    mount("run", "u/run", "tmpfs", 0, NULL) || write_file("u/run/f", "run") ||
	    mount("ro2", "u/bind", NULL, MS_BIND, NULL) ||
	    mount("ro2/file", "u/home/file", NULL, MS_BIND, NULL))
		return "mounting in the union";
	if (syscall(SYS_pivot_root, "u", "u/old") || chdir("/home/user"))
		return "pivot_root";
	/* What survives: descriptors, a deleted file, a mapping, a watch, a directory. */
	fd = open("/home/deleted", O_RDWR | O_CREAT, 0644);
	if (fd < 0 || write(fd, "deleted", 7) != 7 || unlink("/home/deleted"))
		return "a deleted file";
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	dir = open("/home", O_RDONLY | O_DIRECTORY);
	watch = inotify_init1(IN_NONBLOCK);
	if (map == MAP_FAILED || dir < 0 || inotify_add_watch(watch, "/home", IN_CREATE) < 0)
		return "set-up";
	before = mounts();
	for (i = 0; i < ROUNDS; i++) {
		if (remount("add:1:%s=ro"))
			return path_of("add %d: %m", i);
		why = (char *)look();
		if (why)
			return path_of("%s, after add %d", why, i);
		if (strcmp(read_file("/home/user/layer"), "layer") || access("layer", F_OK))
			return path_of("the layer does not show, after add %d", i);
		if (remount("del:%s"))
			return path_of("del %d: %m", i);
		why = (char *)look();
		if (why)
			return path_of("%s, after del %d", why, i);
		if (!access("layer", F_OK) || access("mine", F_OK))
			return path_of("the directory we are in, after del %d", i);
	}
	if (mounts() != before)
		return path_of("%d mounts, then %d", before, mounts());
	if (strcmp(read_fd(fd), "deleted") || memcmp(map, "deleted", 7))
		return "the deleted file";
	if (faccessat(dir, "user/mine", F_OK, 0))
		return "the open directory";
	if (write_file("/home/new", "") || read(watch, event, sizeof(event)) <= 0)
		return "the watch";
	return NULL;
}

TEST_F(u, layers_come_and_go)
{
	static const char * const dirs[] = {
		"proc", "sys", "run", "bind", "old", "home", "home/user",
	};
	int status, fds[2];
	unsigned int i;
	char why[256] = "";

	AUFS2_ONLY("layers do not come and go");
	ASSERT_EQ(0, make_branch("layer"));
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		ASSERT_EQ(0, E(mkdir(path_of("ro/%s", dirs[i]), 0755)));
		ASSERT_EQ(0, E(mkdir(path_of("layer/%s", dirs[i]), 0755)));
	}
	ASSERT_EQ(0, write_file("ro/home/user/mine", "mine"));
	ASSERT_EQ(0, write_file("ro/home/file", "under it"));
	ASSERT_EQ(0, write_file("layer/home/user/layer", "layer"));
	ASSERT_EQ(0, write_file("layer/home/file", "under it, too"));
	ASSERT_EQ(0, write_file("ro2/f", "bound"));
	ASSERT_EQ(0, write_file("ro2/file", "bound file"));
	ASSERT_EQ(0, up("rw", "ro"));
	snprintf(layer, sizeof(layer), "/old%s/layer", area);
	ASSERT_EQ(0, E(pipe(fds)));
	if (!fork()) {
		const char *wrong = live();

		if (wrong)
			write(fds[1], wrong, strlen(wrong));
		_exit(!!wrong);
	}
	close(fds[1]);
	read(fds[0], why, sizeof(why) - 1);
	wait(&status);
	EXPECT_STREQ("", why);
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
