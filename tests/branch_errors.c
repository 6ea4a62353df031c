// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of the branches that are refused: with which error, what the log says, and that the
 * union is exactly as it was. And changes by fspick(2) and fsconfig(2), with descriptors.
 *
 * Catches: another error, no line or one that does not name the branch, the path, the inode and
 * the process; a change that is half made.
 */
#include "aufs2.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

FIXTURE(u) { char before[4096]; };

/* The branches, and what is in /proc/mounts. */
static const char *state(void)
{
	static char text[4096];
	const char *mounts = read_file("/proc/self/mounts");
	const char *line = strstr(mounts, path_of(" %s/u ", area));
	char si[64] = "";
	int n, i;

	n = line ? snprintf(text, 1024, "%.*s\n", (int)strcspn(line, "\n"), line) : 0;
	sscanf(strstr(text, ",si=") ?: "", ",si=%63[0-9a-f]", si);
	for (i = 0; i < 8; i++) {
		char path[128];

		snprintf(path, sizeof(path), "/sys/fs/aufs/si_%s/br%d", si, i);
		if (!access(path, F_OK))
			n += snprintf(text + n, sizeof(text) - n, "%s", read_file(path));
	}
	return text;
}

FIXTURE_SETUP(u)
{
	AUFS2_ONLY("branches do not come and go");
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir ro2/only rw/d ro2/d third; echo -n low > ro/f; echo -n low > ro2/g;"
			   "echo -n third > third/t"));
	ASSERT_EQ(0, up("rw", "ro", "ro2"));
	snprintf(self->before, sizeof(self->before), "%s", state());
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

/* A remount by fspick(2) of options that are separated by semicolons; fs_log has the log. */
static int change(const char *format, ...)
{
	char text[2048], *option, *next = text;
	int fd, err = 0;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fd = fspick(AT_FDCWD, "u", FSPICK_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (!err && (option = strsep(&next, ";"))) {
		char *value = strchr(option, '=');

		if (value)
			*value++ = 0;
		err = E(fsconfig(fd, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option,
				 value, 0));
	}
	if (!err)
		err = E(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
	read_log(fd);
	close(fd);
	return err;
}

#define EXPECT_REFUSED(err, line, ...) do { \
	EXPECT_EQ(err, change(__VA_ARGS__)) { TH_LOG("%s", fs_log); } \
	EXPECT_NE(NULL, strstr(fs_log, line)) { TH_LOG("'%s' is not in '%s'", line, fs_log); } \
	EXPECT_STREQ(self->before, state()); \
	EXPECT_STREQ("low", read_file("u/f")); \
	EXPECT_STREQ("low", read_file("u/g")); \
	EXPECT_EQ(-ENOENT, E(access("u/t", F_OK))); \
} while (0)

TEST_F(u, what_makes_no_sense)
{
	EXPECT_REFUSED(-ENOENT, "ro/none': ", "append=%s/third;append=%s/ro/none=ro", area, area);
	EXPECT_REFUSED(-ENOENT, "nosuch': no branch has that place, name or index", "append=%s/third;del=/nosuch", area);
	EXPECT_REFUSED(-ENOENT, "third': no branch has that place, name or index", "del=%s/third", area);
	EXPECT_REFUSED(-ENOENT, "ro2': no branch has that place, name or index", "append=%s/third;del=%s/ro2;del=%s/ro2",
		       area, area, area);
	EXPECT_REFUSED(-ENOENT, "third': no branch has that place, name or index", "mod=%s/third=ro", area);
	EXPECT_REFUSED(-ENOENT, "third': no branch has that place, name or index", "mv=0:%s/third", area);
	EXPECT_REFUSED(-EINVAL, "index 4 is out of range: 0 to 3", "add=4:%s/third=ro", area);
	EXPECT_REFUSED(-EINVAL, "index 3 is out of range: 0 to 2", "mv=3:%s/ro", area);
	EXPECT_REFUSED(-EINVAL, "third' is there already", "append=%s/third;prepend=%s/third", area,
		       area);
	EXPECT_REFUSED(-EINVAL, "ro2' is there already", "append=%s/ro2", area);
	EXPECT_REFUSED(-EINVAL, "ro2/only'", "append=%s/ro2/only", area);
	EXPECT_REFUSED(-EINVAL, "'" , "append=%s", area);
	EXPECT_REFUSED(-EINVAL, "is in the union itself", "append=%s/u/d", area);
	EXPECT_REFUSED(-ENOTDIR, "ro/f' is not a directory", "append=%s/ro/f", area);
	EXPECT_REFUSED(-EBUSY, "the last branch cannot go", "del=%s/rw;del=%s/ro2;del=%s/ro", area,
		       area, area);
	EXPECT_REFUSED(-EINVAL, "bad option", "append=%s/third=nosuch", area);
	EXPECT_REFUSED(-EINVAL, "EINVAL: a permission is rw, ro or rr", "mod=%s/ro=RO", area);
	EXPECT_REFUSED(-EINVAL, "bad option", "add=x:%s/third", area);
	EXPECT_REFUSED(-EINVAL, "a branch in memory cannot be changed", "size=1m");
	/* The same by the old system call. */
	EXPECT_EQ(-ENOENT, E(mount("none", "u", "aufs2", MS_REMOUNT,
				   path_of("del:%s/ro2,del:%s/ro2", area, area))));
	EXPECT_STREQ(self->before, state());
	EXPECT_EQ(-EINVAL, E(mount("none", "u", "aufs2", MS_REMOUNT,
				   path_of("add:9:%s/third", area))));
	EXPECT_STREQ(self->before, state());
}

/* The line of somebody who is busy. */
static const char *busy(const char *path, const char *how, int pid)
{
	return path_of("branch '%s/ro2' is busy: '%s' (inode %lu) %s; process %d opened it last",
		       area, path, st_of(path_of("u%s", path)).st_ino, how, pid);
}

TEST_F(u, what_is_in_use)
{
	int fds[2], status, fd;
	char line[512];
	char *map;
	pid_t pid;

	fd = open("u/g", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_REFUSED(-EBUSY, busy("/g", "is open", getpid()), "append=%s/third;del=%s/ro2", area,
		       area);
	/* Who maps it is another one than who has opened it. */
	ASSERT_EQ(0, E(pipe(fds)));
	pid = fork();
	if (!pid) {
		close(fds[1]);
		map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
		if (map == MAP_FAILED)
			_exit(1);
		kill(getpid(), SIGSTOP);
		_exit(read(fds[0], line, 1));
	}
	close(fd);
	close(fds[0]);
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(-EBUSY, change("del=%s/ro2", area));
	snprintf(line, sizeof(line), "'/g' (inode %lu) is ", st_of("u/g").st_ino);
	EXPECT_NE(NULL, strstr(fs_log, line)) { TH_LOG("%s", fs_log); }
	snprintf(line, sizeof(line), "process %d ", pid);
	EXPECT_NE(NULL, strstr(fs_log, line)) { TH_LOG("%s", fs_log); }
	EXPECT_STREQ(self->before, state());
	close(fds[1]);
	kill(pid, SIGCONT);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	/* Somebody is in a directory that is nowhere else. */
	ASSERT_EQ(0, E(chdir("u/only")));
	fd = fspick(AT_FDCWD, "..", FSPICK_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_STRING, "del", path_of("%s/ro2", area), 0)));
	EXPECT_EQ(-EBUSY, E(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)));
	read_log(fd);
	close(fd);
	ASSERT_EQ(0, E(chdir(area)));
	snprintf(line, sizeof(line), "'/only' (inode %lu) is in use, and on no other branch",
		 st_of("u/only").st_ino);
	EXPECT_NE(NULL, strstr(fs_log, line)) { TH_LOG("%s", fs_log); }
	EXPECT_STREQ(self->before, state());
	EXPECT_EQ(0, change("del=%s/ro2", area)) { TH_LOG("%s", fs_log); }
}

