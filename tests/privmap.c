// SPDX-License-Identifier: GPL-2.0
/*
 * privmap=snapshot: a private mapping shows the file as it was when it was mapped,
 * to the byte, in whatever way the file is changed through the union later, and
 * whatever is dropped from memory.
 */
#include "aufs2_privmap.h"
#include "aufs2_mvdown.h"
#include <dlfcn.h>
#include <setjmp.h>
#include <sys/ptrace.h>

static const struct { long from, len; } places[] = {
	/* whole pages, a part of one, what crosses pages, many of them, the end */
	{ 4 * PAGE, PAGE }, { 4 * PAGE + 100, 50 }, { 7 * PAGE - 10, 20 }, { 12 * PAGE - 1, 40 * PAGE + 2 },
	{ 0, 64 * PAGE + 77 }, { 64 * PAGE, 77 },
};

/* Whether the branch's filesystem has it. */
static bool is_possible(enum way way)
{
	bool is_xfs = !strcmp(test_fs(), "xfs"), is_btrfs = !strcmp(test_fs(), "btrfs");

	switch (way) {
	case ZERO:
		return !on_tmpfs();
	case COLLAPSE: case INSERT:
		return !on_tmpfs() && !is_btrfs;
	case CLONE:
		return is_xfs || is_btrfs;
	default:
		return true;
	}
}

TEST_F(u, whatever_changes_the_file)
{
	static struct view before, after;
	int fd, err, done[WAYS] = { 0 };

	ASSERT_EQ(0, mount_snapshots());
	for (enum way way = 0; way < WAYS; way++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
			long from = places[i].from, len = places[i].len, size = 64 * PAGE + 77;
			bool was_mapped = is_by_shared(way);

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
	for (enum way way = 0; way < WAYS; way++) {
		EXPECT_EQ(is_possible(way), done[way] > 0) {
			TH_LOG("%s on %s", names[way], test_fs());
		}
	}
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

TEST_F(u, what_is_written_from_a_view)
{
	static struct view view;
	int fd, direct, i;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	ASSERT_LE(0, direct = open("u/file", O_RDWR | O_DIRECT));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, fill(fd, 0, LONGEST, i));
		ASSERT_EQ(0, look(&view, fd, 0));
		/* to another place, and then to where it comes from */
		ASSERT_EQ(40 * PAGE, E(pwrite(i ? direct : fd, view.p, 40 * PAGE, 50 * PAGE)));
		ASSERT_EQ(40 * PAGE, E(pwrite(i ? direct : fd, view.p + 50 * PAGE, 40 * PAGE, 20 * PAGE)));
		EXPECT_EQ(-1, differs(&view));
		EXPECT_EQ(-1, differs_anew(&view));
		munmap(view.p, LONGEST);
	}
	close(direct);
	close(fd);
	EXPECT_EQ(0, down());
}

static sigjmp_buf beyond;

static void on_bus_error(int sig)
{
	siglongjmp(beyond, sig);
}

static bool is_beyond(const volatile char *p)
{
	signal(SIGBUS, on_bus_error);
	if (sigsetjmp(beyond, 1))
		return true;
	(void)*p;
	return false;
}

TEST_F(u, as_long_as_it_was)
{
	static struct view view;
	int fd;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	ASSERT_EQ(0, fill(fd, 0, 3 * PAGE + 100, 0));
	ASSERT_EQ(0, look(&view, fd, 0));
	ASSERT_EQ(0, fill(fd, 3 * PAGE + 50, 5 * PAGE, 1));
	EXPECT_EQ(-1, differs(&view));
	EXPECT_FALSE(is_beyond(view.p + 3 * PAGE));
	EXPECT_TRUE(is_beyond(view.p + 4 * PAGE));
	munmap(view.p, LONGEST);
	ASSERT_EQ(0, look(&view, fd, 0));
	ASSERT_EQ(0, E(ftruncate(fd, 100)));
	EXPECT_EQ(-1, differs(&view));
	EXPECT_FALSE(is_beyond(view.p + 8 * PAGE));
	EXPECT_TRUE(is_beyond(view.p + 9 * PAGE));
	munmap(view.p, LONGEST);
	/* of nothing, there is nothing */
	ASSERT_EQ(0, E(ftruncate(fd, 0)));
	ASSERT_EQ(0, look(&view, fd, 0));
	ASSERT_EQ(0, fill(fd, 0, PAGE, 0));
	EXPECT_TRUE(is_beyond(view.p));
	munmap(view.p, LONGEST);
	close(fd);
	EXPECT_EQ(0, down());
}

