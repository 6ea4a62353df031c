// SPDX-License-Identifier: GPL-2.0
/*
 * fanotify: who answers permission events for the union, and for its branches, too, can look at
 * the file with what the event came with.  Catches: a listener that waits for its own answer.
 */
#include "aufs2.h"
#include <sys/mman.h>
#include <linux/fanotify.h>

#define PERMISSION (FAN_OPEN_PERM | FAN_ACCESS_PERM)

/* What a listener has seen of the union, and of anything else. */
static struct seen {
	volatile int opens[2], reads[2], wrong;
	volatile int finished;
} *seen;

FIXTURE(u) { int fan; dev_t dev; };
FIXTURE_SETUP(u)
{
	ASSERT_EQ(0, area_enter());
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, seen);
	ASSERT_EQ(0, write_file("ro/f", "low") | E(mkdir("ro/d", 0755)) | write_file("ro/d/g", "low"));
	ASSERT_EQ(0, up("rw", "ro"));
	self->dev = st_of("u").st_dev;
	self->fan = syscall(SYS_fanotify_init, FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->fan);
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong = area_leave();

	EXPECT_STREQ("", wrong ?: "");
}

static long mark(int fan, unsigned int type, unsigned long long mask, const char *path)
{
	return E(syscall(SYS_fanotify_mark, fan, FAN_MARK_ADD | type, mask, AT_FDCWD, path));
}

/* Answers each event with ANSWER, after having looked at the file in each way that there is. */
static void __attribute__((noreturn)) listen_to(int fan, dev_t dev, int answer)
{
	struct fanotify_event_metadata event;
	struct fanotify_response response;
	const char *map;
	struct stat st;
	char text[8];
	int other;

	while (read(fan, &event, sizeof(event)) == sizeof(event)) {
		seen->wrong += event.fd < 0 || fstat(event.fd, &st) != 0;
		other = st.st_dev != dev;
		if (event.mask & FAN_OPEN_PERM)
			seen->opens[other]++;
		if (event.mask & FAN_ACCESS_PERM)
			seen->reads[other]++;
		seen->wrong += pread(event.fd, text, sizeof(text), 0) != 3 || memcmp(text, "low", 3);
		map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, event.fd, 0);
		seen->wrong += map == MAP_FAILED || memcmp(map, "low", 3);
		munmap((void *)map, 4096);
		response = (struct fanotify_response){ .fd = event.fd, .response = answer };
		seen->wrong += write(fan, &response, sizeof(response)) != sizeof(response);
		close(event.fd);
	}
	_exit(1);
}

/* Has somebody open and read what is asked for while another one listens: 0, or -errno. */
static int with_listener(int fan, dev_t dev, int answer, const char *path, int flags)
{
	pid_t listener = fork(), opener;
	int status, tries;

	if (!listener)
		listen_to(fan, dev, answer);
	opener = fork();
	if (!opener) {
		int fd, err;
		char text[8];

		/* or it would keep its own event from being given up */
		close(fan);
		fd = open(path, flags | O_CLOEXEC);
		err = fd < 0 ? errno : 0;
		if (!err && read(fd, text, sizeof(text)) != 3)
			err = errno ?: EIO;
		seen->finished = 1;
		_exit(err);
	}
	/* Nothing here takes that long, by far. */
	for (tries = 0; tries < 30000 && !waitpid(opener, &status, WNOHANG); tries++)
		usleep(1000);
	if (tries == 30000)
		ksft_print_msg("the listener waits:\n%s", read_file(path_of("/proc/%d/stack", listener)));
	kill(listener, SIGKILL);
	waitpid(listener, NULL, 0);
	/* whoever waits for an answer still gets one */
	close(fan);
	if (tries == 30000)
		waitpid(opener, &status, 0);
	return tries == 30000 ? -ETIMEDOUT : -exit_of(status);
}

TEST_F(u, one_event_for_one_call)
{
	ASSERT_EQ(0, mark(self->fan, FAN_MARK_FILESYSTEM, PERMISSION, "u"));
	EXPECT_EQ(0, with_listener(self->fan, self->dev, FAN_ALLOW, "u/f", O_RDONLY));
	EXPECT_EQ(1, seen->opens[0]);
	EXPECT_EQ(1, seen->reads[0]);
	EXPECT_EQ(0, seen->opens[1] | seen->reads[1]);
	EXPECT_EQ(0, seen->wrong);
}

TEST_F(u, a_listener_to_the_branches_too)
{
	ASSERT_EQ(0, mark(self->fan, FAN_MARK_FILESYSTEM, PERMISSION, "u"));
	ASSERT_EQ(0, mark(self->fan, FAN_MARK_FILESYSTEM, PERMISSION, "ro"));
	EXPECT_EQ(0, with_listener(self->fan, self->dev, FAN_ALLOW, "u/f", O_RDONLY));
	EXPECT_EQ(1, seen->opens[0]);
	EXPECT_EQ(1, seen->reads[0]);
	EXPECT_EQ(0, seen->wrong);
}

TEST_F(u, what_is_refused_is_not_copied_up)
{
	ASSERT_EQ(0, mark(self->fan, FAN_MARK_FILESYSTEM, PERMISSION, "u"));
	EXPECT_EQ(-EPERM, with_listener(self->fan, self->dev, FAN_DENY, "u/f", O_RDWR | O_TRUNC));
	EXPECT_EQ(1, seen->opens[0]);
	EXPECT_STREQ("ENOENT", kind("rw/f"));
	EXPECT_STREQ("low", read_file("u/f"));
}

TEST_F(u, where_reading_copies_up)
{
	AUFS2_ONLY("no such attribute of a branch");
	ASSERT_EQ(0, down());
	ASSERT_EQ(0, up("rw", "ro=ro+coo_reg"));
	self->dev = st_of("u").st_dev;
	ASSERT_EQ(0, mark(self->fan, FAN_MARK_FILESYSTEM, PERMISSION, "u"));
	ASSERT_EQ(0, mark(self->fan, FAN_MARK_FILESYSTEM, PERMISSION, "ro"));
	EXPECT_EQ(0, with_listener(self->fan, self->dev, FAN_ALLOW, "u/f", O_RDONLY));
	EXPECT_EQ(0, seen->wrong);
	EXPECT_STREQ("low", read_file("rw/f"));
}

/* Events that nobody waits for: each of a call comes once, by the name in the union. */
TEST_F(u, events_come_once)
{
	struct fanotify_event_metadata event;
	int fan, counts[3] = { 0 };

	fan = syscall(SYS_fanotify_init, FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE,
		      O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fan);
	ASSERT_EQ(0, mark(fan, FAN_MARK_FILESYSTEM, FAN_OPEN | FAN_MODIFY | FAN_CLOSE_WRITE, "u"));
	ASSERT_EQ(0, append_file("u/f", "+"));
	while (read(fan, &event, sizeof(event)) == sizeof(event)) {
		struct stat st;

		EXPECT_EQ(0, fstat(event.fd, &st));
		EXPECT_EQ(self->dev, st.st_dev);
		counts[0] += !!(event.mask & FAN_OPEN);
		counts[1] += !!(event.mask & FAN_MODIFY);
		counts[2] += !!(event.mask & FAN_CLOSE_WRITE);
		close(event.fd);
	}
	EXPECT_EQ(1, counts[0]);
	EXPECT_EQ(1, counts[1]);
	EXPECT_EQ(1, counts[2]);
	close(fan);
}

TEST_HARNESS_MAIN
