"""Records of float64 numbers over a socket, and what the kernel says has gone over it."""

import socket
import struct
import sys

import numpy as np

# In struct tcp_info of Linux 4.1 and later: bytes_acked and bytes_received, two numbers of 64 bits.
_PLACE, _LENGTH = 120, 232
# The first number of a record that ends the work.
STOP = 0.0


def send(connection, first, numbers):
    """Send a record: a number and an array, 8 bytes each."""
    connection.sendall(np.concatenate([[first], np.ravel(numbers)]).astype("<f8").tobytes())


def receive(connection, length):
    """Return the first number and the array of a record of 1 + ``length`` numbers;
    None where the other side has closed.

    Raises
    ------
    ConnectionError
        If it closed within a record.
    TimeoutError
        If nothing comes for as long as the socket's time-out.
    """
    wanted, parts = 8 * (length + 1), []
    while wanted:
        part = connection.recv(wanted)
        if not part:
            if parts:
                raise ConnectionError("closed within a record")
            return None
        parts.append(part)
        wanted -= len(part)
    numbers = np.frombuffer(b"".join(parts), "<f8")
    return float(numbers[0]), numbers[1:].copy()


def kernel_bytes(connection):
    """Return (bytes that arrived at the other side, bytes that arrived here) by the kernel's counters;
    None where it has none.
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LENGTH)
    except OSError:
        return None
    return struct.unpack_from("QQ", told, _PLACE) if len(told) >= _PLACE + 16 else None
