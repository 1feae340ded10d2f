/* What stands for each header of the kernel's: its types are in vmlinux.h, which
 * is included before all else (kconfig.h); here are macros that BTF does not
 * carry and that programs use. Those of the kernel's interface to programs are
 * taken from the system's linux-libc-dev, where that is installed. Names, values
 * and meaning: the file that is named beside each. */
#ifndef PYTEST_EBPF_COMMON_H
#define PYTEST_EBPF_COMMON_H

/* Each kernel header brings in some of these by way of others. */
#include <uapi/asm-generic/errno.h>
#include <uapi/linux/fcntl.h>
#include <uapi/linux/fs.h>
#include <uapi/linux/if_ether.h>
#include <uapi/linux/in.h>
#include <uapi/linux/in6.h>
#include <uapi/linux/limits.h>
#include <uapi/linux/mman.h>
#include <uapi/linux/sched.h>
#include <uapi/linux/signal.h>
#include <uapi/linux/stat.h>
#include <uapi/linux/tcp.h>
#include <uapi/linux/time.h>
#include <uapi/linux/unistd.h>
#include <uapi/linux/wait.h>

/* include/linux/stddef.h */
#undef NULL
#define NULL ((void *)0)
#ifndef offsetof
#define offsetof(TYPE, MEMBER) __builtin_offsetof(TYPE, MEMBER)
#endif

/* include/linux/container_of.h, list.h */
#ifndef container_of
#define container_of(ptr, type, member) ((type *)((void *)(ptr) - offsetof(type, member)))
#endif
#ifndef list_entry
#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(ptr, type, member) list_entry((ptr)->next, type, member)
#define list_last_entry(ptr, type, member) list_entry((ptr)->prev, type, member)
#define list_next_entry(pos, member) list_entry((pos)->member.next, typeof(*(pos)), member)
#define hlist_entry(ptr, type, member) container_of(ptr, type, member)
#endif

/* include/linux/compiler.h, compiler_types.h */
#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif
#ifndef READ_ONCE
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))
#endif
#ifndef __always_inline
#define __always_inline inline __attribute__((__always_inline__))
#endif
#ifndef noinline
#define noinline __attribute__((__noinline__))
#endif
#ifndef __packed
#define __packed __attribute__((__packed__))
#define __aligned(x) __attribute__((__aligned__(x)))
#endif
#ifndef __user
#define __user
#define __kernel
#define __iomem
#define __percpu
#define __rcu
#endif

/* include/linux/minmax.h, math64.h, array_size.h, bits.h */
#ifndef min
#define min(x, y) ((x) < (y) ? (x) : (y))
#define max(x, y) ((x) > (y) ? (x) : (y))
#define min_t(type, x, y) min((type)(x), (type)(y))
#define max_t(type, x, y) max((type)(x), (type)(y))
#define clamp(value, low, high) min(max(value, low), high)
#endif
#ifndef div_u64
#define div_u64(dividend, divisor) ((u64)(dividend) / (u32)(divisor))
#define div64_u64(dividend, divisor) ((u64)(dividend) / (u64)(divisor))
#endif
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif
#ifndef BIT
#define BIT(number) (1UL << (number))
#define BIT_ULL(number) (1ULL << (number))
#endif

/* include/linux/log2.h; of a constant */
#ifndef roundup_pow_of_two
#define ilog2(n) (63 - __builtin_clzll(n))
#define roundup_pow_of_two(n) ((n) <= 1 ? 1UL : 1UL << (ilog2((n) - 1) + 1))
#endif

/* include/linux/byteorder/generic.h; of little-endian machines, as all are that this is for */
#ifndef ntohs
#define ntohs(x) __builtin_bswap16(x)
#define htons(x) __builtin_bswap16(x)
#define ntohl(x) __builtin_bswap32(x)
#define htonl(x) __builtin_bswap32(x)
#define be16_to_cpu(x) __builtin_bswap16(x)
#define be32_to_cpu(x) __builtin_bswap32(x)
#define be64_to_cpu(x) __builtin_bswap64(x)
#define cpu_to_be16(x) __builtin_bswap16(x)
#define cpu_to_be32(x) __builtin_bswap32(x)
#define cpu_to_be64(x) __builtin_bswap64(x)
#endif

