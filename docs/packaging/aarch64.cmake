# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Toolchain file: a binary for arm64 with Debian's cross compiler.
#     cmake -DCMAKE_TOOLCHAIN_FILE=docs/packaging/aarch64.cmake -DNETTRACE_SYSROOT=$(tests/vm/sysroot.sh arm64) ...
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(NETTRACE_SYSROOT "" CACHE PATH "where libbpf, libelf, zlib and libzstd for arm64 are")
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES NETTRACE_SYSROOT)
set(CMAKE_FIND_ROOT_PATH ${NETTRACE_SYSROOT} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
include_directories(SYSTEM ${NETTRACE_SYSROOT}/usr/include
	${NETTRACE_SYSROOT}/usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
