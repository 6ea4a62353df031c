// SPDX-License-Identifier: GPL-2.0
/*
 * A server of a filesystem of a branch, by /dev/fuse, that lies: of types, sizes and numbers, each time other
 * ones; by names that are none, or twice there, or without an end; by attributes and links of any length; by
 * errors that are none; and that does not answer.  Whatever is done to the union above it ends when who does it
 * is killed, and the server with it, or has an answer; a directory without an end can be left by a signal
 * alone; the union goes; and nothing leaves the other branch.
 *
 * Everything follows from AUFS2_TEST_SEED=N; AUFS2_TEST_LONG=N tries N times as many.
 */
#include "aufs2_hostile.h"
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mman.h>

AUFS2_FIXTURE

/* How much the server lies: one in so many answers. */
struct ways {
	uint32_t lies;
	uint32_t errors;
	uint32_t hangs;		/* 0: it does not */
	bool is_endless;	/* of directories */
	bool is_new;		/* and each name is another one */
	bool has_all;		/* whatever the union wants to make is there */
	bool goes_back;		/* the next data of a file is at its start, as is the next hole */
};

static char request[1 << 18];
static char answer[1 << 18];
static struct ways ways;
static int server_fd;

/* --- the server -------------------------------------------------------------------- */

#define HEADER sizeof(struct fuse_out_header)

static void reply(uint64_t unique, int error, size_t len)
{
	struct fuse_out_header *out = (void *)answer;

	out->unique = unique;
	out->error = error;
	out->len = HEADER + (error ? 0 : len);
	if (write(server_fd, answer, out->len) >= 0)
		return;
	/* what the kernel does not take for an answer is none, and would be waited for */
	out->error = -EIO;
	out->len = HEADER;
	(void)!write(server_fd, answer, out->len);
}

static bool lies(void)
{
	return ways.lies && once_in(ways.lies);
}

/* What the object with a number is, where the server does not lie. */
static mode_t mode_of(uint64_t node)
{
	switch (node % 8) {
	case 1: case 2: case 3: return S_IFDIR | 0755;
	case 4: return S_IFLNK | 0777;
	case 5: return S_IFIFO | 0644;
	default: return S_IFREG | 0644;
	}
}

/* The names that are used are a file, another, a link, a FIFO, a directory and another. */
static void fill_attr(struct fuse_attr *attr, uint64_t node)
{
	static const mode_t types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK, 0, 0xf000 };
	static const uint64_t sizes[] = {
		0, 1, 4095, 4097, 1 << 20, INT64_MAX, UINT64_MAX, 1ULL << 63, 1ULL << 40, UINT32_MAX,
	};

	memset(attr, 0, sizeof(*attr));
	attr->ino = node;
	attr->mode = mode_of(node);
	attr->nlink = 1;
	attr->size = 100;
	attr->blksize = 4096;
	attr->mtime = attr->ctime = 1000000000;
	if (!lies())
		return;
	switch (rnd(8)) {
	case 0: attr->mode = ONE_OF(types) | rnd(010000); break;
	case 1: attr->size = ONE_OF(sizes); break;
	case 2: attr->ino = once_in(2) ? rnd(4) : rnd64(); break;
	case 3: attr->nlink = once_in(2) ? 0 : rnd64(); break;
	case 4: attr->uid = rnd64(); attr->gid = rnd64(); break;
	case 5: attr->mtime = rnd64(); attr->ctimensec = rnd64(); break;
	case 6: attr->blksize = rnd64(); attr->blocks = rnd64(); break;
	case 7: attr->mode = (attr->mode & S_IFMT) | rnd(010000); attr->rdev = rnd64(); attr->nlink = 2; break;
	}
}

static size_t fill_entry(struct fuse_entry_out *entry, uint64_t node)
{
	memset(entry, 0, sizeof(*entry));
	entry->nodeid = node;
	entry->generation = lies() ? rnd(3) : 0;
	entry->entry_valid = rnd(2);
	entry->attr_valid = rnd(2);
	fill_attr(&entry->attr, node);
	if (lies())
		entry->nodeid = once_in(2) ? rnd(20) : rnd64();
	return sizeof(*entry);
}

static uint64_t node_of(const char *name)
{
	if (lies())
		return 2 + rnd(20);
	return 2 + mix(SUM_START, name, strlen(name)) % 40;
}

