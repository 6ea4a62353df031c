// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctl(2) commands of aufs: numbers, structures, answers, and what is refused.
 *
 * Catches: IBUSY that finds nobody, or answers everybody; BRINFO that forgets +wh; RDU that
 * takes eight bytes more for an entry than there are; BRANCH_FD that goes by a path, or past
 * what somebody may not look at.
 */
#include "aufs2.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

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

struct au_rdu_ent {
	uint64_t ino;
	int16_t bindex;
	uint8_t type;
	uint8_t nlen;
	uint8_t wh;
	char name[];
} __attribute__((aligned(8)));

struct aufs_rdu {
	uint64_t sz;		/* or how many entries there are */
	uint64_t ent;
	uint16_t verify;
	uint32_t blk;
	uint64_t tail;
	uint64_t rent;
	uint8_t full;
	uint8_t shwh;
	struct {
		uint64_t h_pos;
		int16_t bindex;
		uint8_t flags;
		uint8_t pad;
		uint32_t generation;
	} __attribute__((aligned(8))) cookie;
} __attribute__((aligned(8)));

#define RDU_LEN(nlen)	((sizeof(struct au_rdu_ent) + (nlen) + 1 + 7) / 8 * 8)

struct aufs_wbr_fd {
	uint32_t oflags;
	int16_t brid;
} __attribute__((aligned(8)));

struct aufs2_branch_fd {
	uint32_t oflags;
	uint32_t brid;
};

#define AUFS2_CTL_BRANCH_FD _IOW('A', 64, struct aufs2_branch_fd)
#define AUFS_CTL_WBR_FD	_IOW('A', 2, struct aufs_wbr_fd)
#define AUFS_CTL_RDU	_IOWR('A', 0, struct aufs_rdu)
#define AUFS_CTL_RDU_INO _IOWR('A', 1, struct aufs_rdu)
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
	EXPECT_EQ(0x40084102, AUFS_CTL_WBR_FD);
	EXPECT_EQ(0x40084140, AUFS2_CTL_BRANCH_FD);
	EXPECT_EQ(0xc0404100, AUFS_CTL_RDU);
	EXPECT_EQ(0xc0404101, AUFS_CTL_RDU_INO);
	EXPECT_EQ(16, sizeof(struct au_rdu_ent));
	EXPECT_EQ(13, offsetof(struct au_rdu_ent, name));
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

/*
 * Reads a directory as the library of aufs does, into a buffer of `size` bytes at a time;
 * the names with types and whether the number is that of stat(2), sorted.
 */
static const char *rdu(int fd, const char *path, unsigned int size, unsigned int *calls)
{
	static char ents[1 << 16];
	struct aufs_rdu p = { .sz = size, .ent = (uintptr_t)ents, .verify = sizeof(p) };
	char *names[512], *b = buffer();
	struct au_rdu_ent *e;
	unsigned int n = 0, i;
	size_t len = 0;
	long err;

	memset(ents, 0x55, sizeof(ents));
	for (*calls = 0; *calls < 1000; ++*calls) {
		err = E(ioctl(fd, AUFS_CTL_RDU, &p));
		if (err)
			return errno_name(-err);
		if (p.tail < p.ent || p.tail > p.ent + p.sz || !p.blk)
			return "wrong end";
		if (!p.rent)
			break;
		n += p.rent;
		if (!p.full)
			continue;
		p.ent = p.tail;
	}
	if (p.full)
		return "no room";
	p.ent = (uintptr_t)ents;
	p.sz = n;
	err = E(ioctl(fd, AUFS_CTL_RDU_INO, &p));
	if (err)
		return errno_name(-err);
	for (i = 0, e = (void *)ents; i < n; i++) {
		/* That of the union's root is itself, whatever it is mounted on. */
		bool root = !strchr(path, '/') && !strcmp(e->name, "..");
		struct stat st = st_of(root ? path : path_of("%s/%s", path, e->name));

		if (strlen(e->name) != e->nlen)
			return "wrong length";
		if (asprintf(&names[i], "%s%s%s", e->name, e->type == DT_DIR ? "/" : "",
			     e->ino == st.st_ino ? "" : "!") < 0)
			return "no memory";
		e = (void *)((char *)e + RDU_LEN(e->nlen));
	}
	/* Behind the last one, nothing was written. */
	if (*(unsigned char *)e != 0x55)
		return "too much";
	qsort(names, n, sizeof(*names), compare_names);
	for (i = 0; i < n; i++) {
		len += sprintf(b + len, "%s%s", i ? " " : "", names[i]);
		free(names[i]);
	}
	return b;
}

