// SPDX-License-Identifier: GPL-2.0
/*
 * Flags of a call, of a descriptor and of a mount: each is done natively and through
 * the union, and has to come to the same.
 */
#include "aufs2.h"
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <time.h>

AUFS2_FIXTURE

#define BLOCK 4096

static const struct flag { const char *name; int bits; bool refused; } call_flags[] = {
	{ "none", 0 },
	{ "RWF_HIPRI", 0x1 },
	{ "RWF_DSYNC", 0x2 },
	{ "RWF_SYNC", 0x4 },
	/* what the union says that it cannot do, in Documentation/usage.md */
	{ "RWF_NOWAIT", 0x8, true },
	{ "RWF_APPEND", 0x10 },
	{ "RWF_NOAPPEND", 0x20 },
	{ "RWF_NOAPPEND | RWF_DSYNC", 0x22 },
	{ "RWF_APPEND | RWF_NOAPPEND", 0x30 },
	{ "RWF_ATOMIC", 0x40 },
	{ "RWF_DONTCACHE", 0x80, true },
	{ "RWF_NOSIGNAL", 0x100 },
	{ "unknown", 0x40000000 },
}, open_flags[] = {
	{ "O_RDWR", O_RDWR },
	{ "O_APPEND", O_RDWR | O_APPEND },
	{ "O_APPEND | O_DSYNC", O_RDWR | O_APPEND | O_DSYNC },
	{ "O_SYNC | O_NONBLOCK", O_RDWR | O_SYNC | O_NONBLOCK },
	{ "O_DIRECT", O_RDWR | O_DIRECT },
	{ "O_DIRECT | O_APPEND", O_RDWR | O_DIRECT | O_APPEND },
	{ "O_RDONLY", O_RDONLY },
	{ "O_WRONLY | O_TRUNC", O_WRONLY | O_TRUNC },
	{ "O_RDWR | O_NOATIME | O_NOFOLLOW", O_RDWR | O_NOATIME | O_NOFOLLOW },
};

static char *block;

static long by_call(int fd, bool writes, int flags)
{
	struct iovec iov = { block, BLOCK };

	return writes ? E(pwritev2(fd, &iov, 1, BLOCK, flags)) : E(preadv2(fd, &iov, 1, BLOCK, flags));
}

static long by_aio(int fd, bool writes, int flags)
{
	struct iocb cb = {
		.aio_fildes = fd, .aio_lio_opcode = writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
		.aio_buf = (uintptr_t)block, .aio_nbytes = BLOCK, .aio_offset = BLOCK,
		.aio_rw_flags = flags,
	}, *cbs[] = { &cb };
	struct io_event ev = { .res = -1 };
	aio_context_t ctx = 0;
	long n;

	if (syscall(SYS_io_setup, 1, &ctx))
		return -1000 - errno;
	n = E(syscall(SYS_io_submit, ctx, 1, cbs));
	if (n == 1)
		n = syscall(SYS_io_getevents, ctx, 1, 1, &ev, NULL) == 1 ? (long)ev.res : -1000;
	syscall(SYS_io_destroy, ctx);
	return n;
}

static struct {
	int fd;
	char *sq, *cq;
	struct io_uring_sqe *sqe;
	struct io_uring_params p;
} ring = { .fd = -1 };

