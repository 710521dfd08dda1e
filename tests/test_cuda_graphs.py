"""Recorded steps: how often they are taken, by a pretended recorder; and on a GPU, where there is one, that they are the same steps."""

import copy
import gc
import weakref
from types import SimpleNamespace

import pytest
import torch

from algoreg.engine import cuda_graphs
from algoreg.engine.cuda_graphs import LEAST_STEPS, Repeated, repeated
from algoreg.ensembles import gaussian, gram, rank_one, wishart


class Pretended:
    """Count what would go through a device's streams and graphs; a graph's replay takes the step."""

    def __init__(self, monkeypatch):
        self.warmed = self.recorded = self.replayed = 0
        monkeypatch.setattr(cuda_graphs, "_warm_up", self.warm_up)
        monkeypatch.setattr(cuda_graphs, "_record", self.record)

    def warm_up(self, step):
        for _ in range(cuda_graphs.WARM_UP):
            step()
            self.warmed += 1

    def record(self, step):
        self.recorded += 1
        graph = copy.copy(self)

        def replay():
            step()
            self.replayed += 1

        graph.replay = replay
        return graph


@pytest.fixture(autouse=True)
def nothing_refused(monkeypatch):
    monkeypatch.setattr(cuda_graphs, "_refused", False)


def test_as_many_steps_are_taken_as_asked_for_and_one_is_recorded(monkeypatch):
    device, number = Pretended(monkeypatch), torch.zeros(1)
    steps, done = Repeated([number]), 0
    for count in (1, 20, 25, 3, 2, 5, 100, 0, 2):
        steps(lambda: number.add_(1), count)
        done += count
        assert number.item() == done
        # Enough have been taken at the fourth, which is too short to warm up in, and so is the fifth.
        assert device.recorded == (done >= LEAST_STEPS + 5)
    assert (device.warmed, device.replayed) == (cuda_graphs.WARM_UP, 107 - cuda_graphs.WARM_UP)


def test_what_cannot_be_recorded_is_said_once_and_taken(monkeypatch, capsys):
    device, number, tries = Pretended(monkeypatch), torch.zeros(1), []

    def refuse(step):
        tries.append(step)
        try:
            raise RuntimeError("operation not permitted when stream is capturing")
        finally:
            raise RuntimeError("previous error during capture")

    monkeypatch.setattr(cuda_graphs, "_record", refuse)
    for steps in (Repeated([number]), Repeated([number])):
        steps(lambda: number.add_(1), 60)
        steps(lambda: number.add_(1), 60)
    assert number.item() == 240
    assert device.replayed == 0
    assert len(tries) == 1
    assert capsys.readouterr().out.count("one by one: operation not permitted when stream is capturing") == 1


def test_a_recording_serves_the_tensors_it_was_made_for_and_no_others():
    class Owner:
        pass

    owner, factors, steps = Owner(), torch.ones(3, 4, 4), torch.ones(3)
    known = repeated(owner, (factors, steps))
    assert repeated(owner, (factors, steps.view(-1))) is known
    for operands in ((factors.clone(), steps), (factors.mT, steps), (factors[:2], steps[:2]), (factors,)):
        again = repeated(owner, operands)
        assert again is not known
        known = again


def test_what_is_recorded_goes_with_its_ensemble(monkeypatch):
    """Not with the next search for cycles: graphs hold memory of the GPU."""
    monkeypatch.setattr(cuda_graphs, "_warm_up", lambda step: None)
    monkeypatch.setattr(cuda_graphs, "_record", lambda step: SimpleNamespace(replay=lambda: None))
    ensemble = rank_one.Ensemble.draw(6, 80, 1, 0).shared_by([80])
    ensemble.device = torch.device("cuda")
    ensemble.descend(torch.rand(1, 6, 6).double(), torch.full((1,), 0.01).double(), torch.rand(1, 80).double(), 60)
    assert ensemble._repeated.graph is not None
    gone = weakref.ref(ensemble._repeated)
    gc.disable()
    try:
        del ensemble
        assert gone() is None
    finally:
        gc.enable()


def test_descents_on_a_gpu_go_through_recordings(monkeypatch):
    """The ensemble only says that it lies on a GPU: all but recording is what would run there."""
    device = Pretended(monkeypatch)
    ensemble = rank_one.Ensemble.draw(6, 80, 1, 0)
    u, y, steps = torch.rand(2, 6, 6).double() / 6, torch.rand(2, 80).double(), torch.tensor([0.01, 0.02]).double()
    expected = ensemble.descend(u.clone(), steps, y, 60)
    ensemble.device = torch.device("cuda")
    moving = u.clone()
    for count in (5, 20, 35):
        moving = ensemble.descend(moving, steps, y, count)
    assert torch.equal(moving, expected)
    assert (device.recorded, device.replayed) == (1, 35 - cuda_graphs.WARM_UP)
    # Runs that leave: the others go on in tensors of their own, with a recording of their own.
    rest = ensemble.shared_by([80])
    rest.descend(moving[:1].clone(), steps[:1], y[:1], 50)
    assert device.recorded == 2
    ensemble.descend(moving, steps, y, 30)
    assert device.recorded == 2


@pytest.mark.gpu
@pytest.mark.parametrize("kind", [gaussian, gram, wishart, rank_one], ids=lambda kind: kind.__name__.split(".")[-1])
def test_a_graph_on_a_gpu_takes_the_steps_that_its_operations_take(kind, monkeypatch):
    ensemble = kind.Ensemble.draw(8, 300, 1, 0, device="cuda")
    targets = torch.eye(8, device="cuda").double().repeat(3, 1, 1) / 3
    labels, steps = ensemble.label(targets), torch.tensor([0.01, 0.02, 0.05], device="cuda").double()
    start = 0.1 * torch.eye(8, device="cuda").double().repeat(3, 1, 1)
    recorded = start.clone()
    for count in (4, 16, 80):
        recorded = ensemble.descend(recorded, steps, labels, count)
    assert ensemble._repeated.graph is not None
    monkeypatch.setattr(cuda_graphs, "LEAST_STEPS", 10**9)
    ensemble._repeated = None
    torch.testing.assert_close(recorded, ensemble.descend(start.clone(), steps, labels, 100), rtol=1e-11, atol=1e-13)


@pytest.mark.gpu
def test_a_step_that_waits_for_the_gpu_is_not_recorded_and_leaves_torch_in_order():
    number, stream = torch.zeros(1, device="cuda"), torch.cuda.current_stream()
    steps = Repeated([number])
    for _ in range(2):
        steps(lambda: number.add_(1).item(), 60)
    assert steps.graph is None
    assert torch.cuda.current_stream() == stream
    assert number.item() == 120