TEST_F(u, reads_directories)
{
	unsigned int calls, size;
	int fd;

	ASSERT_EQ(0, write_file("u/new", "new"));
	EXPECT_STREQ("../ ./ both/ f new only/", rdu(self->fd, "u", 4096, &calls));
	EXPECT_EQ(1, calls);
	/* One at a time, and as many as there is room for. */
	for (size = 24; size < 200; size += 4) {
		EXPECT_STREQ("../ ./ both/ f new only/", rdu(self->fd, "u", size, &calls));
		EXPECT_GE(6, calls);
	}
	EXPECT_EQ(1, calls);
	rdu(self->fd, "u", 24, &calls);
	EXPECT_EQ(6, calls);
	/* None. */
	EXPECT_STREQ("no room", rdu(self->fd, "u", 16, &calls));
	EXPECT_STREQ("no room", rdu(self->fd, "u", 0, &calls));
	/* What goes, and comes. */
	ASSERT_EQ(0, E(unlink("u/f")));
	EXPECT_STREQ("../ ./ both/ new only/", rdu(self->fd, "u", 64, &calls));
	fd = open("u/both", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	EXPECT_STREQ("../ ./", rdu(fd, "u/both", 64, &calls));
	ASSERT_EQ(0, E(rmdir("u/both")));
	EXPECT_STREQ("ENOENT", rdu(fd, "u/both", 64, &calls));
}

/* A name of all bytes there can be, and more entries than a page has room for. */
TEST_F(u, reads_long_names)
{
	char name[256], path[300];
	unsigned int calls;
	int i, n = 0;

	memset(name, 'n', 255);
	name[255] = 0;
	for (i = 0; i < 20; i++) {
		name[0] = 'a' + i;
		snprintf(path, sizeof(path), "u/only/%s", name);
		ASSERT_EQ(0, write_file(path, ""));
	}
	int fd = open("u/only", O_RDONLY | O_DIRECTORY);
	const char *all = rdu(fd, "u/only", 272, &calls);

	for (i = 0; all[i]; i++)
		n += all[i] == ' ';
	EXPECT_EQ(21, n);
	EXPECT_EQ(NULL, strchr(all, '!'));
	EXPECT_EQ(21, calls);
	EXPECT_STREQ("no room", rdu(fd, "u/only", 271, &calls));
}

/* One that has begun to read goes on with what was there, as getdents(2) does. */
TEST_F(u, reads_on_after_a_change)
{
	char room[64];
	struct aufs_rdu p = { .sz = sizeof(room), .ent = (uintptr_t)room, .verify = sizeof(p) };
	struct au_rdu_ent *e = (void *)room;
	int i, n = 0, seen = 0;

	ASSERT_EQ(0, E(ioctl(self->fd, AUFS_CTL_RDU, &p)));
	ASSERT_EQ(2, p.rent);
	ASSERT_EQ(1, p.full);
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, write_file(path_of("u/x%d", i), ""));
	ASSERT_EQ(0, shell("mount -i -o remount,append:%s/.work=ro u", area));
	while (!E(ioctl(self->fd, AUFS_CTL_RDU, &p)) && p.rent) {
		n += p.rent;
		seen += !strcmp(e->name, "f");
	}
	EXPECT_EQ(3, n);
	EXPECT_EQ(1, seen);
}

