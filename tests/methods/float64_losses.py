"""Each method's loss and gradients against its formula in float64.

`tests/parity/test_float64.py` runs this file, with methods that compute in
float64 themselves; run by itself they do so in float32.
"""

import functools

import formulas
import keras
import numpy as np
import pytest
import tiny
from gradients import differentiated

from keras_css import OnlineDistiller
from keras_css.methods import CLILR
from keras_css.methods import CSKD
from keras_css.methods import CSS
from keras_css.methods import DIST
from keras_css.methods import DKD
from keras_css.methods import DML
from keras_css.methods import FFL
from keras_css.methods import HSSAKD
from keras_css.methods import KD
from keras_css.methods import KDCL
from keras_css.methods import METHODS
from keras_css.methods import ONE
from keras_css.methods import PCL
from keras_css.methods import SSKD
from keras_css.methods import ChannelDistillation
from keras_css.methods import Independent
from keras_css.methods import OKDDip
from keras_css.methods import OKDDipNetworks
from keras_css.methods import SwitOKD
from keras_css.methods import name_of
from keras_css.methods.css import VARIANTS
from keras_css.methods.from_teachers import TEACHERS
from keras_css.methods.kdcl import TARGETS

FLOATX = keras.config.floatx()
EXACT = FLOATX == "float64"
# In float64 no bound is as near as what compilers round.
pytestmark = [] if EXACT else pytest.mark.usefixtures("optimized")
B, C, D = 5, 4, 8
EPOCH = 2.0
PLAIN = {"transformation": "none", "joint_labels": False}


class Case:
    """A method, the shapes of what its networks put out, and its formula.

    Args:
        method: The method, ramp-up and temperature given.
        shapes: Dict from `network/output` to a shape without the batch.
        formula: One of `formulas`.
        detached: Names of outputs that no gradient reaches.
        turns: How many rotations of each image outputs `of_turns` hold.
        begin: Optional function that sets the method's state once it has met
            its cohort.
        seed: Of what the networks put out.
        joint: Whether networks may have joint labels.
    """

    def __init__(
        self,
        method,
        shapes,
        formula,
        detached=(),
        turns=1,
        begin=None,
        seed=1,
        joint=True,
    ):
        self.method, self.formula, self.begin = method, formula, begin
        self.joint = joint
        self.shapes, self.detached, self.turns = shapes, detached, turns
        self.seed = seed

    def outputs(self):
        rng = np.random.default_rng(self.seed)
        return {
            name: rng.normal(
                0, 2, (B * (self.turns if of_turns(name) else 1), *shape)
            ).astype(FLOATX)
            for name, shape in self.shapes.items()
        }

    def meet(self):
        names = {n.split("/")[0] for n in self.shapes}
        count = len([name for name in names if "network" in name])
        options = dict(self.method.network_defaults)
        options["joint_labels"] &= self.joint
        branches = self.shapes["network_a/logits"][1]
        networks = [
            tiny.network(C, **{**options, "num_branches": branches})
            for _ in range(count)
        ]
        distiller = OnlineDistiller(networks, self.method)
        if self.begin:
            self.begin(self.method)
        if isinstance(self.method, OKDDip):
            self.method.build({"network_a": {"features": (None, D, branches)}})
        return distiller


def of_turns(name):
    """Returns whether an output holds several rotations of each image."""
    ends = ("/auxiliary", "/turned", "/views", "/projected")
    return name.endswith(ends) or name.startswith("teacher/")


def nested(leaves):
    """Returns dict of dicts from a dict with `network/output` keys."""
    found = {}
    for name, value in leaves.items():
        network, output = name.split("/")
        value = keras.ops.convert_to_tensor(value)
        found.setdefault(network, {})[output] = value
    if "teacher" in found:
        said = {
            name: keras.ops.stop_gradient(value)
            for name, value in found.pop("teacher").items()
        }
        logits = said.pop("logits")
        found[TEACHERS] = {"network_a": (logits, list(said.values()))}
    return found


def two(**outputs):
    return {
        f"network_{letter}/{name}": shape
        for letter in "ab"
        for name, shape in outputs.items()
    }


def one(**outputs):
    return {f"network_a/{name}": shape for name, shape in outputs.items()}


def in_the_middle_of_an_epoch(kdcl):
    """What the epoch before found is in use."""
    kdcl.estimated_in.assign(EPOCH)
    kdcl.shares.assign([0.25, 0.75])


def a_teacher_of_width_d(sskd):
    """Its modules are there, and not alike."""
    sskd.join([D])
    for module in (sskd.teacher_module, sskd.teaching_module):
        module.build((None, D))


