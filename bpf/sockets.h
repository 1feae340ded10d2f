/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The addresses of a socket, as getsockname(2) and getpeername(2) give them. */
#ifndef PYTEST_EBPF_SOCKETS_H
#define PYTEST_EBPF_SOCKETS_H

#include "kernel.h"
#include "events.h"

/* struct in6_addr */
struct address6 {
	__u8 at[16];
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	struct address6 skc_v6_daddr;
	struct address6 skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
};

struct socket {
	short type;
	struct sock *sk;
};

struct ipv6_pinfo {
	struct address6 saddr;
};

struct inet_sock {
	struct ipv6_pinfo *pinet6;
	__be32 inet_saddr;
	__be16 inet_sport;
};

struct sockaddr_un {
	char sun_path[108];
};

struct unix_address {
	int len;
	struct sockaddr_un name[];
};

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
};

struct netlink_sock {
	__u32 portid;
	__u32 dst_portid;
	__u32 dst_group;
	unsigned long *groups;
};

#pragma clang attribute pop

enum {
	FAMILY_UNIX = 1,
	FAMILY_INET = 2,
	FAMILY_INET6 = 10,
	FAMILY_NETLINK = 16,
};

/* include/net/tcp_states.h */
enum {
	STATE_SYN_SENT = 2,
	STATE_CLOSE = 7,
};

#define UNIX_ADDRESS 110 /* sizeof(struct sockaddr_un) */

/* What is compared to notice that another address is there now. */
static __always_inline __u64 socket_state(struct socket *socket)
{
	struct sock *sk = BPF_CORE_READ(socket, sk);
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	__u64 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	if (family == FAMILY_INET || family == FAMILY_INET6)
		return state ^ (__u64)BPF_CORE_READ(sk, __sk_common.skc_daddr) << 32 ^
		       (__u64)BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr) << 8 ^
		       (__u64)BPF_CORE_READ(sk, __sk_common.skc_dport) << 24 ^
		       (__u64)BPF_CORE_READ((struct inet_sock *)sk, inet_sport) << 48;
	if (family == FAMILY_UNIX)
		return state ^ (__u64)BPF_CORE_READ((struct unix_sock *)sk, addr) ^
		       (__u64)BPF_CORE_READ((struct unix_sock *)sk, peer) << 16;
	if (family == FAMILY_NETLINK)
		return BPF_CORE_READ((struct netlink_sock *)sk, portid) ^
		       (__u64)BPF_CORE_READ((struct netlink_sock *)sk, dst_portid) << 32;
	return state;
}

struct inet_name { /* struct sockaddr_in */
	__u16 family;
	__be16 port;
	__be32 address;
	__u8 zero[8];
};

struct inet6_name { /* struct sockaddr_in6 */
	__u16 family;
	__be16 port;
	__be32 flow;
	struct address6 address;
	__u32 scope;
};

struct netlink_name { /* struct sockaddr_nl */
	__u16 family;
	__u16 zero;
	__u32 port;
	__u32 groups;
};

static __always_inline bool is_connected(struct sock *sk)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	return BPF_CORE_READ(sk, __sk_common.skc_dport) && state != STATE_CLOSE &&
	       state != STATE_SYN_SENT;
}

static __always_inline void name_inet(struct socket_names *to, struct sock *sk)
{
	struct inet_name *local = (void *)to->local, *remote = (void *)to->remote;
	struct inet_sock *inet = (void *)sk;

	to->local_length = sizeof(*local);
	local->family = FAMILY_INET;
	local->port = BPF_CORE_READ(inet, inet_sport);
	local->address = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	if (!local->address)
		local->address = BPF_CORE_READ(inet, inet_saddr);
	if (!is_connected(sk))
		return;
	to->remote_length = sizeof(*remote);
	remote->family = FAMILY_INET;
	remote->port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	remote->address = BPF_CORE_READ(sk, __sk_common.skc_daddr);
}

/* The interface, which link-local addresses alone have (ipv6_iface_scope_id()). */
static __always_inline __u32 scope_of(const struct inet6_name *name, struct sock *sk)
{
	if (name->address.at[0] != 0xfe || (name->address.at[1] & 0xc0) != 0x80)
		return 0;
	return BPF_CORE_READ(sk, __sk_common.skc_bound_dev_if);
}

static __always_inline void name_inet6(struct socket_names *to, struct sock *sk)
{
	struct inet6_name *local = (void *)to->local, *remote = (void *)to->remote;
	struct inet_sock *inet = (void *)sk;
	__u64 *words = (void *)&local->address;

	if (!bpf_core_field_exists(sk->__sk_common.skc_v6_daddr))
		return;
	to->local_length = sizeof(*local);
	local->family = FAMILY_INET6;
	local->port = BPF_CORE_READ(inet, inet_sport);
	BPF_CORE_READ_INTO(&local->address, sk, __sk_common.skc_v6_rcv_saddr);
	if (!words[0] && !words[1])
		BPF_CORE_READ_INTO(&local->address, inet, pinet6, saddr);
	local->scope = scope_of(local, sk);
	if (!is_connected(sk))
		return;
	to->remote_length = sizeof(*remote);
	remote->family = FAMILY_INET6;
	remote->port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	BPF_CORE_READ_INTO(&remote->address, sk, __sk_common.skc_v6_daddr);
	remote->scope = scope_of(remote, sk);
}

/* A socket that was never bound has the family alone for an address. */
static __always_inline __u16 name_unix_one(__u8 *to, struct sock *sk)
{
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)sk, addr);
	__u32 length = sizeof(__u16);

	*(__u16 *)to = FAMILY_UNIX;
	if (!address)
		return length;
	length = BPF_CORE_READ(address, len);
	barrier_var(length);
	if (length > UNIX_ADDRESS)
		length = UNIX_ADDRESS;
	bpf_probe_read_kernel(to, length,
			      (void *)address + bpf_core_field_offset(struct unix_address, name));
	return length;
}

static __always_inline void name_unix(struct socket_names *to, struct sock *sk)
{
	struct sock *peer;

	if (!bpf_core_type_exists(struct unix_sock))
		return;
	to->local_length = name_unix_one(to->local, sk);
	peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
	if (peer)
		to->remote_length = name_unix_one(to->remote, peer);
}

static __always_inline void name_netlink(struct socket_names *to, struct sock *sk)
{
	struct netlink_name *local = (void *)to->local, *remote = (void *)to->remote;
	struct netlink_sock *netlink = (void *)sk;
	unsigned long *groups, mask = 0;
	__u32 group;

	if (!bpf_core_type_exists(struct netlink_sock))
		return;
	groups = BPF_CORE_READ(netlink, groups);
	if (groups)
		bpf_probe_read_kernel(&mask, sizeof(mask), groups);
	to->local_length = to->remote_length = sizeof(*local);
	local->family = remote->family = FAMILY_NETLINK;
	local->port = BPF_CORE_READ(netlink, portid);
	local->groups = mask;
	remote->port = BPF_CORE_READ(netlink, dst_portid);
	group = BPF_CORE_READ(netlink, dst_group);
	remote->groups = group ? 1U << ((group - 1) & 31) : 0; /* netlink_group_mask() */
}

/* to is all zero. */
static __always_inline void name_socket(struct socket_names *to, struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	if (family == FAMILY_INET)
		name_inet(to, sk);
	else if (family == FAMILY_INET6)
		name_inet6(to, sk);
	else if (family == FAMILY_UNIX)
		name_unix(to, sk);
	else if (family == FAMILY_NETLINK)
		name_netlink(to, sk);
}

#endif