TEST_F(u, reading_arguments)
{
	long page = sysconf(_SC_PAGESIZE);
	char *at = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct aufs_rdu good = { .sz = page, .ent = (uintptr_t)at, .verify = sizeof(good) }, p;

	ASSERT_NE(MAP_FAILED, at);
	ASSERT_EQ(0, E(munmap(at + page, page)));
#define RDU(command, field, value) ({ \
	p = good; \
	p.field = value; \
	E(ioctl(self->fd, command, &p)); \
})
	EXPECT_EQ(0, RDU(AUFS_CTL_RDU, blk, 1));
	EXPECT_EQ(1, p.blk);
	EXPECT_EQ(-EINVAL, RDU(AUFS_CTL_RDU, verify, 0));
	EXPECT_EQ(-EINVAL, RDU(AUFS_CTL_RDU, verify, 63));
	EXPECT_EQ(-EINVAL, RDU(AUFS_CTL_RDU_INO, verify, 72));
	EXPECT_EQ(-EFAULT, RDU(AUFS_CTL_RDU, ent, 0));
	EXPECT_EQ(-EFAULT, RDU(AUFS_CTL_RDU, ent, 16));
	EXPECT_EQ(-EFAULT, RDU(AUFS_CTL_RDU, ent, -16ULL));
	EXPECT_EQ(-EFAULT, RDU(AUFS_CTL_RDU, ent, 0xffff888000000000ULL));
	EXPECT_EQ(-EFAULT, RDU(AUFS_CTL_RDU, ent, (uintptr_t)at + page - 40));
	EXPECT_EQ(-EFAULT, RDU(AUFS_CTL_RDU, sz, -1ULL));
	/* Past the end there is nothing; before the start there is no place. */
	EXPECT_EQ(0, RDU(AUFS_CTL_RDU, cookie.h_pos, 1000));
	EXPECT_EQ(0, p.rent);
	EXPECT_EQ(0, p.full);
	EXPECT_EQ(0, RDU(AUFS_CTL_RDU, cookie.h_pos, INT64_MAX));
	EXPECT_EQ(0, p.rent);
	EXPECT_EQ(-EINVAL, RDU(AUFS_CTL_RDU, cookie.h_pos, 1ULL << 63));
	EXPECT_EQ(-EINVAL, RDU(AUFS_CTL_RDU, cookie.h_pos, -1ULL));
	EXPECT_EQ(0, RDU(AUFS_CTL_RDU, cookie.bindex, -1));
	EXPECT_EQ(5, p.rent);
	EXPECT_EQ(0, RDU(AUFS_CTL_RDU, cookie.flags, 0xff));
	EXPECT_EQ(5, p.rent);
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_RDU, NULL)));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_RDU, BAD)));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_RDU, at + page - 8)));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_RDU_INO, NULL)));
	/* More entries than there are: up to the end of the memory. */
	EXPECT_EQ(0, RDU(AUFS_CTL_RDU_INO, sz, 0));
	EXPECT_EQ(0, RDU(AUFS_CTL_RDU_INO, sz, 5));
	EXPECT_EQ(-EFAULT, RDU(AUFS_CTL_RDU_INO, sz, -1ULL));
	EXPECT_EQ(-EFAULT, RDU(AUFS_CTL_RDU_INO, ent, -16ULL));
	memset(at, 0xff, page);
	EXPECT_EQ(-EFAULT, RDU(AUFS_CTL_RDU_INO, sz, -1ULL));
	ASSERT_EQ(0, E(mprotect(at, page, PROT_READ)));
	EXPECT_EQ(-EFAULT, RDU(AUFS_CTL_RDU, blk, 0));
	EXPECT_EQ(-EFAULT, RDU(AUFS_CTL_RDU_INO, sz, 1));
}

static int writable_branch(int fd, uint32_t oflags, int brid)
{
	struct aufs_wbr_fd q = { .oflags = oflags, .brid = brid };

	return E(ioctl(fd, AUFS_CTL_WBR_FD, &q));
}

/* A descriptor of the writable branch itself, which keeps it. */
TEST_F(u, writable_branch_by_descriptor)
{
	union aufs_brinfo b[3];
	struct stat st;
	int fd, file, status;

	ASSERT_EQ(0, E(ioctl(self->fd, AUFS_CTL_BRINFO, b)));
	fd = writable_branch(self->fd, O_CLOEXEC, -1);
	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	ASSERT_EQ(0, E(fstat(fd, &st)));
	EXPECT_EQ(st_of("rw").st_ino, st.st_ino);
	EXPECT_EQ(st_of("rw").st_dev, st.st_dev);
	/* It shows what the union does not. */
	ASSERT_EQ(0, E(unlink("u/f")));
	EXPECT_EQ(0, E(faccessat(fd, ".wh.f", F_OK, 0)));
	close(fd);
	fd = writable_branch(self->fd, O_RDONLY | O_DIRECTORY, b[0].id);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	ASSERT_EQ(0, E(fstat(fd, &st)));
	EXPECT_EQ(st_of("rw").st_ino, st.st_ino);
	/* Whoever asks who keeps the branch is told of it. */
	ASSERT_EQ(0, E(mkdir("rw2", 0755)));
	ASSERT_EQ(0, shell("mount -i -o remount,prepend:%s/rw2=rw u", area));
	EXPECT_EQ(-EBUSY, E(mount("none", "u", "aufs2", MS_REMOUNT, path_of("del:%s/rw", area))));
	close(fd);
	EXPECT_EQ(0, E(mount("none", "u", "aufs2", MS_REMOUNT, path_of("del:%s/rw", area))));
	EXPECT_EQ(-EINVAL, writable_branch(self->fd, 0, b[0].id));
	EXPECT_EQ(-ENOENT, writable_branch(self->fd, 0, b[1].id));
	EXPECT_EQ(-EINVAL, writable_branch(self->fd, 0, 1000));
	EXPECT_EQ(-EINVAL, writable_branch(self->fd, O_RDWR, -1));
	EXPECT_EQ(-EINVAL, writable_branch(self->fd, O_CREAT, -1));
	/* As pathconf(3) of aufs's library asks. */
	fd = E(ioctl(self->fd, AUFS_CTL_WBR_FD, NULL));
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(fstat(fd, &st)));
	EXPECT_EQ(st_of("rw2").st_ino, st.st_ino);
	close(fd);
	ASSERT_EQ(0, write_file("u/new", "new"));
	file = open("u/new", O_RDONLY);
	fd = E(ioctl(file, AUFS_CTL_WBR_FD, NULL));
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, E(faccessat(fd, "new", F_OK, 0)));
	close(fd);
	close(file);
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS_CTL_WBR_FD, BAD)));
	fd = open("u/both", O_RDONLY | O_DIRECTORY);
	EXPECT_LE(0, writable_branch(fd, 0, -1));
	if (!fork()) {
		if (setresuid(1, 1, 1))
			_exit(2);
		_exit(writable_branch(self->fd, 0, -1) != -EPERM);
	}
	wait(&status);
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, E(mount("none", "u", "aufs2", MS_REMOUNT, path_of("mod:%s/rw2=ro", area))));
	EXPECT_EQ(-ENOENT, writable_branch(self->fd, 0, -1));
	EXPECT_EQ(-ENOENT, E(ioctl(self->fd, AUFS_CTL_WBR_FD, NULL)));
}