TEST_F(u, far_from_the_beginning)
{
	static char before[8 * PAGE], after[8 * PAGE];
	long far = (1L << 41) - 4 * PAGE, size = far + 7 * PAGE + 77;
	char *view, *other;
	int fd;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	ASSERT_EQ(0, E(ftruncate(fd, size)));
	ASSERT_EQ(0, fill(fd, far + PAGE, 4 * PAGE, 0));
	pattern(before + PAGE, far + PAGE, 4 * PAGE, 0);
	view = mmap(NULL, 8 * PAGE, PROT_READ, MAP_PRIVATE, fd, far);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_EQ(0, fill(fd, far + 3 * PAGE + 1000, 4 * PAGE, 1));
	memcpy(after, before, sizeof(after));
	pattern(after + 3 * PAGE + 1000, far + 3 * PAGE + 1000, 4 * PAGE, 1);
	EXPECT_EQ(0, memcmp(view, before, sizeof(before)));
	other = mmap(NULL, 8 * PAGE, PROT_READ, MAP_PRIVATE, fd, far);
	ASSERT_NE(MAP_FAILED, other);
	ASSERT_EQ(0, E(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, far, 2 * PAGE)));
	ASSERT_EQ(0, E(ftruncate(fd, far + 3 * PAGE)));
	EXPECT_EQ(0, memcmp(view, before, sizeof(before)));
	EXPECT_EQ(0, memcmp(other, after, sizeof(after)));
	ASSERT_EQ(0, E(ftruncate(fd, size + LONGEST)));
	ASSERT_EQ(0, E(madvise(other, 8 * PAGE, MADV_DONTNEED)));
	drop_caches();
	EXPECT_EQ(0, memcmp(other, after, sizeof(after)));
	munmap(view, 8 * PAGE);
	munmap(other, 8 * PAGE);
	close(fd);
	EXPECT_EQ(0, down());
}

TEST_F(u, what_is_moved_down)
{
	static struct view before, after, last;
	int fd;

	ASSERT_EQ(0, E(mkdir("rw2", 0755)));
	ASSERT_EQ(0, union_mount("privmap=snapshot", 0,
				 (const char * const []){ "rw", "rw2", "ro", NULL }));
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	ASSERT_EQ(0, fill(fd, 0, LONGEST, 0));
	ASSERT_EQ(0, look(&before, fd, 0));
	ASSERT_EQ(0, fill(fd, 3 * PAGE + 5, 2 * PAGE, 1));
	ASSERT_EQ(0, look(&after, fd, 0));
	close(fd);
	ASSERT_EQ(0, move_down("u/file", 0));
	EXPECT_STREQ("ENOENT", kind("rw/file"));
	EXPECT_STREQ("file", kind("rw2/file"));
	ASSERT_LE(0, fd = open("u/file", O_RDWR));
	ASSERT_EQ(0, fill(fd, PAGE + 5, 20 * PAGE, 2));
	ASSERT_EQ(0, look(&last, fd, 0));
	ASSERT_EQ(0, fill(fd, 0, LONGEST, 3));
	ASSERT_EQ(0, E(ftruncate(fd, PAGE)));
	EXPECT_EQ(-1, differs(&before));
	EXPECT_EQ(-1, differs_anew(&after));
	EXPECT_EQ(-1, differs_anew(&last));
	munmap(before.p, LONGEST);
	EXPECT_EQ(-1, differs_anew(&after));
	munmap(after.p, LONGEST);
	EXPECT_EQ(-1, differs_anew(&last));
	munmap(last.p, LONGEST);
	close(fd);
	EXPECT_EQ(0, down());
}

