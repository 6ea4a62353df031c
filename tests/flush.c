// SPDX-License-Identifier: GPL-2.0
/*
 * close(2) says what the filesystem of the branch has to say: that of a server does so by FUSE_FLUSH, and by what it
 * has to write out before.  The same is done with the server's file itself, and with the union above it, and compared:
 * errors, and how often the server was asked.
 *
 * Catches: a close that says that all is well when the branch has said that it is not; one that does not ask.
 */
#include "aufs2.h"
#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/wait.h>

AUFS2_FIXTURE

/* --- the server: a directory with the file f, in which the union makes its own ------------------ */

#define HEADER sizeof(struct fuse_out_header)
#define FILE_SIZE 100

/* What the server and the test share. */
static struct shared {
	int flush, write;	/* how these end: 0 or an error */
	int flushes;		/* that there were */
} *shared;

static char request[1 << 18], answer[1 << 18];
static int server_fd;

static void reply(uint64_t unique, int error, size_t len)
{
	struct fuse_out_header *out = (void *)answer;

	out->unique = unique;
	out->error = -error;
	out->len = HEADER + (error ? 0 : len);
	(void)!write(server_fd, answer, out->len);
}

/* 1 is the root, 2 the file, and whatever else there is is a directory. */
static void fill_attr(struct fuse_attr *attr, uint64_t node)
{
	attr->ino = node;
	attr->mode = node == 2 ? S_IFREG | 0644 : S_IFDIR | 0755;
	attr->nlink = node == 2 ? 1 : 2;
	attr->size = node == 2 ? FILE_SIZE : 0;
	attr->blksize = 4096;
	attr->mtime = attr->ctime = 1000000000;
}

static size_t fill_entry(struct fuse_entry_out *entry, const char *name)
{
	entry->nodeid = !strcmp(name, "f") ? 2 : !strcmp(name, ".wh..wh.orph") ? 3 : 4;
	entry->entry_valid = entry->attr_valid = 1000;
	fill_attr(&entry->attr, entry->nodeid);
	return sizeof(*entry);
}

static bool is_there(const char *name)
{
	return !strcmp(name, "f") || !strcmp(name, ".wh..wh.orph") || !strcmp(name, ".wh..wh.plnk");
}

static void serve_one(bool caches)
{
	struct fuse_in_header *in = (void *)request;
	void *arg = request + sizeof(*in), *out = answer + HEADER;
	struct fuse_init_out *init = out;
	struct fuse_attr_out *attr = out;
	ssize_t n = read(server_fd, request, sizeof(request));
	uint32_t size;

	if (n < (ssize_t)sizeof(*in)) {
		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
			_exit(0);
		return;
	}
	memset(out, 0, 4096);
	switch (in->opcode) {
	case FUSE_FORGET: case FUSE_BATCH_FORGET: case FUSE_INTERRUPT:
		return;
	case FUSE_INIT:
		init->major = FUSE_KERNEL_VERSION;
		init->minor = FUSE_KERNEL_MINOR_VERSION;
		init->max_write = 65536;
		init->max_background = 10;
		init->congestion_threshold = 8;
		init->flags = FUSE_BIG_WRITES | (caches ? FUSE_WRITEBACK_CACHE : 0);
		return reply(in->unique, 0, sizeof(*init));
	case FUSE_LOOKUP:
		if (!is_there(arg))
			return reply(in->unique, ENOENT, 0);
		return reply(in->unique, 0, fill_entry(out, arg));
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		attr->attr_valid = 1000;
		fill_attr(&attr->attr, in->nodeid);
		return reply(in->unique, 0, sizeof(*attr));
	case FUSE_OPEN: case FUSE_OPENDIR:
		return reply(in->unique, 0, sizeof(struct fuse_open_out));
	case FUSE_READ:
		size = ((struct fuse_read_in *)arg)->size;
		if (((struct fuse_read_in *)arg)->offset >= FILE_SIZE)
			size = 0;
		return reply(in->unique, 0, size < FILE_SIZE ? size : FILE_SIZE);
	case FUSE_WRITE:
		((struct fuse_write_out *)out)->size = ((struct fuse_write_in *)arg)->size;
		return reply(in->unique, shared->write, sizeof(struct fuse_write_out));
	case FUSE_FLUSH:
		shared->flushes++;
		return reply(in->unique, shared->flush, 0);
	case FUSE_STATFS:
		((struct fuse_statfs_out *)out)->st.bsize = 4096;
		((struct fuse_statfs_out *)out)->st.frsize = 4096;
		((struct fuse_statfs_out *)out)->st.namelen = 255;
		return reply(in->unique, 0, sizeof(struct fuse_statfs_out));
	case FUSE_READDIR: case FUSE_READDIRPLUS: case FUSE_RELEASE: case FUSE_RELEASEDIR: case FUSE_FSYNC:
	case FUSE_FSYNCDIR: case FUSE_ACCESS: case FUSE_DESTROY: case FUSE_SYNCFS:
		return reply(in->unique, 0, 0);
	default:
		return reply(in->unique, ENOSYS, 0);
	}
}

static pid_t server;