static int branch_fd(int fd, uint32_t oflags, uint32_t brid)
{
	struct aufs2_branch_fd q = { .oflags = oflags, .brid = brid };

	return E(ioctl(fd, AUFS2_CTL_BRANCH_FD, &q));
}

/* A descriptor of any branch, wherever its path leads by now; it keeps the branch, and nothing is written by it. */
TEST_F(u, branch_by_descriptor)
{
	union aufs_brinfo b[3];
	struct stat st, is;
	int fd, file, in, i;

	ASSERT_EQ(0, E(ioctl(self->fd, AUFS_CTL_BRINFO, b)));
	ASSERT_EQ(0, E(stat("ro", &is)));
	ASSERT_EQ(0, shell("mount -t tmpfs over ro"));
	fd = branch_fd(self->fd, O_CLOEXEC, b[1].id);
	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(O_PATH, fcntl(fd, F_GETFL) & O_PATH);
	ASSERT_EQ(0, E(fstat(fd, &st)));
	EXPECT_EQ(is.st_ino, st.st_ino);
	EXPECT_EQ(is.st_dev, st.st_dev);
	/* Through it, there is what the union has of it, and nothing that is mounted there. */
	EXPECT_EQ(0, E(faccessat(fd, "f", F_OK, 0)));
	in = E(openat(fd, "f", O_RDONLY));
	EXPECT_LE(0, in);
	close(in);
	EXPECT_EQ(-EROFS, E(openat(fd, "f", O_WRONLY)));
	EXPECT_EQ(-EROFS, E(mkdirat(fd, "made", 0755)));
	EXPECT_EQ(-EBUSY, E(mount("none", "u", "aufs2", MS_REMOUNT, "del:1")));
	close(fd);
	fd = branch_fd(self->fd, O_PATH | O_DIRECTORY, b[0].id);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_EQ(-EROFS, E(mkdirat(fd, "made", 0755)));
	EXPECT_STREQ("", list("rw"));
	close(fd);
	file = open("u/f", O_RDONLY);
	fd = branch_fd(file, 0, b[2].id);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, E(faccessat(fd, "both", F_OK, 0)));
	close(fd);
	close(file);
	EXPECT_EQ(-EINVAL, branch_fd(self->fd, 0, 1000));
	EXPECT_EQ(-EINVAL, branch_fd(self->fd, 0, b[0].id | 1 << 16));
	EXPECT_EQ(-EINVAL, branch_fd(self->fd, 0, -1));
	EXPECT_EQ(-EINVAL, branch_fd(self->fd, O_RDWR, b[0].id));
	EXPECT_EQ(-EINVAL, branch_fd(self->fd, O_CREAT, b[0].id));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS2_CTL_BRANCH_FD, BAD)));
	EXPECT_EQ(-EFAULT, E(ioctl(self->fd, AUFS2_CTL_BRANCH_FD, NULL)));
	/* Nobody else comes by it where a path would not lead. */
	ASSERT_EQ(0, become(NOBODY));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-EPERM, branch_fd(self->fd, 0, b[i].id));
	EXPECT_EQ(-EPERM, E(ioctl(self->fd, AUFS2_CTL_BRANCH_FD, BAD)));
	ASSERT_EQ(0, become(0));
	/* What has none of these is no branch any more. */
	ASSERT_EQ(0, E(mount("none", "u", "aufs2", MS_REMOUNT, "del:1")));
	EXPECT_EQ(-EINVAL, branch_fd(self->fd, 0, b[1].id));
	ASSERT_EQ(0, E(umount("ro")));
}

