// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl(2) on what is in a union, as root and as a user: the commands of a union and those that any file may
 * have, and others, with structures that are random, or nearly right, at addresses that are there, or not, or
 * end in the middle.  Each call ends, with an answer; a user gets no descriptor, and changes nothing of
 * root's; nothing is written beyond the structure; and the union works, and goes.
 *
 * Everything follows from AUFS2_TEST_SEED=N; AUFS2_TEST_LONG=N tries N times as many.
 */
#include "aufs2_hostile.h"
#include <linux/fiemap.h>
#include <sys/mman.h>

AUFS2_FIXTURE

static const unsigned int commands[] = {
	0xc0404100, 0xc0404101, 0x40084102, 0xc0184103, 0xc0604104, 0x50004105, 0x40044106, 0x40084140,
	0xc0404100, 0xc0604104, 0xc0184103, 0x50004105,
	FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR, FS_IOC_GETVERSION,
	FS_IOC_SETVERSION, FS_IOC_FIEMAP, FS_IOC_GETFSLABEL, FIFREEZE + 100, FIBMAP, FIGETBSZ, FIONREAD, FITRIM,
	FICLONE, FICLONERANGE, FIDEDUPERANGE, FIOCLEX, FIONCLEX, FIOQSIZE,
	_IOR(0x15, 0, char[17]), _IOR(0x15, 1, char[128]), _IOR('X', 125, uint32_t), _IO('f', 130),
	_IOR('f', 133, uint8_t), _IOW('f', 19, char[12]), 0x5421, 0x5452, 0, 0xffffffff,
};

/* How large the structure of a command is, for which nobody else has memory. */
#define ROOM 4096

static char *memory;		/* two pages, of which the second is not there */
static int fds[8];
static int fd_count;
static char about[400];

static const char *const objects[] = {
	"u", "u/dir", "u/dir/f", "u/lower", "u/upper", "u/fifo", "u/dir/below", "u/link",
};

static void open_some(void)
{
	static const int flags[] = { O_RDONLY, O_RDWR, O_WRONLY, O_PATH, O_RDONLY | O_DIRECTORY };

	while (fd_count)
		close(fds[--fd_count]);
	while (fd_count < 8) {
		int fd = open(ONE_OF(objects), ONE_OF(flags) | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0)
			fds[fd_count++] = fd;
		else if (once_in(20))
			break;
	}
}

/* Something in the place of a number: small, large, an address, one of a descriptor. */
static uint64_t a_word(void)
{
	switch (rnd(8)) {
	case 0: return 0;
	case 1: return rnd(5);
	case 2: return UINT64_MAX - rnd(3);
	case 3: return (uintptr_t)memory + rnd(2 * ROOM);
	case 4: return 64;
	case 5: return fd_count ? fds[rnd(fd_count)] : 1;
	case 6: return 1ULL << rnd(64);
	default: return rnd64();
	}
}

/* What the structures of the union's own commands may nearly be. */
static void fill(unsigned int command, uint64_t *words)
{
	unsigned int i, n = once_in(4) ? 64 : 12;

	for (i = 0; i < n; i++)
		words[i] = a_word();
	if (once_in(3))
		return;
	switch (command) {
	case 0xc0404100:
	case 0xc0404101:
		words[0] = once_in(3) ? a_word() : rnd(3000);
		words[1] = once_in(3) ? a_word() : (uintptr_t)memory + rnd(ROOM);
		words[2] = 64 | (uint64_t)rnd(3) << 32;
		words[6] = once_in(2) ? rnd(6) : a_word();
		break;
	case 0xc0604104:
		words[0] = rnd(1 << 13);
		words[1] = rnd(4);
		words[6] = rnd(4);
		break;
	case 0xc0184103:
		words[0] = once_in(2) ? st_of(ONE_OF(objects)).st_ino : rnd(300);
		words[2] = rnd(4) ? rnd(4) : rnd(65536);
		break;
	case 0x40084102:
	case 0x40084140:
		words[0] = (once_in(2) ? O_CLOEXEC : rnd(4) << 20) | (uint64_t)rnd(5) << 32;
		break;
	case FICLONE:
	case FICLONERANGE:
		words[0] = fd_count ? fds[rnd(fd_count)] : 0;
		break;
	}
}

