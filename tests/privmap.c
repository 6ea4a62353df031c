// SPDX-License-Identifier: GPL-2.0
/*
 * privmap=snapshot: a private mapping shows the file as it was when it was mapped,
 * to the byte, in whatever way the file is changed through the union later, and
 * whatever is dropped from memory.
 */
#define _GNU_SOURCE
#include "aufs2.h"
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define PAGE 4096L
/* Large folios are among these. */
#define LONGEST (96 * PAGE)

FIXTURE(u) { int unused; };
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

	EXPECT_STREQ("", wrong ?: "");
}

static int mount_snapshots(void)
{
	return union_mount("privmap=snapshot", 0, (const char * const []){ "rw", "ro", NULL });
}

/* What is in the file, and what else is written to it. */
static void pattern(char *to, long from, long len, int of)
{
	for (long i = 0; i < len; i++)
		to[i] = 'a' + ((from + i) / 512 + (from + i) % 7 + of * 5) % 26;
}

static int fill(int fd, long from, long len, int of)
{
	static char bytes[LONGEST];

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

	for (i = 0; i < len; i++)
		if (view->p[i] != view->expected[i])
			return i;
	return -1;
}

/* As before, of what has to be read again. */
static long differs_anew(struct view *view)
{
	madvise(view->p, LONGEST, MADV_DONTNEED);
	shell("sync; echo 3 > /proc/sys/vm/drop_caches");
	return differs(view);
}

/* Writes that go on when this has returned. */
static aio_context_t context;

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

/* Ways to change some bytes of the file, other than to make it shorter. */
enum way {
	WRITE, APPEND, VECTOR, DIRECT, ASYNC, SPLICE, SENDFILE, COPY_RANGE, CLONE, PUNCH, ZERO, COLLAPSE,
	INSERT, SHARED, SHARED_BEFORE, REMOVE, OTHER, SHORTER, EMPTY, LONGER, WAYS
};

static const char * const names[] = {
	"write", "append", "vector", "direct", "async", "splice", "sendfile", "copy_range", "clone", "punch",
	"zero", "collapse", "insert", "shared", "shared_before", "remove", "other", "shorter",
	"empty", "longer",
};

/* What was mapped before the view was made. */
static char *shared;

