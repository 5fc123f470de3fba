"""ProtoGCN read plainly: a wider DG-STGCN, whose prototypes have weights but no part in the logits."""

from contestants.plain_dgstgcn import DGSTGCN
from torch import nn

PROTOTYPES, DESCRIBED = 400, 256


class ProtoGCN(DGSTGCN):
    """The prototypes compute the loss of their own, which a step of the bench leaves out on both sides."""

    def __init__(self, graph):
        widths = (96,) * 4 + (192,) * 3 + (384,) * 3
        super().__init__(graph, widths=widths)
        joints, width = graph.shape[1], widths[-1]
        self.backbone.prn = nn.Module()
        self.backbone.prn.query_matrix = nn.Linear(width, PROTOTYPES, bias=False)
        self.backbone.prn.memory_matrix = nn.Linear(PROTOTYPES, width, bias=False)
        self.backbone.post, self.backbone.bn = nn.Conv2d(width, width, 1), nn.BatchNorm2d(width)
        self.cls_head.csc_loss = nn.Module()
        self.cls_head.csc_loss.cl_fc = nn.Linear(joints * joints, DESCRIBED)