/* Which name is written to, and how that was come to, makes no difference. */
static const struct { const char *how, *name; } ways_to[] = {
	{ "ln u/file u/by_link", "u/by_link" },
	{ "echo 3 > /proc/sys/vm/drop_caches", "u/linked" },
	{ "mv u/file u/moved", "u/moved" },
	{ "mkdir more u/d && mount -o remount,add:1:$PWD/more=ro u && mv u/linked u/d/linked", "u/d/linked" },
	{ "mount -o remount,del:$PWD/more u && echo 3 > /proc/sys/vm/drop_caches", "u/d/linked" },
	{ "mv rw/moved rw/moved_below", "u/moved_below" },
	{ "ln rw/moved_below rw/d/linked_below", "u/d/linked_below" },
	{ "mount --bind u u2", "u2/moved_below" },
	{ "rm rw/moved_below rw/by_link rw/d/linked && ls -lR u", "u/d/linked_below" },
};

TEST_F(u, by_whatever_name)
{
	static struct view first, view;
	int fd, other;

	ASSERT_EQ(0, shell("mkdir u2; echo > rw/file; ln rw/file rw/linked"));
	ASSERT_EQ(0, mount_snapshots());
	ASSERT_LE(0, fd = open("u/file", O_RDWR));
	ASSERT_EQ(0, fill(fd, 0, 10 * PAGE, 0));
	ASSERT_EQ(0, look(&first, fd, 0));
	for (size_t i = 0; i < ARRAY_SIZE(ways_to); i++) {
		ASSERT_EQ(0, look(&view, fd, 0));
		ASSERT_EQ(0, shell("%s", ways_to[i].how)) {
			TH_LOG("%s", ways_to[i].how);
		}
		ASSERT_LE(0, other = open(ways_to[i].name, O_RDWR)) {
			TH_LOG("%s", ways_to[i].name);
		}
		ASSERT_EQ(0, fill(other, PAGE + 5, 3 * PAGE, i + 1));
		EXPECT_EQ(-1, differs(&first));
		EXPECT_EQ(-1, differs(&view)) {
			TH_LOG("%s, and then %s", ways_to[i].how, ways_to[i].name);
		}
		munmap(view.p, LONGEST);
		close(other);
	}
	EXPECT_EQ(0, E(umount("u2")));
	munmap(first.p, LONGEST);
	close(fd);
	EXPECT_EQ(0, down());
}

/* What one file is to the union, by one name and by another, is one file on the branch all the same. */
TEST_F(u, by_names_on_two_branches)
{
	static struct view view, other;
	int a, b;

	ASSERT_EQ(0, shell("mkdir rw2 && echo > rw/a && ln rw/a rw2/b"));
	ASSERT_EQ(0, union_mount("privmap=snapshot", 0,
				 (const char * const []){ "rw", "rw2", "ro", NULL }));
	ASSERT_LE(0, a = open("u/a", O_RDWR));
	ASSERT_EQ(0, fill(a, 0, 10 * PAGE, 0));
	ASSERT_LE(0, b = open("u/b", O_RDWR));
	ASSERT_EQ(0, look(&view, a, 0));
	ASSERT_EQ(0, fill(b, PAGE + 5, 3 * PAGE, 1));
	EXPECT_EQ(-1, differs(&view));
	ASSERT_EQ(0, look(&other, b, 0));
	ASSERT_EQ(0, fill(a, 2 * PAGE + 5, 3 * PAGE, 2));
	EXPECT_EQ(-1, differs(&view));
	EXPECT_EQ(-1, differs(&other));
	/* who has seen nothing of it ends what the other has */
	munmap(view.p, LONGEST);
	close(a);
	ASSERT_EQ(0, shell("echo 2 > /proc/sys/vm/drop_caches"));
	ASSERT_EQ(0, fill(b, PAGE + 5, 5 * PAGE, 3));
	EXPECT_EQ(-1, differs_anew(&other));
	munmap(other.p, LONGEST);
	close(b);
	EXPECT_EQ(0, counter("views"));
	EXPECT_EQ(0, counter("kept-pages"));
	EXPECT_EQ(0, down());
}