static bool ring_made(void)
{
	ring.fd = syscall(SYS_io_uring_setup, 1, &ring.p);
	if (ring.fd < 0)
		return false;
	ring.sq = mmap(NULL, ring.p.sq_off.array + 64, PROT_READ | PROT_WRITE, MAP_SHARED,
		       ring.fd, IORING_OFF_SQ_RING);
	ring.cq = mmap(NULL, ring.p.cq_off.cqes + 2 * sizeof(struct io_uring_cqe),
		       PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
	ring.sqe = mmap(NULL, sizeof(*ring.sqe), PROT_READ | PROT_WRITE, MAP_SHARED,
			ring.fd, IORING_OFF_SQES);
	return ring.sqe != MAP_FAILED;
}

static long by_ring(int fd, bool writes, int flags)
{
	unsigned int *tail = (void *)(ring.sq + ring.p.sq_off.tail);
	unsigned int *head = (void *)(ring.cq + ring.p.cq_off.head);
	unsigned int mask = *(unsigned int *)(ring.cq + ring.p.cq_off.ring_mask);
	struct io_uring_cqe *cqes = (void *)(ring.cq + ring.p.cq_off.cqes);
	long res;

	if (ring.fd < 0)
		return 0;
	*ring.sqe = (struct io_uring_sqe){
		.opcode = writes ? IORING_OP_WRITE : IORING_OP_READ, .fd = fd,
		.addr = (uintptr_t)block, .len = BLOCK, .off = BLOCK, .rw_flags = flags,
	};
	*(unsigned int *)(ring.sq + ring.p.sq_off.array) = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -1000 - errno;
	res = cqes[*head & mask].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return res;
}

static const struct way {
	const char *name;
	long (*io)(int fd, bool writes, int flags);
} call_ways[] = { { "pwritev2", by_call }, { "AIO", by_aio }, { "io_uring", by_ring } };

/* What comes of it: the result, the size, and a letter for each block. */
static const char *outcome(const char *path, const struct way *way, bool writes, int open_with,
			   int flags)
{
	char *b = buffer(), *end = b, all[4 * BLOCK];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644), i;
	long n;

	memset(all, '.', sizeof(all));
	if (fd < 0 || write(fd, all, 3 * BLOCK) != 3 * BLOCK)
		return "cannot be made";
	close(fd);
	fd = open(path, open_with);
	if (fd < 0)
		return errno_name(errno);
	memset(block, 'W', BLOCK);
	n = way->io(fd, writes, flags);
	close(fd);
	end += sprintf(end, "%s ", n < 0 ? errno_name(-n) : n == BLOCK ? "all" : "some");
	fd = open(path, O_RDONLY);
	n = read(fd, all, sizeof(all));
	close(fd);
	for (i = 0; i < n / BLOCK; i++)
		*end++ = all[i * BLOCK];
	*end = 0;
	return b;
}

TEST_F(u, calls_and_descriptors)
{
	unsigned int way, open_with, flag, writes;

	ASSERT_EQ(0, posix_memalign((void **)&block, BLOCK, BLOCK));
	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, up("rw", "ro"));
	if (!ring_made())
		ksft_print_msg("no io_uring: %m\n");
	for (way = 0; way < ARRAY_SIZE(call_ways); way++)
	for (open_with = 0; open_with < ARRAY_SIZE(open_flags); open_with++)
	for (flag = 0; flag < ARRAY_SIZE(call_flags); flag++)
	for (writes = 0; writes < 2; writes++) {
		const struct flag *f = &call_flags[flag], *o = &open_flags[open_with];
		const char *native = outcome("rw/native", &call_ways[way], writes, o->bits, f->bits);
		const char *here = outcome("u/f", &call_ways[way], writes, o->bits, f->bits);

		if (f->refused && !strncmp(here, "EOPNOTSUPP ", 11) && strncmp(native, "E", 1))
			continue;
		EXPECT_STREQ(native, here) TH_LOG("%s by %s, %s, %s", writes ? "write" : "read",
						  call_ways[way].name, o->name, f->name);
	}
	if (ring.fd >= 0)
		close(ring.fd);
}

TEST_F(u, writes_of_all_or_nothing)
{
	/* who is told that there are some can have them */
	struct statx st = { 0 };
	struct iovec iov;
	int fd;

	ASSERT_EQ(0, posix_memalign((void **)&block, BLOCK, BLOCK));
	ASSERT_EQ(0, shell("head -c 16K /dev/zero > ro/f"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_RDWR | O_DIRECT));
	ASSERT_EQ(0, E(statx(fd, "", AT_EMPTY_PATH, 0x10000 /* STATX_WRITE_ATOMIC */, &st)));
	if (!(st.stx_attributes & 0x400000))
		SKIP(return, "%s has none", test_fs());
	iov = (struct iovec){ block, BLOCK };
	EXPECT_EQ(BLOCK, E(pwritev2(fd, &iov, 1, 0, 0x40 /* RWF_ATOMIC */)));
}

