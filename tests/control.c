// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctl(2) commands of aufs: numbers, structures, answers, and what is refused.
 */
#include "aufs2.h"
#include <sys/ioctl.h>
#include <sys/mman.h>

struct aufs_ibusy {
	uint64_t ino, h_ino;
	int16_t bindex;
} __attribute__((aligned(8)));

union aufs_brinfo {
	char spacer[4096];
	struct {
		int16_t id;
		int perm;
		char path[];
	};
} __attribute__((aligned(8)));

#define AUFS_CTL_RDU	_IOC(_IOC_READ | _IOC_WRITE, 'A', 0, 72)
#define AUFS_CTL_IBUSY	_IOWR('A', 3, struct aufs_ibusy)
#define AUFS_CTL_BRINFO	_IOW('A', 5, union aufs_brinfo)
#define AUFS_CTL_FHSM_FD _IOW('A', 6, int)

#define BAD ((void *)0x10)	/* no such address */

FIXTURE(u) { int fd; };
FIXTURE_SETUP(u)
{
	AUFS2_ONLY("the commands are aufs's");
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, write_file("ro/f", "data"));
	ASSERT_EQ(0, E(mkdir("ro/only", 0755)));
	ASSERT_EQ(0, E(mkdir("ro/both", 0755)));
	ASSERT_EQ(0, E(mkdir("ro2/both", 0755)));
	ASSERT_EQ(0, write_file("ro2/f", "hidden"));
	ASSERT_EQ(0, up("rw", "ro", "ro2=rr+wh"));
	self->fd = open("u", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, self->fd);
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static long busy(int fd, uint64_t ino, int bindex, uint64_t *h_ino)
{
	struct aufs_ibusy q = { .ino = ino, .h_ino = -1, .bindex = bindex };
	long err = E(ioctl(fd, AUFS_CTL_IBUSY, &q));

	*h_ino = q.h_ino;
	return err;
}

TEST_F(u, numbers_are_those_of_aufs)
{
	EXPECT_EQ(0xc0184103, AUFS_CTL_IBUSY);
	EXPECT_EQ(0x50004105, AUFS_CTL_BRINFO);
}

TEST_F(u, branches)
{
	union aufs_brinfo b[4];

	ASSERT_EQ(3, E(ioctl(self->fd, AUFS_CTL_BRINFO, NULL)));
	memset(b, 0x55, sizeof(b));
	ASSERT_EQ(0, E(ioctl(self->fd, AUFS_CTL_BRINFO, b)));
	EXPECT_STREQ(path_of("%s/rw", area), b[0].path);
	EXPECT_STREQ(path_of("%s/ro", area), b[1].path);
	EXPECT_STREQ(path_of("%s/ro2", area), b[2].path);
	EXPECT_EQ(1, b[0].perm);
	EXPECT_EQ(2, b[1].perm);
	EXPECT_EQ(4 | 1 << 12, b[2].perm);
	EXPECT_NE(b[0].id, b[1].id);
	EXPECT_NE(b[1].id, b[2].id);
	/* Nothing behind the last one is written. */
	EXPECT_EQ(0x55, b[3].spacer[0]);
	EXPECT_EQ(0x55, b[3].spacer[4095]);
}

TEST_F(u, attributes)
{
	union aufs_brinfo b[3];

	ASSERT_EQ(0, shell("mount -i -o remount,mod:%s/rw=rw+nolwh+coo_reg,mod:%s/ro=ro+wh+icexusr+icexoth u",
			   area, area));
	ASSERT_EQ(0, E(ioctl(self->fd, AUFS_CTL_BRINFO, b)));
	EXPECT_EQ(1 | 1 << 13 | 1 << 3, b[0].perm);
	EXPECT_EQ(2 | 1 << 12 | 1 << 10 | 1 << 11, b[1].perm);
}

TEST_F(u, branches_fault)
{
	long page = sysconf(_SC_PAGESIZE);
	char *at = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, at);
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_BRINFO, BAD)));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_BRINFO, -4096L)));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_BRINFO, -8L)));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_BRINFO, 0xffff888000000000UL)));
	ASSERT_EQ(0, E(munmap(at + 2 * page, page)));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_BRINFO, at)));
	ASSERT_EQ(0, E(mprotect(at, page, PROT_READ)));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_BRINFO, at)));
}

TEST_F(u, branches_for_everybody)
{
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(3, E(ioctl(self->fd, AUFS_CTL_BRINFO, NULL)));
	ASSERT_EQ(0, become(0));
}

TEST_F(u, nobody_is_busy)
{
	uint64_t h_ino;

	ASSERT_EQ(0, busy(self->fd, st_of("u/f").st_ino, 1, &h_ino));
	EXPECT_EQ(0, h_ino);
	ASSERT_EQ(0, busy(self->fd, st_of("u").st_ino, 1, &h_ino));
	EXPECT_EQ(0, h_ino);
	ASSERT_EQ(0, busy(self->fd, 0, 1, &h_ino));
	EXPECT_EQ(0, h_ino);
	ASSERT_EQ(0, busy(self->fd, -1, 1, &h_ino));
	EXPECT_EQ(0, h_ino);
}