/* Changes bytes in that way. 0, or an error; EOPNOTSUPP for what cannot be done there. */
static int change(int fd, enum way way, long from, long len, int of)
{
	static char bytes[LONGEST] __attribute__((aligned(4096)));
	struct iovec vector[2];
	int other, pipes[2], err = 0;
	loff_t start = 0, to = from;
	char *p;

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
	case DIRECT:
		from -= from % PAGE;
		len = (len + PAGE - 1) / PAGE * PAGE;
		other = open("u/file", O_RDWR | O_DIRECT);
		if (other < 0)
			return -EOPNOTSUPP;
		err = pwrite(other, bytes, len, from) == len ? 0 : -errno;
		close(other);
		return err;
	case ASYNC:
		from -= from % PAGE;
		len = (len + PAGE - 1) / PAGE * PAGE;
		other = open("u/file", O_RDWR | O_DIRECT);
		if (other < 0)
			return -EOPNOTSUPP;
		err = submit(other, bytes, len, from);
		close(other);
		return err ?: collect(len);
	case SPLICE:
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
	case SENDFILE: case COPY_RANGE: case CLONE:
		other = open("u/source", O_RDWR | O_CREAT | O_TRUNC, 0600);
		if (way == CLONE) {
			from -= from % PAGE;
			len = (len + PAGE - 1) / PAGE * PAGE;
			to = from;
		}
		if (pwrite(other, bytes, len, 0) != len)
			err = -errno;
		else if (way == CLONE)
			err = ioctl(fd, FICLONERANGE, &(struct file_clone_range){
				.src_fd = other, .src_length = len, .dest_offset = to }) ? -errno : 0;
		else if (way == COPY_RANGE)
			err = copy_file_range(other, &start, fd, &to, len, 0) == len ? 0 : -errno;
		else if (lseek(fd, from, SEEK_SET) != from || sendfile(fd, other, &start, len) != len)
			err = -errno ?: -EIO;
		close(other);
		return err;
	case PUNCH:
		return E(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, len));
	case ZERO:
		return E(fallocate(fd, FALLOC_FL_ZERO_RANGE, from, len));
	case COLLAPSE: case INSERT:
		from -= from % PAGE;
		len = (len + PAGE - 1) / PAGE * PAGE;
		return E(fallocate(fd, way == COLLAPSE ? FALLOC_FL_COLLAPSE_RANGE :
				   FALLOC_FL_INSERT_RANGE, from, len));
	case SHARED: case SHARED_BEFORE:
		p = way == SHARED ? mmap(NULL, LONGEST, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) :
		    shared;
		if (p == MAP_FAILED)
			return -errno;
		memcpy(p + from, bytes, len);
		if (way == SHARED)
			munmap(p, LONGEST);
		return 0;
	case REMOVE:
		from -= from % PAGE;
		len = (len + PAGE - 1) / PAGE * PAGE;
		return E(madvise(shared + from, len, MADV_REMOVE));
	case OTHER:
		switch (fork()) {
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

static const struct { long from, len; } places[] = {
	/* whole pages, a part of one, what crosses pages, many of them, the end */
	{ 4 * PAGE, PAGE }, { 4 * PAGE + 100, 50 }, { 7 * PAGE - 10, 20 }, { 12 * PAGE - 1, 40 * PAGE + 2 },
	{ 0, 64 * PAGE + 77 }, { 64 * PAGE, 77 },
};

TEST_F(u, whatever_changes_the_file)
{
	static struct view before, after;
	int fd, err, done[WAYS] = { 0 };

	ASSERT_EQ(0, mount_snapshots());
	for (enum way way = 0; way < WAYS; way++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
			long from = places[i].from, len = places[i].len, size = 64 * PAGE + 77;
			bool was_mapped = way == SHARED_BEFORE || way == REMOVE;

			ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT | O_TRUNC, 0600));
			ASSERT_EQ(0, fill(fd, 0, size, 0));
			if (was_mapped) {
				shared = mmap(NULL, LONGEST, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
				ASSERT_NE(MAP_FAILED, shared);
			}
			ASSERT_EQ(0, look(&before, fd, 0));
			/* of some places the page was looked at before */
			if (i % 2)
				ASSERT_EQ(-1, differs(&before));
			err = change(fd, way, from, len, 1);
			if (err != -EOPNOTSUPP && err != -EINVAL) {
				ASSERT_EQ(0, err) {
					TH_LOG("%s at %ld", names[way], from);
				}
				done[way]++;
			}
			ASSERT_EQ(-1, differs(&before)) {
				TH_LOG("%s of %ld at %ld", names[way], len, from);
			}
			/* what is there now shows in one that is made now, and stays there */
			ASSERT_EQ(0, look(&after, fd, 0));
			change(fd, way, from, len, 2);
			ASSERT_EQ(0, fill(fd, 20 * PAGE + 5, 3 * PAGE, 3));
			ASSERT_EQ(-1, differs(&after)) {
				TH_LOG("%s of %ld at %ld, the second", names[way], len, from);
			}
			ASSERT_EQ(-1, differs(&before));
			if (i < 2) {
				ASSERT_EQ(-1, differs_anew(&before));
				ASSERT_EQ(-1, differs_anew(&after));
			}
			munmap(before.p, LONGEST);
			ASSERT_EQ(-1, differs(&after));
			munmap(after.p, LONGEST);
			if (was_mapped)
				munmap(shared, LONGEST);
			close(fd);
		}
		TH_LOG("%s: %d", names[way], done[way]);
	}
	/* these are everywhere */
	EXPECT_TRUE(done[WRITE] && done[SPLICE] && done[COPY_RANGE] && done[PUNCH] && done[SHARED] &&
		    done[SHARED_BEFORE] && done[REMOVE] && done[SHORTER] && done[EMPTY]);
	EXPECT_EQ(0, down());
}