def sskd_case(stage_one):
    return Case(
        SSKD(
            3.0,
            **RAMP,
            turned_ratio=0.5,
            module_epochs=3 if stage_one else 1,
            module_temperature=0.7,
        ),
        {
            **one(logits=(C, 1), views=(C, 1), projected=(D,)),
            "teacher/logits": (C,),
            "teacher/features": (D,),
        },
        functools.partial(formulas.sskd, stage_one=stage_one),
        detached=(
            "teacher/logits",
            "teacher/features",
            *(("network_a/projected",) if stage_one else ()),
        ),
        turns=4,
        begin=a_teacher_of_width_d,
    )


def kdcl_case(target):
    """KDCL whose target is a function of the batch alone."""
    return Case(
        KDCL(3.0, **RAMP, target=target),
        two(logits=(C, 1)),
        formulas.kdcl(getattr(formulas, target)),
    )


def taught_case(kind, learned=None, **options):
    """A method of two teachers, and what it learns of each."""
    return Case(
        kind(3.0, **RAMP, ce_weight=0.3, kd_weight=0.7, **options),
        {**one(logits=(C, 1)), "teachers/network_a": (C, 2)},
        functools.partial(formulas.from_teachers, learned=learned),
        detached=("teachers/network_a",),
    )


RAMP = {"ramp_up_epochs": 5, "ramp_down_epochs": 4, "run_epochs": 6}
CASES = {
    "dml": lambda: Case(DML(3.0, **RAMP), two(logits=(C, 1)), formulas.dml),
    "switokd": lambda: Case(
        SwitOKD(3.0, **RAMP), two(logits=(C, 1)), formulas.switokd
    ),
    "switokd held back": lambda: Case(
        SwitOKD(3.0, **RAMP),
        {f"network_{letter}/logits": (C, 1) for letter in "abc"},
        formulas.switokd,
        # Nearer to the labels than the first; the third is not.
        detached=("network_b/logits",),
        seed=7,
    ),
    "cs_kd": lambda: Case(
        CSKD(3.0, **RAMP, weight=0.7), one(logits=(C, 1)), formulas.cs_kd
    ),
    "kd": lambda: taught_case(KD),
    "kd standardized": lambda: taught_case(
        KD, formulas.standardized_kd, standardize=True
    ),
    "channel_distillation": lambda: Case(
        ChannelDistillation(3.0, **RAMP, alone_epochs=2, decay_at="3,4"),
        {
            **one(logits=(C, 1), stage_1=(D,), stage_2=(6,)),
            **{"teacher/logits": (C,), "teacher/stage_1": (D,)},
            "teacher/stage_2": (6,),
        },
        formulas.channel_distillation,
        detached=("teacher/logits", "teacher/stage_1", "teacher/stage_2"),
    ),
    "sskd": lambda: sskd_case(stage_one=False),
    "sskd in stage 1": lambda: sskd_case(stage_one=True),
    "dkd": lambda: taught_case(DKD, formulas.decoupled, alpha=2.0, beta=3.0),
    "dist": lambda: taught_case(DIST, formulas.related, beta=2.0, gamma=3.0),
    "cl_ilr": lambda: Case(CLILR(**RAMP), one(logits=(C, 3)), formulas.cl_ilr),
    "one": lambda: Case(
        ONE(**RAMP), one(logits=(C, 3), teacher=(C,)), formulas.one
    ),
    "okddip": lambda: Case(
        OKDDip(**RAMP), one(logits=(C, 4), features=(D, 4)), formulas.okddip
    ),
    "okddip detached": lambda: Case(
        OKDDip(**RAMP, detach=True),
        one(logits=(C, 4), features=(D, 4)),
        functools.partial(formulas.okddip, detach=True),
        detached=("network_a/features",),
    ),
    "okddip_networks": lambda: Case(
        OKDDipNetworks(**RAMP),
        {
            f"network_{letter}/{name}": shape
            for letter in "abcd"
            for name, shape in (("logits", (C, 1)), ("features", (D, 1)))
        },
        formulas.okddip,
        # No gradient comes to what the leader sees.
        detached=("network_d/features",),
    ),
    "pcl": lambda: Case(
        PCL(**RAMP),
        {**one(logits=(C, 3), fused=(C,)), "ema/logits": (C, 3)},
        formulas.pcl,
        detached=("ema/logits",),
    ),
    **{
        f"kdcl {target}": functools.partial(kdcl_case, target)
        for target in ("naive", "min_logit", "linear")
    },
    "kdcl general": lambda: Case(
        KDCL(3.0, **RAMP, target="general"),
        two(logits=(C, 1)),
        formulas.kdcl(lambda z, y: 0.25 * z[0] + 0.75 * z[1]),
        begin=in_the_middle_of_an_epoch,
    ),
    "ffl": lambda: Case(
        FFL(**RAMP), one(logits=(C, 2), fused=(C,)), formulas.ffl
    ),
    "hssakd": lambda: Case(
        HSSAKD(**RAMP),
        two(logits=(C, 1), turned=(C, 1), auxiliary=(4 * C, 2)),
        formulas.hssakd,
        turns=4,
    ),
    "hssakd with aggregate": lambda: Case(
        HSSAKD(**RAMP, aggregate_weight=0.7),
        two(logits=(C, 1), turned=(C, 1), auxiliary=(4 * C, 2)),
        functools.partial(formulas.hssakd, aggregate=0.7),
        turns=4,
    ),
    "hssakd alone": lambda: Case(
        HSSAKD(**RAMP),
        one(logits=(C, 1), turned=(C, 1), auxiliary=(4 * C, 2)),
        formulas.hssakd,
        detached=("network_a/turned",),
        turns=4,
    ),
    "independent": lambda: Case(
        Independent(), two(logits=(3 * C, 3), main=(C,)), formulas.independent
    ),
    "css released": lambda: Case(
        CSS(variant="released", **RAMP),
        two(logits=(3 * C, 3)),
        functools.partial(formulas.css, released=True),
    ),
    "css released, three": lambda: Case(
        CSS(variant="released", **RAMP),
        {f"network_{letter}/logits": (3 * C, 3) for letter in "abc"},
        functools.partial(formulas.css, released=True),
    ),
    "css detached": lambda: Case(
        CSS(variant="detached", **RAMP), two(logits=(3 * C, 3)), formulas.css
    ),
    "css plain heads": lambda: Case(
        CSS(variant="detached", **RAMP),
        two(logits=(C, 3)),
        functools.partial(formulas.css, ce_of=formulas.plain_ce),
        joint=False,
    ),
    "css main": lambda: Case(
        CSS(variant="main_branch", **RAMP),
        two(logits=(3 * C, 3), main=(C,)),
        formulas.css_main,
    ),
    "css main without scores": lambda: Case(
        CSS(variant="main_branch", **RAMP, utility_scores=False),
        two(logits=(3 * C, 3), main=(C,)),
        functools.partial(formulas.css_main, scores=False),
    ),
}
# How much teaching counts in that epoch.
W = formulas.ramp(EPOCH, 5) * formulas.ramp_down(EPOCH, 4, 6)
# Its target is found by steps that end, not by a formula.
INEXACT = {"kdcl linear"}
if keras.backend.backend() == "torch":
    # Keras' products of matrices round float64 there, and so its Dense layers.
    INEXACT |= {n for n in CASES if n.startswith(("okddip", "sskd"))}


