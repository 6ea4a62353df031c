/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of privmap=snapshot share: unions with it, private mappings that know what they
 * have to show, and the ways to change a file.
 */
#ifndef AUFS2_TEST_PRIVMAP_H
#define AUFS2_TEST_PRIVMAP_H

#include "aufs2.h"
#include <glob.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define PAGE 4096L
/* Large folios are among these. */
#define LONGEST (96 * PAGE)

FIXTURE(u) { bool swaps; };
FIXTURE_SETUP(u)
{
	if (reference())
		SKIP(return, "no other filesystem has private mappings that are snapshots");
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("echo -n low > ro/f"));
	area_seal();
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	if (self->swaps) {
		put("/mnt/cgroup/cgroup.procs", 0, path_of("%d", getpid()));
		rmdir("/mnt/cgroup/privmap");
		umount2("/mnt/cgroup", MNT_DETACH);
		EXPECT_EQ(0, swap_off());
	}
	EXPECT_STREQ("", wrong ?: "");
}

static int mount_snapshots(void)
{
	return union_mount("privmap=snapshot", 0, (const char * const []){ "rw", "ro", NULL });
}

/* What is in the file, and what else is written to it: no page is as another one, nor a part of one. */
static void pattern(char *to, long from, long len, int of)
{
	for (unsigned long at = from; len > 0; at++, len--)
		*to++ = ' ' + ((at ^ (at >> 9) * 5 ^ (at >> 15)) + of * 37) % 64;
}

/* Room for what is written next, which each thread has. */
static char *scratch(void)
{
	static __thread char *room;

	room = room ?: aligned_alloc(PAGE, LONGEST);
	return room;
}

static int fill(int fd, long from, long len, int of)
{
	char *bytes = scratch();

	pattern(bytes, from, len, of);
	return pwrite(fd, bytes, len, from) == len ? 0 : -EIO;
}

/* A private mapping, and what it has to show. */
struct view {
	char *p;
	long size;
	char expected[LONGEST];
};

/* Maps what is open as `fd`, as long as can be. 0 or an error. */
static int look(struct view *view, int fd, int flags)
{
	view->size = pread(fd, view->expected, LONGEST, 0);
	if (view->size < 0)
		return -errno;
	memset(view->expected + view->size, 0, LONGEST - view->size);
	view->p = mmap(NULL, LONGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | flags, fd, 0);
	return view->p == MAP_FAILED ? -errno : 0;
}

/* Where a view first shows something else; -1 if nowhere. */
static long differs(const struct view *view)
{
	long len = (view->size + PAGE - 1) / PAGE * PAGE, i;

	if (!memcmp(view->p, view->expected, len))
		return -1;
	for (i = 0; i < len - 1 && view->p[i] == view->expected[i]; i++)
		;
	return i;
}

/* As before, of what has to be read again. */
static long differs_anew(struct view *view)
{
	madvise(view->p, LONGEST, MADV_DONTNEED);
	sync();
	put("/proc/sys/vm/drop_caches", 0, "3");
	return differs(view);
}

/* Writes that go on when this has returned. */
static __thread aio_context_t context;

static int submit(int fd, char *bytes, long len, long at)
{
	struct iocb cb = { .aio_fildes = fd, .aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_buf = (uintptr_t)bytes, .aio_nbytes = len, .aio_offset = at };
	struct iocb *cbs = &cb;

	if (!context && syscall(SYS_io_setup, 4, &context))
		return -errno;
	return syscall(SYS_io_submit, context, 1, &cbs) == 1 ? 0 : -errno;
}

/* Waits for one. */
static int collect(long len)
{
	struct io_event event;

	if (syscall(SYS_io_getevents, context, 1, 1, &event, NULL) != 1)
		return -errno;
	return event.res == len ? 0 : event.res < 0 ? event.res : -EIO;
}