static const char *const names[] = {
	"a", "b", "c", "d", "e", "f", "..", ".", "/", "a/b", "a\0b", "", "\0", ".wh.a", ".wh..wh..opq", ".wh.b",
	".wh..wh.plnk", ".wh..wh.orph", ".wh.\0", ".wh./", ".wh..wh.l.0000000000000000", "\xff", "e\n",
};
static const unsigned char lengths[] = {
	1, 1, 1, 1, 1, 1, 2, 1, 1, 3, 3, 0, 1, 5, 12, 5, 12, 12, 5, 5, 26, 1, 2,
};

/* One entry, which takes so many bytes. */
static size_t put_entry(char *at, size_t room, bool plus, uint64_t offset)
{
	struct fuse_direntplus *both = (void *)at;
	struct fuse_dirent *entry = plus ? &both->dirent : (void *)at;
	static uint64_t fresh;
	char name[700];
	int which = lies() ? rnd(ARRAY_SIZE(names)) : rnd(6), len = lengths[which];
	size_t head = plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;

	memcpy(name, names[which], len);
	if (ways.is_new)
		len = sprintf(name, "%0*llu", 20, (unsigned long long)fresh++);
	else if (lies() && once_in(6))
		memset(name, 'l', len = 250 + rnd(300));
	if (head + len + 8 > room)
		return 0;
	memset(at, 0, head);
	name[len] = 0;
	if (plus && !once_in(4))
		fill_entry(&both->entry_out, node_of(name));
	entry->ino = node_of(name);
	entry->off = lies() && !ways.is_endless ? rnd64() : offset;
	entry->type = mode_of(entry->ino) >> 12;
	if (lies())
		entry->type = rnd(2) ? rnd(16) : DT_UNKNOWN;
	if (lies())
		entry->ino = once_in(2) ? 0 : rnd64();
	entry->namelen = len;
	memcpy(at + head, name, len);
	return (head + len + 7) & ~7;
}

static size_t fill_dir(const struct fuse_read_in *in, bool plus)
{
	size_t len = 0, more;
	uint64_t offset = in->offset;
	int n = ways.is_endless ? 1000 : 4 + rnd(5);

	if (offset >= 8 && !ways.is_endless && !(lies() && once_in(2)))
		return 0;
	while (n-- && (more = put_entry(answer + HEADER + len, in->size - len, plus, ++offset)))
		len += more;
	return len;
}

static size_t fill_text(size_t most)
{
	static const char *const texts[] = { "a", "..", "/", "a\0b", "", "/proc/self/exe", "user.x", "." };
	const char *text = ONE_OF(texts);
	size_t len = once_in(3) ? rnd(most + 1) : strlen(text);

	if (len > most)
		len = most;
	memset(answer + HEADER, once_in(2) ? 'x' : rnd(256), len);
	memcpy(answer + HEADER, text, len < strlen(text) ? len : strlen(text));
	return len;
}

static size_t fill_attributes(uint32_t size, bool is_list)
{
	struct fuse_getxattr_out *out = (void *)(answer + HEADER);
	static const char list_of[] = "user.x\0trusted.y\0security.capability\0system.posix_acl_access";

	if (!size) {
		memset(out, 0, sizeof(*out));
		out->size = lies() ? (once_in(2) ? 65536 : (uint32_t)rnd64()) : is_list ? sizeof(list_of) : 10;
		return sizeof(*out);
	}
	if (is_list && !lies() && size >= sizeof(list_of)) {
		memcpy(answer + HEADER, list_of, sizeof(list_of));
		return sizeof(list_of);
	}
	return fill_text(size < 65536 ? size : 65536);
}

static void serve_init(uint64_t unique)
{
	struct fuse_init_out *out = (void *)(answer + HEADER);
	struct fuse_init_in *in = (void *)(request + sizeof(struct fuse_in_header));

	memset(out, 0, sizeof(*out));
	out->major = FUSE_KERNEL_VERSION;
	out->minor = FUSE_KERNEL_MINOR_VERSION;
	out->max_readahead = in->max_readahead;
	out->max_write = 65536;
	out->max_background = 10;
	out->congestion_threshold = 8;
	out->flags = FUSE_BIG_WRITES | (once_in(2) ? FUSE_DO_READDIRPLUS : 0) | (once_in(2) ? FUSE_POSIX_ACL : 0) |
		     (once_in(3) ? FUSE_WRITEBACK_CACHE : 0) | (once_in(2) ? FUSE_PARALLEL_DIROPS : 0) |
		     (once_in(2) ? FUSE_CACHE_SYMLINKS : 0) | (once_in(2) ? FUSE_ATOMIC_O_TRUNC : 0);
	reply(unique, 0, sizeof(*out));
}