TEST_F(u, while_it_is_being_written_to)
{
	static char bytes[LONGEST] __attribute__((aligned(4096)));
	static struct view view;
	int fd, direct, i;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	direct = open("u/file", O_RDWR | O_DIRECT);
	if (direct < 0)
		SKIP(return, "%s has no O_DIRECT", test_fs());
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, fill(fd, 0, LONGEST, i));
		ASSERT_EQ(0, E(fsync(fd)));
		pattern(bytes, 0, LONGEST, i + 1);
		ASSERT_EQ(0, submit(direct, bytes, LONGEST, 0));
		view.size = LONGEST;
		view.p = mmap(NULL, LONGEST, PROT_READ, MAP_PRIVATE, fd, 0);
		ASSERT_NE(MAP_FAILED, view.p);
		/* it may have a part of what is being written, but the same one ever after */
		memcpy(view.expected, view.p, LONGEST);
		ASSERT_EQ(0, collect(LONGEST));
		EXPECT_EQ(-1, differs(&view));
		EXPECT_EQ(-1, differs_anew(&view));
		munmap(view.p, LONGEST);
	}
	close(direct);
	close(fd);
	EXPECT_EQ(0, down());
}

TEST_F(u, without_it_others_show)
{
	char *p;
	int fd;

	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	ASSERT_EQ(0, fill(fd, 0, PAGE, 0));
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(1, E(pwrite(fd, "!", 1, 7)));
	EXPECT_EQ('!', p[7]);
	munmap(p, PAGE);
	close(fd);
}

TEST_F(u, what_is_copied_up)
{
	int fd, again;
	char *p, *q;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_LE(0, again = open("u/f", O_RDWR));
	ASSERT_EQ(3, E(pwrite(again, "new", 3, 0)));
	EXPECT_EQ(0, memcmp(p, "low", 4));
	q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(3, E(pwrite(again, "old", 3, 0)));
	EXPECT_EQ(0, memcmp(p, "low", 4));
	EXPECT_EQ(0, memcmp(q, "new", 4));
	/* it is named as any other */
	EXPECT_EQ(0, shell("grep -q '^%lx-.*/u/f$' /proc/%d/maps", (long)q, getpid()));
	munmap(p, PAGE);
	munmap(q, PAGE);
	close(fd);
	close(again);
	EXPECT_EQ(0, down());
}

TEST_F(u, what_becomes_of_a_mapping)
{
	static struct view view;
	struct iovec from, to;
	char *moved;
	int fd, status;
	pid_t child;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	ASSERT_EQ(0, fill(fd, 0, LONGEST, 0));
	ASSERT_EQ(0, look(&view, fd, MAP_POPULATE));
	ASSERT_EQ(0, E(mlock(view.p + 8 * PAGE, 8 * PAGE)));
	ASSERT_EQ(0, fill(fd, 0, LONGEST, 1));
	EXPECT_EQ(-1, differs(&view));
	/* a store is the process's own, and its child's from then on */
	view.p[3 * PAGE] = view.expected[3 * PAGE] = '!';
	child = fork();
	if (!child) {
		view.p[4 * PAGE] = '?';
		_exit(fill(fd, 5 * PAGE, PAGE, 2) || view.p[3 * PAGE] != '!' ||
		      differs(&view) != 4 * PAGE || munmap(view.p, LONGEST));
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-1, differs(&view));
	/* somebody else's is, too */
	from = (struct iovec){ "x", 1 };
	to = (struct iovec){ view.p + 6 * PAGE, 1 };
	ASSERT_EQ(1, E(process_vm_writev(getpid(), &from, 1, &to, 1, 0)));
	view.expected[6 * PAGE] = 'x';
	EXPECT_EQ(-1, differs(&view));
	ASSERT_EQ(0, E(mprotect(view.p, LONGEST, PROT_READ)));
	child = fork();
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(view.p[7 * PAGE] != 'y' || (memset(view.expected + 7 * PAGE, 'y', sizeof(long)),
		      differs(&view) != -1));
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_EQ(0, E(ptrace(PTRACE_POKEDATA, child, view.p + 7 * PAGE,
			      0x7979797979797979L & LONG_MAX)));
	ASSERT_EQ(0, E(ptrace(PTRACE_CONT, child, NULL, NULL)));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-1, differs(&view));
	ASSERT_EQ(0, fill(fd, 0, LONGEST, 3));
	EXPECT_EQ(-1, differs(&view));
	/* parts of it stay, and move */
	ASSERT_EQ(0, E(mprotect(view.p + 20 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE)));
	ASSERT_EQ(0, E(munmap(view.p + 40 * PAGE, 4 * PAGE)));
	moved = mremap(view.p + 44 * PAGE, 8 * PAGE, 20 * PAGE, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, moved);
	ASSERT_EQ(0, fill(fd, 0, LONGEST, 4));
	EXPECT_EQ(0, memcmp(view.p, view.expected, 40 * PAGE));
	EXPECT_EQ(0, memcmp(moved, view.expected + 44 * PAGE, 20 * PAGE));
	/* what is the process's own goes with this */
	ASSERT_EQ(0, E(madvise(view.p, 8 * PAGE, MADV_DONTNEED)));
	pattern(view.expected, 0, 8 * PAGE, 0);
	EXPECT_EQ(0, memcmp(view.p, view.expected, 40 * PAGE));
	EXPECT_EQ(0, E(madvise(view.p + 24 * PAGE, 16 * PAGE, MADV_PAGEOUT)));
	EXPECT_EQ(0, memcmp(view.p, view.expected, 40 * PAGE));
	/* the file may go */
	ASSERT_EQ(0, E(ftruncate(fd, 0)));
	ASSERT_EQ(0, E(unlink("u/file")));
	close(fd);
	EXPECT_EQ(0, memcmp(moved, view.expected + 44 * PAGE, 20 * PAGE));
	munmap(moved, 20 * PAGE);
	munmap(view.p, LONGEST);
	EXPECT_EQ(0, down());
}