/* include/linux/limits.h, vdso/limits.h */
#ifndef INT_MAX
#define SHRT_MAX 32767
#define SHRT_MIN (-SHRT_MAX - 1)
#define USHRT_MAX 65535
#define INT_MAX 2147483647
#define INT_MIN (-INT_MAX - 1)
#define UINT_MAX (~0U)
#define LONG_MAX ((long)(~0UL >> 1))
#define LONG_MIN (-LONG_MAX - 1)
#define ULONG_MAX (~0UL)
#define LLONG_MAX ((long long)(~0ULL >> 1))
#define LLONG_MIN (-LLONG_MAX - 1)
#define ULLONG_MAX (~0ULL)
#define U8_MAX ((u8)~0U)
#define U16_MAX ((u16)~0U)
#define U32_MAX ((u32)~0U)
#define U64_MAX ((u64)~0ULL)
#endif

/* include/uapi/linux/limits.h, where linux-libc-dev is not installed */
#ifndef PATH_MAX
#define NAME_MAX 255
#define PATH_MAX 4096
#define ARG_MAX 131072
#endif

/* include/vdso/time64.h */
#ifndef NSEC_PER_SEC
#define MSEC_PER_SEC 1000L
#define USEC_PER_MSEC 1000L
#define USEC_PER_SEC 1000000L
#define NSEC_PER_USEC 1000L
#define NSEC_PER_MSEC 1000000L
#define NSEC_PER_SEC 1000000000L
#endif
#ifdef CONFIG_HZ
#ifndef HZ
#define HZ CONFIG_HZ
#endif
#endif

/* include/linux/err.h */
#ifndef MAX_ERRNO
#define MAX_ERRNO 4095
#define IS_ERR_VALUE(x) ((unsigned long)(void *)(x) >= (unsigned long)-MAX_ERRNO)
#define IS_ERR(pointer) IS_ERR_VALUE(pointer)
#define IS_ERR_OR_NULL(pointer) (!(pointer) || IS_ERR_VALUE(pointer))
#define PTR_ERR(pointer) ((long)(pointer))
#define ERR_PTR(error) ((void *)(long)(error))
#endif

/* include/linux/kdev_t.h; those of the header for programs are of 16-bit numbers */
#include <uapi/linux/kdev_t.h>
#undef MAJOR
#undef MINOR
#undef MKDEV
#define MINORBITS 20
#define MINORMASK ((1U << MINORBITS) - 1)
#define MAJOR(dev) ((unsigned int)((dev) >> MINORBITS))
#define MINOR(dev) ((unsigned int)((dev) & MINORMASK))
#define MKDEV(major, minor) (((major) << MINORBITS) | (minor))

/* include/linux/fs.h */
#ifndef FMODE_READ
#define FMODE_READ 0x1
#define FMODE_WRITE 0x2
#define FMODE_EXEC 0x20
#define FMODE_CREATED 0x100000
#endif
#ifndef O_CREAT
#define O_ACCMODE 00000003
#define O_RDONLY 00000000
#define O_WRONLY 00000001
#define O_RDWR 00000002
#define O_CREAT 00000100
#define O_EXCL 00000200
#define O_TRUNC 00001000
#define O_APPEND 00002000
#define O_CLOEXEC 02000000
#endif
#ifndef S_IFMT
#define S_IFMT 00170000
#define S_IFSOCK 0140000
#define S_IFLNK 0120000
#define S_IFREG 0100000
#define S_IFBLK 0060000
#define S_IFDIR 0040000
#define S_IFCHR 0020000
#define S_IFIFO 0010000
#define S_ISLNK(m) (((m) & S_IFMT) == S_IFLNK)
#define S_ISREG(m) (((m) & S_IFMT) == S_IFREG)
#define S_ISDIR(m) (((m) & S_IFMT) == S_IFDIR)
#define S_ISCHR(m) (((m) & S_IFMT) == S_IFCHR)
#define S_ISBLK(m) (((m) & S_IFMT) == S_IFBLK)
#define S_ISFIFO(m) (((m) & S_IFMT) == S_IFIFO)
#define S_ISSOCK(m) (((m) & S_IFMT) == S_IFSOCK)
#endif

