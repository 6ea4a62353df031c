// SPDX-License-Identifier: GPL-2.0
/*
 * File handles: there are none by which a file could be opened again, as what a name means may be copied
 * up; those that only tell objects apart are what they were after a copy-up.
 */
#include "aufs2.h"
#include <sys/fanotify.h>

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200
#endif

AUFS2_FIXTURE

struct handle {
	struct file_handle head;
	unsigned char bytes[MAX_HANDLE_SZ];
};

static long handle_of(const char *path, int flags, struct handle *handle)
{
	int mount;

	memset(handle, 0, sizeof(*handle));
	handle->head.handle_bytes = MAX_HANDLE_SZ;
	return E(name_to_handle_at(AT_FDCWD, path, &handle->head, &mount, flags));
}

static bool same(const struct handle *a, const struct handle *b)
{
	return a->head.handle_type == b->head.handle_type && a->head.handle_bytes == b->head.handle_bytes &&
	       !memcmp(a->bytes, b->bytes, a->head.handle_bytes);
}

TEST_F(u, none_to_open_by)
{
	struct handle handle;

	AUFS2_ONLY("with index=on, it has them");
	ASSERT_EQ(0, write_file("ro/f", "text"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(-EOPNOTSUPP, handle_of("u/f", 0, &handle));
	EXPECT_EQ(-EOPNOTSUPP, handle_of("u", 0, &handle));
}

TEST_F(u, to_tell_objects_apart)
{
	struct handle before, after, other;

	AUFS2_ONLY("its own");
	ASSERT_EQ(0, write_file("ro/f", "text"));
	ASSERT_EQ(0, write_file("ro/g", "text"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, handle_of("u/f", AT_HANDLE_FID, &before));
	ASSERT_EQ(0, handle_of("u/g", AT_HANDLE_FID, &other));
	EXPECT_FALSE(same(&before, &other));
	ASSERT_EQ(0, append_file("u/f", "+"));
	ASSERT_EQ(0, handle_of("u/f", AT_HANDLE_FID, &after));
	EXPECT_TRUE(same(&before, &after));
	ASSERT_EQ(0, E(rename("u/f", "u/n")));
	ASSERT_EQ(0, handle_of("u/n", AT_HANDLE_FID, &after));
	EXPECT_TRUE(same(&before, &after));
}

/* Whoever wants to be told of objects by handles can be, for a mount or an object of it. */
TEST_F(u, in_events)
{
	union {
		struct fanotify_event_metadata head;
		char bytes[4096];
	} event;
	struct fanotify_event_info_fid *info = (void *)(event.bytes + FAN_EVENT_METADATA_LEN);
	struct file_handle *told = (void *)info->handle;
	struct handle handle;
	int fan;

	AUFS2_ONLY("its own");
	ASSERT_EQ(0, write_file("ro/f", "text"));
	ASSERT_EQ(0, up("rw", "ro"));
	fan = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK, O_RDONLY);
	ASSERT_LE(0, fan);
	ASSERT_EQ(0, E(fanotify_mark(fan, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, "u/f")));
	ASSERT_EQ(0, append_file("u/f", "+"));
	ASSERT_LT(0, E(read(fan, event.bytes, sizeof(event))));
	ASSERT_EQ(0, handle_of("u/f", AT_HANDLE_FID, &handle));
	EXPECT_EQ(handle.head.handle_type, told->handle_type);
	EXPECT_EQ(handle.head.handle_bytes, told->handle_bytes);
	EXPECT_EQ(0, memcmp(handle.bytes, told->f_handle, told->handle_bytes));
	close(fan);
}

TEST_HARNESS_MAIN