/* A write by a ring of its own. */
static int write_by_ring(int fd, const char *bytes, long len, long at)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &params), err = -EIO;
	struct io_uring_sqe *entry;
	struct io_uring_cqe *result;
	char *rings;

	if (ring < 0)
		return -EOPNOTSUPP;
	rings = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	entry = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	if (rings != MAP_FAILED && entry != MAP_FAILED) {
		*entry = (struct io_uring_sqe){ .opcode = IORING_OP_WRITE, .fd = fd,
			.addr = (uintptr_t)bytes, .len = len, .off = at };
		*(unsigned int *)(rings + params.sq_off.array) = 0;
		__atomic_store_n((unsigned int *)(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);
		result = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
		if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1)
			err = result->res == len ? 0 : result->res < 0 ? result->res : -EIO;
	}
	munmap(rings, PAGE);
	munmap(entry, PAGE);
	close(ring);
	return err;
}

/* Ways to change some bytes of the file. */
enum way {
	WRITE, APPEND, VECTOR, RING, DIRECT, DIRECT_RING, ASYNC, SPLICE, SENDFILE, COPY_RANGE, CLONE,
	PUNCH, ZERO, COLLAPSE, INSERT, ALLOCATE, SHARED, SHARED_BEFORE, STORED_BY_CALL, READ_INTO,
	REMOVE, OTHER, SHORTER, EMPTY, LONGER, WAYS
};

static const char * const names[] = {
	"write", "append", "vector", "ring", "direct", "direct_ring", "async", "splice", "sendfile",
	"copy_range", "clone", "punch", "zero", "collapse", "insert", "allocate", "shared", "shared_before",
	"stored_by_call", "read_into", "remove", "other", "shorter", "empty", "longer",
};

/* What was mapped before the view was made. */
static char *shared;

static bool is_by_shared(enum way way)
{
	return way == SHARED_BEFORE || way == STORED_BY_CALL || way == READ_INTO || way == REMOVE;
}

/* Of whole pages only. */
static bool is_by_pages(enum way way)
{
	return way == DIRECT || way == DIRECT_RING || way == ASYNC || way == CLONE || way == COLLAPSE ||
	       way == INSERT || way == REMOVE;
}

static int change_without_cache(enum way way, char *bytes, long from, long len)
{
	int fd = open("u/file", O_RDWR | O_DIRECT), err;

	if (fd < 0)
		return -EOPNOTSUPP;
	if (way == ASYNC)
		err = submit(fd, bytes, len, from) ?: collect(len);
	else if (way == DIRECT_RING)
		err = write_by_ring(fd, bytes, len, from);
	else
		err = pwrite(fd, bytes, len, from) == len ? 0 : -errno;
	close(fd);
	return err;
}

static int change_by_pipe(int fd, const char *bytes, long from, long len)
{
	int pipes[2], err = 0;
	loff_t to = from;

	if (pipe(pipes))
		return -errno;
	for (long done = 0, n; done < len && !err; done += n) {
		n = len - done < 4 * PAGE ? len - done : 4 * PAGE;
		if (write(pipes[1], bytes + done, n) != n ||
		    splice(pipes[0], NULL, fd, &to, n, 0) != n)
			err = -errno ?: -EIO;
	}
	close(pipes[0]);
	close(pipes[1]);
	return err;
}

/* From another file, which has nothing else. */
static int change_by_file(int fd, enum way way, const char *bytes, long from, long len)
{
	int other = open("u", O_TMPFILE | O_RDWR, 0600), err = 0;
	loff_t start = 0, to = from;

	if (pwrite(other, bytes, len, 0) != len)
		err = -errno;
	else if (way == CLONE)
		err = ioctl(fd, FICLONERANGE, &(struct file_clone_range){
			.src_fd = other, .src_length = len, .dest_offset = from }) ? -errno : 0;
	else if (way == COPY_RANGE)
		err = copy_file_range(other, &start, fd, &to, len, 0) == len ? 0 : -errno;
	else if (way == READ_INTO)
		err = pread(other, shared + from, len, 0) == len ? 0 : -errno;
	else if (lseek(fd, from, SEEK_SET) != from || sendfile(fd, other, &start, len) != len)
		err = -errno ?: -EIO;
	close(other);
	return err;
}