/* include/linux/dcache.h */
#ifndef DNAME_INLINE_LEN
#define DNAME_INLINE_LEN sizeof(((struct name_snapshot *)0)->inline_name)
#endif

/* include/linux/blkdev.h, blk_types.h */
#ifndef DISK_NAME_LEN
#define DISK_NAME_LEN 32
#endif
#ifndef REQ_OP_MASK
#define REQ_OP_BITS 8
#define REQ_OP_MASK ((1 << REQ_OP_BITS) - 1)
#endif

/* include/linux/kernel.h */
#ifndef READ
#define READ 0
#define WRITE 1
#endif

/* include/linux/scatterlist.h */
#ifndef SG_CHAIN
#define SG_CHAIN 0x01UL
#define SG_END 0x02UL
#define sg_is_chain(sg) ((sg)->page_link & SG_CHAIN)
#define sg_is_last(sg) ((sg)->page_link & SG_END)
#define sg_chain_ptr(sg) ((struct scatterlist *)((sg)->page_link & ~(SG_CHAIN | SG_END)))
#endif

/* arch/x86/include/asm/page_64_types.h */
#ifdef CONFIG_X86_64
#define __PAGE_OFFSET_BASE_L5 0xff11000000000000UL
#define __PAGE_OFFSET_BASE_L4 0xffff888000000000UL
#endif

/* include/linux/sched.h */
#ifndef TASK_RUNNING
#define TASK_RUNNING 0x0000
#define TASK_INTERRUPTIBLE 0x0001
#define TASK_UNINTERRUPTIBLE 0x0002
#define __TASK_STOPPED 0x0004
#define __TASK_TRACED 0x0008
#define EXIT_DEAD 0x0010
#define EXIT_ZOMBIE 0x0020
#define TASK_PARKED 0x0040
#define TASK_DEAD 0x0080
#define TASK_WAKEKILL 0x0100
#define TASK_NOLOAD 0x0400
#define TASK_KILLABLE (TASK_WAKEKILL | TASK_UNINTERRUPTIBLE)
#define TASK_IDLE (TASK_UNINTERRUPTIBLE | TASK_NOLOAD)
#endif
#ifndef PF_KTHREAD
#define PF_IDLE 0x00000002
#define PF_EXITING 0x00000004
#define PF_IO_WORKER 0x00000010
#define PF_WQ_WORKER 0x00000020
#define PF_FORKNOEXEC 0x00000040
#define PF_DUMPCORE 0x00000200
#define PF_SIGNALED 0x00000400
#define PF_KTHREAD 0x00200000
#endif

/* include/linux/socket.h */
#ifndef AF_INET
#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_LOCAL 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17
#define AF_ALG 38
#define AF_VSOCK 40
#define AF_XDP 44
#define PF_UNIX AF_UNIX
#define PF_INET AF_INET
#define PF_INET6 AF_INET6
#endif
#ifndef SCM_RIGHTS
#define SCM_RIGHTS 0x01
#define SCM_CREDENTIALS 0x02
#endif

/* include/uapi/linux/if_ether.h, where linux-libc-dev is not installed */
#ifndef ETH_P_IP
#define ETH_ALEN 6
#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_8021Q 0x8100
#define ETH_P_IPV6 0x86DD
#define ETH_P_ALL 0x0003
#endif

/* include/uapi/linux/in6.h, where linux-libc-dev is not installed */
#ifndef s6_addr
#define s6_addr in6_u.u6_addr8
#define s6_addr16 in6_u.u6_addr16
#define s6_addr32 in6_u.u6_addr32
#endif

#endif
