// SPDX-License-Identifier: GPL-2.0
/* Which engine serves a map, who says so, and what it keeps busy. */
#include "aufs2.h"
#include <sys/resource.h>
#include <sys/wait.h>

#define PAGES 16

FIXTURE(u) { long page; long size; };
FIXTURE_SETUP(u)
{
	self->page = sysconf(_SC_PAGESIZE);
	self->size = PAGES * self->page;
	if (reference())
		SKIP(return, "engines are the union's");
	if (strstr(test_options(), "mmap"))
		SKIP(return, "chooses the engines itself");
	ASSERT_EQ(0, area_enter());
	/* page by page: what is in one folio is mapped by one fault */
	ASSERT_EQ(0, shell("head -c %ld /dev/zero | tr '\\0' l > .l", self->size));
	ASSERT_EQ(0, shell("dd if=.l of=ro/f bs=%ld && dd if=.l of=rw/g bs=%ld", self->page, self->page));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static int mount_with(const char *more)
{
	return union_mount(more, 0, (const char * const []){ "rw", "ro", NULL });
}

static char *map(const char *path, int flags, int prot, int kind, long size)
{
	int fd = open(path, flags | O_CLOEXEC);
	char *p = mmap(NULL, size, prot, kind, fd, 0);
	int err = errno;

	close(fd);
	errno = err;
	return p;
}

/* How many faults it takes to touch each of the pages, which are in memory. */
static long faults_of(volatile char *p, long page)
{
	struct rusage before, after;
	long i;

	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < PAGES; i++)
		(void)p[i * page];
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt;
}

/* The faults of a new map: few where the kernel maps what is around, all else. */
static long faults_of_new(const char *path, long page)
{
	char *p = map(path, O_RDONLY, PROT_READ, MAP_SHARED, PAGES * page);
	long n;

	if (p == MAP_FAILED)
		return -errno;
	n = faults_of(p, page);
	munmap(p, PAGES * page);
	return n;
}

/* A branch whose file can be written to by a map cannot become read-only. */
TEST_F(u, a_writable_map_keeps_its_branch_writable)
{
	static const char * const engines[] = {
		"mmap=direct", "mmap=fault", "mmap=direct,mmap_path=union", "mmap=fault,mmap_path=union"
	};
	char *p, *q;

	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		ASSERT_EQ(0, mount_with(engines[i]));
		p = map("u/g", O_RDWR, PROT_READ, MAP_SHARED, self->page);
		q = map("u/g", O_RDONLY, PROT_READ, MAP_SHARED, self->page);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_NE(MAP_FAILED, q);
		EXPECT_NE(0, shell("mount -i -o remount,mod:%s/rw=ro u", area)) TH_LOG("%s", engines[i]);
		EXPECT_EQ(0, E(mprotect(p, self->page, PROT_READ | PROT_WRITE)));
		*p = 'w';
		EXPECT_EQ('w', *q);
		munmap(p, self->page);
		EXPECT_EQ(0, shell("mount -i -o remount,mod:%s/rw=ro u", area)) TH_LOG("%s", engines[i]);
		munmap(q, self->page);
		ASSERT_EQ(0, down());
	}
}

TEST_F(u, direct_is_the_default)
{
	long native;

	ASSERT_EQ(0, mount_with("acl"));
	native = faults_of_new("ro/f", self->page);
	EXPECT_LT(native, PAGES);
	EXPECT_EQ(native, faults_of_new("u/f", self->page));
	EXPECT_STREQ("", strstr(read_file("/proc/mounts"), ",mmap") ?: "");
}

TEST_F(u, fault)
{
	ASSERT_EQ(0, mount_with("mmap=fault"));
	EXPECT_EQ(PAGES, faults_of_new("u/f", self->page));
	EXPECT_EQ(PAGES, faults_of_new("u/g", self->page));
	EXPECT_NE(NULL, strstr(read_file("/proc/mounts"), ",mmap=fault"));
}

