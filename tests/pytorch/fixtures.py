"""One training step of PyTorch on three of our presets, recorded for tests/kernels/pytorch.rs.

    python tests/pytorch/fixtures.py            writes tests/pytorch/*.json anew
    python tests/pytorch/fixtures.py MODEL FILE loads weights that Secateur saved into PyTorch's MODEL, by their names

Weights and images come from a counter formula that both sides know, so that a fixture holds results only: the loss, the
logits, and of every parameter the norm of its gradient and a few of its values; of running statistics the values
themselves. Needs PyTorch 2 and, for the second form, safetensors. Computed in double precision: what is compared is a
single-precision program with the answer.
"""

import copy
import json
import pathlib
import sys

import numpy as np
import torch
from torch import nn

BATCH = 8
SAMPLED = 16


def hashed(name, count):
    """32-bit words: FNV-1a of the name, then a mix of it with the index."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    i = np.arange(count, dtype=np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    h = (i * np.uint64(2654435761) + np.uint64(seed)) & mask
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(2246822519)) & mask
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(3266489917)) & mask
    return h ^ (h >> np.uint64(16))


def value(name, shape):
    """Single-precision numbers, the same in Rust."""
    count = int(np.prod(shape))
    unit = ((hashed(name, count) >> np.uint64(8)).astype(np.float64) / 2.0**23 - 1.0).astype(np.float32)
    if name.endswith("running_mean"):
        unit = np.zeros(count, np.float32)
    elif name.endswith("running_var"):
        unit = np.ones(count, np.float32)
    elif name.endswith("bias"):
        unit = unit * np.float32(0.125)
    elif len(shape) == 1:
        unit = np.float32(1.0) + unit * np.float32(0.25)
    else:
        unit = unit * np.float32(np.sqrt(6.0 / np.prod(shape[1:])))
    return torch.from_numpy(unit.reshape(shape))


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv1(x).relu(), 2)
        x = nn.functional.max_pool2d(self.conv2(x).relu(), 2).flatten(1)
        return self.fc3(self.fc2(self.fc1(x).relu()).relu())


class Vgg11(nn.Module):
    def __init__(self):
        super().__init__()
        layers, before = [], 3
        for stage in [[64], [128], [256, 256], [512, 512], [512, 512]]:
            for width in stage:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                before = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(512, 10)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class Block(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1:
            projection = nn.Conv2d(before, width, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*[Block(16, 16, 1) for _ in range(3)])
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(x)).relu())))
        return self.fc(x.mean((2, 3)))


# Each with the name that its images come from.
MODELS = {
    "lenet-5": (LeNet5, (1, 28, 28), "images"),
    # Of 2,500 names one of those whose ReLUs and poolings are furthest from switching (`distance`: 3.6; 0.85 with "images"). One that
    # switches because a driver rounds otherwise moves the gradients of the first layer by up to 3 %: with "images", a
    # pre-activation of 4e-6 before the ReLU features.17 moved features.0.weight[0] from -0.0809 to -0.0832.
    "vgg-11-bn": (Vgg11, (3, 32, 32), "images 299"),
    "resnet-20": (ResNet20, (3, 32, 32), "images"),
}


def batch(shape, name):
    """Images of bytes / 255, and labels."""
    images = (hashed(name, BATCH * int(np.prod(shape))) >> np.uint64(24)).astype(np.float64) / 255.0
    labels = (hashed("labels", BATCH) >> np.uint64(8)) % np.uint64(10)
    return torch.from_numpy(images.reshape(BATCH, *shape)), torch.from_numpy(labels.astype(np.int64))


def sampled(tensor):
    flat = tensor.detach().double().flatten()
    step = max(1, flat.numel() // SAMPLED)
    return {"norm": flat.norm().item(), "values": flat[::step][:SAMPLED].tolist()}


def distance(model, x):
    """How far the ReLU or pooling of a plain network that is nearest to switching is from it, in single-precision rounding errors of
    sums as long as all before it."""
    nearest, terms = float("inf"), 0
    for layer in model.features:
        if isinstance(layer, nn.Conv2d):
            terms += layer.weight[0].numel()
        error = 2.0**-24 * max(terms, 1) ** 0.5
        if isinstance(layer, nn.ReLU):
            nearest = min(nearest, x.abs().min().item() / error)
        if isinstance(layer, nn.MaxPool2d):
            windows = nn.functional.unfold(x.flatten(0, 1).unsqueeze(1), 2, stride=2)
            first, second = windows.topk(2, 1).values.unbind(1)
            nearest = min(nearest, (first - second)[first > 0].min().item() / error)
        x = layer(x)
    return nearest


def record(name):
    kind, shape, images_name = MODELS[name]
    model = kind().double()
    state = {k: value(k, tuple(v.shape)) for k, v in model.state_dict().items() if v.dim() > 0}
    model.load_state_dict(state, strict=False)
    model.train()
    if name == "vgg-11-bn":
        with torch.no_grad():
            away = distance(copy.deepcopy(model), batch(shape, images_name)[0])
        print(f"{name}: the nearest ReLU or pooling is {away:.2f} rounding errors from switching")
    images, labels = batch(shape, images_name)
    logits = model(images)
    loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()
    gradients = {k: sampled(p.grad) for k, p in model.named_parameters()}
    statistics = {k: sampled(b) for k, b in model.named_buffers() if b.dim() > 0}
    return {
        "loss": loss.item(),
        "logits": logits.tolist(),
        "gradients": gradients,
        "statistics": statistics,
    }


def main():
    if len(sys.argv) == 3:
        from safetensors.torch import load_file

        model = MODELS[sys.argv[1]][0]()
        # Masks stand beside the weights they belong to.
        weights = {k: v for k, v in load_file(sys.argv[2]).items() if not k.endswith(".mask")}
        found = model.load_state_dict(weights, strict=False)
        missing = [k for k in found.missing_keys if not k.endswith("num_batches_tracked")]
        if missing or found.unexpected_keys:
            sys.exit(f"missing: {missing}; not known to PyTorch: {found.unexpected_keys}")
        print(f"{sys.argv[2]} has the names and shapes of {sys.argv[1]}")
        return
    folder = pathlib.Path(__file__).parent
    for name in MODELS:
        text = json.dumps(record(name), indent=1) + "\n"
        (folder / f"{name}.json").write_text(text)


main()
