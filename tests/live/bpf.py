# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bpf(2) by hand: what is loaded in the kernel, without asking the tool under test or a library."""
import collections
import ctypes
import os
import platform
import struct

_NR = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_PROG_NEXT, _MAP_NEXT, _PROG_FD, _MAP_FD, _INFO, _NEXT_KEY = 11, 12, 13, 14, 15, 4
_libc = ctypes.CDLL(None, use_errno=True)

Program = collections.namedtuple("Program", "id name run_time_ns run_cnt verified_insns")
Map = collections.namedtuple("Map", "id name key_size value_size max_entries")


def _bpf(command, attr):
    buffer = ctypes.create_string_buffer(attr, 128)
    got = _libc.syscall(_NR, command, buffer, 128)
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got, buffer.raw


def _ids(command):
    last = 0
    while True:
        try:
            _, raw = _bpf(command, struct.pack("II", last, 0))
        except OSError:
            return
        last = struct.unpack_from("II", raw)[1]
        yield last


def _info(fd):
    info = ctypes.create_string_buffer(256)
    _bpf(_INFO, struct.pack("IIQ", fd, 256, ctypes.addressof(info)))
    return info.raw


def programs():
    """struct bpf_prog_info, include/uapi/linux/bpf.h."""
    found = []
    for ident in _ids(_PROG_NEXT):
        try:
            fd, _ = _bpf(_PROG_FD, struct.pack("I", ident))
        except OSError:
            continue
        raw = _info(fd)
        os.close(fd)
        name = raw[64:80].split(b"\0")[0].decode()
        time_ns, count = struct.unpack_from("QQ", raw, 192)
        found.append(Program(ident, name, time_ns, count, struct.unpack_from("I", raw, 216)[0]))
    return found


def maps():
    """struct bpf_map_info."""
    found = []
    for ident in _ids(_MAP_NEXT):
        try:
            fd, _ = _bpf(_MAP_FD, struct.pack("I", ident))
        except OSError:
            continue
        raw = _info(fd)
        os.close(fd)
        _, _, key, value, entries = struct.unpack_from("IIIII", raw)
        found.append(Map(ident, raw[24:40].split(b"\0")[0].decode(), key, value, entries))
    return found


def count_keys(of):
    """How many entries a hash map has."""
    fd, _ = _bpf(_MAP_FD, struct.pack("I", of.id))
    key, following = None, ctypes.create_string_buffer(of.key_size)
    n = 0
    while True:
        try:
            _bpf(_NEXT_KEY, struct.pack("IxxxxQQ", fd, ctypes.addressof(key) if key else 0,
                                        ctypes.addressof(following)))
        except OSError:
            break
        key = ctypes.create_string_buffer(following.raw, of.key_size)
        n += 1
    os.close(fd)
    return n


_CGROUP_SOCK_ADDR, _INET4_CONNECT, _INET6_CONNECT = 18, 10, 11
_PROG_LOAD, _PROG_ATTACH = 5, 8


def refuse_connects(cgroup):
    """connect() of IPv4 and IPv6 fails with EPERM in this cgroup (a directory) as long as it is."""
    code = struct.pack("<BBhiBBhi", 0xb7, 0, 0, 0, 0x95, 0, 0, 0)  # r0 = 0; exit
    insns, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    directory = os.open(cgroup, os.O_RDONLY)
    for kind in (_INET4_CONNECT, _INET6_CONNECT):
        program, _ = _bpf(_PROG_LOAD, struct.pack(
            "IIQQIIQII16sII", _CGROUP_SOCK_ADDR, len(code) // 8, ctypes.addressof(insns),
            ctypes.addressof(licence), 0, 0, 0, 0, 0, b"refuse", 0, kind))
        _bpf(_PROG_ATTACH, struct.pack("IIII", directory, program, kind, 0))
        os.close(program)
    os.close(directory)


def readable_by(user):
    """Whether `user`() leaves the caller, a process of its own, able to read a map it holds."""
    fd, _ = _bpf(0, struct.pack("IIIII", 1, 8, 8, 16, 0))
    pid = os.fork()
    if not pid:
        try:
            user()
            _info(fd)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(fd)
    return os.waitpid(pid, 0)[1] == 0


class Pinned:
    """A hash map of our own with keys of 8 bytes, pinned at `path`."""

    def __init__(self, path, value_size, kind=1, key_size=8):
        self.value_size = value_size
        # BPF_MAP_CREATE, BPF_OBJ_PIN
        self.fd, _ = _bpf(0, struct.pack("IIIII", kind, key_size, value_size, 16, 0))
        name = ctypes.create_string_buffer(path.encode())
        _bpf(6, struct.pack("QI", ctypes.addressof(name), self.fd))

    def add(self, key):
        number, value = ctypes.c_uint64(key), ctypes.create_string_buffer(self.value_size)
        _bpf(2, struct.pack("IIQQQ", self.fd, 0, ctypes.addressof(number), ctypes.addressof(value),
                            0))

    def remove(self, key):
        number = ctypes.c_uint64(key)
        _bpf(3, struct.pack("IIQ", self.fd, 0, ctypes.addressof(number)))