static void serve_one(void)
{
	static const int errors[] = { EIO, ENOENT, ESTALE, ENOSPC, EPERM, EACCES, ENOSYS, EINVAL, ENOTDIR, ELOOP, 511, 600, -5, ERANGE };
	struct fuse_in_header *in = (void *)request;
	void *arg = request + sizeof(*in);
	struct fuse_open_out *open_out = (void *)(answer + HEADER);
	struct fuse_attr_out *attr = (void *)(answer + HEADER);
	struct fuse_write_out *written = (void *)(answer + HEADER);
	struct fuse_entry_out *entry = (void *)(answer + HEADER);
	ssize_t n = read(server_fd, request, sizeof(request));
	size_t len;

	if (n < (ssize_t)sizeof(*in)) {
		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
			_exit(0);
		return;
	}
	if (in->opcode == FUSE_INIT)
		return serve_init(in->unique);
	if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET || in->opcode == FUSE_INTERRUPT)
		return;
	if (ways.hangs && once_in(ways.hangs))
		return;
	if (ways.errors && once_in(ways.errors))
		return reply(in->unique, -ONE_OF(errors), 0);
	memset(answer + HEADER, 0, 256);
	switch (in->opcode) {
	case FUSE_LOOKUP:
		/* the directories that the union keeps, and of each file that it wants to make in them, one */
		if (ways.has_all && !strcmp(arg, ".wh..wh.orph"))
			return reply(in->unique, 0, fill_entry(entry, 2));
		if (ways.has_all && !strcmp(arg, ".wh..wh.plnk"))
			return reply(in->unique, 0, fill_entry(entry, 3));
		if (ways.has_all && !strncmp(arg, ".wh..wh.t.", 10))
			return reply(in->unique, 0, fill_entry(entry, 6));
		if (strlen(arg) > 1 && !lies())
			return reply(in->unique, -ENOENT, 0);
		return reply(in->unique, 0, fill_entry(entry, node_of(arg)));
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		attr->attr_valid = rnd(2);
		fill_attr(&attr->attr, in->nodeid);
		return reply(in->unique, 0, sizeof(*attr));
	case FUSE_READLINK:
		return reply(in->unique, 0, fill_text(lies() ? 4096 : 100));
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		return reply(in->unique, 0, fill_entry(entry, 2 + rnd(20)));
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		len = fill_entry(entry, 6 + 8 * rnd(3));
		memset(answer + HEADER + len, 0, sizeof(*open_out));
		return reply(in->unique, 0, len + sizeof(*open_out));
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		open_out->fh = rnd64();
		if (lies())
			open_out->open_flags = rnd(1 << 7);
		return reply(in->unique, 0, sizeof(*open_out));
	case FUSE_READ:
		len = ((struct fuse_read_in *)arg)->size;
		memset(answer + HEADER, 'r', len);
		return reply(in->unique, 0, lies() ? rnd(len + 1) : len < 100 ? len : 100);
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		/* there is nothing in those of the union */
		if (ways.has_all)
			return reply(in->unique, 0, 0);
		return reply(in->unique, 0, fill_dir(arg, in->opcode == FUSE_READDIRPLUS));
	case FUSE_WRITE:
		written->size = ((struct fuse_write_in *)arg)->size;
		if (lies())
			written->size = once_in(2) ? 0 : rnd(written->size * 2 + 1);
		return reply(in->unique, 0, sizeof(*written));
	case FUSE_STATFS: {
		struct fuse_statfs_out *fs = (void *)(answer + HEADER);

		fs->st.bsize = fs->st.frsize = 4096;
		fs->st.namelen = 255;
		for (len = 0; lies() && len < sizeof(fs->st) / 8; len++)
			((uint64_t *)&fs->st)[len] = once_in(2) ? rnd64() : 0;
		return reply(in->unique, 0, sizeof(*fs));
	}
	case FUSE_GETXATTR:
		if (!lies())
			return reply(in->unique, -ENODATA, 0);
		return reply(in->unique, 0, fill_attributes(((struct fuse_getxattr_in *)arg)->size, false));
	case FUSE_LISTXATTR:
		return reply(in->unique, 0, fill_attributes(((struct fuse_getxattr_in *)arg)->size, true));
	case FUSE_LSEEK:
		*(uint64_t *)(answer + HEADER) = ways.goes_back ? 0 : rnd64();
		return reply(in->unique, 0, 8);
	case FUSE_ACCESS: case FUSE_UNLINK: case FUSE_RMDIR: case FUSE_RENAME: case FUSE_RENAME2:
	case FUSE_RELEASE: case FUSE_RELEASEDIR: case FUSE_FLUSH: case FUSE_FSYNC: case FUSE_FSYNCDIR:
	case FUSE_SETXATTR: case FUSE_REMOVEXATTR: case FUSE_DESTROY: case FUSE_SYNCFS: case FUSE_FALLOCATE:
		return reply(in->unique, 0, 0);
	default:
		return reply(in->unique, -ENOSYS, 0);
	}
}

