"""Networks of MMAction2, PYSKL and ProtoGCN by the names and settings of their configs -> ours."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from kinegraph.allowed import NETWORKS
from kinegraph.foreign.block import Block
from kinegraph.foreign.recipe import ANY, CODE, FOLLOWS, STORING, TESTED, Recipe, check_known
from kinegraph.messages import did_you_mean, first_few, quoted
from kinegraph.skeleton.layout import INFERRED, MOST_JOINTS, JointLayout, layout_names, load_layout

RECOGNIZERS = ("SkeletonGCN", "RecognizerGCN")


class Joints(NamedTuple):
    """A layout by a name of theirs: our layout of the joints, and the one with the edges of the graph.

    dimensions: 2 or 3; 0 where only the clips say so.
    """

    joints: str | JointLayout
    edges: str | JointLayout
    dimensions: int


# Edges differ between MMAction2 0.x and what followed, see docs/recipes.md; the 0.x names its graph's strategy.
LAYOUTS_0 = {
    "ntu-rgb+d": Joints("ntu25", "ntu25", 3),
    "ntu_edge": Joints("ntu24", "ntu24", 3),
    "coco": Joints("coco17", "coco17", 2),
    "openpose-18": Joints("openpose18", "openpose18", 2),
    "openpose-25": Joints("openpose25", "openpose25", 2),
    "openpose": Joints("openpose18", "openpose18", 2),  # yysijie/st-gcn
}
LAYOUTS_1 = {
    "nturgb+d": Joints("ntu25", "ntu25_star", 3),
    "coco": Joints("coco17", "coco17_tree", 2),
    "coco_new": Joints("coco20", "coco20", 2),
    "openpose": Joints("openpose18", "openpose18", 2),
    "handmp": Joints("hand21", "hand21", 2),
}
FLAT = ("coco", "openpose", "halpe", "wholebody", "hand")  # beginnings of the names of layouts of 2D joints
ELSEWHERE = {"mediapipe": "blazepose33", "mediapipe_pose": "blazepose33"}  # names that users give to layouts of ours
PARTITIONS_0 = {"uniform": "uniform", "distance": "distance", "spatial": "spatial", "agcn": "inward_outward"}
PARTITIONS_1 = {"stgcn_spatial": "spatial", "spatial": "inward_outward"}
# Graphs that the network makes itself, whatever the skeleton's bones are.
OWN_GRAPHS = {"DGSTGCN": "random", "ProtoGCN": "random", "MSG3D": "binary_adj"}

BRANCHES = [(3, 1), (3, 2), (3, 3), (3, 4), ("max", 3), "1x1"]  # of ST-GCN++'s temporal convolution
STAGES: Mapping[str, object] = {
    "graph_cfg": ANY,
    "base_channels": ANY,
    "ch_ratio": ANY,
    "num_stages": ANY,
    "inflate_stages": ANY,
    "down_stages": ANY,
    "in_channels": ANY,
    "num_person": FOLLOWS,
    "pretrained": ANY,  # weights to start from
    "init_cfg": ANY,  # likewise
}
STGCN_1: Mapping[str, object] = {
    **STAGES,
    **dict.fromkeys(("gcn_adaptive", "gcn_with_res", "tcn_type", "tcn_dropout"), ANY),
    "data_bn_type": "VC",
    "gcn_conv_pos": "pre",
    "tcn_ms_cfg": BRANCHES,
    "gcn_norm": "BN",
    "gcn_act": "relu",
}
STGCN_0: Mapping[str, object] = {
    "graph_cfg": ANY,
    "in_channels": ANY,
    "edge_importance_weighting": ANY,
    "data_bn": True,
    "pretrained": ANY,
    "init_cfg": ANY,
    "dropout": ANY,
}
DENSE = {**STAGES, "data_bn_type": "VC", "gcn_ratio": 0.125, "gcn_ctr": "T", "gcn_ada": "T", "tcn_ms_cfg": BRANCHES}
MVC = {**STAGES, "num_person": ANY, "data_bn_type": "MVC"}
OTHERS: dict[str, tuple[str, dict[str, object]]] = {
    "CTRGCN": ("kinegraph.models.ctrgcn.CTRGCN", MVC),
    "DGSTGCN": ("kinegraph.models.dgstgcn.DGSTGCN", DENSE | {"tcn_dropout": 0}),
    "AAGCN": ("kinegraph.models.aagcn.AAGCN", MVC | {"gcn_attention": ANY}),
    "MSG3D": (
        "kinegraph.models.msg3d.MSG3D",
        {"graph_cfg": ANY, "in_channels": ANY, "base_channels": 96, "num_gcn_scales": ANY, "num_g3d_scales": ANY}
        | {"num_person": ANY, "tcn_dropout": 0, "pretrained": ANY, "init_cfg": ANY},
    ),
    "ProtoGCN": ("kinegraph.models.protogcn.ProtoGCN", DENSE | {"num_prototype": ANY, "tcn_dropout": 0}),
}
SCALES = (("num_gcn_scales", "scales", 13), ("num_g3d_scales", "window_scales", 6))  # of MS-G3D: theirs, ours, usual
FOR_PEOPLE = ("CTRGCN", "AAGCN", "MSG3D")  # whose input norm knows the first person from the second
PARTS = ("backbone", "cls_head", "train_cfg", "test_cfg", "data_preprocessor")  # of a model
PREPROCESSOR = {"type": "ActionDataPreprocessor", "format_shape": CODE, "to_float32": CODE}
HEADS = ("STGCNHead", "GCNHead", "SimpleHead")
ARTICLE = "; here are graph networks on joints only"


def network(config: Block, recipe: Recipe) -> None:
    """Say model, layout, partition and number of classes; of a network that Kinegraph does not have, only that."""
    model = config.block("model")
    backbone, head = _with_stage_settings(model.block("backbone"), recipe), model.block("cls_head")
    kind = backbone.get("type")
    if not backbone:
        recipe.refuse("there is no model.backbone, the network", config, "model")
        return
    if (recognizer := model.get("type")) not in RECOGNIZERS:
        recipe.refuse(f"model {quoted(recognizer)} with {quoted(kind)} is not here{ARTICLE}", model)
        return
    # Before 1.0 the backbones of 0.x had the recognizer of 1.x for a while: only their own settings tell them apart.
    older = recognizer == "SkeletonGCN" or kind == "AGCN" or "strategy" in backbone.block("graph_cfg")
    if kind == "STGCN":
        (_stgcn_0 if older else _stgcn_1)(backbone, recipe)
    elif kind == "AGCN":
        check_known(recipe, backbone, STGCN_0, "AGCN")
        _class(recipe, "kinegraph.models.agcn.AGCN", backbone)
    elif kind in OTHERS and not older:
        _other(str(kind), backbone, recipe)
    else:
        recipe.refuse(f"backbone {quoted(kind)} is not here{ARTICLE}", backbone)
        return
    _start(backbone, recipe)
    recipe.dataset["channels"] = backbone.get("in_channels")
    _graph(backbone, recipe, older)
    _head(head, recipe)
    check_known(recipe, model, dict.fromkeys(PARTS, ANY), "model")
    if settings := [key for key, value in model.block("train_cfg").items() if value is not None]:
        what = f"model.train_cfg: {first_few(settings)} not known here"
        recipe.refuse(f"{what}; --cfg-options model.train_cfg=None goes on without", model, "train_cfg")
    check_known(recipe, model.block("data_preprocessor"), PREPROCESSOR, "data_preprocessor")
    _test_cfg(model.block("test_cfg"), recipe)


def _with_stage_settings(backbone: Block, recipe: Recipe) -> Block:
    """The settings of a backbone; before 1.0 those of its blocks stood in `stage_cfgs`."""
    stages = backbone.block("stage_cfgs")
    return recipe.copied(backbone, stages, without=["stage_cfgs"]) if stages else backbone


def _start(backbone: Block, recipe: Recipe) -> None:
    """Weights that the backbone starts from."""
    init = backbone.get("init_cfg")
    if isinstance(file := backbone.get("pretrained"), str):
        recipe.say("init_from", file, backbone, "pretrained", "backbone.pretrained")
    elif isinstance(init, Block) and init.get("type") == "Pretrained":
        recipe.say("init_from", str(init.get("checkpoint")), init, "checkpoint", "backbone.init_cfg.checkpoint")
        recipe.note("the head starts from the file too, where its classes are as many", init, "checkpoint")
    elif init is not None or file is not None:
        recipe.refuse("init_cfg: first weights are those of the project here", backbone, "init_cfg")


def _class(recipe: Recipe, name: str, backbone: Block, **settings: tuple[object, str]) -> None:
    if name not in NETWORKS:
        recipe.refuse(f"the network {name.rpartition('.')[2]} is not in this version of Kinegraph", backbone)
        return
    recipe.say("model.class_path", name, backbone, "type", "backbone.type")
    for option, (value, key) in settings.items():
        recipe.say(f"model.init_args.{option}", value, backbone, key, f"backbone.{key}")


def _stgcn_0(backbone: Block, recipe: Recipe) -> None:
    check_known(recipe, backbone, STGCN_0, "STGCN")
    settings: dict[str, tuple[object, str]] = {}
    if backbone.get("edge_importance_weighting") is False:
        settings["edges"] = ("fixed", "edge_importance_weighting")
    if backbone.get("dropout"):
        settings["dropout"] = (backbone["dropout"], "dropout")
    _class(recipe, "kinegraph.models.stgcn.STGCN", backbone, **settings)


def _stgcn_1(backbone: Block, recipe: Recipe) -> None:
    """ST-GCN or ST-GCN++, which differ in their settings only."""
    check_known(recipe, backbone, STGCN_1, "STGCN")
    settings = _stages(backbone, recipe) | _first_weights(recipe)
    if backbone.get("tcn_dropout"):
        settings["dropout"] = (backbone["tcn_dropout"], "tcn_dropout")
    adaptive, residual = backbone.get("gcn_adaptive", "importance"), backbone.get("gcn_with_res", False)
    temporal = backbone.get("tcn_type", "unit_tcn")
    if temporal == "mstcn" and adaptive == "init" and residual:
        _class(recipe, "kinegraph.models.stgcnpp.STGCNPP", backbone, **settings)
        return
    settings.setdefault("init", ("pyskl", "type"))
    if temporal != "unit_tcn":
        wanted = "'mstcn' is here with gcn_adaptive='init' and gcn_with_res=True, ST-GCN++"
        recipe.refuse(
            f"tcn_type {quoted(temporal)} with gcn_adaptive {quoted(adaptive)}: {wanted}", backbone, "tcn_type"
        )
    edges = {"importance": "importance", "init": "learned", None: "fixed", False: "fixed"}
    if adaptive not in edges:
        known = "'importance' and 'init' are here"
        recipe.refuse(f"gcn_adaptive {quoted(adaptive)}: {known}", backbone, "gcn_adaptive")
    elif edges[adaptive] != "importance":
        settings["edges"] = (edges[adaptive], "gcn_adaptive")
    if residual:
        settings["graph_residual"] = (True, "gcn_with_res")
    _class(recipe, "kinegraph.models.stgcn.STGCN", backbone, **settings)


def _other(kind: str, backbone: Block, recipe: Recipe) -> None:
    name, known = OTHERS[kind]
    check_known(recipe, backbone, known, kind)
    settings = _stages(backbone, recipe, base=96 if kind == "ProtoGCN" else 64) if "num_stages" in known else {}
    settings |= _first_weights(recipe) if kind in FOR_PEOPLE else {}
    if kind == "AAGCN" and backbone.get("gcn_attention") is False:
        settings["attention"] = (False, "gcn_attention")
    if kind in FOR_PEOPLE and backbone.get("num_person", 2) != 2:
        settings["people"] = (backbone["num_person"], "num_person")
    for theirs, option, usual in SCALES if kind == "MSG3D" else ():
        if backbone.get(theirs, usual) != usual:
            settings[option] = (backbone[theirs], theirs)
    if kind == "ProtoGCN" and "num_prototype" in backbone:
        settings["prototypes"] = (backbone["num_prototype"], "num_prototype")
    _class(recipe, name, backbone, **settings)


def _first_weights(recipe: Recipe) -> dict[str, tuple[object, str]]:
    """PYSKL's are the default of all networks but ST-GCN."""
    return {"init": ("mmaction1", "type")} if recipe.dialect == "MMAction2 1.x" else {}


