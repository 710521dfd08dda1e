"""Steps on a CUDA device, recorded once as a CUDA graph and replayed.

A step at d = 100 is some fifteen operations of a few microseconds each, and launching them one by one takes longer than they do. A
graph launches all of them at once. It knows addresses, not tensors: what a step reads and changes has to stay where it is.
"""

from functools import lru_cache

import torch

# Libraries set themselves up in the first steps, which a recording must not contain. What a recording costs has not been measured, as
# no GPU has been at hand: it should be little against fifty steps.
WARM_UP, LEAST_STEPS = 3, 50

# After a recording that failed torch records nothing more in this process.
_refused = False


@lru_cache(maxsize=1)
def _stream():
    """Return the stream on which steps are warmed up and recorded; libraries keep working memory for each stream."""
    return torch.cuda.Stream()


def _warm_up(step):
    """Take some steps on the other stream, as recording asks for."""
    stream = _stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(stream)


def _record(step):
    """Return the graph of a step, which is not taken."""
    graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    try:
        with torch.cuda.graph(graph, stream=_stream()):
            step()
    except RuntimeError:
        # torch does not come back to it by itself.
        torch.cuda.set_stream(current)
        raise
    return graph


class Repeated:
    """Steps on the same tensors, recorded once enough of them have been taken.

    Parameters
    ----------
    operands : sequence of torch.Tensor
        What a step reads and changes, besides what its owner keeps; held, so that no other tensor comes to lie there.
    """

    def __init__(self, operands):
        self._operands, self.graph, self._taken = tuple(operands), None, 0

    def takes(self, operands):
        """Return whether the steps are on these tensors, and not on others that look like them."""
        return len(operands) == len(self._operands) and all(
            a.data_ptr() == b.data_ptr() and a.shape == b.shape and a.stride() == b.stride() and a.dtype == b.dtype
            for a, b in zip(operands, self._operands, strict=True)
        )

    def __call__(self, step, count):
        """Take ``count`` steps.

        Parameters
        ----------
        step : callable
            The same in every call. It changes the operands in place, on a CUDA device, without waiting for it or copying to or from it.
        count : int
        """
        global _refused
        self._taken += count
        if self.graph is None and not _refused and self._taken >= LEAST_STEPS and count > WARM_UP:
            _warm_up(step)
            count -= WARM_UP
            try:
                self.graph = _record(step)
            except RuntimeError as error:
                # Slower, and just as right.
                _refused = True
                reason = error.__context__ or error
                print(f"no CUDA graph of a step, launching its operations one by one: {reason}", flush=True)
        take = step if self.graph is None else self.graph.replay
        for _ in range(count):
            take()


def repeated(owner, operands):
    """Return the :class:`Repeated` that ``owner`` has for these tensors, or a new one in its place."""
    known = vars(owner).get("_repeated")
    if known is None or not known.takes(operands):
        known = owner._repeated = Repeated(operands)
    return known
