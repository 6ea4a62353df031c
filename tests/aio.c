// SPDX-License-Identifier: GPL-2.0
/* Linux AIO, buffered and direct. */
#include "aufs2.h"
#include <linux/aio_abi.h>

#define BLOCK 4096
#define BLOCKS 16

FIXTURE(u) { aio_context_t ctx; char *buf; };
FIXTURE_VARIANT(u) { int flags; };
FIXTURE_VARIANT_ADD(u, buffered) { .flags = 0 };
FIXTURE_VARIANT_ADD(u, direct) { .flags = O_DIRECT };

FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("head -c 65536 /dev/urandom > ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(syscall(SYS_io_setup, BLOCKS, &self->ctx)));
	ASSERT_EQ(0, posix_memalign((void **)&self->buf, BLOCK, BLOCKS * BLOCK));
}
FIXTURE_TEARDOWN(u)
{
	syscall(SYS_io_destroy, self->ctx);
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static void run(struct __test_metadata *_metadata, FIXTURE_DATA(u) *self, int fd, int op)
{
	struct iocb cb[BLOCKS], *cbs[BLOCKS];
	struct io_event ev[BLOCKS];
	int i, done;

	memset(cb, 0, sizeof(cb));
	for (i = 0; i < BLOCKS; i++) {
		cb[i].aio_fildes = fd;
		cb[i].aio_lio_opcode = op;
		cb[i].aio_buf = (uintptr_t)(self->buf + i * BLOCK);
		cb[i].aio_nbytes = BLOCK;
		cb[i].aio_offset = i * BLOCK;
		cb[i].aio_data = i;
		cbs[i] = &cb[i];
	}
	ASSERT_EQ(BLOCKS, E(syscall(SYS_io_submit, self->ctx, BLOCKS, cbs)));
	done = E(syscall(SYS_io_getevents, self->ctx, BLOCKS, BLOCKS, ev, NULL));
	ASSERT_EQ(BLOCKS, done);
	for (i = 0; i < BLOCKS; i++) {
		EXPECT_EQ(BLOCK, ev[i].res) { TH_LOG("block %d", (int)ev[i].data); }
	}
}

TEST_F(u, read_of_a_lower_file)
{
	int fd = open("u/f", O_RDONLY | variant->flags);

	if (fd < 0 && errno == EINVAL)
		SKIP(return, "%s has no O_DIRECT", test_fs());
	ASSERT_LE(0, fd);
	run(_metadata, self, fd, IOCB_CMD_PREAD);
	EXPECT_EQ(checksum("ro/f"), mix(SUM_START, self->buf, BLOCKS * BLOCK));
}

TEST_F(u, write_then_read)
{
	int fd = open("u/new", O_CREAT | O_RDWR | variant->flags, 0644);

	if (fd < 0 && errno == EINVAL)
		SKIP(return, "%s has no O_DIRECT", test_fs());
	ASSERT_LE(0, fd);
	memset(self->buf, 'w', BLOCKS * BLOCK);
	run(_metadata, self, fd, IOCB_CMD_PWRITE);
	EXPECT_EQ(BLOCKS * BLOCK, st_of("u/new").st_size);
	EXPECT_EQ(mix(SUM_START, self->buf, BLOCKS * BLOCK), checksum("u/new"));
	memset(self->buf, 0, BLOCKS * BLOCK);
	run(_metadata, self, fd, IOCB_CMD_PREAD);
	EXPECT_EQ('w', self->buf[BLOCKS * BLOCK - 1]);
}

TEST_F(u, close_while_in_flight)
{
	struct iocb cb = { 0 }, *cbs = &cb;
	struct io_event ev;
	int fd = open("u/f", O_RDWR | variant->flags);

	if (fd < 0 && errno == EINVAL)
		SKIP(return, "%s has no O_DIRECT", test_fs());
	ASSERT_LE(0, fd);
	memset(self->buf, 'c', BLOCK);
	cb.aio_fildes = fd;
	cb.aio_lio_opcode = IOCB_CMD_PWRITE;
	cb.aio_buf = (uintptr_t)self->buf;
	cb.aio_nbytes = BLOCK;
	ASSERT_EQ(1, E(syscall(SYS_io_submit, self->ctx, 1, &cbs)));
	close(fd);
	ASSERT_EQ(1, E(syscall(SYS_io_getevents, self->ctx, 1, 1, &ev, NULL)));
	EXPECT_EQ(BLOCK, ev.res);
	EXPECT_EQ('c', *read_file("u/f"));
}

TEST_F(u, copied_up_while_in_flight)
{
	struct iocb cb[BLOCKS], *cbs[BLOCKS];
	struct io_event ev[BLOCKS];
	int fd = open("u/f", O_RDONLY | variant->flags), w, i;

	if (fd < 0 && errno == EINVAL)
		SKIP(return, "%s has no O_DIRECT", test_fs());
	ASSERT_LE(0, fd);
	memset(cb, 0, sizeof(cb));
	for (i = 0; i < BLOCKS; i++) {
		cb[i].aio_fildes = fd;
		cb[i].aio_lio_opcode = IOCB_CMD_PREAD;
		cb[i].aio_buf = (uintptr_t)(self->buf + i * BLOCK);
		cb[i].aio_nbytes = BLOCK;
		cb[i].aio_offset = i * BLOCK;
		cbs[i] = &cb[i];
	}
	ASSERT_EQ(BLOCKS, E(syscall(SYS_io_submit, self->ctx, BLOCKS, cbs)));
	/* nobody has waited for them yet */
	ASSERT_LE(0, w = open("u/f", O_RDWR | O_CLOEXEC));
	ASSERT_EQ(1, E(pwrite(w, "!", 1, BLOCKS * BLOCK)));
	ASSERT_EQ(BLOCKS, E(syscall(SYS_io_getevents, self->ctx, BLOCKS, BLOCKS, ev, NULL)));
	for (i = 0; i < BLOCKS; i++)
		EXPECT_EQ(BLOCK, ev[i].res);
	EXPECT_EQ(checksum("ro/f"), mix(SUM_START, self->buf, BLOCKS * BLOCK));
	/* and again from the copy, written and read by the one that was open before */
	memset(self->buf, 0, BLOCKS * BLOCK);
	run(_metadata, self, fd, IOCB_CMD_PREAD);
	EXPECT_EQ(checksum("ro/f"), mix(SUM_START, self->buf, BLOCKS * BLOCK));
	EXPECT_EQ(BLOCKS * BLOCK + 1, st_of("u/f").st_size);
	close(w);
	close(fd);
}

TEST_F(u, poll_of_a_regular_file)
{
	struct pollfd p = { .fd = open("u/f", O_RDONLY), .events = POLLIN | POLLOUT };

	EXPECT_EQ(1, E(poll(&p, 1, 0)));
	EXPECT_EQ(POLLIN | POLLOUT, p.revents);
}

TEST_HARNESS_MAIN
