// SPDX-License-Identifier: GPL-2.0
/* A program that runs cannot be written to, and what is written cannot run. */
#include "aufs2.h"
#include <sys/mman.h>

FIXTURE(u) { pid_t child; int gate; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	/* a copy of ourselves, which waits when it is called so */
	ASSERT_EQ(0, shell("cp /proc/%d/exe ro/prog; cp /proc/%d/exe rw/upper; chmod 755 ro/prog rw/upper",
			   getpid(), getpid()));
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	if (self->child > 0) {
		close(self->gate);
		waitpid(self->child, NULL, 0);
	}
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

/* Runs it, and returns when it runs. */
static int start(FIXTURE_DATA(u) *self, const char *path)
{
	int in[2], out[2];
	char c;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -errno;
	self->child = fork();
	if (!self->child) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		setenv("AUFS2_TEST_WAIT", "1", 1);
		execl(path, path, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	self->gate = in[1];
	return read(out[0], &c, 1) == 1 ? 0 : -ENOEXEC;
}

static int stop(FIXTURE_DATA(u) *self)
{
	int status;

	close(self->gate);
	if (waitpid(self->child, &status, 0) != self->child)
		return -errno;
	self->child = 0;
	return exit_of(status);
}

TEST_F(u, running_lower_program)
{
	ASSERT_EQ(0, start(self, "u/prog"));
	EXPECT_EQ(-ETXTBSY, E(open("u/prog", O_WRONLY)));
	EXPECT_EQ(-ETXTBSY, E(open("u/prog", O_RDWR)));
	EXPECT_EQ(-ETXTBSY, E(truncate("u/prog", 0)));
	EXPECT_STREQ("ENOENT", kind("rw/prog"));
	/* truncated by a descriptor that only reads: refused late, and nothing is lost */
	EXPECT_EQ(-ETXTBSY, E(open("u/prog", O_RDONLY | O_TRUNC)));
	EXPECT_EQ(st_of("ro/prog").st_size, st_of("u/prog").st_size);
	/* its name and its mode are not it */
	EXPECT_EQ(0, E(chmod("u/prog", 0700)));
	EXPECT_EQ(-ETXTBSY, E(open("u/prog", O_WRONLY))) TH_LOG("after a copy-up by chmod");
	EXPECT_EQ(0, E(rename("u/prog", "u/prog2")));
	EXPECT_EQ(-ETXTBSY, E(open("u/prog2", O_WRONLY)));
	EXPECT_EQ(0, stop(self));
	EXPECT_EQ(0, append_file("u/prog2", "+"));
}

TEST_F(u, running_upper_program)
{
	ASSERT_EQ(0, start(self, "u/upper"));
	EXPECT_EQ(-ETXTBSY, E(open("u/upper", O_WRONLY)));
	EXPECT_EQ(0, stop(self));
	EXPECT_LE(0, open("u/upper", O_WRONLY));
}

TEST_F(u, open_for_writing)
{
	int fd = open("u/prog", O_RDWR), status;
	pid_t child;

	ASSERT_LE(0, fd);
	child = fork();
	if (!child) {
		execl("u/prog", "prog", NULL);
		_exit(errno);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(ETXTBSY, exit_of(status));
	close(fd);
	/* and runs when that is closed, copied up */
	ASSERT_EQ(0, start(self, "u/prog"));
	EXPECT_EQ(0, stop(self));
}

/* The errno of an attempt to run it; 0 if it ran. */
static int run(const char *path)
{
	pid_t child = fork();
	int status;

	if (!child) {
		close(0);
		close(1);
		open("/dev/null", O_RDONLY);
		open("/dev/null", O_WRONLY);
		setenv("AUFS2_TEST_WAIT", "1", 1);
		execl(path, path, NULL);
		_exit(errno);
	}
	return waitpid(child, &status, 0) == child ? exit_of(status) : -errno;
}

/* A descriptor that is closed leaves the map, which can still be written to. */
TEST_F(u, mapped_for_writing)
{
	static const char * const programs[] = { "u/prog", "u/upper" };
	/* what is mapped by a snapshot is not the file */
	int by_private = strstr(test_options(), "privmap=snapshot") ? 0 : ETXTBSY;

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		int fd = open(programs[i], O_RDWR);
		char *p, *q;

		ASSERT_LE(0, fd);
		p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, p);
		q = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		ASSERT_NE(MAP_FAILED, q);
		close(fd);
		EXPECT_EQ(ETXTBSY, run(programs[i]));
		munmap(p, 8192);
		/* any file that is open for writing is one, and this one is mapped privately */
		EXPECT_EQ(by_private, run(programs[i]));
		munmap(q, 8192);
		EXPECT_EQ(0, run(programs[i]));
	}
}

/* So it is with who has the branch's file open, and not the union's. */
TEST_F(u, written_on_the_branch)
{
	int fd;

	AUFS2_ONLY("counts in the file on the branch");
	ASSERT_LE(0, fd = open("rw/upper", O_RDWR));
	EXPECT_EQ(ETXTBSY, run("u/upper"));
	close(fd);
	ASSERT_EQ(0, start(self, "u/upper"));
	EXPECT_EQ(-ETXTBSY, E(open("rw/upper", O_WRONLY)));
	EXPECT_EQ(0, stop(self));
	EXPECT_LE(0, fd = open("rw/upper", O_WRONLY));
	close(fd);
	EXPECT_EQ(0, run("u/upper"));
}

TEST_F(u, proc_exe)
{
	char exe[PATH_MAX] = "";
	struct stat st;

	ASSERT_EQ(0, start(self, "u/prog"));
	ASSERT_LT(0, E(readlink(path_of("/proc/%d/exe", self->child), exe, sizeof(exe))));
	EXPECT_STREQ(path_of("%s/u/prog", area), exe);
	ASSERT_EQ(0, E(stat(path_of("/proc/%d/exe", self->child), &st)));
	EXPECT_EQ(st_of("u/prog").st_ino, st.st_ino);
	EXPECT_EQ(st_of("u/prog").st_dev, st.st_dev);
	EXPECT_EQ(0, stop(self));
}

TEST_F(u, script)
{
	ASSERT_EQ(0, write_file("u/script", "#!/bin/sh\nexit 7\n"));
	ASSERT_EQ(0, E(chmod("u/script", 0755)));
	EXPECT_EQ(7, shell("u/script"));
	ASSERT_EQ(0, E(chmod("u/script", 0644)));
	EXPECT_EQ(126, shell("u/script"));
}

TEST_F(u, noexec)
{
	ASSERT_EQ(0, shell("mount -o remount,bind,noexec u"));
	EXPECT_EQ(126, shell("u/prog"));
}

static void __attribute__((constructor(500))) wait_if_asked(void)
{
	char c;

	if (getenv("AUFS2_TEST_WAIT")) {
		if (write(1, "r", 1) != 1)
			_exit(1);
		_exit(read(0, &c, 1) < 0);
	}
}

TEST_HARNESS_MAIN