/* Mounts the branch s, served by a child: its number, or -errno. */
static pid_t start_server(void)
{
	pid_t pid;
	int err;

	mkdir("s", 0755);
	server_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (server_fd < 0)
		return -errno;
	err = E(mount("server", "s", "fuse", 0, path_of("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other%s",
							  server_fd, once_in(2) ? ",default_permissions" : "")));
	pid = err ? err : fork();
	if (!pid) {
		hostile_state ^= 0x9e3779b97f4a7c15ULL;
		for (;;)
			serve_one();
	}
	close(server_fd);
	return pid;
}

static void end_server(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- what is done above it ---------------------------------------------------------------- */

static char *shared;		/* the last thing that was done */

static const char *random_path(void)
{
	char *b = buffer();
	int depth = 1 + rnd(3), len = sprintf(b, "u");

	while (depth--)
		len += sprintf(b + len, "/%c", "abcdef"[rnd(6)]);
	return b;
}

static long read_some(const char *path, int flags)
{
	char text[3000];
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC, 0600);
	long n = 0;
	char *map;

	if (fd < 0)
		return -errno;
	switch (rnd(6)) {
	case 0:
		n = E(read(fd, text, sizeof(text)));
		break;
	case 1:
		n = E(write(fd, text, rnd(sizeof(text))));
		break;
	case 2:
		n = E(fsync(fd));
		break;
	case 3:
		map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		if (map != MAP_FAILED)
			munmap(map, 4096);
		break;
	case 4:
		n = E(lseek(fd, rnd(9000), rnd(5)));
		break;
	case 5:
		n = E(ftruncate(fd, rnd(9000)));
	}
	close(fd);
	return n;
}

static long list_some(const char *path)
{
	DIR *d = opendir(path);
	long n = 0;

	if (!d)
		return -errno;
	for (errno = 0; n < 5000 && readdir(d); )
		n++;
	n = errno ? -errno : n;
	closedir(d);
	return n;
}

static long do_one(int number)
{
	static char text[70000];
	const char *path = random_path(), *other = random_path();
	struct stat st;
	struct statfs fs;
	int kind = rnd(18);

	snprintf(shared, 4000, "%d: operation %d on %s and %s", number, kind, path, other);
	switch (kind) {
	case 0: return E(lstat(path, &st));
	case 1: case 2: return list_some(once_in(2) ? "u" : path);
	case 3: return read_some(path, O_RDONLY);
	case 4: return read_some(path, O_RDWR | (once_in(3) ? O_CREAT : 0) | (once_in(3) ? O_TRUNC : 0));
	case 5: return E(unlink(path));
	case 6: return E(mkdir(path, 0755));
	case 7: return E(rmdir(path));
	case 8: return E(rename(path, other));
	case 9: return E(link(path, other));
	case 10: return E(chmod(path, rnd(010000)));
	case 11: return E(readlink(path, text, 5000));
	case 12: return E(lgetxattr(path, "user.x", text, rnd(sizeof(text))));
	case 13: return E(llistxattr(path, text, rnd(sizeof(text))));
	case 14: return E(lsetxattr(path, "user.x", "v", 1, 0));
	case 15: return E(statfs(path, &fs));
	case 16: return E(symlink("x", path));
	default: return E(truncate(path, rnd(9000)));
	}
}