TEST_F(u, front_file_without_the_engine)
{
	ASSERT_EQ(0, mount_with("mmap_path=union"));
	EXPECT_EQ(faults_of_new("ro/f", self->page), faults_of_new("u/f", self->page));
	EXPECT_NE(NULL, strstr(read_file("/proc/mounts"), ",mmap_path=union"));
}

TEST_F(u, remount_is_for_new_maps)
{
	char *direct, *fault;

	ASSERT_EQ(0, mount_with("acl"));
	direct = map("u/f", O_RDONLY, PROT_READ, MAP_SHARED, self->size);
	ASSERT_NE(MAP_FAILED, direct);
	ASSERT_EQ(0, E(mount("none", "u", fs_name(), MS_REMOUNT, "mmap=fault")));
	EXPECT_NE(NULL, strstr(read_file("/proc/mounts"), ",mmap=fault"));
	EXPECT_EQ(PAGES, faults_of_new("u/f", self->page));
	fault = map("u/f", O_RDONLY, PROT_READ, MAP_SHARED, self->size);
	ASSERT_NE(MAP_FAILED, fault);
	ASSERT_EQ(0, E(mount("none", "u", fs_name(), MS_REMOUNT, "mmap=direct")));
	EXPECT_STREQ("", strstr(read_file("/proc/mounts"), ",mmap") ?: "");
	EXPECT_GT(PAGES, faults_of(direct, self->page));
	EXPECT_EQ(PAGES, faults_of(fault, self->page));
	EXPECT_GT(PAGES, faults_of_new("u/f", self->page));
	munmap(direct, self->size);
	munmap(fault, self->size);
}

TEST_F(u, bad_values)
{
	EXPECT_EQ(-EINVAL, mount_with("mmap=shadow"));
	EXPECT_EQ(-EINVAL, mount_with("mmap="));
	EXPECT_EQ(-EINVAL, mount_with("mmap"));
	EXPECT_EQ(-EINVAL, mount_with("mmap_path=direct"));
}

/* A map alone, without a descriptor, keeps the union and the branch mounted. */
TEST_F(u, a_map_keeps_the_union_busy)
{
	char *p;

	ASSERT_EQ(0, mount_with("mmap=fault"));
	p = map("u/g", O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED, self->size);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-EBUSY, E(umount2("u", 0)));
	p[0] = 'x';
	EXPECT_EQ('x', *read_file("u/g"));
	/* as elsewhere, a map for writing is in the way of becoming read-only */
	EXPECT_EQ(-EBUSY, E(mount("none", "u", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)));
	munmap(p, self->size);
	EXPECT_EQ(0, E(mount("none", "u", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)));
	EXPECT_EQ(0, down());
}

/* A map survives that the union goes from the tree, with everything it needs. */
TEST_F(u, after_a_lazy_unmount)
{
	char *p, *q;

	ASSERT_EQ(0, mount_with("mmap=fault"));
	p = map("u/f", O_RDONLY, PROT_READ, MAP_SHARED, self->size);
	q = map("u/g", O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED, self->size);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, E(umount2("u", MNT_DETACH)));
	union_up = false;
	drop_caches();
	EXPECT_EQ('l', p[self->size - 1]);
	q[0] = 'x';
	EXPECT_EQ(0, E(msync(q, self->size, MS_SYNC)));
	EXPECT_EQ('x', *read_file("rw/g"));
	munmap(p, self->size);
	munmap(q, self->size);
}

static int change(const char *how, const char *name, const char *perm)
{
	return E(mount("none", "u", fs_name(), MS_REMOUNT, path_of("%s:%s/%s%s", how, area, name, perm)));
}