/* Mounts it at s.  0 or -errno. */
static int start_server(bool caches)
{
	int err;

	shell("modprobe -q fuse");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mkdir("s", 0755);
	server_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (server_fd < 0 || shared == MAP_FAILED)
		return -errno;
	err = E(mount("server", "s", "fuse", 0,
		      path_of("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", server_fd)));
	if (err)
		return err;
	server = fork();
	while (!server)
		serve_one(caches);
	close(server_fd);
	return 0;
}

static void end_server(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	umount2("s", MNT_DETACH);
}

/* --- what is closed ------------------------------------------------------------------------ */

static long by_close(int fd) { return E(close(fd)); }

static long by_close_of_a_copy(int fd)
{
	long err = E(close(dup(fd))), again = E(close(fd));

	return err ?: again;
}

/* What a close says is lost here, but it is asked for. */
static long by_dup2(int fd)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	long err = E(dup2(null, fd));

	close(null);
	close(fd);
	return err < 0 ? err : 0;
}

static long by_end_of_a_process(int fd)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, &status, 0);
	return status ?: E(close(fd));
}

static const struct { const char *name; long (*how)(int fd); } ends[] = {
	{ "close", by_close }, { "close of a copy", by_close_of_a_copy }, { "dup2", by_dup2 },
	{ "the end of a process", by_end_of_a_process },
};

static const struct { int flags; bool writes; } ways[] = {
	{ O_RDONLY, false }, { O_WRONLY, false }, { O_RDWR, true }, { O_RDWR | O_APPEND, true },
	{ O_WRONLY | O_SYNC, true },
};

/* What is said of a file that is opened, maybe written to, and closed, and how often the server was asked. */
static const char *closed(const char *path, int way, int end)
{
	int fd, before = __atomic_load_n(&shared->flushes, __ATOMIC_ACQUIRE);
	long written = 0, err;

	fd = open(path, ways[way].flags | O_CLOEXEC);
	if (fd < 0)
		return errno_name(errno);
	if (ways[way].writes)
		written = E(pwrite(fd, "text", 4, 0));
	err = ends[end].how(fd);
	return path_of("written: %ld; %s; asked %d times", written, err ? errno_name(-err) : "well",
		       __atomic_load_n(&shared->flushes, __ATOMIC_ACQUIRE) - before);
}

static void compare(struct __test_metadata *_metadata, bool is_writable)
{
	static const int errors[] = { 0, EIO, ENOSPC, EDQUOT, EPERM, EINTR, ESTALE };
	unsigned int error, way, end;

	for (error = 0; error < ARRAY_SIZE(errors); error++)
		for (way = 0; way < (is_writable ? ARRAY_SIZE(ways) : 1); way++)
			for (end = 0; end < ARRAY_SIZE(ends); end++) {
				const char *native;

				shared->flush = errors[error];
				native = closed("s/f", way, end);
				EXPECT_STREQ(native, closed("u/f", way, end)) {
					TH_LOG("flags %o, %s, %s", ways[way].flags, ends[end].name,
					       errors[error] ? errno_name(errors[error]) : "well");
				}
				if (!way && !end)
					EXPECT_STREQ(path_of("written: 0; %s; asked 1 times",
							     errors[error] ? errno_name(errors[error]) : "well"),
							     native);
			}
	shared->flush = 0;
}

static void union_of(struct __test_metadata *_metadata, bool caches, bool is_writable)
{
	int err;

	AUFS2_ONLY("there the server's file is another one");
	ASSERT_EQ(0, start_server(caches));
	err = is_writable ? up("s=rw", "ro") : up("rw", "s=ro");
	EXPECT_EQ(0, err);
	if (!err) {
		compare(_metadata, is_writable);
		EXPECT_EQ(0, down());
	}
	end_server();
}

TEST_F(u, of_a_lower_file)
{
	union_of(_metadata, false, false);
}

TEST_F(u, of_the_writable_branch)
{
	union_of(_metadata, false, true);
}

TEST_F(u, of_a_branch_that_writes_later)
{
	union_of(_metadata, true, true);
}

/* What is written out when it is closed, and fails. */
TEST_F(u, what_could_not_be_written)
{
	/* others are one of these to who comes to a page that was tried before: mapping_set_error() */
	static const int errors[] = { EIO, ENOSPC };
	unsigned int i;
	int way;

	AUFS2_ONLY("there the server's file is another one");
	ASSERT_EQ(0, start_server(true));
	ASSERT_EQ(0, up("s=rw", "ro"));
	for (i = 0; i < ARRAY_SIZE(errors); i++)
		for (way = 2; way < (int)ARRAY_SIZE(ways); way++) {
			const char *native;

			shared->write = errors[i];
			native = closed("s/f", way, 0);
			EXPECT_STREQ(native, closed("u/f", way, 0)) {
				TH_LOG("flags %o, %s", ways[way].flags, errno_name(errors[i]));
			}
			if (!(ways[way].flags & O_SYNC))
				EXPECT_STREQ(path_of("written: 4; %s; asked 0 times", errno_name(errors[i])), native);
			shared->write = 0;
			EXPECT_STREQ("written: 4; well; asked 1 times", closed("u/f", 2, 0));
		}
	EXPECT_EQ(0, down());
	end_server();
}

TEST_HARNESS_MAIN