/* Whether a child ends in so many ms. */
static bool child_ends(pid_t pid, int ms, int *status)
{
	for (; ms > 0; ms -= 5, usleep(5000))
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
	return false;
}

static int count_errors;

static void __attribute__((noreturn)) do_some(int count)
{
	int i;

	signal(SIGXFSZ, SIG_IGN);
	for (i = 0; i < count; i++) {
		long err;

		errno = 0;
		err = do_one(i);
		if (err < -511) {
			snprintf(shared + strlen(shared), 100, ": %ld", err);
			_exit(1);
		}
	}
	_exit(0);
}

static long used_memory(void)
{
	const char *text = read_file("/proc/meminfo");
	const char *slab = strstr(text, "SUnreclaim:"), *vmalloc = strstr(text, "VmallocUsed:");

	return (slab ? atol(slab + 11) : 0) + (vmalloc ? atol(vmalloc + 12) : 0);
}

static const char *mount_above(bool *up)
{
	static const char *const how[] = {
		"br:%s/rw=rw:%s/s=ro", "br:%s/rw=rw:%s/s=ro+wh", "br:%s/rw=rw+coo_reg:%s/s=ro+wh,udba=none",
		"br:%s/rw=rw:%s/s=rw", "br:%2$s/s=rw:%1$s/ro=ro+wh", "br:%s/rw=rw:%s/s=rr,mmap=fault",
	};
	int err = E(mount("none", "u", fs_name(), 0, path_of(ONE_OF(how), area, area)));

	*up = !err;
	if (err && (err == -ENOMEM || err == -EFAULT || err < -511))
		return said("mount: %s (%d)", errno_name(-err), err);
	return "";
}

/* One server, and a union above it. */
static const char *one_run(uint64_t run)
{
	const char *wrong = "";
	pid_t server, child, mounter;
	int status = 0, err;
	bool up = false, is_late = false;
	int patience;

	hostile_seed(run);
	ways = (struct ways){ .lies = 2 + rnd(12), .errors = once_in(3) ? 4 + rnd(30) : 0,
			      .hangs = once_in(4) ? 50 + rnd(200) : 0 };
	if (once_in(10))
		ways.lies = 0;
	patience = ways.hangs ? 1500 : 20000;
	server = start_server();
	if (server < 0)
		return said("no server: %s", errno_name(-server));
	/* a mount may wait for it, as well */
	*shared = 0;
	snprintf(shared, 4000, "mount");
	mounter = fork();
	if (!mounter) {
		wrong = mount_above(&up);
		strcpy(shared + 4096, wrong);
		_exit(*wrong ? 2 : up);
	}
	if (!child_ends(mounter, patience, &status)) {
		end_server(server);
		server = 0;
		if (!child_ends(mounter, 30000, &status))
			return "a mount hangs though the server has gone";
	}
	if (WIFSIGNALED(status) || WEXITSTATUS(status) == 2)
		wrong = said("%s (status %x)", shared + 4096, status);
	up = WEXITSTATUS(status) == 1;
	union_up = up;
	if (up && !*wrong) {
		child = fork();
		if (!child)
			do_some(60);
		if (!child_ends(child, patience, &status)) {
			is_late = true;
			kill(child, SIGKILL);
			/* a request that the server has and does not answer is waited for: as without a union */
			if (!child_ends(child, ways.hangs ? 500 : 20000, &status)) {
				if (!ways.hangs)
					wrong = said("cannot be killed: %s", shared);
				end_server(server);
				server = 0;
				if (!child_ends(child, 30000, &status))
					return said("hangs though the server has gone: %s", shared);
			}
		} else if (status) {
			wrong = said("status %x: %s", status, shared);
		}
	}
	if (is_late && !*wrong)
		count_errors++;
	/* it might not answer to that, either */
	if (ways.hangs)
		end_server(server), server = 0;
	if (up) {
		err = down();
		if (err && !*wrong)
			wrong = said("umount: %s", errno_name(-err));
	}
	end_server(server);
	err = E(umount2("s", 0));
	if (err && !*wrong)
		wrong = said("umount of the branch: %s", errno_name(-err));
	if (err)
		umount2("s", MNT_DETACH);
	shell("rm -rf rw; mkdir rw");
	return wrong;
}