/* Changes bytes in that way. 0, or an error; EOPNOTSUPP for what cannot be done there. */
static int change(int fd, enum way way, long from, long len, int of)
{
	char *bytes = scratch(), *p;
	struct iovec vector[2];
	int other, err = 0;

	if (is_by_pages(way)) {
		from -= from % PAGE;
		len = (len + PAGE - 1) / PAGE * PAGE;
	}
	pattern(bytes, from, len, of);
	switch (way) {
	case WRITE:
		return pwrite(fd, bytes, len, from) == len ? 0 : -errno;
	case APPEND:
		other = open("u/file", O_WRONLY | O_APPEND);
		err = write(other, bytes, len) == len ? 0 : -errno;
		close(other);
		return err;
	case VECTOR:
		vector[0] = (struct iovec){ bytes, len / 2 };
		vector[1] = (struct iovec){ bytes + len / 2, len - len / 2 };
		return pwritev(fd, vector, 2, from) == len ? 0 : -errno;
	case RING:
		return write_by_ring(fd, bytes, len, from);
	case DIRECT: case DIRECT_RING: case ASYNC:
		return change_without_cache(way, bytes, from, len);
	case SPLICE:
		return change_by_pipe(fd, bytes, from, len);
	case SENDFILE: case COPY_RANGE: case CLONE: case READ_INTO:
		return change_by_file(fd, way, bytes, from, len);
	case PUNCH:
		return E(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, len));
	case ZERO:
		return E(fallocate(fd, FALLOC_FL_ZERO_RANGE, from, len));
	case COLLAPSE:
		return E(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, from, len));
	case INSERT:
		return E(fallocate(fd, FALLOC_FL_INSERT_RANGE, from, len));
	case ALLOCATE:
		return E(fallocate(fd, 0, from, len));
	case SHARED:
		p = mmap(NULL, LONGEST, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED)
			return -errno;
		memcpy(p + from, bytes, len);
		munmap(p, LONGEST);
		return 0;
	case SHARED_BEFORE:
		memcpy(shared + from, bytes, len);
		return 0;
	case STORED_BY_CALL:
		vector[0] = (struct iovec){ bytes, len };
		vector[1] = (struct iovec){ shared + from, len };
		return process_vm_writev(getpid(), vector, 1, vector + 1, 1, 0) == len ? 0 : -errno;
	case REMOVE:
		return E(madvise(shared + from, len, MADV_REMOVE));
	case OTHER:
		switch (fork()) {
		case -1:
			return -errno;
		case 0:
			other = open("u/file", O_WRONLY);
			_exit(pwrite(other, bytes, len, from) != len);
		default:
			wait(&err);
			return err ? -EIO : 0;
		}
	case SHORTER:
		return E(ftruncate(fd, from));
	case EMPTY:
		other = open("u/file", O_WRONLY | O_TRUNC);
		close(other);
		return other < 0 ? -errno : 0;
	case LONGER:
		return E(truncate("u/file", LONGEST)) ?: fill(fd, LONGEST - PAGE, PAGE, of);
	default:
		return -EINVAL;
	}
}

/* What the union says there is. */
static long counter(const char *name)
{
	char seen[32];
	long number, count = -1;
	glob_t found;
	FILE *f;

	if (access("/sys/kernel/debug/aufs2", F_OK))
		mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (glob("/sys/kernel/debug/aufs2/si_*/counters", 0, NULL, &found))
		return -1;
	f = fopen(found.gl_pathv[0], "re");
	while (f && fscanf(f, "%31s %ld", seen, &number) == 2)
		if (!strcmp(seen, name))
			count = number;
	if (f)
		fclose(f);
	globfree(&found);
	return count;
}

#endif /* AUFS2_TEST_PRIVMAP_H */