/* The descriptor of a branch that is written to, or will be, is for looking: also that of one in memory. */
TEST_F(u, branch_is_only_looked_at)
{
	union aufs_brinfo b[3];
	char here[64];
	int fd, in, status;

	close(self->fd);
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, E(mount("none", "u", "aufs2", 0, path_of("br:mem=rw:%s/rw=ro:%s/ro=ro", area, area))));
	union_up = true;
	self->fd = open("u", O_RDONLY | O_DIRECTORY);
	ASSERT_EQ(0, E(ioctl(self->fd, AUFS_CTL_BRINFO, b)));
	ASSERT_EQ(0, write_file("u/new", "new"));
	ASSERT_EQ(0, shell("mknod u/null c 1 3; cp /bin/true u/true"));
	fd = branch_fd(self->fd, 0, b[0].id);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EROFS, E(openat(fd, "new", O_WRONLY)));
	/* Nor by the way that procfs shows to what is open. */
	in = openat(fd, "new", O_RDONLY);
	ASSERT_LE(0, in);
	snprintf(here, sizeof(here), "/proc/self/fd/%d", in);
	EXPECT_EQ(-EROFS, E(open(here, O_RDWR)));
	close(in);
	/* What the mount of the union may forbid cannot be had here. */
	EXPECT_EQ(-EACCES, E(openat(fd, "null", O_RDONLY)));
	if (!fork()) {
		fchdir(fd);
		execl("./true", "true", NULL);
		_exit(errno == EACCES ? 7 : 1);
	}
	wait(&status);
	EXPECT_EQ(7 << 8, status);
	/* It cannot be mounted elsewhere, nor made to be written by. */
	snprintf(here, sizeof(here), "/proc/self/fd/%d", fd);
	EXPECT_EQ(-EINVAL, E(mount(here, "ro2", NULL, MS_BIND, NULL)));
	EXPECT_EQ(-EINVAL, E(mount(NULL, here, NULL, MS_REMOUNT | MS_BIND, NULL)));
	EXPECT_GT(0, E(mount("over", here, "tmpfs", 0, NULL)));
	EXPECT_EQ(-EBUSY, E(mount("none", "u", "aufs2", MS_REMOUNT, "del:0")));
	close(fd);
	/* A branch that comes to be written to afterwards. */
	fd = branch_fd(self->fd, 0, b[1].id);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, E(mount("none", "u", "aufs2", MS_REMOUNT, "mod:1=rw,mod:0=ro")));
	EXPECT_EQ(-EROFS, E(mkdirat(fd, "made", 0755)));
	ASSERT_EQ(0, E(mkdir("u/made", 0755)));
	/* It keeps neither what the union can do, nor the union. */
	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(0, down());
	EXPECT_EQ(0, E(faccessat(fd, "made", F_OK, 0)));
	close(fd);
}

/* What there is no command for, or not here. */
TEST_F(u, others)
{
	char room[4096] = "";
	int i, fd = open("u/f", O_RDONLY);

	ASSERT_LE(0, fd);
	/* As an aufs that was built without it. */
	EXPECT_EQ(-EOPNOTSUPP, E(ioctl(self->fd, AUFS_CTL_FHSM_FD, 0)));
	EXPECT_EQ(-EOPNOTSUPP, E(ioctl(self->fd, AUFS_CTL_FHSM_FD, O_CLOEXEC)));
	EXPECT_EQ(-ENOTTY, E(ioctl(fd, AUFS_CTL_FHSM_FD, 0)));
	EXPECT_EQ(-ENOTTY, E(ioctl(fd, AUFS_CTL_RDU, room)));
	EXPECT_EQ(-ENOTTY, E(ioctl(fd, AUFS_CTL_RDU_INO, room)));
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

static void no_32(int sig)
{
	(void)sig;
	_exit(1);
}

static bool runs_32(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		/* A signal that is handled is not told in the kernel's log. */
		signal(SIGSEGV, no_32);
		_exit(ioctl32(-1, 0, NULL) != -EBADF);
	}
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
