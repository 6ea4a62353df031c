// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptors from before a copy-up see what is written after it, and no store
 * through the union reaches a read-only branch.
 */
#include "aufs2.h"

FIXTURE(u) { int fd; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, write_file("ro/f", "lower data"));
	ASSERT_EQ(0, up("rw", "ro"));
	self->fd = open("u/f", O_RDONLY);
	ASSERT_LE(0, self->fd);
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

TEST_F(u, read_sees_the_write)
{
	char c;

	ASSERT_EQ(1, E(read(self->fd, &c, 1)));
	ASSERT_EQ(0, put("u/f", 0, "UPPER"));
	EXPECT_STREQ("UPPER data", read_fd(self->fd));
	ASSERT_EQ(1, E(read(self->fd, &c, 1)));
	EXPECT_EQ('P', c);
}

TEST_F(u, fstat_sees_it)
{
	struct stat st, path;

	ASSERT_EQ(0, append_file("u/f", ", more"));
	ASSERT_EQ(0, E(fstat(self->fd, &st)));
	path = st_of("u/f");
	EXPECT_EQ(16, st.st_size);
	EXPECT_EQ(path.st_ino, st.st_ino);
	EXPECT_EQ(path.st_dev, st.st_dev);
	EXPECT_EQ(path.st_mtim.tv_nsec, st.st_mtim.tv_nsec);
	EXPECT_EQ(16, E(lseek(self->fd, 0, SEEK_END)));
}

TEST_F(u, tail)
{
	char b[16] = "";

	ASSERT_EQ(10, E(read(self->fd, b, sizeof(b))));
	EXPECT_EQ(0, E(read(self->fd, b, sizeof(b))));
	ASSERT_EQ(0, append_file("u/f", "line"));
	EXPECT_EQ(4, E(read(self->fd, b, sizeof(b))));
	EXPECT_EQ(0, strncmp("line", b, 4));
	ASSERT_EQ(0, append_file("u/f", "two"));
	EXPECT_EQ(3, E(read(self->fd, b, sizeof(b))));
}

TEST_F(u, new_maps_see_it)
{
	char *map;

	ASSERT_EQ(0, put("u/f", 0, "UPPER"));
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, strncmp("UPPER data", map, 10));
	ASSERT_EQ(0, put("u/f", 0, "again"));
	EXPECT_EQ(0, strncmp("again data", map, 10));
	munmap(map, 4096);
}

TEST_F(u, descriptors_made_from_it)
{
	int dup_fd = dup(self->fd), proc, status;
	pid_t child;

	ASSERT_LE(0, proc = open(path_of("/proc/self/fd/%d", self->fd), O_RDONLY));
	ASSERT_EQ(0, put("u/f", 0, "UPPER"));
	EXPECT_STREQ("UPPER data", read_fd(dup_fd));
	EXPECT_STREQ("UPPER data", read_fd(proc));
	child = fork();
	if (!child)
		_exit(strcmp("UPPER data", read_fd(self->fd)));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_LE(0, proc = open(path_of("/proc/self/fd/%d", self->fd), O_WRONLY));
	EXPECT_EQ(1, E(pwrite(proc, "u", 1, 0)));
	EXPECT_STREQ("uPPER data", read_fd(self->fd));
}

TEST_F(u, truncate_is_seen)
{
	ASSERT_EQ(0, put("u/f", O_TRUNC, "x"));
	EXPECT_STREQ("x", read_fd(self->fd));
	ASSERT_EQ(0, E(truncate("u/f", 0)));
	EXPECT_STREQ("", read_fd(self->fd));
}

TEST_F(u, after_rename_and_unlink)
{
	int w;

	ASSERT_EQ(0, E(rename("u/f", "u/g")));
	EXPECT_STREQ("lower data", read_fd(self->fd));
	ASSERT_LE(0, w = open("u/g", O_RDWR));
	ASSERT_EQ(0, E(unlink("u/g")));
	ASSERT_EQ(5, E(pwrite(w, "UPPER", 5, 0)));
	EXPECT_STREQ("UPPER data", read_fd(self->fd));
}

TEST_F(u, many_descriptors)
{
	int fds[64], i;

	for (i = 0; i < 64; i++) {
		fds[i] = open("u/f", O_RDONLY);
		ASSERT_LE(0, fds[i]);
	}
	ASSERT_EQ(0, put("u/f", 0, "UPPER"));
	for (i = 0; i < 64; i++) {
		EXPECT_STREQ("UPPER data", read_fd(fds[i])) { TH_LOG("descriptor %d", i); }
	}
}

/* --- what must never reach the read-only branch --------------------------- */

TEST_F(u, mprotect_and_store)
{
	int fd = open("u/f", O_RDWR);
	char *map;

	ASSERT_LE(0, fd);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ('l', map[0]);
	ASSERT_EQ(0, E(mprotect(map, 4096, PROT_READ | PROT_WRITE)));
	map[0] = 'S';
	ASSERT_EQ(0, E(msync(map, 4096, MS_SYNC)));
	EXPECT_STREQ("lower data", read_file("ro/f"));
	EXPECT_STREQ("Sower data", read_file("u/f"));
	EXPECT_STREQ("Sower data", read_file("rw/f"));
	EXPECT_STREQ("Sower data", read_fd(self->fd));
	munmap(map, 4096);
}

TEST_F(u, read_only_descriptor_cannot_get_writable)
{
	char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->fd, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-EACCES, E(mprotect(map, 4096, PROT_READ | PROT_WRITE)));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0));
	munmap(map, 4096);
	/* a private one may be written, and is nobody else's */
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	map[0] = 'P';
	EXPECT_STREQ("lower data", read_file("u/f"));
	EXPECT_STREQ("lower data", read_file("ro/f"));
	munmap(map, 4096);
}

TEST_F(u, splice_of_a_mapped_page)
{
	/* vmsplice with a shared map of the lower file may not write to it */
	char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->fd, 0);
	struct iovec iov = { map, 4096 };
	int p[2];

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, E(pipe(p)));
	EXPECT_EQ(-EFAULT, E(read(open("/dev/zero", O_RDONLY), map, 10)));
	EXPECT_LT(0, E(vmsplice(p[1], &iov, 1, 0)));
	EXPECT_STREQ("lower data", read_file("ro/f"));
	munmap(map, 4096);
}

TEST_HARNESS_MAIN
