//! Ring one: every shader parses, validates and translates to SPIR-V, MSL and HLSL; the table agrees with the text.

use secateur::gpu::{Access, KERNELS, assemble};

fn module(name: &str, text: &str) -> (naga::Module, naga::valid::ModuleInfo) {
    let module = naga::front::wgsl::parse_str(text)
        .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(text)));
    let info = naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::SUBGROUP,
    )
    .validate(&module)
    .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(text)));
    (module, info)
}

#[test]
fn every_shader_translates_to_every_backend() {
    // The versions that bring subgroups, which the *_broadcast variants use.
    let spirv = naga::back::spv::Options {
        lang_version: (1, 3),
        ..Default::default()
    };
    let metal = naga::back::msl::Options {
        lang_version: (2, 4),
        fake_missing_bindings: true,
        ..Default::default()
    };
    let direct3d = naga::back::hlsl::Options {
        shader_model: naga::back::hlsl::ShaderModel::V6_0,
        ..Default::default()
    };
    for kernel in KERNELS {
        let text = assemble(kernel, &[]).unwrap();
        let (module, info) = module(kernel.name, &text);
        naga::back::spv::write_vec(&module, &info, &spirv, None)
            .unwrap_or_else(|e| panic!("{} to SPIR-V: {e}", kernel.name));
        naga::back::msl::write_string(&module, &info, &metal, &Default::default())
            .unwrap_or_else(|e| panic!("{} to MSL: {e}", kernel.name));
        let mut hlsl = String::new();
        naga::back::hlsl::Writer::new(&mut hlsl, &direct3d, &Default::default())
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{} to HLSL: {e}", kernel.name));
    }
}

#[test]
fn bindings_in_the_table_are_those_of_the_text() {
    for kernel in KERNELS {
        let text = assemble(kernel, &[]).unwrap();
        let (module, _) = module(kernel.name, &text);
        let mut found: Vec<(u32, Access)> = module
            .global_variables
            .iter()
            .filter_map(|(_, v)| {
                let access = match v.space {
                    naga::AddressSpace::Uniform => Access::Uniform,
                    naga::AddressSpace::Storage { access } => {
                        if access.contains(naga::StorageAccess::STORE) {
                            Access::ReadWrite
                        } else {
                            Access::Read
                        }
                    }
                    _ => return None,
                };
                v.binding.as_ref().map(|b| (b.binding, access))
            })
            .collect();
        found.sort_by_key(|(binding, _)| *binding);
        let found: Vec<Access> = found.into_iter().map(|(_, a)| a).collect();
        assert_eq!(found, kernel.bindings, "{}", kernel.name);
        assert!(
            kernel.bindings.len() <= 9,
            "{}: 8 storage buffers at most",
            kernel.name
        );
    }
}

#[test]
fn headers_are_short_and_the_entry_point_is_named_like_the_file() {
    for kernel in KERNELS {
        let header = kernel
            .source
            .lines()
            .take_while(|l| l.starts_with("//"))
            .count();
        assert!((1..=12).contains(&header), "{}", kernel.name);
        assert!(kernel.source.contains(&format!("fn {}(", kernel.name)));
    }
}
