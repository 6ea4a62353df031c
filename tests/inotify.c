// SPDX-License-Identifier: GPL-2.0
/* inotify: a watch from before a copy-up sees what happens after it. */
#include "aufs2.h"
#include <sys/inotify.h>

FIXTURE(u) { int in; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, shell("mkdir ro/d; echo -n low > ro/f; echo -n low > ro/d/g"));
	ASSERT_EQ(0, up("rw", "ro"));
	self->in = inotify_init1(IN_NONBLOCK);
	ASSERT_LE(0, self->in);
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

/* All events so far, or-ed; of one name if given. */
static uint32_t events(int in, const char *name)
{
	char b[16384] __attribute__((aligned(8)));
	uint32_t mask = 0;
	ssize_t n, off;

	while ((n = read(in, b, sizeof(b))) > 0) {
		for (off = 0; off < n; ) {
			struct inotify_event *e = (void *)(b + off);

			if (!name || (e->len && !strcmp(e->name, name)))
				mask |= e->mask;
			off += sizeof(*e) + e->len;
		}
	}
	return mask;
}

TEST_F(u, file_watch_over_copy_up)
{
	ASSERT_LE(0, inotify_add_watch(self->in, "u/f", IN_ALL_EVENTS));
	ASSERT_EQ(0, append_file("u/f", "+"));
	EXPECT_TRUE(events(self->in, NULL) & IN_MODIFY) TH_LOG("the write that copies up");
	ASSERT_EQ(0, append_file("u/f", "+"));
	EXPECT_TRUE(events(self->in, NULL) & IN_MODIFY) TH_LOG("a write after it");
	ASSERT_EQ(0, E(chmod("u/f", 0600)));
	EXPECT_TRUE(events(self->in, NULL) & IN_ATTRIB);
	EXPECT_STREQ("low++", read_file("u/f"));
	EXPECT_TRUE(events(self->in, NULL) & IN_ACCESS);
}

TEST_F(u, watch_survives_drop_caches)
{
	/* the watch has to keep the union's inode, or be found again */
	ASSERT_LE(0, inotify_add_watch(self->in, "u/f", IN_MODIFY));
	drop_caches();
	ASSERT_EQ(0, append_file("u/f", "+"));
	drop_caches();
	ASSERT_EQ(0, append_file("u/f", "+"));
	EXPECT_TRUE(events(self->in, NULL) & IN_MODIFY);
}

TEST_F(u, directory_watch)
{
	ASSERT_LE(0, inotify_add_watch(self->in, "u/d", IN_ALL_EVENTS));
	ASSERT_EQ(0, append_file("u/d/g", "+"));
	EXPECT_TRUE(events(self->in, "g") & IN_MODIFY);
	ASSERT_EQ(0, write_file("u/d/new", "x"));
	EXPECT_EQ(IN_CREATE | IN_CLOSE_WRITE,
		  events(self->in, "new") & (IN_CREATE | IN_CLOSE_WRITE));
	ASSERT_EQ(0, E(rename("u/d/new", "u/d/moved")));
	EXPECT_TRUE(events(self->in, "moved") & IN_MOVED_TO);
	ASSERT_EQ(0, E(unlink("u/d/g")));
	EXPECT_TRUE(events(self->in, "g") & IN_DELETE);
}

TEST_F(u, no_names_of_our_own)
{
	char b[16384] __attribute__((aligned(8)));
	ssize_t n, off;

	ASSERT_LE(0, inotify_add_watch(self->in, "u", IN_ALL_EVENTS));
	ASSERT_LE(0, inotify_add_watch(self->in, "u/d", IN_ALL_EVENTS));
	ASSERT_EQ(0, E(unlink("u/d/g")));
	ASSERT_EQ(0, E(rename("u/f", "u/d/f")));
	n = E(read(self->in, b, sizeof(b)));
	ASSERT_LT(0, n);
	for (off = 0; off < n; ) {
		struct inotify_event *e = (void *)(b + off);

		if (e->len) {
			EXPECT_NE(0, strncmp(e->name, ".wh.", 4)) { TH_LOG("%s", e->name); }
			EXPECT_NE('#', *e->name);
		}
		off += sizeof(*e) + e->len;
	}
}

TEST_F(u, delete_self)
{
	ASSERT_LE(0, inotify_add_watch(self->in, "u/f", IN_ALL_EVENTS));
	ASSERT_EQ(0, E(unlink("u/f")));
	EXPECT_EQ(IN_DELETE_SELF | IN_IGNORED, events(self->in, NULL) & (IN_DELETE_SELF | IN_IGNORED));
}