TEST_F(u, writers)
{
	char *map;
	int fd = open("u/new", O_RDWR | O_CREAT, 0644);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(ftruncate(fd, 4096)));
	EXPECT_REFUSED(-EBUSY, "'/new'", "mod=%s/rw=ro", area);
	EXPECT_NE(NULL, strstr(fs_log, "is open for writing"));
	EXPECT_NE(NULL, strstr(fs_log, path_of("process %d ", getpid())));
	/* A mapping that is written to is a writer when its descriptor is closed. */
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)map);
	close(fd);
	EXPECT_EQ(-EBUSY, E(mount("none", "u", "aufs2", MS_REMOUNT | MS_RDONLY, NULL)));
	*map = 'x';
	EXPECT_EQ(0, write_file("u/other", ""));
	munmap(map, 4096);
	/* A branch that cannot be written to. */
	EXPECT_EQ(0, change("mod=%s/rw=ro", area));
	ASSERT_EQ(0, E(mount("none", "u", "aufs2", MS_REMOUNT | MS_RDONLY, NULL)));
	EXPECT_EQ(-EROFS, change("rw"));
	EXPECT_NE(NULL, strstr(fs_log, "no branch is writable")) { TH_LOG("%s", fs_log); }
}

TEST_F(u, by_descriptor)
{
	int fd = fspick(AT_FDCWD, "u", FSPICK_CLOEXEC), third, ro2;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, third = open("third", O_PATH));
	ASSERT_LE(0, ro2 = open("ro2", O_PATH));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_FD, "prepend+rr", NULL, third)));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_FD, "del", NULL, ro2)));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)));
	EXPECT_STREQ("third", read_file("u/t"));
	EXPECT_EQ(-ENOENT, E(access("u/g", F_OK)));
	EXPECT_NE(NULL, strstr(state(), "third=rr\n")) { TH_LOG("%s", state()); }
	/* The same context again, with a path. */
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_PATH, "append", path_of("%s/ro2", area), AT_FDCWD)));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_FD, "mod+ro", NULL, third)));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)));
	EXPECT_STREQ("low", read_file("u/g"));
	EXPECT_NE(NULL, strstr(state(), "third=ro\n")) { TH_LOG("%s", state()); }
	close(fd);
	fd = fspick(AT_FDCWD, "u", FSPICK_CLOEXEC);
	EXPECT_EQ(-EINVAL, E(fsconfig(fd, FSCONFIG_SET_FD, "mod", NULL, third)));
	EXPECT_EQ(-EINVAL, E(fsconfig(fd, FSCONFIG_SET_FD, "mod+", NULL, third)));
	EXPECT_EQ(-EINVAL, E(fsconfig(fd, FSCONFIG_SET_FD, "del+ro", NULL, third)));
	EXPECT_EQ(-EINVAL, E(fsconfig(fd, FSCONFIG_SET_FD, "append+nosuch", NULL, third)));
	read_log(fd);
	close(fd);
	EXPECT_NE(NULL, strstr(fs_log, "'mod' of '")) { TH_LOG("%s", fs_log); }
	EXPECT_NE(NULL, strstr(fs_log, "'mod+' of '")) { TH_LOG("%s", fs_log); }
	EXPECT_NE(NULL, strstr(fs_log, path_of("%s/third': which permission?", area))) { TH_LOG("%s", fs_log); }
	EXPECT_NE(NULL, strstr(fs_log, "'del+ro' of '")) { TH_LOG("%s", fs_log); }
	EXPECT_NE(NULL, strstr(fs_log, "'nosuch': a permission is rw, ro or rr")) { TH_LOG("%s", fs_log); }
	fd = fspick(AT_FDCWD, "u", FSPICK_CLOEXEC);
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_FD, "del", NULL, third)));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)));
	close(fd);
	close(third);
	close(ro2);
	EXPECT_STREQ(self->before, state());
}

