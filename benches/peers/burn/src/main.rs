//! Samples per second of whole training steps in burn, to compare with Secateur's on the same adapter.
//!
//! A step is what a user's training loop does: forward pass, softmax cross-entropy, backward pass and an SGD step with
//! momentum 0.9 and no weight decay. The inputs are MNIST-shaped random batches that already lie on the device. One
//! line of JSON goes to standard output; everything else goes to standard error.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d, Relu};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::prelude::*;
use burn::tensor::wgpu::WgpuBackend;

const USAGE: &str = "\
Usage: peer-burn [--model lenet-300-100|lenet-5] [--batch 128] [--seconds 10] [--software]

  --model NAME   the network to train (lenet-300-100)
  --batch N      samples in a step (128)
  --seconds S    how long to time, after the warm-up (10)
  --software     use Vulkan's software adapter; otherwise burn picks, or CUBECL_WGPU_DEFAULT_DEVICE names one";

/// What the JSON line calls this engine.
const ENGINE: &str = "burn 0.22 wgpu fusion autotune";

/// Prepared batches, used in turn.
const BATCHES: usize = 8;

/// Small enough that random labels are learned slowly and nothing overflows.
const LEARNING_RATE: f64 = 0.01;

/// Steps before the warm-up may end, however stable they are.
const WARM_UP_STEPS: usize = 20;

/// The warm-up ends this long after those steps even if later ones still vary. Compiling and tuning kernels during the
/// first steps may itself take minutes, so it does not count.
const WARM_UP_LIMIT: Duration = Duration::from_secs(60);

/// Steps between two synchronisations last at least this long, so that waiting for the device costs next to nothing.
const STRETCH: Duration = Duration::from_millis(500);