def _stages(backbone: Block, recipe: Recipe, base: int = 64) -> dict[str, tuple[object, str]]:
    """widths and strides where they are not the published ones."""
    keys = ("base_channels", "ch_ratio", "num_stages", "inflate_stages", "down_stages")
    given = {key: backbone[key] for key in keys if key in backbone}
    first, ratio = given.get("base_channels", base), given.get("ch_ratio", 2)
    count, wider = given.get("num_stages", 10), given.get("inflate_stages", (5, 8))
    halved = given.get("down_stages", (5, 8))
    numbers = all(type(number) in (int, float) for number in (first, ratio, count))
    lists = all(isinstance(stages, list | tuple) and all(type(n) is int for n in stages) for stages in (wider, halved))
    if not numbers or not lists or not 0 < count <= 100 or not 0 < first <= 4096 or not 0 < ratio <= 16:
        recipe.refuse("the stages of the backbone are no numbers that a network can have", backbone, next(iter(given)))
        return {}
    widened = [sum(stage <= i for stage in wider) for i in range(1, int(count) + 1)]
    widths = [min(int(first * ratio**times + 1e-4), 1 << 20) for times in widened]
    strides = [2 if i in halved and i > 1 else 1 for i in range(1, int(count) + 1)]
    settings: dict[str, tuple[object, str]] = {}
    key = next(iter(given), "type")
    if widths != [64] * 4 + [128] * 3 + [256] * 3 and given:
        settings["widths"] = (widths, key)
    if strides != [1] * 4 + [2, 1, 1, 2, 1, 1] and given:
        settings["strides"] = (strides, key)
    return settings


