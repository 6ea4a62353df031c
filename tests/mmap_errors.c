// SPDX-License-Identifier: GPL-2.0
/* What cannot be mapped, and faults that fail, by each engine. */
#include "aufs2_mmap.h"
#include <linux/fs.h>
#include <mqueue.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

/* Of linux/ext4.h, which not every libc's headers have. */
#define EXT4_IOC_SHUTDOWN	_IOR('X', 125, uint32_t)
#define NOLOGFLUSH		2


FIXTURE(u) { int unused; };
FIXTURE_VARIANT(u) { const char *options; };
FIXTURE_VARIANT_ADD(u, direct) { .options = "mmap=direct" };
FIXTURE_VARIANT_ADD(u, fault) { .options = "mmap=fault" };
FIXTURE_VARIANT_ADD(u, fault_path) { .options = "mmap=fault,mmap_path=union" };
FIXTURE_SETUP(u)
{
	if (reference())
		SKIP(return, "engines are the union's");
	page = sysconf(_SC_PAGESIZE);
	ASSERT_EQ(0, area_enter());
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static long map_of(const char *path, int flags, int prot, int kind)
{
	int fd = open(path, flags | O_CLOEXEC);
	void *p;
	int err;

	if (fd < 0)
		return -errno;
	p = mmap(NULL, page, prot, kind, fd, 0);
	err = errno;
	close(fd);
	if (p == MAP_FAILED)
		return -err;
	munmap(p, page);
	return 0;
}

/* A file system whose files cannot be mapped. */
TEST_F(u, branch_without_mmap)
{
	mqd_t queue;

	if (mount("none", "ro2", "mqueue", 0, NULL))
		SKIP(return, "no mqueue");
	queue = mq_open("/aufs2", O_CREAT | O_RDWR, 0644, NULL);
	ASSERT_LE(0, queue);
	ASSERT_EQ(0, union_mount(variant->options, 0,
				 (const char * const []){ "rw", "ro", "ro2", NULL }));
	EXPECT_EQ(-ENODEV, map_of("ro2/aufs2", O_RDONLY, PROT_READ, MAP_SHARED));
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(-ENODEV, map_of("u/aufs2", O_RDONLY, PROT_READ, MAP_SHARED));
		EXPECT_EQ(-ENODEV, map_of("u/aufs2", O_RDONLY, PROT_READ, MAP_PRIVATE));
	}
	mq_unlink("/aufs2");
	mq_close(queue);
	area_sums[1] = 0;
	ASSERT_EQ(0, down());
	umount("ro2");
}

/* A file system that refuses in its ->mmap, and fails what was mapped before. */
TEST_F(u, branch_that_was_shut_down)
{
	uint32_t how = NOLOGFLUSH;
	const char *why = make_fs("ext4", path_of("%s/disk", area));
	char *p, *native;
	int fd;

	ASSERT_EQ(NULL, why) { TH_LOG("%s", why); }
	ASSERT_EQ(0, shell("mkdir disk/rw; head -c 65536 /dev/zero > disk/rw/f; cp disk/rw/f disk/rw/g"));
	ASSERT_EQ(0, union_mount(variant->options, 0, (const char * const []){ "disk/rw=rw", "ro", NULL }));
	fd = open("u/f", O_RDWR | O_CLOEXEC);
	p = mmap(NULL, 16 * page, RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ('x', poke(p, 'x'));
	native = mmap(NULL, 16 * page, RW, MAP_SHARED, open("disk/rw/g", O_RDWR | O_CLOEXEC), 0);
	ASSERT_NE(MAP_FAILED, native);
	EXPECT_EQ('x', poke(native, 'x'));
	int shut = open("disk", O_RDONLY | O_CLOEXEC);

	ASSERT_EQ(0, E(ioctl(shut, EXT4_IOC_SHUTDOWN, &how)));
	close(shut);
	for (int i = 0; i < 10; i++) {
		void *q = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);

		EXPECT_EQ(MAP_FAILED, q);
		EXPECT_EQ(EIO, errno);
	}
	EXPECT_EQ(poke(native + 4 * page, 'y'), poke(p + 4 * page, 'y'));
	EXPECT_EQ(E(msync(native, 16 * page, MS_SYNC)), E(msync(p, 16 * page, MS_SYNC)));
	munmap(p, 16 * page);
	munmap(native, 16 * page);
	close_range(3, ~0U, 0);
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount("disk")));
}