def test_every_method_and_variant_has_a_formula():
    found = [case().method for case in CASES.values()]
    assert {name_of(method) for method in found} == set(METHODS.names())
    targets = {m.target for m in found if isinstance(m, KDCL)}
    assert targets == set(TARGETS)
    variants = {m.variant for m in found if isinstance(m, CSS)}
    assert variants == set(VARIANTS)


LABELS = np.array([0, 3, 1, 2, 3], "int32")


def soft_labels():
    rows = np.random.default_rng(4).dirichlet(np.ones(C), B)
    return rows.astype("float32")


@functools.cache
def met(name):
    """Returns a case that has met its cohort, its loss and its formula.

    The loss takes leaves, labels and the samples' weights, and returns value
    and gradients; one program for all tests. The formula takes leaves that
    move, those that do not, and labels.
    """
    case = CASES[name]()
    case.meet()

    def loss(tensors, labels, weight=None):
        # What a method assigns would be there for the next test.
        with keras.StatelessScope():
            return case.method.compute_losses(
                nested(tensors), labels, weight, epoch=EPOCH, training=True
            )["loss"]

    def formula(moved, fixed, labels):
        options = {}
        if isinstance(case.method, OKDDip):
            for kind in ("query", "key"):
                (kernel,) = getattr(case.method, kind).get_weights()
                options[kind] = np.asarray(kernel, "float64")
        if isinstance(case.method, SSKD):
            options["modules"] = [
                functools.partial(through, module.get_weights())
                for module in (
                    case.method.teacher_module,
                    case.method.teaching_module,
                )
            ]
        return case.formula(moved, fixed, labels, W, 3.0, **options)

    return case, differentiated(loss), formula


def through(weights, features):
    """Returns what a self-supervised module makes of features."""
    first, bias, last, end = (np.asarray(w, "float64") for w in weights)
    return np.maximum(features @ first + bias, 0) @ last + end


def exactly(leaves):
    return {name: leaf.astype("float64") for name, leaf in leaves.items()}