TEST_F(u, open_file_is_busy)
{
	uint64_t h_ino, ino = st_of("u/f").st_ino;
	int fd = open("u/f", O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, busy(self->fd, ino, 1, &h_ino));
	EXPECT_EQ(st_of("ro/f").st_ino, h_ino);
	ASSERT_EQ(0, busy(self->fd, ino, 0, &h_ino));
	EXPECT_EQ(0, h_ino);
	ASSERT_EQ(0, busy(self->fd, ino, 2, &h_ino));
	EXPECT_EQ(0, h_ino);
	close(fd);
	ASSERT_EQ(0, busy(self->fd, ino, 1, &h_ino));
	EXPECT_EQ(0, h_ino);
}

TEST_F(u, mapped_file_is_busy)
{
	uint64_t h_ino, ino = st_of("u/f").st_ino;
	int fd = open("u/f", O_RDONLY);
	char *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, at);
	close(fd);
	ASSERT_EQ(0, busy(self->fd, ino, 1, &h_ino));
	EXPECT_EQ(st_of("ro/f").st_ino, h_ino);
	munmap(at, 4096);
}

TEST_F(u, working_directory_is_busy)
{
	uint64_t h_ino, both = st_of("u/both").st_ino, only = st_of("u/only").st_ino;

	ASSERT_EQ(0, E(chdir("u/both")));
	ASSERT_EQ(0, busy(self->fd, both, 1, &h_ino));
	/* There is another one that it can be. */
	EXPECT_EQ(0, h_ino);
	ASSERT_EQ(0, E(chdir("../only")));
	ASSERT_EQ(0, busy(self->fd, only, 1, &h_ino));
	ASSERT_EQ(0, E(chdir(area)));
	EXPECT_EQ(st_of("ro/only").st_ino, h_ino);
}

TEST_F(u, busy_arguments)
{
	struct aufs_ibusy *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t h_ino;

	EXPECT_EQ(-EINVAL, busy(self->fd, 1, 3, &h_ino));
	EXPECT_EQ(-EINVAL, busy(self->fd, 1, -1, &h_ino));
	EXPECT_EQ(-EINVAL, busy(self->fd, 1, INT16_MIN, &h_ino));
	EXPECT_EQ(-EINVAL, busy(self->fd, 1, INT16_MAX, &h_ino));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_IBUSY, NULL)));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_IBUSY, BAD)));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_IBUSY, -8L)));
	ASSERT_NE(MAP_FAILED, (void *)ro);
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_IBUSY, ro)));
	ASSERT_EQ(0, become(NOBODY));
	EXPECT_EQ(-EPERM, busy(self->fd, 1, 1, &h_ino));
	EXPECT_EQ(-EPERM, E(ioctl(self->fd, AUFS_CTL_IBUSY, BAD)));
	ASSERT_EQ(0, become(0));
}

/* What there is no command for, or not here. */
TEST_F(u, others)
{
	char room[4096] = "";
	int i, fd = open("u/f", O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOTTY, E(ioctl(self->fd, AUFS_CTL_RDU, room)));
	EXPECT_EQ(-ENOTTY, E(ioctl(self->fd, AUFS_CTL_FHSM_FD, room)));
	EXPECT_EQ(-ENOTTY, E(ioctl(fd, AUFS_CTL_BRINFO, NULL)));
	EXPECT_EQ(-ENOTTY, E(ioctl(fd, AUFS_CTL_IBUSY, room)));
	/* The number with another size is another command. */
	for (i = 0; i < 256; i++) {
		EXPECT_EQ(-ENOTTY, E(ioctl(self->fd, _IOC(_IOC_READ, 'A', i, 13), room)));
		EXPECT_EQ(-ENOTTY, E(ioctl(fd, _IOC(_IOC_READ, 'A', i, 13), room)));
	}
}

#ifdef __x86_64__
/* ioctl(2) as a program of 32 bits calls it. */
static long ioctl32(int fd, unsigned int cmd, void *arg)
{
	long ret;

	asm volatile("int $0x80" : "=a"(ret)
		     : "a"(54), "b"(fd), "c"(cmd), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static bool runs_32(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(ioctl32(-1, 0, NULL) != -EBADF);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

TEST_F(u, programs_of_32_bits)
{
	union aufs_brinfo *b = mmap(NULL, 16384, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct aufs_ibusy *q = (void *)b;
	int fd = open("u/f", O_RDONLY);

	ASSERT_NE(MAP_FAILED, (void *)b);
	ASSERT_LE(0, fd);
	if (!runs_32())
		SKIP(return, "no 32-bit system calls in this kernel");
	EXPECT_EQ(3, ioctl32(self->fd, AUFS_CTL_BRINFO, NULL));
	EXPECT_EQ(0, ioctl32(self->fd, AUFS_CTL_BRINFO, b));
	EXPECT_STREQ(path_of("%s/ro", area), b[1].path);
	*q = (struct aufs_ibusy){ .ino = st_of("u/f").st_ino, .bindex = 1 };
	EXPECT_EQ(0, ioctl32(self->fd, AUFS_CTL_IBUSY, q));
	EXPECT_EQ(st_of("ro/f").st_ino, q->h_ino);
}
#endif

TEST_HARNESS_MAIN
