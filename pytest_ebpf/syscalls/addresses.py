"""What a socket's address is compared with."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.matching import compare, is_plain
from pytest_ebpf.syscalls import flag_names

if TYPE_CHECKING:
    from pytest_ebpf.syscalls.comparing import Judge

__all__ = ["SOCKET_FIELDS", "address_judge"]

SOCKET_FIELDS = ("family", "address", "port")
"""What can be asked of an address; its path is asked for as any other."""

_PORTS = 1 << 32  # of VM sockets; of IPv4 and IPv6 they are fewer


def address_judge(field: str, expected: Any) -> Judge:
    """Check what a part of an address is compared with, and return what compares.

    Raises:
        UsageError: It is never that.
    """
    if isinstance(expected, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return _of_ip(expected)
    if expected is None:
        raise UsageError(f"{field} is never None")
    if not is_plain(expected):
        return lambda actual: compare(expected, actual)
    if field == "family":
        return flag_names.judge(field, expected, "address_families")
    if field == "port":
        if isinstance(expected, bool) or not isinstance(expected, int) or not 0 <= expected < _PORTS:
            raise UsageError(f"port is a number, not {expected!r}")
        return lambda actual: compare(expected, actual)
    try:
        return _of_ip(ipaddress.ip_address(expected if isinstance(expected, str) else repr(expected)))
    except ValueError:
        raise UsageError(f"address is an IPv4 or IPv6 address, such as '127.0.0.1', not {expected!r}") from None


def _of_ip(wanted: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Judge:
    def judge(actual: Any) -> Verdict:
        if not isinstance(actual, str):
            return compare(str(wanted), actual)
        found = ipaddress.ip_address(actual)
        # To an IPv4 address one can get through IPv6.
        inner = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return Verdict.YES if wanted in {found, inner} else Verdict.NO

    return judge