@pytest.mark.parametrize("labels", [LABELS, soft_labels()], ids=["", "soft"])
@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradients(name, labels):
    case, loss, formula = met(name)
    leaves = case.outputs()
    value, gradients = loss(leaves, labels)
    exact = exactly(leaves)
    y = labels if labels.ndim == 1 else labels.astype("float64")

    def reference(moved):
        return formula(moved, exact, y)

    is_exact = EXACT and name not in INEXACT
    assert value == pytest.approx(
        reference(exact), rel=1e-12 if is_exact else 1e-5
    )
    rel, absolute = (1e-6, 1e-8) if is_exact else (1e-3, 2e-5)
    rng = np.random.default_rng(2)
    for key, gradient in gradients.items():
        if key in case.detached:
            assert not np.any(gradient), key
            continue
        assert np.any(gradient), key
        for place in rng.integers(0, gradient.size, 15):
            place = np.unravel_index(place, gradient.shape)
            ends = []
            for sign in (1, -1):
                moved = {**exact, key: exact[key].copy()}
                moved[key][place] += sign * 1e-5
                ends.append(reference(moved))
            slope = (ends[0] - ends[1]) / 2e-5
            assert gradient[place] == pytest.approx(
                slope, rel=rel, abs=absolute
            ), (key, place)


@pytest.mark.once
@pytest.mark.parametrize(
    "name",
    sorted(CASES.keys() - {"independent", "hssakd alone", "kdcl linear"}),
)
def test_standardized_logits_teach_alike_however_large_they_are(name):
    """All that a method compares is standardised where it is asked to be.

    But for KDCL's combination of least cross-entropy, which depends on size.
    """
    case = CASES[name]()
    case.meet()
    case.method.standardize = True
    outputs = case.outputs()
    features = {n: v for n, v in outputs.items() if n.endswith("/features")}
    small, large = (
        case.method.compute_losses(
            nested({**{n: k * v for n, v in outputs.items()}, **features}),
            LABELS,
            epoch=EPOCH,
            training=True,
        )
        for k in (1, 2)
    )
    terms = [term for term in small if "kd" in term.split("/")[-1]]
    assert terms
    for term in terms:
        assert float(large[term]) == pytest.approx(float(small[term]), rel=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_a_label_that_is_no_class_makes_the_loss_nan(name):
    """Too large a label, of heads of every kind; nothing raises."""
    case, loss, _ = met(name)
    for wrong in (C, -1):
        value, _ = loss(case.outputs(), np.array([0, 3, 1, wrong, 3], "int32"))
        assert np.isnan(value)


# Rows are chosen and compared among all images of a batch.
OF_BATCHES = {"cs_kd", "sskd", "sskd in stage 1"}


@pytest.mark.parametrize("name", sorted(CASES.keys() - OF_BATCHES))
def test_samples_without_weight_do_not_count(name):
    """Weights of 2.5 and 0 leave the loss of the first two samples.

    But for targets that are chosen on a batch, such as those of KDCL.
    """
    case, loss, formula = met(name)
    leaves = case.outputs()
    whole, _ = loss(leaves, LABELS, np.array([2.5, 2.5, 0, 0, 0], FLOATX))
    turns = np.arange(case.turns)[:, None] * B
    rows = (turns + np.arange(2)).ravel()
    exact = exactly(leaves)
    part = {n: v[rows] if of_turns(n) else v[:2] for n, v in exact.items()}
    if name in ("kdcl naive", "kdcl linear"):
        choose = getattr(formulas, name.split()[1])
        z = [v[..., 0] for v in exact.values()]
        target = choose(z, LABELS)[:2]
        chosen = formulas.kdcl(lambda *_: target)
        expected = chosen(part, part, LABELS[:2], W, 3.0)
    else:
        expected = formula(part, part, LABELS[:2])
    assert whole == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["css released", "css detached"])
def test_certain_networks_and_batches_without_weight_stay_finite(name):
    """Cross-entropies of exactly 0 must not make the scores 0 / 0."""
    case, loss, _ = met(name)
    logits = np.full((B, 3 * C, 3), -50.0, FLOATX)
    for i in range(3):
        logits[np.arange(B), LABELS * 3 + i, i] = 50.0
    value, gradients = loss(dict.fromkeys(case.shapes, logits), LABELS)
    assert np.isfinite(value)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    value, _ = loss(case.outputs(), LABELS, np.zeros(B, FLOATX))
    assert value == 0


def test_the_terms_that_css_logs():
    case, _, _ = met("css detached")
    with keras.StatelessScope():
        terms = case.method.compute_losses(
            nested(case.outputs()), LABELS, epoch=EPOCH
        )
    terms = {name: float(value) for name, value in terms.items()}
    for own, other in ("ab", "ba"):
        ce, kd, score, loss = (
            terms[f"network_{own}/{name}"]
            for name in ("ce", "kd", "utility_score", "loss")
        )
        z = case.outputs()[f"network_{own}/logits"].astype("float64")
        assert ce == pytest.approx(formulas.joint_ce(z, LABELS), rel=1e-5)
        assert score == pytest.approx(ce / terms[f"network_{other}/ce"])
        assert loss == pytest.approx(ce + 9 * W * score * kd)
