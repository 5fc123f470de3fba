"""Configs of main.py as yysijie/st-gcn, 2s-AGCN, MS-G3D and CTR-GCN write them, and of mmskeleton."""

ST_GCN = """
work_dir: ./work_dir/recognition/ntu-xsub/ST_GCN
feeder: feeder.feeder.Feeder
train_feeder_args:
  data_path: ./data/NTU-RGB-D/xsub/train_data.npy
  label_path: ./data/NTU-RGB-D/xsub/train_label.pkl
test_feeder_args:
  data_path: ./data/NTU-RGB-D/xsub/val_data.npy
  label_path: ./data/NTU-RGB-D/xsub/val_label.pkl
model: net.st_gcn.Model
model_args:
  in_channels: 3
  num_class: 60
  dropout: 0.5
  edge_importance_weighting: True
  graph_args:
    layout: 'ntu-rgb+d'
    strategy: 'spatial'
weight_decay: 0.0001
base_lr: 0.1
step: [10, 50]
device: [0, 1, 2, 3]
batch_size: 64
test_batch_size: 64
num_epoch: 80
num_worker: 4
"""
KINETICS = (
    ST_GCN.replace(
        "train_label.pkl", "train_label.pkl\n  random_choose: True\n  random_move: True\n  window_size: 150", 1
    )
    .replace("num_class: 60\n  dropout: 0.5", "num_class: 400")
    .replace("'ntu-rgb+d'", "'openpose'")
)
AGCN = """
feeder: feeders.feeder.Feeder
train_feeder_args:
  data_path: ./data/ntu/xview/train_data_bone.npy
  label_path: ./data/ntu/xview/train_label.pkl
  debug: False
  random_choose: False
  random_shift: False
  random_move: False
  window_size: -1
  normalization: False
test_feeder_args:
  data_path: ./data/ntu/xview/val_data_bone.npy
  label_path: ./data/ntu/xview/val_label.pkl
model: model.agcn.Model
model_args:
  num_class: 60
  num_point: 25
  num_person: 2
  graph: graph.ntu_rgb_d.Graph
  graph_args:
    labeling_mode: 'spatial'
weight_decay: 0.0001
base_lr: 0.1
step: [30, 40]
device: [0, 1, 2, 3]
batch_size: 64
test_batch_size: 256
num_epoch: 50
nesterov: True
"""
CTR = """
work_dir: ./work_dir/ntu60/xsub/ctrgcn
feeder: feeders.feeder_ntu.Feeder
train_feeder_args:
  data_path: data/ntu/NTU60_CS.npz
  split: train
  window_size: 64
  normalization: False
  random_rot: True
  p_interval: [0.5, 1]
  vel: False
  bone: True
test_feeder_args:
  data_path: data/ntu/NTU60_CS.npz
  split: test
  window_size: 64
  p_interval: [0.95]
  vel: False
  bone: True
model: model.ctrgcn.Model
model_args:
  num_class: 60
  num_point: 25
  num_person: 2
  graph: graph.ntu_rgb_d.Graph
  graph_args:
    labeling_mode: 'spatial'
weight_decay: 0.0004
base_lr: 0.1
lr_decay_rate: 0.1
step: [35, 55]
warm_up_epoch: 5
batch_size: 64
num_epoch: 65
nesterov: True
"""
UCLA = """
feeder: feeders.feeder_ucla.Feeder
train_feeder_args: {data_path: bone motion, label_path: train, debug: False, random_choose: True, repeat: 5}
test_feeder_args: {data_path: bone motion, label_path: val, debug: False}
model: model.ctrgcn.Model
model_args:
  num_class: 10
  num_point: 20
  num_person: 1
  graph: graph.ucla.Graph
  graph_args:
    labeling_mode: 'spatial'
weight_decay: 0.0001
base_lr: 0.1
step: [50]
batch_size: 16
num_epoch: 65
nesterov: True
warm_up_epoch: 5
"""
MMSKELETON = """
argparse_cfg:
  gpus: {bind_to: processor_cfg.gpus, help: number of gpus}
  work_dir: {bind_to: processor_cfg.work_dir, help: where to log, default: ./work_dir/recognition/ntu-rgbd-xsub}
processor_cfg:
  type: processor.recognition.train
  gpus: 4
  log_level: 0
  work_dir:
  resume_from:
  model_cfg:
    type: 'models.backbones.ST_GCN_18'
    in_channels: 3
    num_class: 60
    dropout: 0.5
    edge_importance_weighting: True
    graph_cfg: {layout: 'ntu-rgb+d', strategy: 'spatial'}
  loss_cfg: {type: 'torch.nn.CrossEntropyLoss'}
  dataset_cfg:
    - {type: 'deprecated.datasets.skeleton_feeder.SkeletonFeeder', data_path: a.npy, label_path: a.pkl}
    - {type: 'deprecated.datasets.skeleton_feeder.SkeletonFeeder', data_path: b.npy, label_path: b.pkl}
  batch_size: 64
  optimizer_cfg: {type: 'torch.optim.SGD', lr: 0.1, momentum: 0.8, nesterov: true, weight_decay: 0.0001}
  workflow: [[train, 5], [val, 1]]
  total_epochs: 80
  training_hooks:
    lr_config: {policy: step, step: [10, 50]}
    log_config: {interval: 100, hooks: [{type: TextLoggerHook}]}
    checkpoint_config: {interval: 5}
    optimizer_config:
"""
MSG3D = (
    AGCN.replace("model.agcn", "model.msg3d")
    .replace("rgb_d.Graph", "rgb_d.AdjMatrixGraph")
    .replace("  graph_args:\n    labeling_mode: 'spatial'\n", "  num_gcn_scales: 13\n  num_g3d_scales: 6\n")
    .replace("batch_size: 64", "batch_size: 32\nforward_batch_size: 16", 1)
)
