"""Samples per second of whole training steps in PyTorch, to compare with Secateur's on the same machine.

A step is what a user's training loop does: forward pass, softmax cross-entropy, backward pass and an SGD step with
momentum 0.9 and no weight decay. The inputs are MNIST-shaped random batches that already lie on the device. One line of
JSON goes to standard output; everything else goes to standard error.
"""

import argparse
import json
import math
import os
import platform
import sys
import time

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune

# Prepared batches, used in turn.
BATCHES = 8

# Small enough that random labels are learned slowly and nothing overflows.
LEARNING_RATE = 0.01

# Steps before the warm-up may end, however stable they are.
WARM_UP_STEPS = 20

# The warm-up ends this many seconds after those steps even if later ones still vary. Compiling during the first steps
# may take long, so it does not count.
WARM_UP_LIMIT = 60.0

# Steps between two synchronisations last at least this many seconds, so that waiting for the device costs next to
# nothing.
STRETCH = 0.5

# Stretches are stable when the slowest of the last STABLE_STRETCHES takes at most this many times the fastest.
STABLE_RATIO = 1.1
STABLE_STRETCHES = 4

# Steps on a side stream before one is recorded as a CUDA graph, as PyTorch asks for.
STEPS_BEFORE_CAPTURE = 3


def lenet_300_100():
    """784-300-100-10."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 300),
        nn.ReLU(),
        nn.Linear(300, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )


def lenet_5():
    """Two convolutions of 5x5 (6 channels with a border of 2, then 16), each max-pooled by 2, then 400-120-84-10."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def mnist_cnn():
    """Two convolutions of 3x3 (32, then 64 channels), max-pooled by 2, dropout, then 9216-128-10 with dropout."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.MaxPool2d(2),
        nn.Dropout2d(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


MODELS = {"lenet-300-100": lenet_300_100, "lenet-5": lenet_5, "mnist-cnn": mnist_cnn}


def network(arguments):
    """A new network on the device. Below density 1 each weight is pruned at random, and the mask stays: the module
    multiplies it in before every forward pass."""
    model = MODELS[arguments.model]().to(arguments.device)
    if arguments.density < 1:
        for module in model:
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                prune.random_unstructured(module, "weight", amount=1 - arguments.density)
    return model


class One:
    """A single network and its mean loss over a batch."""

    def __init__(self, arguments):
        self.model = network(arguments)
        self.parameters = list(self.model.parameters())
        self.batch_shape = (arguments.batch,)

    def loss(self, inputs, labels):
        return functional.cross_entropy(self.model(inputs), labels)


class Ensemble:
    """Networks that torch.func.vmap trains together, each on batches of its own. The loss is the sum of their mean
    losses, so each gets its own gradient."""

    def __init__(self, arguments):
        models = [network(arguments) for _ in range(arguments.replicas)]
        self.parameters_by_name, self.buffers_by_name = torch.func.stack_module_state(models)
        self.parameters = list(self.parameters_by_name.values())
        # Says what to compute; its own weights are never used.
        self.model = models[0]
        self.pruned = [module for module in self.model if prune.is_pruned(module)]
        self.batch_shape = (arguments.replicas, arguments.batch)

    def loss(self, inputs, labels):
        losses = torch.func.vmap(self.loss_of_one)(
            self.parameters_by_name, self.buffers_by_name, inputs, labels
        )
        return losses.sum()

    def loss_of_one(self, parameters, buffers, inputs, labels):
        logits = torch.func.functional_call(self.model, (parameters, buffers), (inputs,))
        for module in self.pruned:
            # The masked weight that pruning leaves on the module; torch.compile cannot let it out of vmap.
            module.weight = None
        return functional.cross_entropy(logits, labels)


class Training:
    """What is trained, with its data on the device."""

    def __init__(self, arguments):
        self.device = arguments.device
        self.replicas = arguments.replicas
        self.steps = 0
        together = arguments.variant == "vmap" or arguments.replicas > 1
        trained = Ensemble(arguments) if together else One(arguments)
        # batch_shape counts the samples; each is one channel of 28x28 pixels.
        self.batches = [
            (
                torch.rand(*trained.batch_shape, 1, 28, 28, device=self.device) - 0.5,
                torch.randint(10, trained.batch_shape, device=self.device),
            )
            for _ in range(BATCHES)
        ]
        self.loss = trained.loss
        self.optimizer = torch.optim.SGD(trained.parameters, lr=LEARNING_RATE, momentum=0.9)
        self.run_step = self.step
        if arguments.variant == "compile":
            # On CUDA this mode also records what it compiled as CUDA graphs.
            mode = "reduce-overhead" if self.device == "cuda" else "default"
            self.loss = torch.compile(trained.loss, mode=mode)
        elif arguments.variant == "graph":
            self.run_step = self.captured_step()

    def step(self, inputs, labels):
        """One training step; its loss stays on the device."""
        self.optimizer.zero_grad()
        loss = self.loss(inputs, labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def captured_step(self):
        """The whole step as one CUDA graph, which reads its batch from a fixed place."""
        inputs, labels = (tensor.clone() for tensor in self.batches[0])
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(STEPS_BEFORE_CAPTURE):
                self.step(inputs, labels)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self.step(inputs, labels)

        def replay(next_inputs, next_labels):
            inputs.copy_(next_inputs)
            labels.copy_(next_labels)
            graph.replay()
            return loss

        return replay

    def stretch(self, steps):
        """That many steps, then waits for the device; the mean loss of the last of them."""
        for _ in range(steps):
            loss = self.run_step(*self.batches[self.steps % BATCHES])
            self.steps += 1
        loss = loss.item() / self.replicas
        # The loss is known before the last update of the weights: wait for that too.
        if self.device == "cuda":
            torch.cuda.synchronize()
        return loss


def measure(training, seconds):
    """A warm-up that ends when steps are stable, then the timed steps: how many, and how long they took."""
    warm_up = time.perf_counter()
    first_loss = training.stretch(1)
    while training.steps < WARM_UP_STEPS:
        training.stretch(1)

    # Rarer kernels may still be chosen. The length of a stretch is found here as well.
    settling = time.perf_counter()
    stretch = 1
    recent = []
    while True:
        start = time.perf_counter()
        training.stretch(stretch)
        taken = time.perf_counter() - start
        if taken < STRETCH:
            stretch *= 2
            recent.clear()
        else:
            recent.append(taken)
        last = recent[-STABLE_STRETCHES:]
        if len(last) == STABLE_STRETCHES and max(last) <= min(last) * STABLE_RATIO:
            break
        if time.perf_counter() - settling > WARM_UP_LIMIT:
            complain(
                f"the steps still vary by more than 10% after {WARM_UP_LIMIT:.0f} s; timing them all the same"
            )
            break
    warm_up_steps = training.steps
    complain(f"warm-up: {warm_up_steps} steps in {time.perf_counter() - warm_up:.1f} s")

    # Every stretch ends with a synchronisation, so the clock starts and stops with an idle device.
    start = time.perf_counter()
    while True:
        last_loss = training.stretch(stretch)
        taken = time.perf_counter() - start
        if taken >= seconds:
            break
    complain(f"loss: {first_loss:.4f} at first, {last_loss:.4f} at last")
    if not math.isfinite(last_loss):
        sys.exit("training diverged, so its speed means nothing; try another --batch")
    return training.steps - warm_up_steps, taken


def adapter(arguments):
    """The name of what computes: the GPU, or the processor and the threads it gives."""
    if arguments.device == "cuda":
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # Not Linux, or a processor that Linux does not name.
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread" + ("s" if threads > 1 else "")


def cores():
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def complain(message):
    print(message, file=sys.stderr)


def positive(kind):
    """Reads a finite number above zero."""

    def read(text):
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not (math.isfinite(value) and value > 0):
            raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
        return value

    return read


def parse():
    """The command line's wishes, after checking that they go together."""
    parser = argparse.ArgumentParser(description="Times whole training steps in PyTorch.")
    parser.add_argument("--model", choices=MODELS, default="lenet-300-100", help="the network to train (%(default)s)")
    parser.add_argument("--batch", type=positive(int), default=128, help="samples in a step (%(default)s)")
    parser.add_argument(
        "--seconds", type=positive(float), default=10.0, help="how long to time, after the warm-up (%(default)s)"
    )
    parser.add_argument(
        "--density",
        type=positive(float),
        default=1.0,
        help="share of each weight that torch.nn.utils.prune keeps; 1 prunes nothing (%(default)s)",
    )
    parser.add_argument(
        "--replicas", type=positive(int), default=1, help="networks that torch.func.vmap trains together (%(default)s)"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where to train (%(default)s)")
    parser.add_argument(
        "--variant",
        choices=["eager", "compile", "graph", "vmap"],
        default="eager",
        help="eager; torch.compile; the step as one CUDA graph; eager with torch.func.vmap (%(default)s)",
    )
    parser.add_argument(
        "--threads", type=positive(int), default=cores(), help="threads on the processor (the cores given: %(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.density > 1:
        parser.error(f"--density {arguments.density} is above 1, which keeps every weight")
    if arguments.variant == "eager" and arguments.replicas > 1:
        parser.error("eager trains one network at a time; --variant vmap trains several together")
    if arguments.variant == "graph" and arguments.device != "cuda":
        parser.error("only CUDA has graphs; add --device cuda or choose another --variant")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch finds no CUDA device; check its driver with nvidia-smi, or use --device cpu")
    return arguments


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    # 32-bit floats throughout: cuDNN's convolutions would take shortcuts with fewer bits (TF32).
    torch.backends.cudnn.allow_tf32 = False
    # Every batch has the same shape, so it pays to let cuDNN try its convolutions in the warm-up.
    torch.backends.cudnn.benchmark = True

    steps, seconds = measure(Training(arguments), arguments.seconds)
    variant = arguments.variant
    if arguments.replicas > 1 and variant != "vmap":
        variant = f"vmap {variant}"
    if arguments.density < 1:
        variant += " prune"
    figure = {
        "engine": f"PyTorch {torch.__version__}",
        "model": arguments.model,
        "batch": arguments.batch,
        "replicas": arguments.replicas,
        "variant": variant,
        "density": arguments.density,
        "steps": steps,
        "seconds": round(seconds, 3),
        "samples_per_second": round(steps * arguments.batch * arguments.replicas / seconds, 1),
        "adapter": adapter(arguments),
    }
    print(json.dumps(figure))


if __name__ == "__main__":
    main()