/* There is no room for the page of a hole. */
TEST_F(u, fault_without_space)
{
	char *p, *n;
	int fd, i;

	ASSERT_EQ(0, E(mount("small", "rw", "tmpfs", 0, "size=32k,mode=755")));
	ASSERT_EQ(0, union_mount(variant->options, 0, (const char * const []){ "rw", "ro", NULL }));
	fd = open("u/f", O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	ASSERT_EQ(0, E(ftruncate(fd, 32 * page)));
	p = mmap(NULL, 32 * page, RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < 32; i++)
		if (poke(p + i * page, 'x') != 'x')
			break;
	EXPECT_LT(0, i);
	EXPECT_GT(32, i);
	EXPECT_EQ(-SIGBUS, poke(p + 31 * page, 'x'));
	/* the same by way of the kernel */
	n = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	EXPECT_EQ(-EFAULT, E(read(zero, p + 31 * page, 10)));
	EXPECT_EQ(-EFAULT, E(madvise(p, 32 * page, MADV_POPULATE_WRITE)));
	ASSERT_EQ(0, E(ftruncate(fd, page)));
	ASSERT_EQ(0, E(ftruncate(fd, 32 * page)));
	EXPECT_EQ('y', poke(p + 31 * page, 'y'));
	munmap(n, page);
	munmap(p, 32 * page);
	close(zero);
	close(fd);
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount("rw")));
}

/* The pages of a map that can be written to, in order. */
static int stores_until_full(char *p, int pages)
{
	int i;

	for (i = 0; i < pages; i++)
		if (poke(p + i * page, 'x') != 'x')
			break;
	return i;
}

/* There is no room for the block of a hole: ->page_mkwrite says so. */
TEST_F(u, store_without_space)
{
	static const char * const types[] = { "ext4", "xfs" };
	const int pages = 1024;

	for (unsigned int t = 0; t < ARRAY_SIZE(types); t++) {
		const char *disk = path_of("%s/disk%u", area, t), *why = make_fs(types[t], disk);
		char *native, *ours;
		int fd, err;

		ASSERT_EQ(NULL, why) { TH_LOG("%s", why); }
		ASSERT_EQ(0, shell("ln -sfn disk%u disk && mkdir disk/rw && truncate -s %ld disk/rw/f disk/rw/g",
				   t, pages * page));
		ASSERT_EQ(0, union_mount(variant->options, 0,
					 (const char * const []){ "disk/rw=rw", "ro", NULL }));
		shell("n=0; for size in 64M 8M 1M 64K 4K; do "
		      "while fallocate -l $size disk/fill$n; do n=$((n + 1)); done; done");
		fd = open("disk/rw/g", O_RDWR | O_CLOEXEC);
		native = mmap(NULL, pages * page, RW, MAP_SHARED, fd, 0);
		close(fd);
		fd = open("u/f", O_RDWR | O_CLOEXEC);
		ours = mmap(NULL, pages * page, RW, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, native);
		ASSERT_NE(MAP_FAILED, ours);
		EXPECT_GT(pages, stores_until_full(native, pages)) TH_LOG("%s", types[t]);
		EXPECT_GT(pages, stores_until_full(ours, pages)) TH_LOG("%s", types[t]);
		/* a page that is there, but has no block */
		EXPECT_EQ(0, peek(ours + (pages - 1) * page));
		EXPECT_EQ(-SIGBUS, poke(ours + (pages - 1) * page, 'x'));
		EXPECT_EQ(0, peek(ours + (pages - 1) * page));
		err = E(madvise(native, pages * page, MADV_POPULATE_WRITE));
		EXPECT_EQ(err, E(madvise(ours, pages * page, MADV_POPULATE_WRITE)));
		EXPECT_NE(0, err);
		ASSERT_EQ(0, shell("rm disk/fill* && sync"));
		EXPECT_EQ('y', poke(ours + (pages - 1) * page, 'y'));
		EXPECT_EQ(0, E(msync(ours, pages * page, MS_SYNC)));
		munmap(native, pages * page);
		munmap(ours, pages * page);
		close(fd);
		ASSERT_EQ(0, down());
		EXPECT_EQ(0, E(umount(disk)));
	}
}