TEST_F(u, programs_run_as_they_were)
{
	ASSERT_EQ(0, mount_snapshots());
	ASSERT_EQ(0, shell("cp $(command -v sleep) u/prog"));
	EXPECT_EQ(0, shell("u/prog 1000 & p=$!; sleep 0.2; cat /proc/$p/maps | grep -q /u/prog; ok=$?;"
			   "kill $p; wait $p; exit $ok"));
	EXPECT_EQ(0, shell("cp $(command -v cat) u/prog.new && mv u/prog.new u/prog"));
	EXPECT_EQ(0, shell("test \"$(echo text | u/prog)\" = text"));
	EXPECT_EQ(0, down());
}

/* What the union says there is. */
static long counter(const char *name)
{
	char line[32] = "-1";
	FILE *f;

	shell("[ -d /sys/kernel/debug/aufs2 ] || mount -t debugfs none /sys/kernel/debug");
	f = popen(path_of("awk '$1 == \"%s\" { print $2 }' /sys/kernel/debug/aufs2/si_*/counters",
			  name), "r");
	if (f) {
		if (!fgets(line, sizeof(line), f))
			strcpy(line, "-1");
		pclose(f);
	}
	return atol(line);
}

TEST_F(u, who_looks_at_the_same_moment)
{
	static struct view view[3];
	int fd, i;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	ASSERT_EQ(0, fill(fd, 0, LONGEST, 0));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, look(&view[i], fd, 0));
		EXPECT_EQ(-1, differs(&view[i]));
	}
	EXPECT_EQ(1, counter("views"));
	EXPECT_EQ(0, counter("kept-pages"));
	munmap(view[0].p, LONGEST);
	ASSERT_EQ(0, fill(fd, 0, 50 * PAGE, 1));
	/* a page is kept once */
	ASSERT_EQ(0, fill(fd, 0, 50 * PAGE, 2));
	EXPECT_EQ(50, counter("kept-pages"));
	munmap(view[1].p, LONGEST);
	EXPECT_EQ(-1, differs_anew(&view[2]));
	munmap(view[2].p, LONGEST);
	EXPECT_EQ(0, counter("views"));
	EXPECT_EQ(0, counter("kept-pages"));
	close(fd);
	EXPECT_EQ(0, down());
}

enum { VIEWS = 8, SHORT = 24 * PAGE };

