"""Contracts of every registered method, on two parameters with numbers worked by hand."""

import os
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from wfl_sim.codecs.codec import payload_bits, upload_of
from wfl_sim.codecs.sparse import TopK
from wfl_sim.config.errors import LocatedError
from wfl_sim.learning.synthetic import shapes_of
from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.device_parts import DeviceParts
from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.flexlora import cut_product
from wfl_sim.methods.local_only import LocalOnly
from wfl_sim.methods.method import (
    METHODS,
    Method,
    check_members,
    download,
    download_shapes,
    initial_server_state,
    is_weighted_mean,
    upload_shapes,
)
from wfl_sim.methods.objectives import PPO, Alignment
from wfl_sim.methods.parts import LoRA, Part, with_role
from wfl_sim.methods.pftt import PFTT
from wfl_sim.methods.phases import Local, Phase

KINDS = sorted(METHODS.kinds())
SHARING = [kind for kind in KINDS if any(part.shared for part in METHODS.find(kind)().parts)]
AVERAGING = [kind for kind in SHARING if is_weighted_mean(METHODS.find(kind)())]
STACKING = {
    "flora": "an aggregate holds the sum of products, and the stack that brings it",
    "flexlora": "its factors are those of a decomposition; a test of its own has the product",
}
STEPPING = {"fdlora": "an outer step with momentum goes beyond the average"}
JUDGED = {"fedmoa": "the score that an upload brings is no part of what comes down"}


def state(a, b):
    return {"part/a": np.array([a], np.float32), "part/b": np.array([[b]], np.float32)}


def numbers(result):
    return [float(array.squeeze()) for array in result.values()]


def shapes(method, *roles):
    """Parameters on one layer of a stand-in network, of all parts or those with a role."""
    parts = {part.name: part for part in method.parts}
    every = shapes_of(method.parts)
    return with_role(parts, every, *roles) if roles else every


def drawn(wanted, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in wanted.items()}


def begun(method, devices=3):
    """The shared state before training, of random values."""
    shared = drawn(shapes(method, "shared", "known"), 0)
    return initial_server_state(method, shared, devices)


@pytest.mark.parametrize("kind", KINDS)
def test_a_method_declares_what_the_contract_asks(kind):
    method = METHODS.find(kind)()
    assert isinstance(method, Method)
    names = [part.name for part in method.parts]
    assert len(set(names)) == len(names)
    trained = {name.partition(".")[0] for phase in method.phases for name in phase.trains}
    frozen = {part.name for part in method.parts if part.known is True}
    frozen |= {"fedalt": {"world"}, "fedmoa": {"weights"}}.get(kind, set())
    assert trained == set(names) - frozen
    assert all(set(phase.mutes) <= set(names) for phase in method.phases)


@pytest.mark.parametrize("kind", AVERAGING)
def test_the_weighted_mean_by_hand(kind):
    """Weights 1 and 3: (1 x 4 + 3 x 8) / 4 = 7 and (1 x -2 + 3 x 2) / 4 = 1."""
    uploads = [Upload(state(4, -2), 1.0), Upload(state(8, 2), 3.0)]
    assert numbers(METHODS.find(kind)().aggregate(state(0, 0), uploads)) == [7.0, 1.0]