static int remount(const char *what)
{
	char options[512];

	snprintf(options, sizeof(options), what, area);
	return E(mount("none", "u", "aufs2", MS_REMOUNT, options));
}

/* Looks at the names, as whoever uses the union does, and lets the cache go. */
static void look_and_drop(void)
{
	access("u/d/g", F_OK);
	access("u/f", F_OK);
	drop_caches();
	access("u/d/g", F_OK);
	access("u/f", F_OK);
}

TEST_F(u, watches_survive_branches)
{
	/* Nothing but the watches is in use: no descriptor, no working directory. */
	int file, dir, i;

	AUFS2_ONLY("branches do not come and go");
	ASSERT_EQ(0, shell("mkdir ro2/d; echo -n top > ro2/f; echo -n top > ro2/d/h"));
	area_seal();
	ASSERT_LE(0, file = inotify_add_watch(self->in, "u/f", IN_ALL_EVENTS));
	ASSERT_LE(0, dir = inotify_add_watch(self->in, "u/d", IN_ALL_EVENTS));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, remount("add:0:%s/ro2=ro"));
		look_and_drop();
		EXPECT_EQ(0, events(self->in, NULL) & (IN_IGNORED | IN_DELETE_SELF));
		EXPECT_STREQ("top", read_file("u/f"));
		EXPECT_TRUE(events(self->in, NULL) & IN_ACCESS) TH_LOG("the file, add %d", i);
		EXPECT_STREQ("top", read_file("u/d/h"));
		EXPECT_TRUE(events(self->in, "h") & IN_ACCESS) TH_LOG("the directory, add %d", i);
		ASSERT_EQ(0, remount("del:%s/ro2"));
		look_and_drop();
		EXPECT_EQ(0, events(self->in, NULL) & (IN_IGNORED | IN_DELETE_SELF));
		EXPECT_STREQ("low", read_file("u/f"));
		EXPECT_TRUE(events(self->in, NULL) & IN_ACCESS) TH_LOG("the file, del %d", i);
		EXPECT_STREQ("low", read_file("u/d/g"));
		EXPECT_TRUE(events(self->in, "g") & IN_ACCESS) TH_LOG("the directory, del %d", i);
	}
	ASSERT_EQ(0, write_file("u/d/new", "x"));
	EXPECT_TRUE(events(self->in, "new") & IN_CREATE);
	/* They are the same watches, and the only ones on what the names mean. */
	EXPECT_EQ(file, inotify_add_watch(self->in, "u/f", IN_ALL_EVENTS));
	EXPECT_EQ(dir, inotify_add_watch(self->in, "u/d", IN_ALL_EVENTS));
}

TEST_F(u, a_watch_keeps_no_branch)
{
	int fd;

	AUFS2_ONLY("branches do not come and go");
	ASSERT_EQ(0, shell("mkdir ro2/only; echo -n top > ro2/only/f"));
	area_seal();
	ASSERT_EQ(0, remount("add:1:%s/ro2=ro"));
	ASSERT_LE(0, inotify_add_watch(self->in, "u/only", IN_ALL_EVENTS));
	ASSERT_LE(0, inotify_add_watch(self->in, "u/only/f", IN_ALL_EVENTS));
	EXPECT_EQ(0, remount("del:%s/ro2"));
	EXPECT_EQ(-ENOENT, E(access("u/only", F_OK)));
	/* What is not carried out keeps neither the union nor its names. */
	ASSERT_EQ(0, remount("add:1:%s/ro2=ro"));
	ASSERT_LE(0, inotify_add_watch(self->in, "u/only/f", IN_ALL_EVENTS));
	EXPECT_EQ(-ENOENT, remount("append:%1$s/rw/none=ro"));
	fd = fspick(AT_FDCWD, "u", FSPICK_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, E(fsconfig(fd, FSCONFIG_SET_STRING, "del", path_of("%s/ro2", area), 0)));
	close(self->in);
	EXPECT_EQ(0, down());
	close(fd);
}

TEST_F(u, mapped_name_of_the_watch)
{
	/* fdinfo shows the inode of the union */
	char *info;

	ASSERT_LE(0, inotify_add_watch(self->in, "u/f", IN_MODIFY));
	info = (char *)read_file(path_of("/proc/self/fdinfo/%d", self->in));
	EXPECT_NE(NULL, strstr(info, path_of(" ino:%lx ", st_of("u/f").st_ino))) TH_LOG("%s", info);
}

TEST_HARNESS_MAIN
