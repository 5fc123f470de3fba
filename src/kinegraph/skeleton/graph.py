"""Graphs: from a joint layout to the adjacency (K, V, V) that a graph convolution multiplies with.

Slice k, row v, column w: how much of joint v flows into joint w through partition k, out[w] = Σ_v x[v] A[k, v, w].
"""

from operator import index
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from kinegraph.messages import did_you_mean
from kinegraph.skeleton.layout import JointLayout, load_layout

STRATEGIES = ("uniform", "distance", "spatial", "spatial_true", "inward_outward")
OTHER_NAMES = {"agcn": "inward_outward", "stgcn_spatial": "spatial"}  # MMAction2 0.x and 1.x


def adjacency(
    layout: JointLayout | str | Path, strategy: str = "spatial", max_hop: int = 1
) -> Float[np.ndarray, "K V V"]:
    """The partitioned, column-normalised adjacency of a layout: A[k, v, w] is how much of joint v flows into joint w.

    uniform: one slice, all joints within max_hop bones. distance: one slice for each number of bones 0..max_hop.
    spatial: as published with the 2018 code, 1 + 2 max_hop slices; the graph of every published ST-GCN checkpoint,
        named `spatial` in yysijie/st-gcn and MMAction2 0.x, `stgcn_spatial` in MMAction2 1.x and PYSKL.
    spatial_true: the three slices of the paper, by full distances to the centre.
    inward_outward: itself, its parent (inward), its children (outward), by the layout's directed bones; `agcn` in
        MMAction2 0.x, `spatial` in MMAction2 1.x and PYSKL, and the graph of the TensorFlow implementation.
    layout: a layout, the name of a built-in one or the path of a YAML file.
    The slices of the first four sum to one matrix whose columns each sum to 1; of the last each is normalised alone.
    Raises ValueError for an unknown layout or strategy and for a max_hop that either does not have.
    Source: Yan et al. 2018, sections 3.2 and 3.3; Shi et al. 2019 for inward_outward.
    """
    if not isinstance(layout, JointLayout):
        layout = load_layout(layout)
    hop = hop_distances(layout)
    _check_request(layout, strategy, max_hop, farthest=int(hop.max()))
    if strategy == "inward_outward":
        return inward_outward(layout)
    near = hop <= max_hop
    if strategy == "uniform":
        partition = near[None]
    elif strategy == "distance":
        partition = hop == np.arange(max_hop + 1)[:, None, None]
    elif strategy == "spatial":
        partition = published_spatial_partition(hop, layout.centre, max_hop)
    else:
        partition = spatial_partition(near, hop[layout.centre])
    return partition * normalise_columns(near)


def hop_distances(layout: JointLayout) -> Int[np.ndarray, "V V"]:
    """Number of bones on the shortest way between any two joints; a layout connects all of them."""
    joints = len(layout)
    step = np.eye(joints, dtype=bool)
    for i, j in layout.bones:
        step[i, j] = step[j, i] = True
    hop = np.full((joints, joints), -1)
    reached = np.eye(joints, dtype=bool)
    for bones in range(joints):
        hop[reached & (hop < 0)] = bones
        reached = reached @ step
    return hop


def normalise_columns(graph: Float[np.ndarray, "V V"] | Bool[np.ndarray, "V V"]) -> Float[np.ndarray, "V V"]:
    """Divide each column by its sum, A D⁻¹; a column of zeros stays zero."""
    total = graph.sum(axis=0, dtype=np.float64)
    return graph / np.where(total > 0, total, 1.0)


def spatial_partition(
    near: Bool[np.ndarray, "V V"], centre_distance: Int[np.ndarray, "V"]
) -> Bool[np.ndarray, "3 V V"]:
    """Split the neighbours of each joint into equally far from, nearer to and farther from the centre than itself.

    near[v, w]: v is a neighbour of w (or w itself). Returns three masks that sum to it.
    Source: Yan et al. 2018, section 3.3, "spatial configuration": root, centripetal and centrifugal group. The paper
    measures to the mean of all joints, here distance is counted in bones to the centre joint.
    """
    neighbour, joint = centre_distance[:, None], centre_distance[None, :]
    return np.stack([near & (neighbour == joint), near & (neighbour < joint), near & (neighbour > joint)])


def published_spatial_partition(hop: Int[np.ndarray, "V V"], centre: int, max_hop: int) -> Bool[np.ndarray, "K V V"]:
    """The spatial partition as the published code computes it: K = 1 + 2 max_hop, for hop 0 and each hop h >= 1.

    The masks are: the joint itself; then for each h the neighbours h bones away that are equally far or farther from
    the centre than the joint, and those that are nearer.
    Distances beyond max_hop count as infinite, also those to the centre, and infinite equals infinite. With
    max_hop = 1 most neighbours are therefore "equally far", and the last mask holds only what flows out of the
    centre and the joints beside it: not the paper's partition (`spatial_partition`), but trained weights depend on it.
    Source: yysijie/st-gcn, MMAction2 and PYSKL.
    """
    centre_distance = np.minimum(hop[centre], max_hop + 1)  # max_hop + 1 stands for infinite
    nearer = centre_distance[:, None] < centre_distance[None, :]
    masks = [hop == 0]
    for bones in range(1, max_hop + 1):
        masks += [(hop == bones) & ~nearer, (hop == bones) & nearer]
    return np.stack(masks)


def inward_outward(layout: JointLayout) -> Float[np.ndarray, "3 V V"]:
    """Each joint itself, what flows from parents to children, and from children to parents; each normalised alone.

    Columns without a bone, such as the centre's in the inward slice, stay zero. Source: Shi et al. 2019 (2s-AGCN).
    """
    child, parent = np.array(layout.bones).T
    inward = np.zeros((len(layout), len(layout)))
    inward[parent, child] = 1
    return np.stack([np.eye(len(layout)), normalise_columns(inward), normalise_columns(inward.T)])


def _check_request(layout: JointLayout, strategy: str, max_hop: int, farthest: int) -> None:
    if strategy not in STRATEGIES:
        same = OTHER_NAMES.get(str(strategy))
        hint = did_you_mean(same or strategy, STRATEGIES)
        raise ValueError(f"no graph strategy '{strategy}'; there are {', '.join(STRATEGIES)}{hint}")
    try:
        hops = index(max_hop)
    except TypeError:
        raise ValueError(f"max_hop is {max_hop!r}, expected a whole number of bones from 1; use 1") from None
    if hops < 1:
        raise ValueError(f"max_hop is {hops}, expected a whole number of bones from 1; use 1")
    if hops > farthest:
        raise ValueError(
            f"max_hop is {hops}, but no two joints of layout '{layout.name}' are more than {farthest} bones apart; "
            f"use at most {farthest}"
        )
    if strategy == "inward_outward" and hops != 1:
        raise ValueError(f"strategy 'inward_outward' follows single bones: max_hop must be 1, found {hops}")