# ---- graph and head --------------------------------------------------------------------------------------------------


def _graph(backbone: Block, recipe: Recipe, older: bool) -> None:
    graph, kind = backbone.block("graph_cfg"), backbone.get("type")
    layouts, key = (LAYOUTS_0, "strategy") if older else (LAYOUTS_1, "mode")
    partitions: Mapping[str, str] = PARTITIONS_0 if older else PARTITIONS_1
    layout = graph.get("layout", "openpose-18" if older else "coco")
    mode = graph.get(key, "uniform" if older else "spatial")
    if isinstance(layout, Block):
        layout = _same_graph(layout) or _spelled_out(layout, graph, recipe)
    if isinstance(layout, Joints):
        say_layout(recipe, layout, graph, "layout", "graph_cfg.layout")
    elif isinstance(layout, str) and layout in layouts:
        say_layout(recipe, layouts[layout], graph, "layout", "graph_cfg.layout")
    elif own_layout := ours_of(layout):
        say_ours(recipe, own_layout, graph, "layout", "graph_cfg.layout")
    elif layout is not None:
        hint = did_you_mean(ELSEWHERE.get(str(layout), str(layout)), [*layouts, *layout_names()])
        which = "--cfg-options model.backbone.graph_cfg.layout=NAME takes one of them, or one of our layouts"
        what = f"graph layout {quoted(layout)} is not here, only {', '.join(layouts)}{hint}"
        recipe.refuse(f"{what}; {which}", graph, "layout")
    own = OWN_GRAPHS.get(str(kind))
    if own is not None:
        if mode != own:
            recipe.refuse(f"graph mode {quoted(mode)}: {kind} has '{own}' here", graph, key)
        recipe.say("partition", "inward_outward", graph, key, f"graph_cfg.{key}, which {kind} makes itself")
    elif mode in partitions:
        recipe.say("partition", partitions[mode], graph, key, f"graph_cfg.{key}")
    else:
        recipe.refuse(f"graph {key} {quoted(mode)} is not here, only {', '.join(partitions)}", graph, key)
    if (hop := graph.get("max_hop", 1)) != 1:
        recipe.say("max_hop", hop, graph, "max_hop", "graph_cfg.max_hop")
    known = {"layout": ANY, key: ANY, "max_hop": ANY, "dilation": 1}
    usual: Mapping[str, object] = {"num_filter": ANY, "init_off": 0.04, "init_std": 0.02} if own == "random" else {}
    if own == "random" and graph.get("num_filter", 8) != 8:
        recipe.say("model.init_args.partitions", graph["num_filter"], graph, "num_filter", "graph_cfg.num_filter")
    check_known(recipe, graph, known | dict(usual), "graph_cfg")


