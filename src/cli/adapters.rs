//! `secateur adapters`.

use super::failure::Failure;
use super::say;
use clap::Args;
use secateur::gpu::{GpuError, list_adapters};

/// List the adapters (GPUs and software) that can be used
#[derive(Args)]
pub struct Adapters {
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
        }
        say(format_args!(
            "The first is used unless --adapter or SECATEUR_ADAPTER names another."
        ));
    }
    Ok(())
}
