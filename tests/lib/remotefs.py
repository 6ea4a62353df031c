#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
#
# Shows the directory SOURCE on TARGET, for reading, through FUSE, and allows
# nothing to be kept: as a server does whose files others change, which the
# kernel is not told of.  The attribute system.caller is the user who asks.
# Ends when TARGET is unmounted.
#
#	remotefs.py SOURCE TARGET
#
# The protocol is in include/uapi/linux/fuse.h.
import errno
import os
import stat
import struct
import subprocess
import sys
import time

LOOKUP, FORGET, GETATTR, READLINK, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 5, 14, 15, 17, 18
GETXATTR = 22
FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, BATCH_FORGET = 25, 26, 27, 28, 29, 42
DIRECT_IO = 1

source, target = sys.argv[1:]
paths = {1: source}


def attributes(path):
    st = os.lstat(path)
    times = [st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns]
    return struct.pack("<6Q10I", st.st_ino, st.st_size, st.st_blocks,
                       *(t // 10**9 for t in times), *(t % 10**9 for t in times),
                       st.st_mode, st.st_nlink, st.st_uid, st.st_gid, 0, 4096, 0)


def lookup(node, body):
    path = os.path.join(paths[node], os.fsdecode(body.rstrip(b"\0")))
    attr = attributes(path)
    ino = os.lstat(path).st_ino
    paths[ino] = path
    return struct.pack("<4Q2I", ino, 0, 0, 0, 0, 0) + attr


def readdir(node, body):
    _, offset, size = struct.unpack_from("<2QI", body)
    out = b""
    names = sorted(os.listdir(paths[node]))
    for number, name in enumerate(names[offset:], offset + 1):
        st = os.lstat(os.path.join(paths[node], name))
        name = os.fsencode(name)
        entry = struct.pack("<2Q2I", st.st_ino, number, len(name), stat.S_IFMT(st.st_mode) >> 12)
        entry += name + b"\0" * (-len(name) % 8)
        if len(out) + len(entry) > size:
            break
        out += entry
    return out


def read(node, body):
    _, offset, size = struct.unpack_from("<2QI", body)
    with open(paths[node], "rb") as file:
        file.seek(offset)
        return file.read(size)


def getxattr(uid, body):
    size, _ = struct.unpack_from("<2I", body)
    if body[8:].rstrip(b"\0") != b"system.caller":
        raise OSError(errno.ENODATA, "not there")
    value = str(uid).encode()
    return value if size else struct.pack("<2I", len(value), 0)


def answer(opcode, node, uid, body):
    if opcode == INIT:
        major, minor, readahead = struct.unpack_from("<3I", body)
        return struct.pack("<4I2H2I2HI", 7, min(minor, 31), readahead, 0, 12, 9, 65536, 1, 0, 0, 0) + bytes(28)
    if opcode == LOOKUP:
        return lookup(node, body)
    if opcode == GETATTR:
        return struct.pack("<Q2I", 0, 0, 0) + attributes(paths[node])
    if opcode == READLINK:
        return os.fsencode(os.readlink(paths[node]))
    if opcode == GETXATTR:
        return getxattr(uid, body)
    if opcode in (OPEN, OPENDIR):
        return struct.pack("<Q2I", 0, DIRECT_IO if opcode == OPEN else 0, 0)
    if opcode == READ:
        return read(node, body)
    if opcode == READDIR:
        return readdir(node, body)
    if opcode == STATFS:
        return bytes(80)
    if opcode in (RELEASE, RELEASEDIR, FLUSH):
        return b""
    raise OSError(errno.ENOSYS, "not there")


fuse = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other"
subprocess.Popen(["mount", "-i", "-t", "fuse", "-o", options, "remote", target], pass_fds=[fuse])
while True:
    try:
        request = os.read(fuse, 1 << 20)
    except OSError as error:
        if error.errno == errno.ENODEV:
            break
        if error.errno == errno.EPERM:
            # It is not mounted yet.
            time.sleep(0.1)
            continue
        if error.errno in (errno.EINTR, errno.ENOENT):
            continue
        raise
    opcode, unique, node, uid = struct.unpack_from("<I2QI", request, 4)
    if opcode in (FORGET, BATCH_FORGET):
        continue
    try:
        status, out = 0, answer(opcode, node, uid, request[40:])
    except OSError as error:
        status, out = -error.errno, b""
    except KeyError:
        status, out = -errno.ESTALE, b""
    os.write(fuse, struct.pack("<IiQ", 16 + len(out), status, unique) + out)
