// SPDX-License-Identifier: GPL-2.0
/* What /proc says about maps of the union's files: the union's path and inode. */
#include "aufs2.h"

FIXTURE(u) { char *p; };
FIXTURE_VARIANT(u) { const char *path; int copy_up; };
FIXTURE_VARIANT_ADD(u, lower) { .path = "u/d/f" };
FIXTURE_VARIANT_ADD(u, upper) { .path = "u/g" };
FIXTURE_VARIANT_ADD(u, copied_up) { .path = "u/d/f", .copy_up = 1 };

#define SIZE 16384

FIXTURE_SETUP(u)
{
	int fd;

	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir ro/d; head -c %d /dev/zero > ro/d/f; cp ro/d/f rw/g", SIZE));
	ASSERT_EQ(0, up("rw", "ro"));
	if (variant->copy_up) {
		ASSERT_EQ(0, append_file("u/d/f", "+"));
	}
	ASSERT_LE(0, fd = open(variant->path, O_RDONLY));
	self->p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	ASSERT_NE(MAP_FAILED, self->p);
	close(fd);
}
FIXTURE_TEARDOWN(u)
{
	munmap(self->p, SIZE);
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

/* The line of the map in maps or smaps. */
static const char *line_of(const char *file, void *p)
{
	char *b = buffer(), start[32];
	FILE *f = fopen(file, "r");

	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	while (f && fgets(b, 8192, f)) {
		if (!strncmp(b, start, strlen(start))) {
			fclose(f);
			b[strcspn(b, "\n")] = 0;
			return b;
		}
	}
	if (f)
		fclose(f);
	return "";
}

static void check_line(struct __test_metadata *_metadata, const char *line, const char *path)
{
	unsigned int maj = 0, min = 0;
	unsigned long ino = 0;
	char where[4096] = "";
	struct stat st = st_of(path);

	ASSERT_EQ(4, sscanf(line, "%*x-%*x %*s %*x %x:%x %lu %4095s", &maj, &min, &ino, where)) {
		TH_LOG("line '%s'", line);
	}
	EXPECT_STREQ(path_of("%s/%s", area, path), where);
	EXPECT_EQ(st.st_dev, makedev(maj, min)) { TH_LOG("%s", line); }
	EXPECT_EQ(st.st_ino, ino) { TH_LOG("%s", line); }
}

TEST_F(u, maps)
{
	check_line(_metadata, line_of("/proc/self/maps", self->p), variant->path);
}

TEST_F(u, smaps)
{
	check_line(_metadata, line_of("/proc/self/smaps", self->p), variant->path);
}

TEST_F(u, map_files)
{
	char to[4096] = "";
	unsigned long p = (unsigned long)self->p;

	ASSERT_LT(0, E(readlink(path_of("/proc/self/map_files/%lx-%lx", p, p + SIZE), to, sizeof(to) - 1)));
	EXPECT_STREQ(path_of("%s/%s", area, variant->path), to);
}

TEST_F(u, follows_a_rename)
{
	ASSERT_EQ(0, E(rename(variant->path, "u/moved")));
	check_line(_metadata, line_of("/proc/self/maps", self->p), "u/moved");
}

TEST_F(u, deleted)
{
	ASSERT_EQ(0, E(unlink(variant->path)));
	EXPECT_NE(NULL, strstr(line_of("/proc/self/maps", self->p), " (deleted)"));
	/* what is mapped is still there */
	EXPECT_EQ(0, self->p[SIZE - 1]);
}

TEST_F(u, from_before_a_copy_up)
{
	ASSERT_EQ(0, append_file(variant->path, "+"));
	check_line(_metadata, line_of("/proc/self/maps", self->p), variant->path);
}

TEST_HARNESS_MAIN