/* A descriptor means its directory: not a branch that has the name, or had the path, or is in memory. */
TEST_F(u, by_descriptor_alone)
{
	static const char * const others[] = { "other/mem", "other/ro2", "other/1" };
	unsigned int i;
	int fd, there;

	ASSERT_EQ(0, shell("mkdir -p other/mem other/ro2 other/1"));
	ASSERT_EQ(0, change("prepend=mem"));
	ASSERT_EQ(0, write_file("u/kept", "kept"));
	snprintf(self->before, sizeof(self->before), "%s", state());
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		ASSERT_LE(0, there = open(others[i], O_PATH));
		fd = fspick(AT_FDCWD, "u", FSPICK_CLOEXEC);
		ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_FD, "del", NULL, there)));
		EXPECT_EQ(-ENOENT, E(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)));
		read_log(fd);
		EXPECT_NE(NULL, strstr(fs_log, path_of("%s/%s' is no branch", area, others[i])))
			TH_LOG("%s", fs_log);
		EXPECT_STREQ(self->before, state());
		close(fd);
		/* br changes nothing in a remount, whatever says it. */
		fd = fspick(AT_FDCWD, "u", FSPICK_CLOEXEC);
		EXPECT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_FD, "br+ro", NULL, there)));
		EXPECT_EQ(0, E(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)));
		EXPECT_STREQ(self->before, state());
		close(fd);
		close(there);
	}
	EXPECT_STREQ("kept", read_file("u/kept"));
	/* One that was given by descriptor is known by its path when that is not there any more. */
	ASSERT_EQ(0, shell("mount -t tmpfs over other/1"));
	ASSERT_LE(0, there = open("other/1", O_PATH));
	fd = fspick(AT_FDCWD, "u", FSPICK_CLOEXEC);
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_FD, "append", NULL, there)));
	ASSERT_EQ(0, E(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)));
	close(fd);
	close(there);
	ASSERT_EQ(0, E(umount("other/1")));
	EXPECT_EQ(0, change("del=%s/other/1", area)) { TH_LOG("%s", fs_log); }
	EXPECT_STREQ(self->before, state());
}

/* The path that tools show of a branch names it, however that was given, also when nothing is there any more. */
TEST_F(u, by_the_path_that_is_shown)
{
	static const char * const given[] = { "%s/over/", "%s/link", "%s/./over", "over" };
	unsigned int i;

	ASSERT_EQ(0, shell("mkdir over; ln -s over link"));
	for (i = 0; i < ARRAY_SIZE(given); i++) {
		ASSERT_EQ(0, E(mount("over", "over", "tmpfs", 0, NULL)));
		ASSERT_EQ(0, change(path_of("append=%s", given[i]), area)) { TH_LOG("%s", fs_log); }
		EXPECT_NE(NULL, strstr(state(), path_of("%s/over=ro\n", area))) { TH_LOG("%s", state()); }
		ASSERT_EQ(0, E(umount("over")));
		EXPECT_EQ(0, change("del=%s/over", area)) { TH_LOG("%s: %s", given[i], fs_log); }
		EXPECT_STREQ(self->before, state());
	}
}

TEST_HARNESS_MAIN
