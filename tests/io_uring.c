// SPDX-License-Identifier: GPL-2.0
/* io_uring by its raw system calls. */
#include "aufs2.h"
#include <linux/io_uring.h>

#define BLOCK 4096
#define BLOCKS 16

FIXTURE(u) {
	int ring;
	struct io_uring_params p;
	char *sq, *cq, *buf;
	struct io_uring_sqe *sqes;
	unsigned int tail;
};

FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	self->ring = syscall(SYS_io_uring_setup, 32, &self->p);
	if (self->ring < 0)
		SKIP(return, "io_uring_setup: %m");
	self->sq = mmap(NULL, self->p.sq_off.array + 32 * 4, PROT_READ | PROT_WRITE,
			MAP_SHARED, self->ring, IORING_OFF_SQ_RING);
	self->cq = mmap(NULL, self->p.cq_off.cqes + 64 * sizeof(struct io_uring_cqe),
			PROT_READ | PROT_WRITE, MAP_SHARED, self->ring, IORING_OFF_CQ_RING);
	self->sqes = mmap(NULL, 32 * sizeof(*self->sqes), PROT_READ | PROT_WRITE,
			  MAP_SHARED, self->ring, IORING_OFF_SQES);
	ASSERT_NE(MAP_FAILED, (void *)self->sqes);
	ASSERT_EQ(0, posix_memalign((void **)&self->buf, BLOCK, BLOCKS * BLOCK));
	ASSERT_EQ(0, shell("head -c 65536 /dev/urandom > ro/f; mkdir ro/d"));
	ASSERT_EQ(0, up("rw", "ro"));
}
FIXTURE_TEARDOWN(u)
{
	munmap(self->sq, self->p.sq_off.array + 32 * 4);
	munmap(self->cq, self->p.cq_off.cqes + 64 * sizeof(struct io_uring_cqe));
	munmap(self->sqes, 32 * sizeof(*self->sqes));
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static void queue(FIXTURE_DATA(u) *self, int op, int fd, const void *addr, unsigned int len,
		  uint64_t off, uint64_t data)
{
	unsigned int at = self->tail & (self->p.sq_entries - 1);
	struct io_uring_sqe *s = &self->sqes[at];

	memset(s, 0, sizeof(*s));
	s->opcode = op;
	s->fd = fd;
	s->addr = (uintptr_t)addr;
	s->len = len;
	s->off = off;
	s->user_data = data;
	((unsigned int *)(self->sq + self->p.sq_off.array))[at] = at;
	self->tail++;
	__atomic_store_n((unsigned int *)(self->sq + self->p.sq_off.tail), self->tail,
			 __ATOMIC_RELEASE);
}

/* Submits n and collects n results by their user_data. */
static int flush(FIXTURE_DATA(u) *self, int n, int *res)
{
	unsigned int *head = (void *)(self->cq + self->p.cq_off.head);
	unsigned int mask = *(unsigned int *)(self->cq + self->p.cq_off.ring_mask);
	struct io_uring_cqe *cqes = (void *)(self->cq + self->p.cq_off.cqes);
	long err = E(syscall(SYS_io_uring_enter, self->ring, n, n, IORING_ENTER_GETEVENTS, NULL, 0));
	int i;

	if (err != n)
		return err;
	for (i = 0; i < n; i++, (*head)++)
		res[cqes[*head & mask].user_data] = cqes[*head & mask].res;
	return 0;
}

static void io(struct __test_metadata *_metadata, FIXTURE_DATA(u) *self, int fd, int op)
{
	int i, res[BLOCKS];

	for (i = 0; i < BLOCKS; i++)
		queue(self, op, fd, self->buf + i * BLOCK, BLOCK, i * BLOCK, i);
	ASSERT_EQ(0, flush(self, BLOCKS, res));
	for (i = 0; i < BLOCKS; i++) {
		EXPECT_EQ(BLOCK, res[i]) { TH_LOG("block %d", i); }
	}
}

TEST_F(u, read_and_write)
{
	int fd = open("u/f", O_RDONLY);

	ASSERT_LE(0, fd);
	io(_metadata, self, fd, IORING_OP_READ);
	EXPECT_EQ(checksum("ro/f"), mix(SUM_START, self->buf, BLOCKS * BLOCK));
	ASSERT_LE(0, fd = open("u/f", O_RDWR));
	memset(self->buf, 'u', BLOCKS * BLOCK);
	io(_metadata, self, fd, IORING_OP_WRITE);
	EXPECT_EQ(checksum("u/f"), mix(SUM_START, self->buf, BLOCKS * BLOCK));
}

TEST_F(u, direct)
{
	int fd = open("u/f", O_RDWR | O_DIRECT);

	if (fd < 0 && errno == EINVAL)
		SKIP(return, "%s has no O_DIRECT", test_fs());
	ASSERT_LE(0, fd);
	memset(self->buf, 'd', BLOCKS * BLOCK);
	io(_metadata, self, fd, IORING_OP_WRITE);
	memset(self->buf, 0, BLOCKS * BLOCK);
	io(_metadata, self, fd, IORING_OP_READ);
	EXPECT_EQ('d', self->buf[BLOCKS * BLOCK - 1]);
	EXPECT_EQ(checksum("u/f"), mix(SUM_START, self->buf, BLOCKS * BLOCK));
}

TEST_F(u, fixed_files_and_buffers)
{
	int fd = open("u/f", O_RDONLY), res;
	struct iovec iov = { self->buf, BLOCKS * BLOCK };

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(syscall(SYS_io_uring_register, self->ring, IORING_REGISTER_FILES, &fd, 1)));
	ASSERT_EQ(0, E(syscall(SYS_io_uring_register, self->ring, IORING_REGISTER_BUFFERS, &iov, 1)));
	close(fd);
	queue(self, IORING_OP_READ_FIXED, 0, self->buf, BLOCKS * BLOCK, 0, 0);
	self->sqes[(self->tail - 1) & (self->p.sq_entries - 1)].flags = IOSQE_FIXED_FILE;
	ASSERT_EQ(0, flush(self, 1, &res));
	EXPECT_EQ(BLOCKS * BLOCK, res);
	EXPECT_EQ(checksum("ro/f"), mix(SUM_START, self->buf, BLOCKS * BLOCK));
	EXPECT_EQ(0, E(syscall(SYS_io_uring_register, self->ring, IORING_UNREGISTER_FILES, NULL, 0)));
	EXPECT_EQ(0, E(syscall(SYS_io_uring_register, self->ring, IORING_UNREGISTER_BUFFERS, NULL, 0)));
}