/* What is mapped is not changed by what comes above it, and does not go away. */
TEST_F(u, a_map_keeps_the_branch_busy)
{
	static const char * const engines[] = {
		"mmap=direct", "mmap=fault", "mmap=direct,mmap_path=union", "mmap=fault,mmap_path=union"
	};
	unsigned int i;

	ASSERT_EQ(0, shell("tr l 2 < ro/f > ro2/f"));
	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		char *old, *new, *again;
		int status;

		ASSERT_EQ(0, mount_with(engines[i]));
		old = map("u/f", O_RDONLY, PROT_READ, MAP_SHARED, self->size);
		ASSERT_NE(MAP_FAILED, old);
		ASSERT_EQ(0, change("add:1", "ro2", "=ro"));
		new = map("u/f", O_RDONLY, PROT_READ, MAP_PRIVATE, self->size);
		ASSERT_NE(MAP_FAILED, new);
		EXPECT_EQ('l', old[self->size - 1]);
		EXPECT_EQ('2', new[self->size - 1]);
		EXPECT_EQ(-EBUSY, change("del", "ro2", "")) { TH_LOG("%s", engines[i]); }
		EXPECT_EQ(-EBUSY, change("del", "ro", "")) { TH_LOG("%s", engines[i]); }
		/* a part of it, moved, in another task */
		again = mremap(new, 2 * self->page, 4 * self->page, MREMAP_MAYMOVE);
		ASSERT_NE(MAP_FAILED, again);
		if (!fork()) {
			munmap(new + 2 * self->page, self->size - 2 * self->page);
			_exit(change("del", "ro2", "") != -EBUSY || again[self->page] != '2');
		}
		munmap(new + 2 * self->page, self->size - 2 * self->page);
		munmap(again, 4 * self->page);
		wait(&status);
		EXPECT_EQ(0, status);
		EXPECT_EQ(0, change("del", "ro2", "")) { TH_LOG("%s", engines[i]); }
		EXPECT_EQ('l', old[0]);
		munmap(old, self->size);
		ASSERT_EQ(0, down());
	}
}

/* Unions of unions, with every pair of engines: what shows is the uppermost. */
TEST_F(u, stacked)
{
	static const char * const engines[] = {
		"mmap=direct", "mmap=fault", "mmap=direct,mmap_path=union", "mmap=fault,mmap_path=union"
	};
	unsigned int i, j;

	ASSERT_EQ(0, E(mkdir("v", 0755)));
	ASSERT_EQ(0, E(mkdir("x", 0755)));
	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		ASSERT_EQ(0, E(mount("none", "v", "aufs2", 0,
				     path_of("br:%s/x=rw:%s/ro=ro,%s", area, area, engines[i]))));
		for (j = 0; j < ARRAY_SIZE(engines); j++) {
			struct stat st;
			char *p, *line;

			ASSERT_EQ(0, union_mount(engines[j], 0, (const char * const []){ "rw", "v=ro", NULL }));
			p = map("u/f", O_RDONLY, PROT_READ, MAP_SHARED, self->size);
			ASSERT_NE(MAP_FAILED, p);
			EXPECT_EQ('l', p[self->size - 1]);
			EXPECT_EQ(0, E(madvise(p, self->size, MADV_DONTNEED)));
			EXPECT_EQ('l', p[self->size - 1]);
			st = st_of("u/f");
			line = strstr(read_file("/proc/self/maps"), path_of("%lx-", (long)p));
			ASSERT_NE(NULL, line);
			*strchr(line, '\n') = 0;
			EXPECT_NE(NULL, strstr(line, path_of("%02x:%02x %lu ", major(st.st_dev),
							     minor(st.st_dev), (long)st.st_ino))) {
				TH_LOG("%s on %s: %s", engines[j], engines[i], line);
			}
			EXPECT_NE(NULL, strstr(line, path_of("%s/u/f", area))) {
				TH_LOG("%s on %s: %s", engines[j], engines[i], line);
			}
			munmap(p, self->size);
			ASSERT_EQ(0, down());
		}
		ASSERT_EQ(0, E(umount("v")));
	}
}