/* What is no page cache cannot be below: it says that too much is stacked. */
TEST_F(u, huge_pages_are_no_branch)
{
	if (mount("none", "ro2", "hugetlbfs", 0, "size=8M"))
		SKIP(return, "no hugetlbfs");
	EXPECT_EQ(-EINVAL, union_mount(variant->options, 0,
				       (const char * const []){ "rw", "ro", "ro2", NULL }));
	area_sums[1] = 0;
	umount("ro2");
}

/*
 * A store waits for a frozen file system with its turn.  Who waits for the turn
 * can be killed: another process that reads the memory of the first.
 */
static char *frozen_map;
static atomic_int storing;	/* the task that does */

static void *store(void *unused)
{
	storing = syscall(SYS_gettid);
	frozen_map[0] = 'f';
	return NULL;
}

TEST_F(u, killed_behind_a_stuck_fault)
{
	const char *why = make_fs("ext4", path_of("%s/disk", area));
	int disk, fd, i, status, pipefd[2];
	pthread_t thread;
	pid_t reader = 0;
	char c;

	ASSERT_EQ(NULL, why) { TH_LOG("%s", why); }
	ASSERT_EQ(0, shell("mkdir disk/rw; head -c 1048576 /dev/zero > disk/rw/f"));
	ASSERT_EQ(0, union_mount(variant->options, 0, (const char * const []){ "disk/rw=rw", "ro", NULL }));
	sync();
	drop_caches();
	fd = open("u/f", O_RDWR | O_CLOEXEC);
	frozen_map = mmap(NULL, 1 << 20, RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, frozen_map);
	/* forked in time: the stuck fault will be in the way of that */
	ASSERT_EQ(0, pipe(pipefd));
	reader = fork();
	if (!reader) {
		struct iovec local = { &c, 1 }, remote = { frozen_map + (512 << 10), 1 };

		munmap(frozen_map, 1 << 20);
		if (read(pipefd[0], &c, 1) != 1)
			_exit(2);
		_exit(process_vm_readv(getppid(), &local, 1, &remote, 1, 0) == 1 ? 0 : 1);
	}
	disk = open("disk", O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, E(ioctl(disk, FIFREEZE, 0)));
	if (pthread_create(&thread, NULL, store, NULL)) {
		ioctl(disk, FITHAW, 0);
		ASSERT_TRUE(false);
	}
	while (!storing)
		usleep(1000);
	EXPECT_TRUE(comes_to_wait(storing, 'D'));
	EXPECT_EQ(1, write(pipefd[1], "", 1));
	/* by the direct engine, it ends */
	comes_to_wait(reader, 'D');
	kill(reader, SIGKILL);
	for (i = 0; i < 2400; i++, usleep(50000))
		if (waitpid(reader, &status, WNOHANG) == reader)
			break;
	EXPECT_GT(2400, i) { TH_LOG("it cannot be killed"); }
	if (strstr(variant->options, "fault"))
		EXPECT_TRUE(WIFSIGNALED(status)) { TH_LOG("it did not have to wait: status %#x", status); }
	/* what shows the first process is not in the way */
	EXPECT_NE(NULL, strstr(read_file("/proc/self/maps"), "/u/f"));
	ASSERT_EQ(0, E(ioctl(disk, FITHAW, 0)));
	pthread_join(thread, NULL);
	EXPECT_EQ('f', frozen_map[0]);
	EXPECT_EQ(0, frozen_map[512 << 10]);
	munmap(frozen_map, 1 << 20);
	close(disk);
	close(fd);
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(umount("disk")));
}

TEST_HARNESS_MAIN
