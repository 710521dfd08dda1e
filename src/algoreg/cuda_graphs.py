"""Steps on a CUDA device, recorded once as a CUDA graph and replayed.

A step at d = 100 is some fifteen operations of a few microseconds each, and launching them one by one takes longer than they do. A
graph launches all of them at once. It knows addresses, not tensors: what a step reads and changes has to stay where it is.
"""

import torch

# Libraries set themselves up in the first steps, which a recording must not contain; recording pays from about here on.
WARM_UP, LEAST_STEPS = 3, 10


def _warm_up(step):
    """Take some steps on a stream of their own, as recording asks for."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(stream)


def _record(step):
    """Return the graph of a step, which is not taken."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph


class Repeated:
    """A step that is recorded once it is to be taken often enough.

    Parameters
    ----------
    step : callable
        Changes tensors in place, on a CUDA device, without waiting for it or copying to or from it.
    operands : sequence of torch.Tensor
        What it reads and changes; kept, so that no other tensor comes to lie there.
    """

    def __init__(self, step, operands):
        self._step, self._operands, self.graph, self._refused = step, tuple(operands), None, False

    def takes(self, operands):
        """Return whether the step works on these tensors, and not on others that look like them."""
        return len(operands) == len(self._operands) and all(
            a.data_ptr() == b.data_ptr() and a.shape == b.shape and a.stride() == b.stride() and a.dtype == b.dtype
            for a, b in zip(operands, self._operands, strict=True)
        )

    def __call__(self, count):
        """Take ``count`` steps."""
        if self.graph is None and not self._refused and count >= LEAST_STEPS:
            _warm_up(self._step)
            count -= WARM_UP
            try:
                self.graph = _record(self._step)
            except RuntimeError as error:
                # Slower, and just as right.
                self._refused = True
                print(f"no CUDA graph of a step, launching its operations one by one: {error}", flush=True)
        take = self._step if self.graph is None else self.graph.replay
        for _ in range(count):
            take()


def repeated(owner, step, operands):
    """Return the :class:`Repeated` that ``owner`` has for these tensors, or a new one in its place."""
    known = vars(owner).get("_repeated")
    if known is None or not known.takes(operands):
        known = owner._repeated = Repeated(step, operands)
    return known
