//! Static: every shader translates to SPIR-V, MSL and HLSL, and a broken one would fail the build with file and line.

#[path = "../../build/reflect.rs"]
mod reflect;
#[path = "../../build/wgsl.rs"]
mod wgsl;

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use reflect::{Kernel, read};
use secateur::gpu::{KERNELS, assemble, longest_loops};
use std::collections::BTreeMap;

fn module(text: &str) -> (naga::Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(text).unwrap();
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP);
    let info = validator.validate(&module).unwrap();
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
        let (module, info) = module(kernel.source);
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

/// Drivers that end long loops without a word are given none: the program reads off the text how long they can be.
#[test]
fn the_bounds_of_all_loops_are_told() {
    let mut untold = Vec::new();
    for kernel in KERNELS {
        let text = assemble(kernel, &[]).unwrap();
        if let Err(line) = longest_loops(&text, kernel.name, &|_| Some(64)) {
            untold.push(format!("{}: {line}", kernel.name));
        }
        for other in ["while ", "loop {"] {
            let begins = kernel
                .source
                .lines()
                .any(|line| line.trim_start().starts_with(other));
            assert!(!begins, "{}: loops begin with `for`", kernel.name);
        }
    }
    assert!(untold.is_empty(), "{}", untold.join("\n"));
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

// ---------------------------------------------------------------------------------------------------------- the build

const SHARED: &str = "\
struct Span {
    count: u32,
    share: f32,
}
fn halved(x: f32) -> f32 { return 0.5 * x; }
";

const KERNEL: &str = "\
// y = x / 2
const LANES: u32 = 12u; // from 10 on
#import span
@group(0) @binding(0) var<uniform> u: Span;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(8, 4)
fn halve(@builtin(global_invocation_id) at: vec3<u32>) {
    let i = 4u * at.x;
#repeat k 10 LANES
    y[i + {k-10}u] = halved(x[i + {k-10}u]); // {k}, {k+1}
#end
}
";

/// Reads `KERNEL`, or what is shown of its mistake, with `from` changed to `to` in it and in what it imports.
fn changed(from: &str, to: &str) -> Result<Kernel, String> {
    let both = [KERNEL, SHARED];
    assert!(both.iter().any(|text| text.contains(from)), "{from}");
    let [kernel, span] = both.map(|text| text.replace(from, to));
    let shared = BTreeMap::from([("span", ("shaders/shared/span.wgsl", span.as_str()))]);
    read("halve", ("shaders/halve.wgsl", &kernel), &shared).map_err(|m| m.to_string())
}

/// The same without changes.
fn kernel() -> Kernel {
    changed("", "").unwrap_or_else(|shown| panic!("{shown}"))
}

#[test]
fn what_a_kernel_binds_is_read_off_its_text() {
    let kernel = kernel();
    assert_eq!(kernel.bindings, ["Uniform", "Read", "ReadWrite"]);
    assert_eq!(kernel.workgroup, 32);
    assert_eq!(kernel.uniform, "Span");
    let fields = [("count", "u32"), ("share", "f32")];
    let fields = fields.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
    assert_eq!(
        kernel.structs,
        BTreeMap::from([("Span".to_owned(), fields)])
    );
}

#[test]
fn repeated_lines_stand_there_with_each_number() {
    let text = kernel().text;
    let lines: Vec<&str> = text.lines().filter(|l| l.contains("y[")).collect();
    let want = [
        "    y[i + 0u] = halved(x[i + 0u]); // 10, 11",
        "    y[i + 1u] = halved(x[i + 1u]); // 11, 12",
    ];
    assert_eq!(lines, want);
    assert!(text.contains("fn halved") && !text.contains('#'), "{text}");
    // A file that another one imported before is there already.
    let twice = changed("#import span", "#import span\n#import span").unwrap();
    assert_eq!(twice.text, text);
}

/// The whole of what `cargo build` shows, and where it is not the text that naga saw.
#[test]
fn a_broken_shader_is_shown_as_its_author_wrote_it() {
    let shown = changed("halved(x[i", "halfed(x[i").unwrap_err();
    let want = "\
no definition in scope for identifier: `halfed`
  --> shaders/halve.wgsl:12:22
   |
12 |     y[i + {k-10}u] = halfed(x[i + {k-10}u]); // {k}, {k+1}
   |                      ^^^^^^ unknown identifier";
    assert_eq!(shown, want);

    // Valid grammar, wrong types; in a file that is imported.
    let shown = changed("return 0.5 * x;", "return 1u;").unwrap_err();
    let place =
        " --> shaders/shared/span.wgsl:5:35\n  |\n5 | fn halved(x: f32) -> f32 { return 1u; }\n";
    assert!(shown.contains(place), "{shown}");

    let shown = changed("#import span", "  #import spam").unwrap_err();
    let want = "\
there is no shaders/shared/spam.wgsl
 --> shaders/halve.wgsl:3:3
  |
3 |   #import spam
  |   ^^^^^^^^^^^^";
    assert_eq!(shown, want);
    for (from, to, line) in [
        ("10 LANES", "10 MANY", 11),
        ("#repeat k 10 LANES", "#repeat k", 11),
        ("#repeat k 10 LANES", "", 13),
        ("#import span", "#include span", 3),
    ] {
        let shown = changed(from, to).unwrap_err();
        let place = format!(" --> shaders/halve.wgsl:{line}:1\n");
        assert!(shown.contains(&place), "{shown}");
    }
}

#[test]
fn a_kernel_that_would_not_run_everywhere_is_refused() {
    let more = |range: std::ops::Range<u32>| {
        let binding = |n| format!("@group(0) @binding({n}) var<storage, read> b{n}: array<f32>;\n");
        range.map(binding).collect::<String>() + "\n@compute"
    };
    assert!(changed("\n@compute", &more(3..9)).is_ok());
    let memory = |floats: u32| format!("var<workgroup> m: array<f32, {floats}>;\n\n@compute");
    assert!(changed("\n@compute", &memory(4096)).is_ok());
    for (from, to, says) in [
        (
            "\n@compute",
            more(3..10),
            "9 storage buffers; there may be 8",
        ),
        ("\n@compute", more(4..5), "[0, 1, 2, 4]: there are gaps"),
        (
            "\n@compute",
            memory(4097),
            "16388 bytes of workgroup memory",
        ),
        ("size(8, 4)", "size(8, 64)".to_owned(), "512 invocations"),
        (
            "fn halve(",
            "fn half(".to_owned(),
            "no entry point is called halve",
        ),
        (
            "var<uniform>",
            "var<storage, read>".to_owned(),
            "is a uniform",
        ),
        ("u: Span", "u: vec4<u32>".to_owned(), "a struct"),
        ("share: f32", "share: vec4<f32>".to_owned(), "Span.share"),
        (
            "share: f32",
            "@align(16) share: f32".to_owned(),
            "Span.share",
        ),
    ] {
        let shown = changed(from, &to).unwrap_err();
        assert!(
            shown.contains(says) && shown.contains(".wgsl:"),
            "{to}: {shown}"
        );
    }
}
