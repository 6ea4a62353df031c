// SPDX-License-Identifier: GPL-2.0
/*
 * flock, POSIX and OFD locks: on the union's inode, so that they hold between
 * descriptors from before and after a copy-up.
 */
#include "aufs2.h"
#include <sys/file.h>

FIXTURE(u) { int before, after; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, write_file("ro/f", "0123456789"));
	ASSERT_EQ(0, up("rw", "ro"));
	self->before = open("u/f", O_RDONLY);
	ASSERT_LE(0, self->before);
	ASSERT_EQ(0, append_file("u/f", "+"));
	self->after = open("u/f", O_RDWR);
	ASSERT_LE(0, self->after);
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static int lock(int fd, int cmd, int type, long start, long len)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return E(fcntl(fd, cmd, &fl));
}

/* The type of lock in the way of a write lock. */
static int blocker(int fd, int cmd, long start, long len, pid_t *pid)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	if (fcntl(fd, cmd, &fl))
		return -errno;
	*pid = fl.l_pid;
	return fl.l_type;
}

TEST_F(u, flock)
{
	ASSERT_EQ(0, E(flock(self->before, LOCK_EX | LOCK_NB)));
	EXPECT_EQ(-EWOULDBLOCK, E(flock(self->after, LOCK_EX | LOCK_NB)));
	EXPECT_EQ(-EWOULDBLOCK, E(flock(self->after, LOCK_SH | LOCK_NB)));
	ASSERT_EQ(0, E(flock(self->before, LOCK_SH | LOCK_NB)));
	EXPECT_EQ(0, E(flock(self->after, LOCK_SH | LOCK_NB)));
	EXPECT_EQ(-EWOULDBLOCK, E(flock(self->after, LOCK_EX | LOCK_NB)));
	close(self->before);
	EXPECT_EQ(0, E(flock(self->after, LOCK_EX | LOCK_NB)));
}

TEST_F(u, ofd)
{
	pid_t pid;

	ASSERT_EQ(0, lock(self->before, F_OFD_SETLK, F_RDLCK, 0, 5));
	EXPECT_EQ(-EAGAIN, lock(self->after, F_OFD_SETLK, F_WRLCK, 4, 2));
	EXPECT_EQ(F_RDLCK, blocker(self->after, F_OFD_GETLK, 4, 2, &pid));
	EXPECT_EQ(0, lock(self->after, F_OFD_SETLK, F_WRLCK, 5, 2));
	EXPECT_EQ(-EAGAIN, lock(self->before, F_OFD_SETLK, F_RDLCK, 0, 0));
	EXPECT_EQ(-EBADF, lock(self->before, F_OFD_SETLK, F_WRLCK, 8, 1));
	close(self->after);
	EXPECT_EQ(0, lock(self->before, F_OFD_SETLK, F_RDLCK, 0, 0));
}

TEST_F(u, posix)
{
	pid_t child, pid = 0, me = getpid();
	int status, err;

	ASSERT_EQ(0, lock(self->after, F_SETLK, F_WRLCK, 0, 5));
	child = fork();
	if (!child) {
		int fd = open("u/f", O_RDWR);

		err = blocker(self->before, F_GETLK, 2, 1, &pid) != F_WRLCK || pid != me;
		err |= (lock(fd, F_SETLK, F_WRLCK, 2, 1) != -EAGAIN) << 1;
		err |= (lock(fd, F_SETLK, F_WRLCK, 5, 1) != 0) << 2;
		err |= (lock(fd, F_SETLK, F_UNLCK, 5, 1) != 0) << 3;
		_exit(err);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, exit_of(status))
		TH_LOG("1: getlk, 2: conflict, 4: no conflict, 8: unlock");
	/* closing any descriptor of the file drops the process's locks */
	close(open("u/f", O_RDONLY));
	child = fork();
	if (!child)
		_exit(-lock(open("u/f", O_RDWR), F_SETLK, F_WRLCK, 0, 0));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, exit_of(status));
}

TEST_F(u, waiting)
{
	int p[2], status;
	char c;
	pid_t child;

	ASSERT_EQ(0, E(pipe(p)));
	ASSERT_EQ(0, lock(self->before, F_OFD_SETLK, F_RDLCK, 0, 0));
	child = fork();
	if (!child) {
		int fd = open("u/f", O_RDWR);

		if (write(p[1], "w", 1) != 1)
			_exit(1);
		_exit(lock(fd, F_OFD_SETLKW, F_WRLCK, 0, 0) ? 2 : 0);
	}
	ASSERT_EQ(1, E(read(p[0], &c, 1)));
	EXPECT_TRUE(comes_to_wait(child, 'S')) TH_LOG("it did not wait");
	ASSERT_EQ(0, lock(self->before, F_OFD_SETLK, F_UNLCK, 0, 0));
	/* the child has a copy of the description, so the unlock was needed */
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, exit_of(status));
}

TEST_F(u, proc_locks_name_the_unions_inode)
{
	struct stat st = st_of("u/f");
	char *b = buffer();
	FILE *f;
	bool found = false;

	ASSERT_EQ(0, E(flock(self->after, LOCK_EX | LOCK_NB)));
	f = fopen("/proc/locks", "r");
	ASSERT_NE(NULL, f);
	while (fgets(b, 8192, f)) {
		found |= strstr(b, path_of(" %02x:%02x:%lu ", major(st.st_dev),
					   minor(st.st_dev), st.st_ino)) != NULL;
	}
	fclose(f);
	EXPECT_TRUE(found);
}

TEST_HARNESS_MAIN
