/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* By which door a system call came in, and where its arguments are then. */
#ifndef PYTEST_EBPF_REGISTERS_H
#define PYTEST_EBPF_REGISTERS_H

#include "session.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#if defined(__TARGET_ARCH_x86)
/* What follows ___ is no part of the name (libbpf's flavours of a type). */
struct pt_regs___kernel {
	unsigned long r10, r9, r8, bp, bx, cx, dx, si, di, orig_ax;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs___kernel {
	__u64 regs[31];
	__u64 orig_x0;
	__s32 syscallno;
};
#endif

#pragma clang attribute pop

#if defined(__TARGET_ARCH_x86)

#define TS_COMPAT 0x0002 /* arch/x86/include/asm/thread_info.h: holds until the call returns */
#define X32_BIT 0x40000000 /* __X32_SYSCALL_BIT, uapi/asm/unistd.h */

/* The same in two ways: see member_calling(). */
static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}

static __always_inline bool was_compat(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
}

static __always_inline void read_call(struct call_record *call, bool compat,
				      const struct pt_regs *registers, __u32 number)
{
	const struct pt_regs___kernel *from = (const void *)registers;

	call->number = number;
	if (compat) {
		call->abi = CALL_COMPAT;
		call->args[0] = (__u32)from->bx;
		call->args[1] = (__u32)from->cx;
		call->args[2] = (__u32)from->dx;
		call->args[3] = (__u32)from->si;
		call->args[4] = (__u32)from->di;
		call->args[5] = (__u32)from->bp;
		return;
	}
	call->abi = CALL_NATIVE;
	/* -1, which has all bits, is no number at all. */
	if (number & X32_BIT && (__s32)number >= 0) {
		call->abi = CALL_X32;
		call->number = number & ~X32_BIT;
	}
	call->args[0] = from->di;
	call->args[1] = from->si;
	call->args[2] = from->dx;
	call->args[3] = from->r10;
	call->args[4] = from->r8;
	call->args[5] = from->r9;
}

/* The number of a call that was answered before it began. */
static __always_inline __u32 number_at_exit(const struct pt_regs *registers)
{
	return ((const struct pt_regs___kernel *)(const void *)registers)->orig_ax;
}

/* What the register of the result held when the call was entered. */
static __always_inline __s64 before_call(const struct pt_regs *registers)
{
	return ((const struct pt_regs___kernel *)(const void *)registers)->orig_ax;
}

#elif defined(__TARGET_ARCH_arm64)

#define TIF_32BIT 22 /* arch/arm64/include/asm/thread_info.h */

static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.flags & (1UL << TIF_32BIT);
}

static __always_inline bool was_compat(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread_info.flags) & (1UL << TIF_32BIT);
}

static __always_inline void read_call(struct call_record *call, bool compat,
				      const struct pt_regs *registers, __u32 number)
{
	const struct pt_regs___kernel *from = (const void *)registers;

	call->number = number;
	call->abi = compat ? CALL_COMPAT : CALL_NATIVE;
	call->args[0] = from->regs[0];
	call->args[1] = from->regs[1];
	call->args[2] = from->regs[2];
	call->args[3] = from->regs[3];
	call->args[4] = from->regs[4];
	call->args[5] = from->regs[5];
}

static __always_inline __u32 number_at_exit(const struct pt_regs *registers)
{
	return ((const struct pt_regs___kernel *)(const void *)registers)->syscallno;
}

static __always_inline __s64 before_call(const struct pt_regs *registers)
{
	return ((const struct pt_regs___kernel *)(const void *)registers)->orig_x0;
}

#endif

#endif