/* One call: 0 or what is wrong. */
static const char *one_call(bool is_root)
{
	static char before[ROOM];
	unsigned int command = ONE_OF(commands), size;
	int fd = fds[rnd(fd_count)], result;
	uint64_t argument;
	char *at = memory;

	if (once_in(6))
		command ^= 1 << rnd(32);
	if (once_in(10))
		command = (command & 0xc0ffff00) | rnd(256);
	size = _IOC_SIZE(command);
	/* a union that is frozen would be waited for */
	if (command == FIFREEZE || command == FITHAW)
		return "";
	/* where it is, so that it ends where nothing is any more, or before that */
	if (once_in(3) && size < ROOM)
		at = memory + ROOM - size;
	if (once_in(10) && size < ROOM)
		at += rnd(16);
	if (at > memory + ROOM)
		at = memory + ROOM;
	fill(command, (uint64_t *)memory);
	if (at != memory)
		memmove(at, memory, memory + ROOM - at);
	argument = once_in(8) ? a_word() : (uintptr_t)at;
	memcpy(before, memory, ROOM);
	snprintf(about, sizeof(about), "ioctl(%s, %#x, %#llx) as %s", printed_text(read_file("/proc/self/comm")),
		 command, (unsigned long long)argument, is_root ? "root" : "a user");
	result = E(ioctl(fd, command, argument));
	if (result < 0) {
		int err = -result;

		/* what is larger than a page is so for any filesystem */
		if ((err == ENOMEM && command != FIDEDUPERANGE) || err > 511 || err == EIO || err == EINTR || err == EAGAIN)
			return said("%s is no answer", errno_name(err));
		return "";
	}
	if (command == 0x40084102 || command == 0x40084140) {
		if (!is_root)
			return "a descriptor of a branch for a user";
		close(result);
	}
	if (command == _IOC(_IOC_READ, 'X', 125, 4))
		return "was shut down";
	/* of those whose structure is all that they write to */
	if (argument == (uintptr_t)at && size && (command == 0xc0604104 || command == 0xc0184103) &&
	    (memcmp(before, memory, at - memory) ||
	     (at + size < memory + ROOM && memcmp(before + (at - memory) + size, at + size, memory + ROOM - at - size))))
		return "writes elsewhere";
	return "";
}

static const char *calls(int count, bool is_root)
{
	const char *wrong = "";

	/* where nothing is asked for by who waits at a terminal */
	alarm(120);
	while (count-- && !*wrong) {
		if (!fd_count || once_in(64))
			open_some();
		if (fd_count)
			wrong = one_call(is_root);
	}
	alarm(0);
	return wrong;
}

static void make_all(void)
{
	mkdir("rw/dir", 0777);
	mkdir("rw2", 0755);
	mkdir("ro/dir", 0777);
	write_file("rw/upper", "upper");
	write_file("ro/lower", "lower");
	write_file("ro/dir/f", "f");
	write_file("rw/dir/below", "below");
	chmod("rw/upper", 0666);
	chmod("ro/lower", 0666);
	mkfifo("ro/fifo", 0666);
	(void)!symlink("lower", "ro/link");
	memory = mmap(NULL, 2 * ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(memory + ROOM, ROOM, PROT_NONE);
}

static void runs(struct __test_metadata *_metadata, uint64_t from, bool is_root)
{
	int i, count = long_ms(30), wrongs = 0;
	static char *shared;

	shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	make_all();
	ASSERT_EQ(0, up("rw", "rw2=rw", "ro"));
	for (i = 0; i < count && wrongs < 10; i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			const char *wrong;

			hostile_seed(from + i);
			if (!is_root && (setgid(NOBODY) || setuid(NOBODY)))
				_exit(2);
			wrong = calls(300, is_root);
			snprintf(shared, 8192, "%s: %s", wrong, about);
			_exit(*wrong != 0);
		}
		waitpid(pid, &status, 0);
		EXPECT_EQ(0, status)
			TH_LOG("seed %s, run %llu: %s", getenv("AUFS2_TEST_SEED") ?: "0",
			       (unsigned long long)from + i, WIFSIGNALED(status) ? "hangs, or is killed" : shared);
		wrongs += status != 0;
	}
	/* what was made immutable is root's to change again */
	shell("chattr -R -ia u rw rw2");
	EXPECT_EQ(0, E(mknod("u/dir/new", S_IFREG | 0644, 0)));
	EXPECT_STREQ("f", read_file("u/dir/f"));
	shell("chattr -R -ia u rw rw2");
	EXPECT_EQ(0, down());
}

TEST_F(u, as_root)
{
	AUFS2_ONLY("its commands");
	runs(_metadata, 0, true);
}

TEST_F(u, as_a_user)
{
	AUFS2_ONLY("its commands");
	runs(_metadata, 1000000, false);
}

TEST_HARNESS_MAIN