def _same_graph(graph: Block) -> str | None:
    """The name of the layout with the joints, edges and centre that MMAction2 1.x lets a config spell out."""
    edges = {tuple(edge) for edge in graph.get("inward", ())}
    for name, joints in LAYOUTS_1.items():
        layout = load_layout(joints.edges)
        if (graph.get("num_node"), edges, graph.get("center")) == (len(layout), set(layout.bones), layout.centre):
            return name
    return None


def _spelled_out(layout: Block, graph: Block, recipe: Recipe) -> Joints | None:
    """A user's own joints, edges and centre, as a layout; None, and a refusal, where they are no skeleton."""
    count, edges, centre = layout.get("num_node"), layout.get("inward"), layout.get("center")
    try:
        if type(count) is not int or not 1 < count <= MOST_JOINTS or type(centre) is not int:
            raise ValueError("expected num_node and center as numbers")
        if not isinstance(edges, list | tuple) or not all(_is_edge(edge) for edge in edges):
            raise ValueError("expected inward as a list of two joints each")
        names = tuple(f"joint {i}" for i in range(count))
        own = JointLayout(recipe.path.stem, names, tuple((a, b) for a, b in edges), centre)
    except ValueError as error:
        how = "edges in inward lead from every joint to the center"
        recipe.refuse(f"graph_cfg.layout: {error}; {how}", graph, "layout")
        return None
    own = replace(own, unstated=frozenset(INFERRED))
    return Joints(own, own, 0)


