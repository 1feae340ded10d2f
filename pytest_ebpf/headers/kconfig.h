/* What BCC has clang include before all else: the kernel's types, and the macros
 * that BTF does not carry and that its own headers and helpers need. */
#ifndef PYTEST_EBPF_KCONFIG_H
#define PYTEST_EBPF_KCONFIG_H

/* BCC includes its copy of the same types next; they are in vmlinux.h too, as
 * this kernel has them. */
#define _UAPI__LINUX_BPF_H__
#define __LINUX_BPF_H__
#include <vmlinux.h>

/* What is called and not declared would be put at no place: the kernel would
 * refuse the program with "jump out of range", and nobody would know why. */
#pragma clang diagnostic error "-Wimplicit-function-declaration"

#include <generated/autoconf.h>
#include <generated/page.h>
#include <generated/uapi/linux/version.h>

#endif