TEST_F(u, anything_at_random)
{
	static struct view views[VIEWS];
	unsigned int seed = getenv("AUFS2_TEST_SEED") ? atoi(getenv("AUFS2_TEST_SEED")) : 1;
	size_t rounds = long_ms(600), round;
	struct view *view;
	long from, len, size;
	int fd, op, i;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	shared = NULL;
	TH_LOG("seed %u", seed);
	for (round = 0; round < rounds; round++) {
		op = rand_r(&seed) % 40;
		from = rand_r(&seed) % SHORT;
		len = 1 + rand_r(&seed) % (rand_r(&seed) % 2 ? 200 : SHORT - from);
		if (len > SHORT - from)
			len = SHORT - from;
		size = lseek(fd, 0, SEEK_END);
		view = &views[rand_r(&seed) % VIEWS];
		if (op < WAYS) {
			bool stores = op == SHARED || op == SHARED_BEFORE;

			if (op == LONGER || op == APPEND || op == INSERT)
				op = SHORTER;
			if (stores && (from + len > size || (op == SHARED_BEFORE && !shared)))
				continue;
			if (op == REMOVE && !shared)
				continue;
			/* for the second half of the time, there are stores */
			if (stores && round < rounds / 2)
				continue;
			change(fd, op, from, len, round);
		} else if (op < 24 && round >= rounds / 2) {
			if (shared)
				munmap(shared, LONGEST);
			shared = shared ? NULL : mmap(NULL, LONGEST, PROT_READ | PROT_WRITE,
						      MAP_SHARED, fd, 0);
			ASSERT_NE(MAP_FAILED, shared);
		} else if (op < 26) {
			shell("echo 3 > /proc/sys/vm/drop_caches");
		} else if (op < 30 && view->p) {
			for (; from < view->size && len; from++, len--)
				view->p[from] = view->expected[from] = '0' + round % 10;
		} else if (view->p) {
			munmap(view->p, LONGEST);
			view->p = NULL;
		} else {
			ASSERT_EQ(0, look(view, fd, 0));
		}
		for (i = 0; i < VIEWS; i++) {
			if (!views[i].p || (round + i) % 3)
				continue;
			ASSERT_EQ(-1, differs(&views[i])) {
				TH_LOG("round %zu, operation %d of %ld at %ld", round, op, len, from);
			}
		}
	}
	for (i = 0; i < VIEWS; i++)
		if (views[i].p)
			munmap(views[i].p, LONGEST);
	if (shared)
		munmap(shared, LONGEST);
	close(fd);
	EXPECT_EQ(0, down());
}

TEST_F(u, where_it_cannot_be)
{
	ASSERT_EQ(0, mount_snapshots());
	EXPECT_EQ(0, shell("grep -q ' /.*/u aufs2 .*privmap=snapshot' /proc/mounts"));
	EXPECT_EQ(-EINVAL, E(mount("none", "u", NULL, MS_REMOUNT, "privmap=shared")));
	EXPECT_EQ(-EINVAL, E(mount("none", "u", NULL, MS_REMOUNT, path_of("mod:%s/ro=rw", area))));
	EXPECT_EQ(0, E(mount("none", "u", NULL, MS_REMOUNT, path_of("mod:%s/rw=ro", area))));
	EXPECT_EQ(-EINVAL, E(mount("none", "u", NULL, MS_REMOUNT, path_of("mod:%s/rw=rw", area))));
	EXPECT_EQ(0, down());
	/* pages of an overlay are those of another filesystem */
	ASSERT_EQ(0, shell("mkdir -p other/upper other/work other/m &&"
			   "mount -t overlay none -o lowerdir=ro,upperdir=other/upper,"
			   "workdir=other/work other/m"));
	EXPECT_EQ(-EINVAL, E(mount("none", "u", "aufs2", 0,
				   path_of("br:%s/other/m=rw,privmap=snapshot", area))));
	EXPECT_EQ(0, E(mount("none", "u", "aufs2", 0,
			     path_of("br:%s/rw=rw:%s/other/m=ro,privmap=snapshot", area, area))));
	union_up = true;
	EXPECT_EQ(0, down());
	EXPECT_EQ(0, shell("umount other/m && rm -r other"));
}

TEST_HARNESS_MAIN