/// Stretches are stable when the slowest of the last `STABLE_STRETCHES` takes at most this many times the fastest.
const STABLE_RATIO: f64 = 1.1;
const STABLE_STRETCHES: usize = 4;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("{message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };

    let mut options = Device::wgpu_options();
    if arguments.software {
        options = options
            .device_kind(DeviceKind::Cpu)
            .graphics_api(WgpuBackend::Vulkan);
    }
    let (device, setup) = match options.init_with_setup() {
        Ok(initialised) => initialised,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let adapter = setup.adapter.get_info();
    eprintln!(
        "adapter {} ({:?}, {} {})",
        adapter.name, adapter.backend, adapter.driver, adapter.driver_info
    );

    let device = device.autodiff();
    device.seed(1);
    let figure = match arguments.model {
        Model::Lenet300100 => measure(Lenet300100::new(&device), &arguments, &device),
        Model::Lenet5 => measure(Lenet5::new(&device), &arguments, &device),
    };
    println!(
        "{{\"engine\":\"{ENGINE}\",\"model\":\"{}\",\"batch\":{},\"steps\":{},\"seconds\":{:.3},\
         \"samples_per_second\":{:.1},\"adapter\":\"{}\"}}",
        arguments.model.name(),
        arguments.batch,
        figure.steps,
        figure.seconds,
        (figure.steps * arguments.batch) as f64 / figure.seconds,
        adapter.name.replace('\\', "\\\\").replace('"', "\\\""),
    );
    ExitCode::SUCCESS
}

/// The timed part of a run.
struct Figure {
    steps: usize,
    seconds: f64,
}

/// Trains `network`: a warm-up that ends when steps are stable, then the timed steps.
fn measure<N: Network>(network: N, arguments: &Arguments, device: &Device) -> Figure {
    let mut training = Training::new(network, arguments.batch, device);

    let warm_up = Instant::now();
    let first_loss = training.stretch(1);
    while training.steps < WARM_UP_STEPS {
        training.stretch(1);
    }

    // Rarer kernels may still be compiled and tuned. The length of a stretch is found here as well.
    let settling = Instant::now();
    let mut stretch = 1;
    let mut recent = Vec::new();
    loop {
        let start = Instant::now();
        training.stretch(stretch);
        let taken = start.elapsed();
        if taken < STRETCH {
            stretch *= 2;
            recent.clear();
        } else {
            recent.push(taken.as_secs_f64());
        }
        let last = &recent[recent.len().saturating_sub(STABLE_STRETCHES)..];
        let slowest = last.iter().copied().fold(f64::MIN, f64::max);
        let fastest = last.iter().copied().fold(f64::MAX, f64::min);
        if last.len() == STABLE_STRETCHES && slowest <= fastest * STABLE_RATIO {
            break;
        }
        if settling.elapsed() > WARM_UP_LIMIT {
            eprintln!(
                "the steps still vary by more than 10% after {WARM_UP_LIMIT:?}; timing them all the same"
            );
            break;
        }
    }
    let warm_up_steps = training.steps;
    eprintln!(
        "warm-up: {warm_up_steps} steps in {:.1} s",
        warm_up.elapsed().as_secs_f64()
    );

    // Every stretch ends with a synchronisation, so the clock starts and stops with an idle device.
    let start = Instant::now();
    let mut last_loss;
    loop {
        last_loss = training.stretch(stretch);
        if start.elapsed().as_secs_f64() >= arguments.seconds {
            break;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("loss: {first_loss:.4} at first, {last_loss:.4} at last");
    assert!(last_loss.is_finite(), "training diverged");
    Figure {
        steps: training.steps - warm_up_steps,
        seconds,
    }
}

/// A network in training, with its data on the device.
struct Training<N> {
    /// Taken while the optimizer replaces the weights.
    network: Option<N>,
    loss: CrossEntropyLoss,
    optimizer: ModuleOptimizer,
    batches: Vec<(Tensor<2>, Tensor<1, Int>)>,
    device: Device,
    steps: usize,
}

impl<N: Network> Training<N> {
    fn new(network: N, batch: usize, device: &Device) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let batches = (0..BATCHES)
            .map(|_| {
                let pixels: Vec<f32> = (0..batch * 784).map(|_| random.unit() - 0.5).collect();
                let labels: Vec<i32> = (0..batch).map(|_| (random.unit() * 10.0) as i32).collect();
                (
                    Tensor::from_data(TensorData::new(pixels, [batch, 784]), device),
                    Tensor::from_data(TensorData::new(labels, [batch]), device),
                )
            })
            .collect();
        // burn damps the gradient by 0.1 unless told otherwise; plain momentum, as elsewhere, does not.
        let momentum = MomentumConfig::new()
            .with_momentum(0.9)
            .with_dampening(0.0)
            .with_nesterov(false);
        Self {
            network: Some(network),
            loss: CrossEntropyLossConfig::new().init(device),
            optimizer: SgdConfig::new().with_momentum(Some(momentum)).init(),
            batches,
            device: device.clone(),
            steps: 0,
        }
    }

    /// One training step; its mean loss stays on the device.
    fn step(&mut self) -> Tensor<1> {
        let (inputs, labels) = self.batches[self.steps % BATCHES].clone();
        let network = self.network.take().expect("put back by every step");
        let loss = self.loss.forward(network.forward(inputs), labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        self.network = Some(self.optimizer.step(LEARNING_RATE, network, gradients));
        self.steps += 1;
        loss
    }

    /// That many steps, then waits for the device; the loss of the last of them.
    fn stretch(&mut self, steps: usize) -> f32 {
        let mut loss = self.step();
        for _ in 1..steps {
            loss = self.step();
        }
        let loss = loss.into_scalar::<f32>();
        // The loss is known before the last update of the weights: wait for that too.
        self.device.sync().expect("the device ran every step");
        loss
    }
}

/// A classifier of batches of 784 pixels.
trait Network: Module {
    /// Ten logits for each sample.
    fn forward(&self, pixels: Tensor<2>) -> Tensor<2>;
}

/// 784-300-100-10.
#[derive(Module, Debug)]
struct Lenet300100 {
    first: Linear,
    second: Linear,
    third: Linear,
    relu: Relu,
}

impl Lenet300100 {
    fn new(device: &Device) -> Self {
        Self {
            first: LinearConfig::new(784, 300).init(device),
            second: LinearConfig::new(300, 100).init(device),
            third: LinearConfig::new(100, 10).init(device),
            relu: Relu::new(),
        }
    }
}

impl Network for Lenet300100 {
    fn forward(&self, pixels: Tensor<2>) -> Tensor<2> {
        let hidden = self.relu.forward(self.first.forward(pixels));
        let hidden = self.relu.forward(self.second.forward(hidden));
        self.third.forward(hidden)
    }
}

/// Two convolutions of 5x5 (6 channels with a border of 2, then 16), each max-pooled by 2, then 400-120-84-10.
#[derive(Module, Debug)]
struct Lenet5 {
    first: Conv2d,
    second: Conv2d,
    pool: MaxPool2d,
    third: Linear,
    fourth: Linear,
    fifth: Linear,
    relu: Relu,
}

impl Lenet5 {
    fn new(device: &Device) -> Self {
        Self {
            first: Conv2dConfig::new([1, 6], [5, 5])
                .with_padding(PaddingConfig2d::Explicit(2, 2, 2, 2))
                .init(device),
            second: Conv2dConfig::new([6, 16], [5, 5]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            third: LinearConfig::new(400, 120).init(device),
            fourth: LinearConfig::new(120, 84).init(device),
            fifth: LinearConfig::new(84, 10).init(device),
            relu: Relu::new(),
        }
    }
}

impl Network for Lenet5 {
    fn forward(&self, pixels: Tensor<2>) -> Tensor<2> {
        let [batch, _] = pixels.dims();
        let images: Tensor<4> = pixels.reshape([batch, 1, 28, 28]);
        let maps = self
            .pool
            .forward(self.relu.forward(self.first.forward(images)));
        let maps = self
            .pool
            .forward(self.relu.forward(self.second.forward(maps)));
        let hidden: Tensor<2> = maps.reshape([batch, 400]);
        let hidden = self.relu.forward(self.third.forward(hidden));
        let hidden = self.relu.forward(self.fourth.forward(hidden));
        self.fifth.forward(hidden)
    }
}

/// Xorshift: enough to fill batches, the same on every run.
struct Random(u64);

impl Random {
    /// Uniform in [0, 1).
    fn unit(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
}

#[derive(Clone, Copy)]
enum Model {
    Lenet300100,
    Lenet5,
}

impl Model {
    fn name(self) -> &'static str {
        match self {
            Self::Lenet300100 => "lenet-300-100",
            Self::Lenet5 => "lenet-5",
        }
    }
}

struct Arguments {
    model: Model,
    batch: usize,
    seconds: f64,
    software: bool,
}

impl Arguments {
    /// The command line's wishes, or nothing when it asks for help.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut arguments = Self {
            model: Model::Lenet300100,
            batch: 128,
            seconds: 10.0,
            software: false,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--model" => {
                    let name = value()?;
                    arguments.model = [Model::Lenet300100, Model::Lenet5]
                        .into_iter()
                        .find(|model| model.name() == name)
                        .ok_or(format!("no model {name:?}"))?;
                }
                "--batch" => {
                    let text = value()?;
                    arguments.batch = text
                        .parse()
                        .ok()
                        .filter(|batch| *batch > 0)
                        .ok_or(format!("--batch {text:?} is not a positive number"))?;
                }
                "--seconds" => {
                    let text = value()?;
                    arguments.seconds = text
                        .parse()
                        .ok()
                        .filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
                        .ok_or(format!("--seconds {text:?} is not a positive number"))?;
                }
                "--software" => arguments.software = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("unknown argument {word:?}")),
            }
        }
        Ok(Some(arguments))
    }
}
