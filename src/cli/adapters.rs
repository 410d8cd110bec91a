//! `secateur adapters`.

use super::failure::Failure;
use super::output::say;
use clap::Args;
use secateur::gpu::{
    AdapterDescription, DriverTraits, Gpu, GpuError, GpuOptions, list_adapters, read_tuning,
    tuning_file,
};

/// List the adapters (GPUs and software) that can be used
#[derive(Args)]
pub struct Adapters {
    /// Show which kernel variants were measured to be the fastest
    #[arg(long)]
    tuning: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Adapters) -> Result<(), Failure> {
    let adapters = list_adapters();
    if args.json {
        let list: Vec<_> = adapters
            .iter()
            .map(|a| {
                serde_json::json!({
                    "index": a.index, "name": a.name, "backend": a.backend, "kind": a.kind,
                    "driver": a.driver, "max_binding": a.max_binding,
                    "tuning": tuning_file(a).map(|f| read_tuning(&f)),
                    "traits": traits(a).ok(),
                })
            })
            .collect();
        say(format_args!("{:#}", serde_json::Value::Array(list)));
    }
    if adapters.is_empty() {
        return Err(GpuError::NoAdapter.into());
    }
    if !args.json {
        for adapter in &adapters {
            say(format_args!(
                "{}; binds {} MiB at once",
                adapter.line(),
                adapter.max_binding >> 20
            ));
            match traits(adapter) {
                Ok(traits) => describe(&traits),
                Err(error) => say(format_args!("  it cannot be used: {error}")),
            }
            if args.tuning {
                tuning(adapter);
            }
        }
        say(format_args!(
            "The first is used unless --adapter or SECATEUR_ADAPTER names another."
        ));
    }
    Ok(())
}

/// What the driver does otherwise than others, asked of it.
fn traits(adapter: &AdapterDescription) -> Result<DriverTraits, GpuError> {
    let gpu = Gpu::open(&GpuOptions {
        adapter: Some(adapter.index.to_string()),
        ..GpuOptions::default()
    });
    gpu.map(|gpu| gpu.traits())
}

fn describe(traits: &DriverTraits) {
    say(match traits.fused_fma {
        true => "  multiply-adds are fused (rounded once)",
        false => "  multiply-adds are not fused (product and sum are each rounded)",
    });
    if let Some(limit) = traits.loop_limit {
        say(format_args!(
            "  loops end after {limit} passes without a word, so what needs more is refused; Mesa 25 or newer does not do that"
        ));
    }
    if traits.flushes_subnormals {
        say("  subnormal numbers become 0");
    }
}

fn tuning(adapter: &AdapterDescription) {
    let Some(file) = tuning_file(adapter) else {
        say(format_args!("  no cache folder for this user"));
        return;
    };
    let choices = read_tuning(&file);
    say(format_args!(
        "  {} choices in {}",
        choices.len(),
        file.display()
    ));
    for (what, variant) in choices {
        say(format_args!("    {what}: {variant}"));
    }
}