static bool has_fuse(void)
{
	shell("modprobe -q fuse");
	return !access("/dev/fuse", R_OK | W_OK);
}

TEST_F(u, servers_that_lie)
{
	int i, count = long_ms(40), wrongs = 0;

	AUFS2_ONLY("what it is on");
	ASSERT_TRUE(has_fuse());
	shared = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < count && wrongs < 10; i++) {
		const char *wrong = one_run(i);

		EXPECT_STREQ("", wrong) TH_LOG("seed %s, run %d: %s", getenv("AUFS2_TEST_SEED") ?: "0", i, shared);
		wrongs += *wrong != 0;
	}
	ksft_print_msg("%d of %d had to be ended\n", count_errors, count);
}

/* Something is done to a union with such a server, that ends by itself, with RESULT, or only when it is killed. */
static void do_above(struct __test_metadata *_metadata, const char *branches, long (*what)(void), bool by_itself,
		     long result)
{
	pid_t server, child;
	int status = 0;
	bool ended;

	ASSERT_TRUE(has_fuse());
	shared = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	hostile_seed(7);
	server = start_server();
	ASSERT_LT(0, server);
	ASSERT_EQ(0, E(mount("none", "u", fs_name(), 0, path_of(branches, area, area))));
	union_up = true;
	child = fork();
	if (!child)
		_exit(-what());
	ended = child_ends(child, by_itself ? 20000 : 3000, &status);
	EXPECT_EQ(by_itself, ended) TH_LOG("status %x", status);
	if (by_itself)
		EXPECT_EQ(-result << 8, status);
	if (!ended) {
		kill(child, SIGKILL);
		ended = child_ends(child, 10000, &status);
		EXPECT_TRUE(ended) TH_LOG("it cannot be killed");
	}
	end_server(server);
	if (!ended)
		child_ends(child, 10000, &status);
	EXPECT_EQ(0, down());
	EXPECT_EQ(0, E(umount2("s", 0)));
}

static long list_root(void)
{
	return list_some("u");
}

static long remove_dir(void)
{
	return E(rmdir("u/e"));
}

static long change_dir(void)
{
	return E(chmod("u/dir", 0700));
}

static long open_file(void)
{
	return can_open("u/g", O_RDWR);
}

TEST_F(u, a_directory_of_the_same_names_without_end)
{
	AUFS2_ONLY("what it is on");
	ways = (struct ways){ .is_endless = true };
	do_above(_metadata, "br:%s/rw=rw:%s/s=ro+wh", list_root, false, 0);
}

TEST_F(u, a_directory_of_new_names_without_end)
{
	long before = used_memory();

	AUFS2_ONLY("what it is on");
	ways = (struct ways){ .is_endless = true, .is_new = true };
	do_above(_metadata, "br:%s/rw=rw:%s/s=ro+wh", list_root, false, 0);
	/* what was read is given back */
	EXPECT_GT(before + 50000, used_memory());
}

TEST_F(u, removing_a_directory_without_end)
{
	AUFS2_ONLY("what it is on");
	ways = (struct ways){ .is_endless = true };
	do_above(_metadata, "br:%s/rw=rw:%s/s=ro+wh", remove_dir, false, 0);
}

/* The names by which the union makes things. */
TEST_F(u, a_server_that_has_every_name)
{
	AUFS2_ONLY("what it is on");
	ASSERT_EQ(0, shell("mkdir ro/dir && touch ro/dir/f"));
	ways = (struct ways){ .has_all = true };
	do_above(_metadata, "br:%2$s/s=rw:%1$s/ro=ro", change_dir, false, 0);
}

/* Who copies up a file asks where there is data. */
TEST_F(u, data_that_is_always_before)
{
	AUFS2_ONLY("what it is on");
	ways = (struct ways){ .goes_back = true };
	do_above(_metadata, "br:%s/rw=rw:%s/s=ro", open_file, true, 0);
	EXPECT_EQ(100, st_of("rw/g").st_size);
}

TEST_HARNESS_MAIN