@pytest.mark.parametrize(
    "kind", [kind for kind in SHARING if kind not in STACKING | STEPPING | JUDGED]
)
def test_the_aggregate_of_identical_uploads_is_the_identity(kind):
    """What comes down after equal uploads is what went up; SCAFFOLD's changes of c add to zero."""
    method = METHODS.find(kind)()
    shared = begun(method)
    same = drawn(upload_shapes(method, shapes(method, "shared")), 1)
    same |= {n: np.zeros_like(array) for n, array in same.items() if n.startswith("change/")}
    result = method.aggregate(shared, [Upload(same, 3.0, 0), Upload(same, 11.0, 1)])
    for sent, array in same.items():
        name = sent.replace("change/", "control/")
        expected = array if name == sent else shared[name]
        np.testing.assert_allclose(result[name], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", SHARING)
def test_the_order_of_uploads_does_not_matter(kind):
    method = METHODS.find(kind)()
    up = upload_shapes(method, shapes(method, "shared"))
    uploads = [Upload(drawn(up, seed), w, seed) for seed, w in ((1, 1.0), (2, 2.0), (3, 5.0))]
    forward = method.aggregate(begun(method), uploads)
    backward = method.aggregate(begun(method), uploads[::-1])
    assert set(forward) == set(backward)
    for name in forward:
        if not name.startswith("stack/"):
            np.testing.assert_allclose(forward[name], backward[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_down_is_what_was_declared(kind):
    method = METHODS.find(kind)()
    own = shapes(method, "shared")
    up = upload_shapes(method, own)
    shared = begun(method)
    first = download(method, shared, own, 0)
    assert {n: a.shape for n, a in first.items()} == dict(download_shapes(method, own))
    uploads = [Upload(drawn(up, seed), 1.0, seed) for seed in (1, 2)]
    after = dict(method.aggregate(shared, uploads))
    known = shapes(method, "known")
    after |= {name: shared[name] for name in known if name not in after}
    second = {n: a for n, a in download(method, after, own, 0).items() if n not in known}
    assert {n: a.shape for n, a in second.items()} == dict(download_shapes(method, own, [[up, up]]))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_private_is_declared_to_be_sent(kind):
    method = METHODS.find(kind)()
    private = set(shapes(method, "private"))
    assert not private & set(upload_shapes(method, shapes(method, "shared")))
    assert not private & set(download_shapes(method, shapes(method, "shared")))


def lora_of(a, b):
    return {"lora/l.lora_A.weight": np.float32(a), "lora/l.lora_B.weight": np.float32(b)}


HEAD = {"head/w": np.zeros(1, np.float32)}


def test_flora_adds_products_of_unlike_ranks():
    """W = 1 + 2 (0.25 x 3 x 2 + 0.75 x (1 x 5 + 2 x 4)) = 1 + 2 (1.5 + 9.75) = 23.5."""
    method = METHODS.find("flora")()
    shared = {"merged/l.weight": np.ones((1, 1), np.float32), **HEAD}
    one = {**lora_of([[2]], [[3]]), **HEAD}
    two = {**lora_of([[5], [4]], [[1, 2]]), **HEAD}
    result = method.aggregate(shared, [Upload(one, 1.0), Upload(two, 3.0)])
    assert result["merged/l.weight"].item() == pytest.approx(23.5)
    assert result["stack/lora/l.lora_A.weight"].tolist() == [[2], [5], [4]]
    assert result["stack/lora/l.lora_B.weight"].tolist() == [[0.75, 0.75, 1.5]]


def test_flora_begins_with_the_lora_of_an_adapter_merged():
    """W = 1 + 2 x 3 x 2; a fresh LoRA, whose B is 0, leaves W as it is."""
    method = METHODS.find("flora")()
    shared = {"merged/l.weight": np.ones((1, 1), np.float32), **HEAD}
    made = method.initial_server_state({**shared, **lora_of([[2]], [[3]])}, 4)
    assert made == {"merged/l.weight": [[13]], **HEAD}
    fresh = method.initial_server_state({**shared, **lora_of([[2]], [[0]])}, 4)
    assert fresh == shared


def test_flora_merges_into_a_transposed_matrix():
    """A of (1, 2) and B of (1, 1) make a product of (1, 2), which the layer keeps as (2, 1)."""
    shared = {"merged/l.transposed": np.zeros((2, 1), np.float32), **HEAD}
    upload = Upload({**lora_of([[1, 3]], [[2]]), **HEAD}, 1.0)
    made = METHODS.find("flora")().aggregate(shared, [upload])
    assert made["merged/l.transposed"].tolist() == [[4], [12]]


def test_flora_sends_the_stacks_of_all_rounds_that_were_missed():
    method = METHODS.find("flora")()
    own = {"lora/l.lora_A.weight": (4, 7), "lora/l.lora_B.weight": (5, 4), "head/w": (1,)}
    other = {"lora/l.lora_A.weight": (2, 7), "lora/l.lora_B.weight": (5, 2), "head/w": (1,)}
    assert download_shapes(method, own, []) == {"head/w": (1,)}
    down = download_shapes(method, own, [[other], [own, other]])
    assert down["stack/lora/l.lora_A.weight"] == (6, 7)
    assert down["stack/lora/l.lora_B.weight"] == (5, 6)
    assert down["stack/missed/lora/l.lora_A.weight"] == (2, 7)


def test_hetlora_weighs_by_the_norm_and_pads():
    """|B A|_F is 1 x 2 = 2 and 3 x 2 = 6: shares 1/4 and 3/4; the second row is the second's."""
    method = METHODS.find("hetlora")(lora=LoRA(rank=2))
    shared = {**lora_of([[0], [0]], [[0, 0]]), **HEAD}
    small = {**lora_of([[2]], [[1]]), "head/w": np.float32([4])}
    large = {**lora_of([[2], [0]], [[3, 0]]), "head/w": np.float32([8])}
    result = method.aggregate(shared, [Upload(small, 3.0), Upload(large, 1.0)])
    assert result["lora/l.lora_A.weight"].tolist() == [[2], [0]]
    assert result["lora/l.lora_B.weight"].tolist() == [[2.5, 0]]
    assert result["head/w"].tolist() == [5]
    cut = method.download(result, {"lora/l.lora_B.weight": (1, 1)}, 0)
    assert cut["lora/l.lora_B.weight"].tolist() == [[2.5]]


def test_flexlora_cuts_the_mean_product():
    """Devices of rank 1 with products diag(8, 0) and diag(0, 4): the mean is diag(4, 2)."""
    a, b = "lora/m.lora_A.weight", "lora/m.lora_B.weight"
    method = METHODS.find("flexlora")()
    uploads = [
        Upload({a: np.float32([[2, 0]]), b: np.float32([[4], [0]])}, 1.0),
        Upload({a: np.float32([[0, 1]]), b: np.float32([[0], [4]])}, 1.0),
    ]
    shared = {a: np.zeros((2, 2), np.float32), b: np.zeros((2, 2), np.float32)}
    made = method.aggregate(shared, uploads)
    np.testing.assert_allclose(made[b] @ made[a], [[4, 0], [0, 2]], atol=1e-6)
    cut = method.download(made, {a: (1, 2), b: (2, 1)}, 0)
    np.testing.assert_allclose(cut[b] @ cut[a], [[4, 0], [0, 0]], atol=1e-6)
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(5, 6)), rng.normal(size=(6, 4))
    u, values, v = np.linalg.svd(left @ right)
    best = (u[:, :2] * values[:2]) @ v[:2]
    np.testing.assert_allclose(np.matmul(*cut_product(left, right, 2)), best, atol=1e-12)


@pytest.mark.parametrize("kind", ["hetlora", "flexlora"])
def test_ranks_beyond_those_of_a_round_can_still_learn(kind):
    """After a round of devices of rank 1, what a device of rank 3 gets has a gradient: A is not 0.

    Of B A x the gradient of A is B^T g x^T and that of B is g (A x)^T: with zeros in both, neither
    ever moves again.
    """
    rng, a, b = np.random.default_rng(0), "lora/m.lora_A.weight", "lora/m.lora_B.weight"
    method = METHODS.find(kind)(lora=LoRA(rank=3))
    shared = {a: rng.normal(size=(3, 7)), b: rng.normal(size=(5, 3)) * [0, 0, 1], **HEAD}
    shared = {name: np.float32(array) for name, array in shared.items()}
    uploads = [
        Upload({a: rng.normal(size=(1, 7)), b: rng.normal(size=(5, 1)), **HEAD}, 1.0)
        for _ in range(2)
    ]
    made = method.aggregate(shared, uploads)
    assert np.linalg.matrix_rank(made[a]) == 3
    if kind == "hetlora":
        assert np.array_equal(made[a][1:], shared[a][1:])
        assert np.array_equal(made[b][:, 1:], shared[b][:, 1:])
    else:
        mean = sum(each.state[b] @ each.state[a] for each in uploads) / 2
        np.testing.assert_allclose(made[b] @ made[a], mean, atol=1e-5)


def test_fedex_lora_adds_what_the_product_of_means_lacks():
    """B A = 2 x 1 and 4 x 3: the mean is 7, of means 3 x 2 = 6; W gets 1, times the scale 2."""
    a, b, w = "lora/m.lora_A.weight", "lora/m.lora_B.weight", "merged/m.weight"
    method = METHODS.find("fedex-lora")()
    uploads = [
        Upload({a: np.float32([[x]]), b: np.float32([[y]]), "head/w": np.float32([y])}, 1.0)
        for x, y in ((1, 2), (3, 4))
    ]
    begun = {a: np.float32([[9]]), b: np.float32([[0]]), w: np.float32([[10]])}
    shared = method.initial_server_state({**begun, "head/w": np.float32([0])}, 2)
    made = method.aggregate(shared, uploads)
    assert [made[name].item() for name in (a, b, w, "head/w")] == [2, 3, 12, 3]


def test_a_tuned_model_is_used_and_sent():
    method = METHODS.find("fine-tuned")()
    run = method.local_update({"lora/a": np.float32([1])}, {}, None)
    next(run)
    with pytest.raises(StopIteration) as stop:
        run.send({"lora/a": np.float32([2])})
    received = {"lora/a": np.float32([7])}
    assert stop.value.value.upload["lora/a"] == 2
    assert method.personal_model(received, stop.value.value.kept, {})["lora/a"] == 2
    assert method.personal_model(received, {}, {})["lora/a"] == 7


def test_local_only_learns_from_rewards_too():
    method = METHODS.find("local-only")(algorithm=PPO(), layers=2)
    assert [part.name for part in method.parts] == ["layers", "critic"]
    assert not any(part.shared for part in method.parts)
    assert method.phases[0].objective == Alignment(algorithm=PPO())


def test_scaffold_by_hand():
    """x = 1, c = 0.5, c_k = 0, K eta = 0.8; y = 0.2 gives c_k+ = 0 - 0.5 + 0.8 / 0.8 = 0.5.

    Two of N = 4 devices send changes 0.5 and 0.1: c = 0.5 + (2 / 4) x 0.3 = 0.65.
    """
    from wfl_sim.methods.phases import Local

    method = METHODS.find("scaffold")(local=Local(steps=8, lr=0.1, optimizer="sgd"))
    x, c = {"lora/a": np.float32([1])}, {"control/lora/a": np.float32([0.5])}
    run = method.local_update({**x, **c}, {}, SimpleNamespace(device=0))
    request = next(run)
    assert request.correction["lora/a"].tolist() == [0.5]
    alone = next(method.local_update({**x, **c}, {}, SimpleNamespace(device=-1)))
    assert alone.correction["lora/a"].tolist() == [0]  # the server has no drift to correct
    with pytest.raises(StopIteration) as stop:
        run.send({"lora/a": np.float32([0.2])})
    sent, kept = stop.value.value.upload, stop.value.value.kept
    assert stop.value.value.if_lost == {}
    assert kept["lora/a"] == pytest.approx(0.5)
    assert sent["change/lora/a"] == pytest.approx(0.5)
    other = {"lora/a": np.float32([0.4]), "change/lora/a": np.float32([0.1])}
    shared = {**x, **c, "server/devices": np.float32([4])}
    made = method.aggregate(shared, [Upload(sent, 9.0), Upload(other, 1.0)])
    assert made["lora/a"] == pytest.approx(0.3)
    assert made["control/lora/a"] == pytest.approx(0.65)


def test_what_a_codec_leaves_out_of_a_change_of_control_is_none():
    """Of x = 1 and c = 8 a device sends 1.5 and a change of 0.25, of which the smaller is lost."""
    method = METHODS.find("scaffold")()
    received = {"lora/a": np.float32([1]), "control/lora/a": np.float32([8])}
    made = {"lora/a": np.float32([1.5]), "change/lora/a": np.float32([0.25])}
    codec = TopK(share=0.5, error_feedback=False)
    bits = payload_bits(codec, dict.fromkeys(made, (1,)))
    arrived, _ = upload_of(codec, made, received, {}, bits)
    assert arrived["lora/a"] == 1.5
    shared = {**received, "server/devices": np.float32([2])}
    assert method.aggregate(shared, [Upload(arrived, 1.0)])["control/lora/a"] == 8


def test_fedalt_gives_each_the_mean_of_the_others():
    """Own LoRAs 1, 2 and 6 have the mean 3: the first is given (3 x 3 - 1) / 2 = 4."""
    method = METHODS.find("fedalt")()
    shared = method.initial_server_state({"world/a": np.float32([9])}, 3)
    assert shared["world/a"] == 0
    uploads = [Upload({"world/a": np.float32([v])}, 1.0, k) for k, v in enumerate((1, 2, 6))]
    made = method.aggregate(shared, uploads)
    own = {"own/a": np.float32([1]), "sent/world/a": np.float32([1])}
    kept = {**own, "round/heard": np.float32([0])}
    assert method.personal_model(made, kept, {})["world/a"] == pytest.approx(4)
    absent = {"own/a": np.float32([1])}
    assert method.personal_model(made, absent, {})["world/a"] == pytest.approx(3)


def test_fedalt_does_not_take_itself_out_of_a_mean_that_it_is_not_in():
    """Trained to 6, in a mean of 2 over two devices: 2 x 2 - 6 = -2, which the others are not.

    With its upload lost, the mean of the others is 2.
    """
    method = METHODS.find("fedalt")()
    client = SimpleNamespace(shapes={})
    received = {"world/a": np.float32([0]), "round/state": np.float32([4, 2])}
    kept = {"own/a": np.float32([1]), "sent/world/a": np.float32([1]), "round/heard": [3]}
    run = method.local_update(received, kept, client)
    next(run)
    with pytest.raises(StopIteration) as stop:
        run.send({"own/a": np.float32([6]), "world/a": np.float32([0])})
    end = stop.value.value
    later = {"world/a": np.float32([2]), "round/state": np.float32([5, 2])}
    assert method.personal_model(later, end.kept, {})["world/a"] == -2
    assert method.personal_model(later, end.if_lost, {})["world/a"] == 2
    assert end.if_lost["own/a"] == 6
    # Nobody was heard since: what it had sent before is still what is in the mean.
    assert method.personal_model(received, end.if_lost, {})["world/a"] == -1


def test_feddpa_trusts_the_own_lora_by_likeness():
    """Cosines 1 and 0 to the anchors make 0.5; -1 counts as nothing; the cap is one half."""
    method = METHODS.find("feddpa")(cap=0.5)
    kept = {"anchors/texts": np.float32([[1, 0], [0, 1]])}
    blend = method.mixing_weights(kept, np.float32([[2, 0], [-1, 0], [3, 3]]))
    assert blend["own"] == pytest.approx([0.25, 0, 0.5 * np.sqrt(0.5)])
    assert blend["global"] == pytest.approx(1 - blend["own"])
    assert method.mixing_weights({}, np.float32([[1, 0]]))["own"] == [0]


def test_feddpa_trains_the_own_lora_in_the_mixture():
    """At a cap of 0.25 the global 4 counts 3, the own 2 counts 0.5; 1 comes back as 4."""
    method = METHODS.find("feddpa")(cap=0.25)
    a, b = "m.lora_A.weight", "m.lora_B.weight"
    received = {f"global/{a}": np.float32([1]), f"global/{b}": np.float32([4])}
    kept = {f"own/{a}": np.float32([7]), f"own/{b}": np.float32([2])}
    kept["anchors/texts"] = np.float32([[1, 0]])
    run = method.local_update(received, kept, None)
    assert next(run).start[f"global/{b}"] == 4
    request = run.send({f"global/{b}": np.float32([5])})
    assert request.phase.mutes == ()
    assert [request.start[f"{part}/{b}"].item() for part in ("global", "own")] == [3, 0.5]
    assert request.start[f"own/{a}"] == 7
    with pytest.raises(StopIteration) as stop:
        run.send({f"own/{a}": np.float32([8]), f"own/{b}": np.float32([1])})
    assert stop.value.value.upload[f"global/{b}"] == 5
    assert stop.value.value.kept[f"own/{b}"] == 4


def test_fdlora_takes_nesterov_steps():
    """d = 1 - 0 = 1, v = 1, x = 1 - (1 + 0.5) = -0.5; then d = -1.5, v = -1, x = -0.5 + 2 = 1.5."""
    method = METHODS.find("fdlora")()
    shared = method.initial_server_state(
        {"shared/a": np.float32([1]), "head/w": np.float32([0])}, 2
    )
    upload = Upload({"shared/a": np.float32([0]), "head/w": np.float32([2])}, 1.0)
    shared = method.aggregate(shared, [upload])
    assert shared["shared/a"] == pytest.approx(-0.5)
    assert shared["head/w"] == 2
    back = Upload({"shared/a": np.float32([1]), "head/w": np.float32([2])}, 1.0)
    assert method.aggregate(shared, [back])["shared/a"] == pytest.approx(1.5)


def test_fedmoa_weighs_by_examples_and_reward():
    """Rewards 0.2 and 0.6 are one standard deviation from their mean: 1 / e and 3 e."""
    uploads = [
        Upload({**state(4, -2), "score/primary": np.float32([0.2])}, 1.0),
        Upload({**state(8, 2), "score/primary": np.float32([0.6])}, 3.0),
    ]
    share = 3 * np.exp(2) / (1 + 3 * np.exp(2))
    method = METHODS.find("fedmoa")()
    assert numbers(method.aggregate({}, uploads)) == pytest.approx([4 + 4 * share, -2 + 4 * share])
    plain = METHODS.find("fedmoa")(sharpness=0.0).aggregate({}, uploads)
    assert numbers(plain) == pytest.approx([7.0, 1.0])
    assert numbers(method.aggregate({}, uploads[:1])) == [4.0, -2.0]


def test_ditto_keeps_a_model_of_its_own():
    method = METHODS.find("ditto")(lam=0.3)
    run = method.local_update({"lora/a": np.float32([1])}, {"own/lora/a": np.float32([5])}, None)
    assert next(run).start["lora/a"] == 1
    second = run.send({"lora/a": np.float32([2])})
    assert (second.start["lora/a"], second.anchor["lora/a"]) == (5, 1)
    assert second.phase.proximal == 0.3
    with pytest.raises(StopIteration) as stop:
        run.send({"lora/a": np.float32([4])})
    assert stop.value.value.upload["lora/a"] == 2
    assert method.personal_model({}, stop.value.value.kept, {})["lora/a"] == 4


def test_nothing_to_average_is_an_error():
    with pytest.raises(ValueError, match="0 uploads of total weight 0"):
        weighted_mean([])
    with pytest.raises(ValueError, match="nothing to average"):
        weighted_mean([Upload(state(1, 1), 0.0)])


def test_pftt_shares_the_adapter_and_keeps_the_lora():
    shared = {part.name: part.shared for part in PFTT().parts}
    assert shared == {"adapter": True, "lora": False, "head": True}
    assert {part.name for part in PFTT(head="private").parts if part.shared} == {"adapter"}


def test_local_only_shares_nothing():
    assert not any(part.shared for part in LocalOnly().parts)


def test_a_rank_of_its_own_keeps_the_scale():
    """alpha / rank is the same everywhere; the server holds the largest rank that is shared."""
    ranks = [None, 2, 32]
    hetlora = DeviceParts(METHODS.find("hetlora")(lora=LoRA(rank=8, alpha=4)), ranks)
    configs = [hetlora.parts(device)[0].config for device in (0, 1, 2, -1)]
    assert [(c.rank, c.alpha) for c in configs] == [(8, 4), (2, 1), (32, 16), (32, 16)]
    pftt = DeviceParts(PFTT(), ranks)
    loras = [pftt.parts(device)[1].config.rank for device in (0, 1, 2, -1)]
    assert loras == [8, 2, 32, 8]
    assert not DeviceParts(METHODS.find("fedit")(), ranks).sizes


@dataclass(frozen=True, kw_only=True)
class Mixed(FedIT):
    """A key that has the former name of a hook."""

    blend: float = 0.5


def test_a_value_is_no_hook():
    with pytest.raises(LocatedError, match="has a value 'blend', and 'blend' is an ability"):
        check_members(Mixed())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: (Phase(trains="lora", local=Local()),), "a tuple of names, got 'lora'"),
        (lambda: (Phase(trains=("lora",), local=3),), "local of a phase must be a Local, got 3"),
        (lambda: (Part(name="lora", config=LoRA),), "'lora' must be an object, got a class"),
        (lambda: (Part(name="lora", config="x"),), "config of part 'lora' must be a dataclass"),
    ],
)
def test_parts_and_phases_that_cannot_be_are_said_at_the_method(make, said):
    class Wrong(FedIT):
        phases = property(lambda self: make())

    with pytest.raises(LocatedError, match=said) as raised:
        check_members(Wrong())
    assert raised.value.path == ("method",)