TEST_F(u, the_size_of_a_block)
{
	int fd, native = 0, here = 0;

	ASSERT_EQ(0, write_file("ro/f", "low"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("rw", O_RDONLY));
	ASSERT_EQ(0, E(ioctl(fd, FIGETBSZ, &native)));
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	EXPECT_EQ(0, E(ioctl(fd, FIGETBSZ, &here)));
	EXPECT_EQ(native, here);
}

/* The union has no UUID: those of its branches are others'. */
TEST_F(u, no_uuid)
{
	struct { unsigned char len, uuid[16]; } uuid = { 0 };
	int fd;

	AUFS2_ONLY("overlayfs can have one");
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u", O_RDONLY));
	EXPECT_EQ(-ENOTTY, E(ioctl(fd, _IOR(0x15, 0, uuid), &uuid)));
	close(fd);
}

/* --- access times ------------------------------------------------------------ */

/* When the files were read; after what was changed last, if they are read again, which is now. */
static time_t read_at;

static void age(const char *path)
{
	struct timespec t[2] = { { read_at, 0 }, { 1480000000, 0 } };

	utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW);
}

static const char *touched(const char *path)
{
	return st_of(path).st_atime == read_at ? "old" : "new";
}

/* Says of a directory, a file and a symlink whether reading them changes their access time. */
static const char *reads(const char *at, const char *on)
{
	static char results[2][64];
	static int next;
	char *b = results[next++ % 2], target[16];
	const char *names[] = { "dir", "file", "link" };
	int i;

	*b = 0;
	list(path_of("%s/dir", at));
	read_file(path_of("%s/file", at));
	if (readlink(path_of("%s/link", at), target, sizeof(target)) < 0)
		return errno_name(errno);
	for (i = 0; i < 3; i++)
		sprintf(b + strlen(b), "%s%s", i ? " " : "", touched(path_of("%s/%s", on, names[i])));
	return b;
}

TEST_F(u, access_times)
{
	static const struct { const char *name; unsigned long flags; bool again; } mounts[] = {
		{ "relatime", MS_RELATIME },
		{ "relatime, again", MS_RELATIME, true },
		{ "strictatime", MS_STRICTATIME },
		{ "strictatime, again", MS_STRICTATIME, true },
		{ "noatime", MS_NOATIME },
		{ "nodiratime", MS_NODIRATIME },
		{ "ro", MS_RDONLY },
		{ "ro, strictatime", MS_RDONLY | MS_STRICTATIME },
	};
	const char *native, *here, *names[] = { "dir", "file", "link" };
	unsigned int i, k;

	AUFS2_ONLY("it looks at the upper layer's mount as well");
	ASSERT_EQ(0, shell("mkdir plain; for d in rw rw/native; do mkdir -p $d/dir; echo x > $d/file; "
			   "ln -s x $d/link; touch $d/dir/x; done"));
	for (i = 0; i < ARRAY_SIZE(mounts); i++) {
		/* not a day ago: that is told anew by any mount */
		read_at = time(NULL) + (mounts[i].again ? 3600 : -3600);
		for (k = 0; k < 3; k++) {
			age(path_of("rw/%s", names[k]));
			age(path_of("rw/native/%s", names[k]));
		}
		ASSERT_EQ(0, shell("mount --bind rw/native plain"));
		ASSERT_EQ(0, E(mount(NULL, "plain", NULL, MS_REMOUNT | MS_BIND | mounts[i].flags, NULL)));
		ASSERT_EQ(0, union_mount("", mounts[i].flags,
					 (const char * const []){ "rw", "ro", NULL }));
		native = reads("plain", "rw/native");
		here = reads("u", "rw");
		EXPECT_STREQ(native, here) TH_LOG("mounted %s", mounts[i].name);
		ASSERT_EQ(0, down());
		ASSERT_EQ(0, E(umount("plain")));
	}
}

TEST_HARNESS_MAIN
