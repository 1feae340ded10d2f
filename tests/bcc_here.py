"""Whether this machine has what tests of BCC programs need."""

from __future__ import annotations

from tiers import require_root, unable

from pytest_ebpf.errors import Unavailable
from pytest_ebpf.host.bcc_import import find_bcc

__all__ = ["require_bcc"]


def require_bcc() -> None:
    """Leave unless this is root, and the system has BCC."""
    require_root()
    try:
        find_bcc()
    except Unavailable:
        unable("needs BCC: apt-get install python3-bpfcc")
