//! How kernels run: options that change speed, never a result.

use clap::{Args, ValueEnum};
use secateur::gpu::{Gpu, TuneMode};
use secateur::ops::{Execution, KernelVariant, SparseRule};

/// How kernels run.
#[derive(Args)]
pub struct ExecutionArgs {
    /// Register tiles as ROWSxCOLS,ROWSxCOLS (forward and backward-data, backward-weight); changes speed, never a result
    #[arg(long, value_name = "TILES", value_parser = parse_tiles, hide = true)]
    tiles: Option<Execution>,
    /// Which passes of masked layers run on the kept weights alone; changes speed, never a result
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    sparse: Sparse,
    /// Measure which kernels are fastest here: what is not known yet (auto), everything anew (force), nothing (off)
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        env = "SECATEUR_TUNE"
    )]
    tune: Tune,
}

impl ExecutionArgs {
    /// What kernel variants are chosen from.
    pub fn on(&self, gpu: &Gpu) -> Execution {
        Execution {
            sparse: self.sparse.into(),
            ..self
                .tiles
                .unwrap_or_else(|| Execution::for_adapter(gpu.adapter()))
        }
    }

    /// Whether variants are measured.
    pub fn tune(&self) -> TuneMode {
        self.tune.into()
    }
}

/// When layers run sparse.
#[derive(Clone, Copy, Default, ValueEnum)]
enum Sparse {
    /// Where it is faster
    #[default]
    Auto,
    /// Nowhere
    Never,
    /// Wherever a layer is masked
    Always,
}

impl From<Sparse> for SparseRule {
    fn from(sparse: Sparse) -> Self {
        match sparse {
            Sparse::Auto => Self::Auto,
            Sparse::Never => Self::Never,
            Sparse::Always => Self::Always,
        }
    }
}

/// When kernel variants are measured.
#[derive(Clone, Copy, Default, ValueEnum)]
enum Tune {
    /// The usual variants run
    Off,
    /// What is not in the cache
    #[default]
    Auto,
    /// Everything anew
    Force,
}

impl From<Tune> for TuneMode {
    fn from(tune: Tune) -> Self {
        match tune {
            Tune::Off => Self::Off,
            Tune::Auto => Self::Auto,
            Tune::Force => Self::Force,
        }
    }
}

fn parse_tiles(text: &str) -> Result<Execution, String> {
    let pair = |text: &str| -> Option<KernelVariant> {
        let (rows, cols) = text.split_once('x')?;
        let pair = (rows.parse().ok()?, cols.parse().ok()?);
        ((1..=64).contains(&pair.0) && (1..=16).contains(&pair.1))
            .then_some(KernelVariant::Tile(pair.0, pair.1))
    };
    text.split_once(',')
        .and_then(|(data, weight)| {
            Some(Execution {
                data: pair(data)?,
                weight: pair(weight)?,
                ..Execution::default()
            })
        })
        .ok_or_else(|| "expected e.g. 8x2,4x4".to_owned())
}