/* Takes a branch from the union at `name`; what it says is in fs_log. */
static int take_away(const char *name, const char *branch)
{
	int fd = fspick(AT_FDCWD, name, FSPICK_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = E(fsconfig(fd, FSCONFIG_SET_STRING, "del", path_of("%s/%s", area, branch), 0)) ?:
	      E(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
	read_log(fd);
	close(fd);
	return err;
}

/* Who keeps a branch is told by name, if all that is left of its use is the map. */
TEST_F(u, a_map_is_told_by_name)
{
	static const char * const engines[] = {
		"mmap=direct", "mmap=fault", "mmap=direct,mmap_path=union", "mmap=fault,mmap_path=union"
	};
	static const struct { const char *command, *name; } then[] = {
		{ "true", "f" }, { "echo x >> u/f", "f" }, { "rm u/f", "f" },
		{ "mv u/f u/moved", "moved" }, { "echo x > u/n; mv u/n u/f", "f" }
	};
	unsigned int i, j, stacked;

	ASSERT_EQ(0, shell("mkdir v x"));
	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		for (j = 0; j < ARRAY_SIZE(then); j++) {
			for (stacked = 0; stacked < 2; stacked++) {
				char *p;

				ASSERT_EQ(0, E(mount("none", "v", "aufs2", 0,
						     path_of("br:%s/x=rw:%s/ro=ro,%s", area, area, engines[i]))));
				ASSERT_EQ(0, union_mount(engines[i], 0, (const char * const []){
					"rw", stacked ? "v=ro" : "ro", NULL }));
				p = map("u/f", O_RDONLY, PROT_READ, MAP_SHARED, self->size);
				ASSERT_NE(MAP_FAILED, p);
				EXPECT_EQ(0, shell("%s", then[j].command));
				drop_caches();
				EXPECT_EQ(-EBUSY, take_away(stacked ? "v" : "u", "ro"));
				/* the union below has seen nothing of what was done */
				EXPECT_NE(NULL, strstr(fs_log, path_of("'/%s' (inode", stacked ? "f" :
								       then[j].name))) {
					TH_LOG("%s, %s%s: %s", engines[i], then[j].command,
					       stacked ? ", stacked" : "", fs_log);
				}
				EXPECT_NE(NULL, strstr(fs_log, "is mapped"));
				EXPECT_EQ('l', p[self->size - 1]);
				munmap(p, self->size);
				ASSERT_EQ(0, down());
				ASSERT_EQ(0, E(umount("v")));
				ASSERT_EQ(0, shell("rm -rf rw/* rw/.wh.f x/*"));
			}
		}
	}
}

/*
 * A descriptor from before a branch came maps what its name means now, once it is known;
 * but nothing is opened on a union below while the memory is locked, for that may mean to
 * look up names there.
 */
TEST_F(u, descriptor_from_before_a_branch)
{
	static const char * const engines[] = { "mmap=direct", "mmap=fault" };
	unsigned int i, stacked;

	ASSERT_EQ(0, E(mkdir("v", 0755)));
	ASSERT_EQ(0, E(mkdir("x", 0755)));
	ASSERT_EQ(0, shell("tr l 2 < ro/f > ro2/f"));
	ASSERT_EQ(0, shell("mkdir w y"));
	ASSERT_EQ(0, E(mount("none", "v", "aufs2", 0, path_of("br:%s/x=rw:%s/ro2=ro", area, area))));
	/* a union is as deep as it was mounted */
	ASSERT_EQ(0, E(mount("none", "w", "aufs2", 0, path_of("br:%s/y=rw", area))));
	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		for (stacked = 0; stacked < 2; stacked++) {
			const char *branch = stacked ? "v" : "ro2";
			char *p;
			int fd;

			ASSERT_EQ(0, union_mount(engines[i], 0,
						 (const char * const []){ "rw", "ro", "w=ro", NULL }));
			ASSERT_LE(0, fd = open("u/f", O_RDONLY | O_CLOEXEC));
			ASSERT_EQ(0, change("add:1", branch, "=ro"));
			/* somebody else uses the name */
			EXPECT_EQ('2', *read_file("u/f"));
			p = mmap(NULL, self->size, PROT_READ, MAP_SHARED, fd, 0);
			ASSERT_NE(MAP_FAILED, p);
			EXPECT_EQ(stacked ? 'l' : '2', *p) { TH_LOG("%s, %s", engines[i], branch); }
			munmap(p, self->size);
			close(fd);
			ASSERT_EQ(0, down());
		}
	}
	ASSERT_EQ(0, E(umount("v")));
	ASSERT_EQ(0, E(umount("w")));
}

TEST_HARNESS_MAIN
