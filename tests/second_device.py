"""A simulated device other than the CPU, for machines without a GPU.

Its tensors are in this process's memory and are computed on its CPU. As on a GPU, they cannot be combined with tensors
of the CPU and are no numpy arrays, and a tensor that is created without naming the device is not on it. The device thus
reveals the mistakes that make code fail on a GPU although it passes on a CPU, but no errors that are specific to CUDA.
"""

import contextlib

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("far")
FAR = torch.device("far:0")

aten = torch.ops.aten
# Operations that may move tensors from one device to another.
MOVES = {aten.copy_.default, aten._to_copy.default}
# Operations whose indices may be on the CPU although the indexed tensor is not.
INDEXED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
# The operations so far for which a GPU and the CPU would have had to wait for each other or to send numbers.
CROSSED = []
# Constructors, which place their result themselves only on devices that torch knows.
CONSTRUCTORS = {torch.tensor, torch.as_tensor, torch.asarray}


class Far(torch.Tensor):
    """A tensor on this device; ``near`` is the CPU tensor that holds its numbers."""

    @staticmethod
    def __new__(cls, near):
        self = torch.Tensor._make_wrapper_subclass(
            cls, near.shape, near.stride(), near.storage_offset(), dtype=near.dtype, device=FAR
        )
        self.near = near
        return self

    def __repr__(self):
        return f"Far({self.near!r})"

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), named=None):
        # torch refuses tolist for subclasses of tensors, although it allows it on other devices.
        if function is torch.Tensor.tolist:
            return arguments[0].cpu().tolist()
        if function in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            arguments = (arguments[0], _places(arguments[1]), *arguments[2:])
        with torch._C.DisableTorchFunctionSubclass():
            return function(*arguments, **(named or {}))

    @classmethod
    def __torch_dispatch__(cls, operation, types, arguments=(), named=None):
        return _computed(operation, arguments, named or {})


def _tensors(value):
    """Return the tensors in tuples and lists of arguments; every operation needs them, and torch's walk is too slow."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [tensor for one in value for tensor in _tensors(one)] if isinstance(value, tuple | list) else []


def _changed(kind, change, value):
    """Apply ``change`` to every tensor of a kind in a value, also within tuples and lists."""
    if isinstance(value, kind):
        return change(value)
    return type(value)(_changed(kind, change, one) for one in value) if isinstance(value, tuple | list) else value


def _near(value):
    return _changed(Far, lambda one: one.near, value)


def _places(index):
    """Return an index with tensors in place of lists, which torch would create only on a device that it knows."""
    if isinstance(index, tuple):
        return tuple(map(_places, index))
    return torch.tensor(index) if isinstance(index, list) else index


def _together(operation, arguments, tensors):
    """Raise a RuntimeError, as torch does, if an operation has tensors of both devices; scalars may be on either."""
    near = [one for one in tensors if not isinstance(one, Far) and one.ndim]
    if operation in INDEXED and isinstance(arguments[0], Far):
        near = [one for one in near if all(one is not place for place in arguments[1])]
    if near and operation not in MOVES and any(isinstance(one, Far) for one in tensors):
        raise RuntimeError(f"{operation}: expected all tensors to be on the same device, found {FAR} and cpu")


def _is_far(operation, arguments, named, tensors):
    """Return whether an operation's result is on this device."""
    if operation is aten._local_scalar_dense.default:
        return False
    if operation is aten.copy_.default:
        return isinstance(arguments[0], Far)
    if named.get("device") is not None:
        return named["device"].type == FAR.type
    return any(isinstance(one, Far) for one in tensors)


def _crosses(operation, arguments, tensors, is_far):
    """Return whether an operation sends numbers between devices, or waits for this one to know its result's size."""
    by_mask = operation in INDEXED and any(one is not None and one.dtype == torch.bool for one in arguments[1])
    asked = not is_far or by_mask or operation is aten.nonzero.default
    fetched = asked and any(isinstance(one, Far) for one in tensors)
    # A scalar on the CPU is sent with the operation itself.
    sent = is_far and any(one.ndim and not isinstance(one, Far) for one in tensors)
    return fetched or sent


def _computed(operation, arguments, named):
    """Compute an operation on the CPU, and return its result on the device where it belongs."""
    tensors = _tensors((arguments, *named.values()))
    _together(operation, arguments, tensors)
    is_far = _is_far(operation, arguments, named, tensors)
    if _crosses(operation, arguments, tensors, is_far):
        CROSSED.append(str(operation))
    if is_far and named.get("generator") is not None:
        raise RuntimeError(f"{operation}: expected a generator of {FAR}, found one of the CPU")
    here = named | {
        name: value for name, value in (("device", torch.device("cpu")), ("pin_memory", False)) if name in named
    }
    found = operation(*_near(arguments), **{name: _near(value) for name, value in here.items()})
    if not is_far:
        return found
    found = _changed(torch.Tensor, Far, found)
    made_here = not any(isinstance(one, Far) for one in tensors)
    return found if made_here else return_and_correct_aliasing(operation, arguments, named, found)


class _Operations(TorchDispatchMode):
    """Handles operations without a tensor of the device among their arguments, which create one or move one there."""

    def __torch_dispatch__(self, operation, types, arguments=(), named=None):
        return _computed(operation, arguments, named or {})


class _Constructors(TorchFunctionMode):
    def __torch_function__(self, function, types, arguments=(), named=None):
        named = dict(named or {})
        device = named.pop("device", None) if function in CONSTRUCTORS else None
        found = function(*arguments, **named)
        return found if device is None else found.to(device)


@contextlib.contextmanager
def second_device():
    """Provide the device ``FAR`` inside a ``with`` block."""
    with _Constructors(), _Operations():
        yield FAR
