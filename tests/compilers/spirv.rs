//! A kernel's SPIR-V as the program hands it to a Vulkan driver in a release: `wgpu-hal`'s options, and no check of indices, divisors
//! or loops (`runtime_checks` in `src/gpu/kernel.rs`).

use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// No check of any index.
pub const UNCHECKED: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Unchecked,
    buffer: BoundsCheckPolicy::Unchecked,
    image_load: BoundsCheckPolicy::Unchecked,
    binding_array: BoundsCheckPolicy::Unchecked,
};

/// A kernel's text, parsed and found valid.
pub fn module(text: &str) -> (naga::Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(text).unwrap();
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP);
    let info = validator.validate(&module).unwrap();
    (module, info)
}

/// The words for the kernel `name`.
pub fn words(name: &str, text: &str) -> Vec<u32> {
    let (module, info) = module(text);
    let options = spv::Options {
        // What a driver of Vulkan 1.3 is given.
        lang_version: (1, 6),
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        bounds_check_policies: UNCHECKED,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Default::default()
    };
    let entry = spv::PipelineOptions {
        shader_stage: naga::ShaderStage::Compute,
        entry_point: name.to_owned(),
    };
    spv::write_vec(&module, &info, &options, Some(&entry))
        .unwrap_or_else(|e| panic!("{name} to SPIR-V: {e}"))
}