TEST_F(u, names)
{
	struct statx sx;
	int res[3];

	queue(self, IORING_OP_MKDIRAT, AT_FDCWD, "u/d/new", 0755, 0, 0);
	ASSERT_EQ(0, flush(self, 1, res));
	EXPECT_EQ(0, res[0]);
	EXPECT_STREQ("dir", kind("rw/d/new"));
	queue(self, IORING_OP_UNLINKAT, AT_FDCWD, "u/f", 0, 0, 0);
	queue(self, IORING_OP_STATX, AT_FDCWD, "u/d/new", STATX_BASIC_STATS, (uintptr_t)&sx, 1);
	queue(self, IORING_OP_OPENAT, AT_FDCWD, "u/made", 0644, 0, 2);
	self->sqes[(self->tail - 1) & (self->p.sq_entries - 1)].open_flags = O_CREAT | O_RDWR;
	ASSERT_EQ(0, flush(self, 3, res));
	EXPECT_EQ(0, res[0]);
	EXPECT_STREQ("ENOENT", kind("u/f"));
	EXPECT_EQ(0, res[1]);
	EXPECT_EQ(st_of("u/d/new").st_ino, sx.stx_ino);
	EXPECT_LE(0, res[2]);
	EXPECT_STREQ("file", kind("rw/made"));
}

TEST_F(u, fsync_and_fallocate)
{
	int fd = open("u/f", O_RDWR), res[1];

	ASSERT_LE(0, fd);
	queue(self, IORING_OP_FALLOCATE, fd, (void *)100000UL, 0, 0, 0);
	ASSERT_EQ(0, flush(self, 1, res));
	EXPECT_EQ(0, res[0]);
	EXPECT_EQ(100000, st_of("u/f").st_size);
	queue(self, IORING_OP_FSYNC, fd, NULL, 0, 0, 0);
	ASSERT_EQ(0, flush(self, 1, res));
	EXPECT_EQ(0, res[0]);
}

TEST_HARNESS_MAIN
