"""Run a command on a network of loopback alone: `unshare -n python -m tests.web.browser.alone COMMAND ...`."""

import errno
import fcntl
import os
import socket
import struct
import sys

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_ELSEWHERE = ("192.0.2.1", 80)
"""An address that no machine has (RFC 5737)."""


def raise_loopback() -> None:
    """A new network namespace has its loopback down (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.unpack("16sh", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP))


def check_alone() -> None:
    """RuntimeError where there is a way out."""
    with socket.socket() as way_out:
        way_out.settimeout(2)
        if (found := way_out.connect_ex(_ELSEWHERE)) != errno.ENETUNREACH:
            raise RuntimeError(f"this network has a way out: {errno.errorcode.get(found, found)}")


if __name__ == "__main__":
    raise_loopback()
    check_alone()
    os.execvp(sys.argv[1], sys.argv[1:])