@pytest.mark.parametrize("kind", KINDS)
def test_hooks_of_methods_can_be_called(kind):
    check_members(METHODS.find(kind)())


def test_parts_and_objectives_of_ones_own_that_can_change_are_refused():
    @dataclass
    class Rubber:
        side: float = 1.0

    with pytest.raises(ValueError, match=r"^the config of part 'own' must be frozen: write"):
        Part(name="own", config=Rubber())
    with pytest.raises(ValueError, match=r"^the objective of a phase must be frozen: write"):
        Phase(trains=("own",), local=Local(), objective=Rubber())


OF_BLAS = """\
import hashlib
import numpy as np
from wfl_sim.methods.hetlora import update_norm
from wfl_sim.methods.method import METHODS
draw = np.random.default_rng(1).standard_normal
a, b = (draw(shape).astype(np.float32) for shape in ((64, 768), (768, 64)))
stack = {"lora/m.lora_A.weight": a, "lora/m.lora_B.weight": b}
merged = METHODS.find("flora")()._merged({"merged/m.weight": np.zeros((768, 768))}, stack)
cosines = METHODS.find("feddpa")(cap=1).mixing_weights({"anchors/texts": a}, b.T)["own"]
content = merged["merged/m.weight"].tobytes() + cosines.tobytes()
print(update_norm(stack).hex(), hashlib.sha256(content).hexdigest())
"""


def test_no_bit_depends_on_the_threads_of_blas():
    """Products of float32 as large as these differ, on some processors, with one thread and two."""
    found = set()
    for threads in ("1", "2", "4"):
        own = os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", OF_BLAS], env=own, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1