def _is_edge(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(type(number) is int for number in value)


def name_of(layout: str | JointLayout) -> str:
    return layout if isinstance(layout, str) else layout.name


def ours_of(name: object) -> Joints | None:
    """Our layout of a name that the project itself does not have: of a user's own code, or meant for us."""
    if not isinstance(name, str) or name not in layout_names():
        return None
    return Joints(name, name, 2 if name.startswith(FLAT) else 3)


def say_ours(recipe: Recipe, layout: Joints, block: Block, key: str, name: str) -> None:
    """The same for such a name, whose joints and edges are not in the file."""
    say_layout(recipe, layout, block, key, name)
    recipe.note(f"{name}: joints and edges are those of our layout '{name_of(layout.joints)}'", block, key)


def say_layout(recipe: Recipe, layout: Joints, block: Block, key: str, name: str) -> None:
    recipe.dataset["layout"] = layout.joints
    if layout.dimensions:
        recipe.dataset["dimensions"] = layout.dimensions
    if layout.edges != layout.joints:
        recipe.say("layout", layout.edges, block, key, name)


def _head(head: Block, recipe: Recipe) -> None:
    if head.get("type") not in HEADS:
        recipe.refuse(f"cls_head {quoted(head.get('type'))} is not here, only {', '.join(HEADS)}", head)
        return
    known: dict[str, object] = {"num_classes": ANY, "in_channels": FOLLOWS, "num_person": FOLLOWS, "loss_cls": ANY}
    known |= {"spatial_type": "avg", "init_std": 0.01, "average_clips": "prob"}
    known |= {"joint_cfg": FOLLOWS, "weight": ANY, "multi_class": False, "label_smooth_eps": ANY, "topk": STORING}
    known |= {"dropout": ANY, "dropout_ratio": ANY, "init_cfg": {"type": "Normal", "layer": "Linear", "std": 0.01}}
    check_known(recipe, head, known, str(head["type"]))
    if key := next((name for name in ("dropout", "dropout_ratio") if head.get(name)), None):
        recipe.say("head_dropout", head[key], head, key, f"cls_head.{key}")
    if head["type"] == "SimpleHead" and "weight" in head:
        recipe.say("model.init_args.weight", head["weight"], head, "weight", "cls_head.weight")
    classes = head.get("num_classes")
    if type(classes) is not int or not 1 < classes <= 100_000:
        recipe.refuse(f"num_classes is {quoted(classes)}, expected 2 or more", head, "num_classes")
    else:
        recipe.classes = classes


def _test_cfg(test: Block, recipe: Recipe) -> None:
    check_known(recipe, test, {"average_clips": ANY, "max_testing_views": TESTED}, "model.test_cfg")
    average: Any = test.get("average_clips", "prob")
    if average not in ("prob", None):
        recipe.refuse(f"average_clips {quoted(average)}: here probabilities are averaged", test, "average_clips")