/* Overwrites the file in place with what is no program. */
static int spoil(const char *path)
{
	return shell("n=$(stat -c %%s %s) && head -c $n /dev/zero | tr '\\0' '\\377' | "
		     "dd of=%s conv=notrunc bs=64k && sync && echo 3 > /proc/sys/vm/drop_caches && "
		     ": > %s && sync && echo 3 > /proc/sys/vm/drop_caches", path, path, path);
}

TEST_F(u, programs_run_as_they_were)
{
	double (*length)(double, double);
	void *library;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_EQ(0, shell("cp $(command -v sleep) u/prog"));
	EXPECT_EQ(0, shell("u/prog 1000 & p=$!; sleep 0.2; cat /proc/$p/maps | grep -q /u/prog; ok=$?;"
			   "kill $p; wait $p; exit $ok"));
	EXPECT_EQ(0, shell("cp $(command -v cat) u/prog.new && mv u/prog.new u/prog"));
	EXPECT_EQ(0, shell("test \"$(echo text | u/prog)\" = text"));
	/* nobody writes to what was executed, as anywhere else; what it maps is another matter */
	EXPECT_NE(0, shell("u/prog < /dev/zero > /dev/null & p=$!; sleep 0.2; echo + >> u/prog; ok=$?;"
			   "kill $p; wait $p; exit $ok"));
	ASSERT_EQ(0, shell("cp $(ldd $(command -v cat) | awk '$1 ~ /libc.so/ { print $3 }' | "
			   "sed s/libc/libm/) u/library"));
	library = dlopen(path_of("%s/u/library", area), RTLD_LAZY | RTLD_LOCAL);
	ASSERT_NE(NULL, library) {
		TH_LOG("%s", dlerror());
	}
	length = dlsym(library, "hypot");
	ASSERT_NE(NULL, length);
	ASSERT_EQ(0, spoil("u/library"));
	EXPECT_TRUE(length(3, 4) == 5);
	dlclose(library);
	/* the loader has mapped it, and nobody has executed it */
	ASSERT_EQ(0, shell("cp $(command -v bash) u/shell; mkfifo .told .asked"));
	ASSERT_EQ(0, shell("$(ls /lib64/ld-linux-x86-64.so.2) u/shell -c 'echo > .asked; read a < .told;"
			   "for i in 1 2 3; do a=$a$i; done; [[ $a =~ ^x ]] && printf %%s \"${a^^}\" > .said' &"));
	ASSERT_EQ(0, shell("read a < .asked"));
	ASSERT_EQ(0, spoil("u/shell"));
	EXPECT_EQ(0, shell("echo x > .told; for i in $(seq 50); do test -s .said && break; sleep 0.1; done"));
	EXPECT_STREQ("X123", read_file(".said"));
	EXPECT_EQ(0, down());
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

TEST_F(u, by_a_mount_that_goes)
{
	static struct view view[2];
	int fd;

	ASSERT_EQ(0, mount_snapshots());
	ASSERT_EQ(0, shell("mkdir other && mount --bind u other"));
	ASSERT_LE(0, fd = open("u/file", O_RDWR | O_CREAT, 0600));
	ASSERT_EQ(0, fill(fd, 0, LONGEST, 0));
	close(fd);
	ASSERT_LE(0, fd = open("other/file", O_RDONLY));
	ASSERT_EQ(0, look(&view[0], fd, 0));
	close(fd);
	ASSERT_LE(0, fd = open("u/file", O_RDWR));
	ASSERT_EQ(0, look(&view[1], fd, 0));
	/* who has mapped the file keeps the mount that it was opened by, as everywhere */
	EXPECT_EQ(-EBUSY, E(umount("other")));
	munmap(view[0].p, LONGEST);
	EXPECT_EQ(0, E(umount("other")));
	ASSERT_EQ(0, fill(fd, 0, 50 * PAGE, 1));
	EXPECT_EQ(-1, differs_anew(&view[1]));
	munmap(view[1].p, LONGEST);
	close(fd);
	rmdir("other");
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
